//! `tenure-bench NAME`: runs one bench, prints its table, and writes its rows on request.
//!
//! A thin dispatcher: every measurement lives in the module of its name and returns rows of [`report`].
//! The table is printed before the file is written, so a path that cannot be written loses no measurement.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tenure_bench::counting::load::ReportLoad;
use tenure_bench::generator::{Found, Load};
use tenure_bench::report::{self, Extent, Row};
use tenure_bench::{counting, ownership, resolution};

/// Allocation by the thousand is part of what is measured; this is the allocator that `tenure` ships with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Tenure beside what a user would otherwise have.
#[derive(Debug, Parser)]
#[command(name = "tenure-bench", version)]
struct Arguments {
    /// Which bench to run.
    #[command(subcommand)]
    name: Name,
}

#[derive(Debug, Args)]
struct Options {
    /// One sample of each figure and no size above 100k: a look, not a result.
    #[arg(long)]
    quick: bool,
    /// Writes the rows as a JSON array to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How many instances, smallest first, such as `10k,100k,1m`.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = report::parse_size)]
    sizes: Vec<usize>,
}

#[derive(Debug, Subcommand)]
enum Name {
    /// Balance, moves, owners per second, blast radius and explanations.
    Ownership(Options),
    /// The read path over HTTP and in memory, memory and cold start.
    Resolution(Options),
    /// Reports per second beside Redis, the flush beside the raw upsert, a backlog, memory and log.
    Counting(Options),
    /// Puts load on a server; the bench starts it as a process of its own.
    #[command(hide = true)]
    Generate(Load),
    /// Sends reports to a server; the bench starts it as a process of its own.
    #[command(hide = true)]
    Report(ReportLoad),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tenure-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    match &arguments.name {
        Name::Ownership(options) => tell(options, wait_for(ownership::run(&extent(options)))?),
        Name::Resolution(options) => tell(options, wait_for(resolution::run(&extent(options)))?),
        Name::Counting(options) => tell(options, wait_for(counting::run(&extent(options)))?),
        Name::Generate(load) => tell_parent(&load.run_here()?),
        Name::Report(load) => tell_parent(&load.run_here()?),
    }
}

/// What a load found, for the process that started it.
fn tell_parent(found: &Found) -> Result<(), Box<dyn Error>> {
    writeln!(std::io::stdout().lock(), "{}", serde_json::to_string(found)?)?;
    Ok(())
}

fn extent(options: &Options) -> Extent {
    Extent::new(options.quick, &options.sizes)
}

/// The runtime of the real server.
fn wait_for<T>(bench: impl Future<Output = Result<T, Box<dyn Error>>>) -> Result<T, Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(bench)
}

fn tell(options: &Options, rows: Vec<Row>) -> Result<(), Box<dyn Error>> {
    writeln!(std::io::stdout().lock(), "{}", report::table(&rows))?;
    if let Some(path) = &options.json {
        report::write_json(&rows, path)?;
    }
    Ok(())
}
