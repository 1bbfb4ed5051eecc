//! One PostgreSQL for one run: started in a folder of its own, gone afterwards whatever happens.
//!
//! The programs are found or installed here; the server belongs to a guard, so it never outlives its use.

mod binaries;
mod install;
mod server;

use crate::guarded::{self, Guarded};
use server::Server;
use std::io::Read;

/// The command of xtask that runs the guard; no person types it.
pub const GUARD_COMMAND: &str = "postgres-guard";

/// What the server promises to have on disk when a commit returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// Nothing: `fsync` is off. Transactions behave as always, so tests see no difference but the speed.
    Fast,
    /// What PostgreSQL promises by default: figures are measured on this.
    Durable,
}

/// A running server; dropping it stops it and waits until its folder is gone.
pub struct Postgres {
    server: Guarded,
}

impl Postgres {
    /// Finds the server programs, or installs them where we may, and starts a server on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Why the programs are not to be had, or what the server said when it did not start.
    pub fn start(durability: Durability) -> Result<Self, String> {
        let programs = match binaries::find() {
            Some(programs) => programs,
            None => install::install().and_then(|()| {
                binaries::find().ok_or_else(|| "the package `postgresql` was installed and holds no server".to_owned())
            })?,
        };
        println!("PostgreSQL programs: {}", programs.display());
        Ok(Self { server: Guarded::start("PostgreSQL", &[GUARD_COMMAND, durability.word()])? })
    }

    /// Where it listens, as its superuser, on the database `postgres`.
    pub fn url(&self) -> &str {
        self.server.place()
    }
}

/// Runs a server until standard input ends.
///
/// # Errors
/// Why the server did not start.
pub fn guard(durability: &str) -> Result<(), String> {
    let durability = Durability::parse(durability).ok_or_else(|| format!("no durability is called {durability}"))?;
    guarded::guard(|| {
        let server = Server::start(durability)?;
        let url = server.url();
        Ok((server, url))
    })
}

impl Durability {
    /// How the guard is told.
    fn word(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Durable => "durable",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Fast, Self::Durable].into_iter().find(|durability| durability.word() == word)
    }
}

/// Starts a server, prints its URL and keeps it until standard input ends or we are interrupted.
///
/// # Errors
/// Those of [`Postgres::start`].
pub fn serve(durability: Durability) -> Result<(), String> {
    let server = Postgres::start(durability)?;
    println!("{}", server.url());
    eprintln!("running until Ctrl-C or the end of standard input");
    let mut ignored = [0_u8; 256];
    let mut input = std::io::stdin().lock();
    while matches!(input.read(&mut ignored), Ok(1..)) {}
    Ok(())
}

#[cfg(test)]
mod tests;
