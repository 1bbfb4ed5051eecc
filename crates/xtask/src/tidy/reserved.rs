//! Words of Rust that only some rooms may use, and some that none may.
//!
//! Time is read in `clock.rs` alone, SQL is spoken in `store` alone, `domain` has no hash order (I1),
//! and nothing is left for later without an issue.

use super::Finding;
use super::manifests::{SQL_CRATES, SQL_DRIVER};
use super::source::{SourceFile, has_word};

/// Each reads the time, whatever stands before it.
const CLOCK_READS: [&str; 6] =
    ["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now", "Utc::now", "UNIX_EPOCH.elapsed"];

/// These measure; what they find out is no decision.
const MEASURING_CRATES: [&str; 2] = ["bench", "xtask"];

const CLOCK_FILE: &str = "clock.rs";

const HASH_COLLECTIONS: [&str; 2] = ["HashMap", "HashSet"];

/// What is not finished.
const UNFINISHED: [&str; 3] = ["todo!", "unimplemented!", "#[ignore"];

pub fn check(file: &SourceFile) -> Vec<Finding> {
    if !file.is_rust() {
        return Vec::new();
    }
    let lines = file.rust_lines();
    let mut findings = Vec::new();
    for (index, code) in lines.code.iter().enumerate() {
        let in_code = code_faults(file, code, lines.is_test[index]);
        let comment = lines.comments.get(index).map_or("", String::as_str);
        findings.extend(in_code.into_iter().chain(comment_faults(comment)).map(|(wrong, remedy)| Finding {
            path: file.path.clone(),
            line: index + 1,
            wrong,
            remedy,
        }));
    }
    findings
}

type Fault = (String, &'static str);

fn code_faults(file: &SourceFile, code: &str, is_test: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let may_read_time = is_test || file.file_name() == CLOCK_FILE || MEASURING_CRATES.contains(&file.krate());
    if let Some(read) = CLOCK_READS.iter().find(|read| !may_read_time && code.contains(**read)) {
        faults.push((format!("`{read}` outside a {CLOCK_FILE}"), "take `now` as an argument"));
    }
    if !SQL_CRATES.contains(&file.krate()) && has_word(code, SQL_DRIVER) {
        faults.push((format!("`{SQL_DRIVER}` outside `store`"), "ask `store` for what is needed"));
    }
    if let Some(name) = HASH_COLLECTIONS.iter().find(|name| file.krate() == "domain" && code.contains(**name)) {
        faults.push((format!("`{name}` in `domain`"), "use a BTreeMap, a BTreeSet or a sorted Vec"));
    }
    if let Some(word) = UNFINISHED.iter().find(|word| code.contains(**word)) {
        faults.push((format!("`{word}`"), "finish it, or take it out"));
    }
    faults
}

fn comment_faults(comment: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if has_word(comment, "FIXME") {
        faults.push(("`FIXME`".to_owned(), "fix it now"));
    }
    // An issue is named right behind it: TODO(#12).
    if has_word(comment, "TODO") && !comment.contains("TODO(#") {
        faults.push(("`TODO` without an issue".to_owned(), "do it now, or name its issue as in TODO(#12)"));
    }
    faults
}
