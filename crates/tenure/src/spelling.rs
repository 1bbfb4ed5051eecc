//! How this program is called from here, so that a command we print runs as it is pasted.
//!
//! Whoever built it has it in `target/`, whoever installed it on the search path; both paste the same remark.

use std::path::{Path, PathBuf};

/// The server that commands speak to when nothing is said.
pub const SERVER_DEFAULT: &str = "http://127.0.0.1:7400";

/// The program with what it needs to find a server.
pub fn call(server: &str) -> String {
    if server == SERVER_DEFAULT { program() } else { format!("{} --server {}", program(), quote(server)) }
}

/// How the program is called from the directory in which the demo runs.
fn program() -> String {
    let own = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok());
    let Some(own) = own else { return "tenure".to_owned() };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_on_path =
        std::env::split_paths(&path).any(|it| it.join("tenure").canonicalize().is_ok_and(|found| found == own));
    let here = std::env::current_dir().ok().and_then(|path| path.canonicalize().ok());
    spell(&own, is_on_path, here)
}

fn spell(own: &Path, is_on_path: bool, here: Option<PathBuf>) -> String {
    if is_on_path {
        return "tenure".to_owned();
    }
    match here.and_then(|here| own.strip_prefix(here).ok().map(Path::to_owned)) {
        Some(relative) => quote(&format!("./{}", relative.display())),
        None => quote(&own.display().to_string()),
    }
}

/// A word as a shell reads it.
pub fn quote(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:=@%".contains(letter);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_called_as_it_can_be_found() {
        let own = Path::new("/home/ann/tenure/target/release/tenure");
        let here = |path: &str| Some(PathBuf::from(path));
        assert_eq!(spell(own, true, here("/home/ann/tenure")), "tenure");
        assert_eq!(spell(own, false, here("/home/ann/tenure")), "./target/release/tenure");
        assert_eq!(spell(own, false, here("/srv")), "/home/ann/tenure/target/release/tenure");
        assert_eq!(spell(Path::new("/a b/tenure"), false, None), "'/a b/tenure'");
    }

    #[test]
    fn a_word_survives_the_shell() {
        assert_eq!(quote("plain/word-1.yaml"), "plain/word-1.yaml");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }
}
