//! Every law that ARCHITECTURE.md names as in force is cited by a test.
//!
//! The table stands under `## Laws in force`, one row for each law, the law in the first column: `| I7 | …`.
//! A citation is the law as a word, in a comment or a name, in lines that only tests compile.

use super::Finding;
use super::source::{SourceFile, has_word};

const ARCHITECTURE: &str = "ARCHITECTURE.md";

const HEADING: &str = "## Laws in force";

/// One of these makes a file one that holds tests.
const TESTS: [&str; 4] = ["#[test]", "#[tokio::test", "proptest!", "on_both_engines!"];

pub fn check(files: &[SourceFile]) -> Vec<Finding> {
    let to_finding = |(line, wrong, remedy)| Finding { path: ARCHITECTURE.to_owned(), line, wrong, remedy };
    let Some(architecture) = files.iter().find(|file| file.path == ARCHITECTURE) else {
        return vec![to_finding((1, "the file is missing".to_owned(), "write it, with the table `## Laws in force`"))];
    };
    let laws = laws_in_force(&architecture.text);
    if laws.is_empty() {
        let wrong = format!("no law stands in a table under `{HEADING}`");
        return vec![to_finding((1, wrong, "add a row for each law in force, as in `| I7 | what it says |`"))];
    }
    let test_texts: Vec<String> = files.iter().filter(|file| file.is_rust()).map(test_text).collect();
    let uncited = laws.into_iter().filter(|(_, law)| !test_texts.iter().any(|text| has_word(text, law)));
    uncited
        .map(|(line, law)| (line, format!("no test cites the law {law}"), "write its test and name the law in it"))
        .map(to_finding)
        .collect()
}

/// The laws of the table with their lines.
fn laws_in_force(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().enumerate().skip_while(|(_, line)| line.trim_end() != HEADING).skip(1);
    let section = lines.take_while(|(_, line)| !line.starts_with("## ") && !line.starts_with("# "));
    section.filter_map(|(index, line)| Some((index + 1, law_of(line)?.to_owned()))).collect()
}

/// The law in the first cell of a row, whether or not it is set in bold.
fn law_of(row: &str) -> Option<&str> {
    let law = row.trim_start().strip_prefix('|')?.split('|').next()?.trim().trim_matches('*');
    let number = law.strip_prefix('I')?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(law)
}

/// What of a file only tests compile; nothing if it holds no test.
fn test_text(file: &SourceFile) -> String {
    let lines = file.rust_lines();
    let pairs = file.text.lines().zip(&lines.is_test).filter(|(_, is_test)| **is_test);
    let code_of_tests = lines.code.iter().zip(&lines.is_test).filter(|(_, is_test)| **is_test);
    let holds_tests = code_of_tests.into_iter().any(|(code, _)| TESTS.iter().any(|test| code.contains(test)));
    if holds_tests { pairs.map(|(line, _)| line).collect::<Vec<_>>().join("\n") } else { String::new() }
}
