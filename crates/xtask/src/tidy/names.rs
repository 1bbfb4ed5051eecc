//! Names that say nothing.
//!
//! A file or folder with such a name collects whatever has no home; the concept behind it has no name yet.

use super::Finding;
use super::source::SourceFile;

const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "helper", "misc"];

pub fn check(file: &SourceFile) -> Vec<Finding> {
    let parts = file.path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
    let empty = if file.is_rust() { parts.filter(|part| EMPTY_NAMES.contains(part)).collect() } else { Vec::new() };
    let to_finding = |name: &str| Finding {
        path: file.path.clone(),
        line: 1,
        wrong: format!("`{name}` says nothing about what is in it"),
        remedy: "name it after its concept",
    };
    empty.into_iter().map(to_finding).collect()
}
