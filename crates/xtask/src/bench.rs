//! Runs the measurements of `tenure-bench` on release builds.
//!
//! PostgreSQL is started with the durability it has by default: a figure without fsync is no figure.
//! The bench that counts gets a Redis with the same promise beside it.
//! What is measured as a process is the binary that a user builds, so it is built alone, first.

use crate::cargo::{self, cargo};
use crate::postgres::{Durability, Postgres};
use crate::redis::Redis;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where the bench finds a PostgreSQL that keeps its promises.
const POSTGRES_VARIABLE: &str = "TENURE_BENCH_POSTGRES";

/// Where the bench finds a Redis with an append-only file.
const REDIS_VARIABLE: &str = "TENURE_BENCH_REDIS";

/// The bench that has Redis beside it.
const BESIDE_REDIS: &str = "counting";

/// Where the bench finds the binary that users run.
const BINARY_VARIABLE: &str = "TENURE_BIN";

/// Builds and runs `tenure-bench` with these arguments.
///
/// # Errors
/// A build that failed, or the status of the bench.
pub fn run(arguments: &[&str]) -> Result<(), String> {
    let tenure = build("tenure")?;
    let bench = build("tenure-bench")?;
    let mut command = Command::new(bench);
    command.args(arguments).env(BINARY_VARIABLE, tenure);
    let _postgres = offer_postgres(&mut command);
    let _redis = arguments.first().filter(|name| **name == BESIDE_REDIS).and_then(|_| offer_redis(&mut command));
    cargo::run(&mut command)
}

/// Tells the bench of a PostgreSQL: the caller's, else one that lives as long as the returned value.
fn offer_postgres(command: &mut Command) -> Option<Postgres> {
    if std::env::var_os(POSTGRES_VARIABLE).is_some() {
        return None;
    }
    match Postgres::start(Durability::Durable) {
        Ok(server) => {
            println!("PostgreSQL for this run, with fsync: {}", server.url());
            command.env(POSTGRES_VARIABLE, server.url());
            Some(server)
        }
        Err(reason) => {
            eprintln!("xtask: nothing is measured on PostgreSQL: {reason}");
            None
        }
    }
}

/// Tells the bench of a Redis: the caller's, else one that lives as long as the returned value.
fn offer_redis(command: &mut Command) -> Option<Redis> {
    if std::env::var_os(REDIS_VARIABLE).is_some() {
        return None;
    }
    match Redis::start() {
        Ok(server) => {
            println!("Redis for this run, with an fsync before each answer: {}", server.address());
            command.env(REDIS_VARIABLE, server.address());
            Some(server)
        }
        Err(reason) => {
            eprintln!("xtask: nothing is measured beside Redis: {reason}");
            None
        }
    }
}

/// Builds one binary in release and returns where cargo put it.
fn build(package: &str) -> Result<PathBuf, String> {
    let arguments = ["build", "--release", "--package", package, "--bin", package];
    println!("$ cargo {}", arguments.join(" "));
    let mut command = cargo(&[&arguments, cargo::locked(), &["--message-format=json-render-diagnostics"]].concat());
    let built = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let built = built.map_err(|error| format!("cargo could not be started: {error}"))?;
    if !built.status.success() {
        return Err(format!("the release build of {package} failed: {}", built.status));
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    find_executable(&messages).ok_or_else(|| format!("cargo built {package} and named no executable"))
}

/// The executable that the last of cargo's messages about one names.
fn find_executable(messages: &str) -> Option<PathBuf> {
    const KEY: &str = "\"executable\":\"";
    let start = messages.rfind(KEY)? + KEY.len();
    let end = start + messages[start..].find('"')?;
    Some(PathBuf::from(&messages[start..end]))
}

#[cfg(test)]
mod tests {
    use super::find_executable;
    use std::path::PathBuf;

    #[test]
    fn the_executable_is_read_from_the_messages_of_cargo() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
                        {\"reason\":\"compiler-artifact\",\"executable\":\"/t/release/tenure\",\"fresh\":true}\n\
                        {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(find_executable(messages), Some(PathBuf::from("/t/release/tenure")));
        assert_eq!(find_executable("{\"executable\":null}"), None);
    }
}
