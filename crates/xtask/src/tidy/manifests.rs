//! The arrows between the crates, read from their `Cargo.toml`.
//!
//! The table below is the one in ARCHITECTURE.md. A crate that it does not know may use nothing of ours,
//! so a new crate cannot land without somebody drawing its arrows.

use super::Finding;
use super::source::SourceFile;

/// Each crate and what of ours it may use.
const ARROWS: [(&str, &[&str]); 9] = [
    ("domain", &[]),
    ("wire", &["domain"]),
    ("store", &["domain"]),
    ("control", &["domain", "wire", "store"]),
    ("edge", &["domain", "wire"]),
    ("tenure", &["domain", "wire", "store", "control", "edge"]),
    ("sim", &["domain", "wire", "store", "control", "edge", "tenure"]),
    ("bench", &["domain", "wire", "store", "control", "edge", "tenure", "sim"]),
    ("xtask", &[]),
];

/// The only crates that may name the SQL driver: the one that knows tables, and the one that measures beside it.
pub const SQL_CRATES: [&str; 2] = ["store", "bench"];

/// The SQL driver.
pub const SQL_DRIVER: &str = "sqlx";

pub fn check(file: &SourceFile) -> Vec<Finding> {
    let krate = file.krate();
    if file.path != format!("crates/{krate}/Cargo.toml") {
        return Vec::new();
    }
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == krate) else {
        let wrong = format!("the crate `{krate}` has no arrows");
        return vec![finding(file, 1, wrong, "draw them in an ADR, in ARCHITECTURE.md and in tidy's manifests.rs")];
    };
    let mut findings: Vec<Finding> = dependencies(&file.text)
        .into_iter()
        .filter_map(|(line, name)| {
            wrong_arrow(krate, allowed, &name).map(|(wrong, remedy)| finding(file, line, wrong, remedy))
        })
        .collect();
    if !inherits_lints(&file.text) {
        let wrong = "the lints of the workspace are not inherited".to_owned();
        findings.push(finding(file, 1, wrong, "add `[lints]` with `workspace = true`"));
    }
    findings
}

fn wrong_arrow(krate: &str, allowed: &[&str], dependency: &str) -> Option<(String, &'static str)> {
    let name = dependency.strip_prefix("tenure-").unwrap_or(dependency);
    let is_ours = ARROWS.iter().any(|(known, _)| *known == name);
    if is_ours && !allowed.contains(&name) {
        return Some((format!("`{krate}` may not use `{name}`"), "move the code to where the arrows allow it"));
    }
    let is_driver = dependency == SQL_DRIVER && !SQL_CRATES.contains(&krate);
    is_driver.then(|| (format!("`{krate}` uses the SQL driver"), "ask `store` for what is needed"))
}

/// Each dependency of any kind with its line; a renamed one by the package that it really is.
fn dependencies(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_section = false;
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            in_section = header.ends_with("dependencies");
            // `[dependencies.NAME]` names its dependency in the header.
            let named = header.rsplit_once('.').filter(|(section, _)| section.ends_with("dependencies"));
            found.extend(named.map(|(_, name)| (index + 1, name.trim_matches('"').to_owned())));
        } else if line.starts_with("package") || in_section && line.contains("package") {
            found.extend(package_name(line).map(|name| (index + 1, name)));
        } else if in_section && !line.is_empty() && !line.starts_with('#') {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            found.push((index + 1, name.trim_matches('"').to_owned()));
        }
    }
    found
}

/// The value of `package = "…"`, alone on its line or inside braces.
fn package_name(line: &str) -> Option<String> {
    let (_, value) = line.split_once("package")?;
    value.trim_start().strip_prefix('=')?.split('"').nth(1).map(str::to_owned)
}

fn inherits_lints(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines.find(|line| !line.is_empty()).is_some_and(|line| line.replace(' ', "") == "workspace=true")
}

fn finding(file: &SourceFile, line: usize, wrong: String, remedy: &'static str) -> Finding {
    Finding { path: file.path.clone(), line, wrong, remedy }
}
