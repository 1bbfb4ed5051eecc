//! Everything that must hold before a change lands, in one run.
//!
//! Cheap steps come first, but a failed step stops no other: one run names all that is wrong.
//! The advisory database is not asked: the same commit must get the same verdict on any day, offline too.

use crate::cargo::{self, cargo};
use crate::{bench, suite, tidy};
use std::time::{Duration, Instant};

/// How much of it to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What every change must pass; under an hour on two cores with nothing built.
    Usual,
    /// Also the release build, the quick benches and [`FULL_PROPERTY_CASES`].
    Full,
}

/// Pinned, so that a fresh machine builds what was tried with our Rust version.
const DENY_VERSION: &str = "0.20.2";

/// Without the graphs: duplicates are only warned of, and a page for each would bury what matters.
const DENY_CHECK: [&str; 5] = ["check", "--hide-inclusion-graph", "licenses", "bans", "sources"];

/// Pinned for the same reason as cargo-deny.
const NEXTEST_VERSION: &str = "0.9.143";

/// Sixteen times what proptest runs by default: minutes instead of seconds, for the rare case.
const FULL_PROPERTY_CASES: &str = "4096";

/// The benches of the full run; each has a `--quick` of at most a few minutes.
const FULL_BENCHES: [&str; 2] = ["ownership", "resolution"];

type Step = (&'static str, fn() -> Result<(), String>);

const USUAL_STEPS: [Step; 6] =
    [("format", format), ("tidy", tidy::run), ("deny", deny), ("clippy", clippy), ("docs", docs), ("test", test)];

const FULL_STEPS: [Step; 2] = [("test, more cases", test_more_cases), ("quick benches", quick_benches)];

/// Runs the steps and prints what became of each.
///
/// # Errors
/// The names of the steps that failed.
pub fn run(extent: Extent) -> Result<(), String> {
    let full: &[Step] = if extent == Extent::Full { &FULL_STEPS } else { &[] };
    let mut results = Vec::new();
    for (name, step) in USUAL_STEPS.iter().chain(full) {
        println!("\n=== {name} ===");
        let started = Instant::now();
        let outcome = step();
        let took = started.elapsed();
        if let Err(reason) = &outcome {
            println!("{reason}");
        }
        println!("=== {name}: {} after {} ===", verdict(outcome.is_ok()), seconds(took));
        results.push((*name, outcome.is_ok(), took));
    }
    println!("\n{}", summary(&results));
    let failed: Vec<&str> = results.iter().filter(|(_, is_ok, _)| !is_ok).map(|(name, ..)| *name).collect();
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

fn format() -> Result<(), String> {
    need_component("fmt", "rustfmt")?;
    cargo::run(&mut cargo(&["fmt", "--all", "--check"]))
}

fn deny() -> Result<(), String> {
    cargo::install_subcommand("deny", DENY_VERSION)?;
    cargo::run(&mut cargo(&[&["deny"], cargo::locked(), &DENY_CHECK].concat()))
}

fn clippy() -> Result<(), String> {
    need_component("clippy", "clippy")?;
    let whole = ["clippy", "--workspace", "--all-targets"];
    cargo::run(&mut cargo(&[&whole, cargo::locked(), &["--", "-D", "warnings"]].concat()))
}

fn docs() -> Result<(), String> {
    let mut command = cargo(&[&["doc", "--no-deps", "--workspace"], cargo::locked()].concat());
    cargo::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn test() -> Result<(), String> {
    cargo::install_subcommand("nextest", NEXTEST_VERSION)?;
    suite::run(&[])
}

fn test_more_cases() -> Result<(), String> {
    suite::run_with(&[], &[("PROPTEST_CASES", FULL_PROPERTY_CASES)])
}

fn quick_benches() -> Result<(), String> {
    FULL_BENCHES.iter().try_for_each(|name| bench::run(&[name, "--quick"]))
}

/// A minimal toolchain comes without the formatter and the linter.
fn need_component(subcommand: &str, component: &str) -> Result<(), String> {
    if cargo::has_subcommand(subcommand) {
        return Ok(());
    }
    println!("{component} is missing: rustup adds it");
    cargo::run(std::process::Command::new("rustup").args(["component", "add", component]))
}

fn summary(results: &[(&str, bool, Duration)]) -> String {
    let rows = results.iter().map(|(name, is_ok, took)| (*name, verdict(*is_ok), seconds(*took)));
    let total = results.iter().map(|(.., took)| *took).sum();
    let is_all_ok = results.iter().all(|(_, is_ok, _)| *is_ok);
    let last = std::iter::once(("all", verdict(is_all_ok), seconds(total)));
    rows.chain(last).map(|(name, verdict, took)| format!("{name:<18} {verdict:<7} {took:>9}\n")).collect()
}

fn verdict(is_ok: bool) -> &'static str {
    if is_ok { "ok" } else { "FAILED" }
}

fn seconds(took: Duration) -> String {
    format!("{}.{} s", took.as_secs(), took.subsec_millis() / 100)
}

#[cfg(test)]
mod tests {
    use super::summary;
    use std::time::Duration;

    #[test]
    fn the_summary_names_each_step_and_one_failure_fails_the_whole() {
        let results = [("format", true, Duration::from_millis(1_250)), ("tidy", false, Duration::from_secs(61))];
        let expected = "format             ok          1.2 s\n\
                        tidy               FAILED     61.0 s\n\
                        all                FAILED     62.2 s\n";
        assert_eq!(summary(&results), expected);
    }
}
