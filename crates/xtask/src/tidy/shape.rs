//! The shape of a Rust file: its header, its length, the length of its functions.
//!
//! Tests count for no length: cases are data, and an algorithm must not be cut in two to make room for them.

use super::Finding;
use super::source::SourceFile;

/// More than this is more than one purpose.
const FILE_LINES_MAX: usize = 500;

/// A function fits a screen.
const FUNCTION_LINES_MAX: usize = 70;

/// Three lines say what a room is for, what it never does and what it keeps; after twelve nobody reads on.
const HEADER_LINES: std::ops::RangeInclusive<usize> = 3..=12;

pub fn check(file: &SourceFile) -> Vec<Finding> {
    if !file.is_rust() {
        return Vec::new();
    }
    let to_finding = |(line, wrong, remedy)| Finding { path: file.path.clone(), line, wrong, remedy };
    let functions =
        file.functions().into_iter().filter(|function| function.lines > FUNCTION_LINES_MAX).map(|function| {
            let wrong = format!("`{}` has {} lines of {FUNCTION_LINES_MAX}", function.name, function.lines);
            (function.first_line, wrong, "keep the branches here and move what is computed to functions of its own")
        });
    header(file).into_iter().chain(length(file)).chain(functions).map(to_finding).collect()
}

type Fault = (usize, String, &'static str);

fn header(file: &SourceFile) -> Option<Fault> {
    let is_source = file.path.starts_with(&format!("crates/{}/src/", file.krate()));
    let lines = file.text.lines().take_while(|line| line.starts_with("//!")).count();
    if !is_source || HEADER_LINES.contains(&lines) || file.is_test_file() && lines > 0 {
        return None;
    }
    const REMEDY: &str = "say in 3 to 12 lines of `//!` what it is for, what it never does, which law it keeps";
    let wrong = if lines == 0 { "no header".to_owned() } else { format!("a header of {lines} lines") };
    Some((1, wrong, REMEDY))
}

fn length(file: &SourceFile) -> Option<Fault> {
    let lines = file.rust_lines().is_test.iter().filter(|is_test| !**is_test).count();
    let is_long = lines > FILE_LINES_MAX;
    let wrong = format!("{lines} lines of {FILE_LINES_MAX}, tests not counted");
    is_long.then_some((FILE_LINES_MAX + 1, wrong, "split it by purpose"))
}
