//! Notes where a running server keeps its data, so that commands on the same machine find its token.
//!
//! One small file for each port, in the runtime directory of the user or the directory for temporary files, readable
//! by its owner alone. Whoever reads it trusts only a plain file that is their own, of a process that lives: others
//! can write there too, and a killed server leaves its note behind.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::{Pid, geteuid, getpid, test_kill_process};

/// Longer than any path with a process id; a file that says more is none of ours.
const CONTENT_BYTES_MAX: u64 = 8 * 1024;

/// Bits by which a group or others could read or write.
const OTHERS: u32 = 0o077;

/// The note of a running server; it goes when the server goes.
pub struct Note {
    path: PathBuf,
}

impl Drop for Note {
    fn drop(&mut self) {
        // It may be gone already, with the whole directory.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Notes that this process serves the port and keeps its data there.
///
/// # Errors
/// When no file can be made, or somebody else's stands in its place.
pub fn leave(port: u16, data: &Path) -> std::io::Result<Note> {
    let directories = places();
    let directory = directories.first().ok_or_else(|| std::io::Error::other("no directory for temporary files"))?;
    leave_in(directory, port, data)
}

/// The data directory of the server at this port, if one runs here and is ours.
pub fn find(port: u16) -> Option<PathBuf> {
    places().iter().find_map(|directory| find_in(directory, port))
}

/// Where notes may be, the best place first.
fn places() -> Vec<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    runtime.into_iter().chain([std::env::temp_dir()]).filter(|path| path.is_dir()).collect()
}

fn file_of(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!("tenure-{}-{port}", geteuid().as_raw()))
}

fn leave_in(directory: &Path, port: u16, data: &Path) -> std::io::Result<Note> {
    let path = file_of(directory, port);
    if read_own(&path).is_some() {
        // Of a server that was killed: the port is ours now, so it cannot be running.
        std::fs::remove_file(&path)?;
    }
    let data = std::fs::canonicalize(data)?;
    let text = data.to_str().ok_or_else(|| std::io::Error::other("the data directory has no name in UTF-8"))?;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
    let note = Note { path };
    file.write_all(format!("{} {text}", getpid().as_raw_nonzero()).as_bytes())?;
    Ok(note)
}

fn find_in(directory: &Path, port: u16) -> Option<PathBuf> {
    let text = read_own(&file_of(directory, port))?;
    let (process, data) = text.split_once(' ')?;
    let is_alive = test_kill_process(Pid::from_raw(process.parse().ok()?)?).is_ok();
    Some(PathBuf::from(data)).filter(|path| is_alive && path.is_absolute())
}

/// The text of a plain file that is ours and that nobody else can read or write.
fn read_own(path: &Path) -> Option<String> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).ok()?;
    let file = File::options().read(true).custom_flags(flags).open(path).ok()?;
    let about = file.metadata().ok()?;
    if !about.is_file() || about.uid() != geteuid().as_raw() || about.mode() & OTHERS != 0 {
        return None;
    }
    let mut text = String::new();
    file.take(CONTENT_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_noted_is_found_until_the_server_ends() {
        let directory = tempfile::tempdir().expect("a directory");
        let data = tempfile::tempdir().expect("a directory");
        let note = leave_in(directory.path(), 7400, data.path()).expect("a note");
        let found = find_in(directory.path(), 7400).expect("the note");
        assert_eq!(found, data.path().canonicalize().expect("a path"));
        assert_eq!(find_in(directory.path(), 7401), None);
        drop(note);
        assert_eq!(find_in(directory.path(), 7400), None);
    }

    #[test]
    fn a_note_of_a_dead_process_is_not_believed_and_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut child = std::process::Command::new("true").spawn().expect("a process");
        child.wait().expect("its end");
        let note = leave_in(directory.path(), 1, Path::new("/")).expect("a note");
        std::fs::write(&note.path, format!("{} /", child.id())).expect("a changed note");
        std::mem::forget(note);
        assert_eq!(find_in(directory.path(), 1), None);
        let _note = leave_in(directory.path(), 1, directory.path()).expect("a new note");
        assert_eq!(find_in(directory.path(), 1), directory.path().canonicalize().ok());
    }

    #[test]
    fn a_note_that_others_may_write_or_that_is_a_link_is_not_trusted() {
        let directory = tempfile::tempdir().expect("a directory");
        let _note = leave_in(directory.path(), 1, directory.path()).expect("a note");
        let path = file_of(directory.path(), 1);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).expect("permissions");
        assert_eq!(find_in(directory.path(), 1), None);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("permissions");
        assert!(find_in(directory.path(), 1).is_some());
        std::os::unix::fs::symlink(&path, file_of(directory.path(), 2)).expect("a link");
        assert_eq!(find_in(directory.path(), 2), None);
    }
}
