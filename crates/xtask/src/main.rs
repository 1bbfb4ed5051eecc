//! `cargo xtask`: what we check and how we run it, the same on a desk and on a fresh machine.
//!
//! Uses the standard library alone, so that it is built in seconds; depends on no crate of ours.
//! Each command is one room; this one only reads the command line.
#![allow(clippy::print_stdout, reason = "what this program prints is its product")]

mod apt;
mod bench;
mod cargo;
mod ci;
mod guarded;
mod postgres;
mod redis;
mod suite;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  ci [--full]             everything that must hold before a change lands; --full adds a release
                          build, the quick benches and many more cases of each property
  test [-- ARGS]          all tests, against SQLite and a PostgreSQL started for the run;
                          ARGS go to `cargo nextest run` (a selection leaves out the doc tests)
  bench NAME [ARGS]       runs tenure-bench in release; ARGS (--quick, --json FILE, ...) are handed on
  tidy                    the rules of this repository that a compiler does not know
  postgres [--fsync]      starts a PostgreSQL, prints its URL, stops it on Ctrl-C or end of input
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["ci"] => ci::run(ci::Extent::Usual),
        ["ci", "--full"] => ci::run(ci::Extent::Full),
        ["test"] => suite::run(&[]),
        ["test", "--", rest @ ..] | ["test", rest @ ..] => suite::run(rest),
        ["bench", rest @ ..] => bench::run(rest),
        ["tidy"] => tidy::run(),
        ["postgres"] => postgres::serve(postgres::Durability::Fast),
        ["postgres", "--fsync"] => postgres::serve(postgres::Durability::Durable),
        // Started by ourselves only, so it stands in no usage text.
        [postgres::GUARD_COMMAND, durability] => postgres::guard(durability),
        [redis::GUARD_COMMAND] => redis::guard(),
        _ => Err(format!("this is not a command of xtask: {}\n\n{USAGE}", words.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}
