//! The rules of this repository that a compiler does not know, from the architecture and the style guide.
//!
//! A rule is a pure function from files to findings; only this room reads the disk.
//! Each finding says where, what is wrong and what to do about it. Each rule has a test that plants a violation.

mod laws_cited;
mod machine_paths;
mod manifests;
mod names;
mod reserved;
mod shape;
mod source;

use source::SourceFile;
use std::fmt;
use std::fs;
use std::path::Path;

/// One thing to put right.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub wrong: String,
    pub remedy: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}: {}", self.path, self.line, self.wrong, self.remedy)
    }
}

/// Checks the repository and prints what is wrong.
///
/// # Errors
/// How many findings there are, or what could not be read.
pub fn run() -> Result<(), String> {
    let files = read_files(&crate::cargo::root())?;
    let findings = check(&files);
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("{} files are tidy", files.len());
        return Ok(());
    }
    Err(format!("{} findings in {} files", findings.len(), files.len()))
}

/// All rules over all files, in the order of the files.
pub fn check(files: &[SourceFile]) -> Vec<Finding> {
    let each = files.iter().flat_map(|file| {
        [
            manifests::check(file),
            names::check(file),
            shape::check(file),
            reserved::check(file),
            machine_paths::check(file),
        ]
    });
    let mut findings: Vec<Finding> = each.flatten().chain(laws_cited::check(files)).collect();
    findings.sort();
    findings
}

/// Folders that hold nothing of ours: what is built, what git keeps, what a server kept.
const SKIPPED_FOLDERS: [&str; 3] = ["target", "tenure-data", "node_modules"];

/// Hidden folders that are part of the project; all others belong to tools.
const HIDDEN_FOLDERS: [&str; 4] = [".cargo", ".ci", ".config", ".github"];

/// A larger file is data, and data is not tidied: the lock file is a tenth of this.
const FILE_BYTES_MAX: u64 = 1_000_000;

/// Every text file of the repository, sorted by path.
fn read_files(root: &Path) -> Result<Vec<SourceFile>, String> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let say = |error| format!("{} could not be read: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(say)? {
            let entry = entry.map_err(say)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().map_err(say)?;
            let is_ours = !name.starts_with('.') || HIDDEN_FOLDERS.contains(&name.as_str());
            if kind.is_dir() && is_ours && !SKIPPED_FOLDERS.contains(&name.as_str()) {
                folders.push(entry.path());
            }
            if kind.is_file() && entry.metadata().map_err(say)?.len() <= FILE_BYTES_MAX {
                files.extend(read_file(root, &entry.path())?);
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// The file, or nothing if it is no text or has gone since the folder was read.
fn read_file(root: &Path, path: &Path) -> Result<Option<SourceFile>, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{} could not be read: {error}", path.display())),
    };
    let below = path.strip_prefix(root).expect("the walk started at the root");
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    Ok(String::from_utf8(bytes).ok().map(|text| SourceFile { path: parts.join("/"), text }))
}

#[cfg(test)]
mod tests;
