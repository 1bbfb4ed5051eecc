//! `tenure-bench NAME`: runs one bench, prints its table, and writes its rows on request.
//!
//! A thin dispatcher: every measurement lives in the module of its name and returns rows of [`report`].
//! The table is printed before the file is written, so a path that cannot be written loses no measurement.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tenure_bench::report::{self, Row};
use tenure_bench::{ownership, report::Extent};

/// Allocation by the thousand is part of what is measured; this is the allocator that `tenure` ships with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Tenure beside what a user would otherwise have.
#[derive(Debug, Parser)]
#[command(name = "tenure-bench", version)]
struct Arguments {
    /// Which bench to run.
    name: Name,
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

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Name {
    /// Balance, moves and arrivals until balanced, beside seven ways to hash.
    Ownership,
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
    let extent = Extent::new(arguments.quick, &arguments.sizes);
    let rows: Vec<Row> = match arguments.name {
        Name::Ownership => ownership::run(&extent)?,
    };
    writeln!(std::io::stdout().lock(), "{}", report::table(&rows))?;
    if let Some(path) = &arguments.json {
        report::write_json(&rows, path)?;
    }
    Ok(())
}
