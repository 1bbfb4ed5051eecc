//! Paths of the machine that something was written on, which exist nowhere else.
//!
//! They slip in by transcripts, lock files and settings, and break on the first clone.

use super::Finding;
use super::source::SourceFile;

/// Folders of development machines. In two parts, so that this file does not accuse itself.
const MACHINE_FOLDERS: [&str; 2] = [concat!("/", "work/"), concat!("/", "root/")];

pub fn check(file: &SourceFile) -> Vec<Finding> {
    let lines = file.text.lines().enumerate();
    let hits = lines.filter_map(|(index, line)| {
        let folder = MACHINE_FOLDERS.iter().find(|folder| starts_a_path(line, folder))?;
        Some(Finding {
            path: file.path.clone(),
            line: index + 1,
            wrong: format!("a path below `{folder}` of some machine"),
            remedy: "write it from the root of the repository",
        })
    });
    hits.collect()
}

/// Whether the folder stands where a path begins: `net/work/` is none.
fn starts_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || "_-.*~})>/".contains(letter))
            || line[..at].ends_with("file://")
    })
}
