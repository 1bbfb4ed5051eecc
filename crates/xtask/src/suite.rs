//! Runs every test of the workspace, with the real servers they need.
//!
//! One PostgreSQL serves the whole run; each test makes its own database in it.
//! Tests read `TENURE_TEST_POSTGRES`: a URL, or `skip`, which an unattended run never says.

use crate::cargo::{self, cargo};
use crate::postgres::{Durability, Postgres};

/// Where tests find their PostgreSQL.
const POSTGRES_VARIABLE: &str = "TENURE_TEST_POSTGRES";

/// What stands in the variable when tests are to do without.
const SKIP: &str = "skip";

/// Runs all tests, or those that the arguments for nextest select.
///
/// # Errors
/// What failed, or why PostgreSQL is not to be had in a run that may skip nothing.
pub fn run(arguments: &[&str]) -> Result<(), String> {
    run_with(arguments, &[])
}

/// The same with more variables in the environment of the tests.
///
/// # Errors
/// Those of [`run`].
pub fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Result<(), String> {
    let (_running, url) = find_postgres()?;
    let variables = [variables, &[(POSTGRES_VARIABLE, url.as_str())]].concat();
    let mut tests = if cargo::has_subcommand("nextest") {
        cargo(&nextest_arguments(arguments, cargo::is_ci()))
    } else {
        println!("cargo-nextest is missing: plain `cargo test` runs the tests (cargo install --locked cargo-nextest)");
        let whole: &[&str] = if arguments.is_empty() { &["--workspace", "--all-targets"] } else { &[] };
        cargo(&[&["test"], cargo::locked(), whole, arguments].concat())
    };
    let tested = cargo::run(tests.envs(variables.iter().copied()));
    if !arguments.is_empty() {
        return tested;
    }
    // Nextest runs no doc tests; they are shown even if a test failed, so one run says everything.
    let doc_tests = &mut cargo(&[&["test", "--workspace", "--doc"], cargo::locked()].concat());
    let documented = cargo::run(doc_tests.envs(variables));
    tested.and(documented)
}

/// The server for this run, kept alive by the first value, and its address.
fn find_postgres() -> Result<(Option<Postgres>, String), String> {
    match std::env::var(POSTGRES_VARIABLE).unwrap_or_default().as_str() {
        SKIP => may_skip(&format!("{POSTGRES_VARIABLE}={SKIP} is set")).map(|()| (None, SKIP.to_owned())),
        "" => match Postgres::start(Durability::Fast) {
            Ok(server) => {
                println!("PostgreSQL for this run: {}", server.url());
                let url = server.url().to_owned();
                Ok((Some(server), url))
            }
            Err(reason) => may_skip(&reason).map(|()| (None, SKIP.to_owned())),
        },
        url => Ok((None, url.to_owned())),
    }
}

fn may_skip(reason: &str) -> Result<(), String> {
    if cargo::is_ci() {
        return Err(format!("no PostgreSQL, and with CI set nothing is skipped: {reason}"));
    }
    eprintln!("xtask: EVERY TEST ON POSTGRESQL IS SKIPPED: {reason}");
    Ok(())
}

fn nextest_arguments<'a>(arguments: &[&'a str], is_ci: bool) -> Vec<&'a str> {
    let profile: &[&str] = if is_ci { &["--profile", "ci", "--locked"] } else { &[] };
    // `--workspace` would win over a package that the caller selects.
    let selects_package =
        arguments.iter().any(|argument| argument.starts_with("-p") || argument.starts_with("--package"));
    let whole: &[&str] = if selects_package { &[] } else { &["--workspace"] };
    [&["nextest", "run"], whole, profile, arguments].concat()
}

#[cfg(test)]
mod tests {
    use super::nextest_arguments;

    #[test]
    fn a_selected_package_is_not_drowned_by_the_workspace() {
        assert_eq!(nextest_arguments(&[], false), ["nextest", "run", "--workspace"]);
        assert_eq!(nextest_arguments(&["-p", "tenure-store"], false), ["nextest", "run", "-p", "tenure-store"]);
        assert_eq!(nextest_arguments(&["ramp"], false), ["nextest", "run", "--workspace", "ramp"]);
    }

    #[test]
    fn an_unattended_run_uses_its_profile_and_the_lock_file_as_it_is() {
        let expected = ["nextest", "run", "--workspace", "--profile", "ci", "--locked"];
        assert_eq!(nextest_arguments(&[], true), expected);
    }
}
