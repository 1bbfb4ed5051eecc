//! The process that owns a PostgreSQL and outlives the one that uses it, by a moment.
//!
//! Says one line on standard output: `ready URL` or `failed`. Then it waits for the end of its standard input,
//! which comes when its user ends in whatever way, and stops the server and removes its folder.
//! It must not end before that, so a broken output is no error here.

use super::Durability;
use super::server::Server;
use std::io::{Read, Write};

/// The command of xtask that runs this; no person types it.
pub const GUARD_COMMAND: &str = "postgres-guard";

/// The first word of the answer when the server accepts connections.
pub(super) const READY: &str = "ready";

/// Runs a server until standard input ends.
///
/// # Errors
/// Why the server did not start.
pub fn guard(durability: &str) -> Result<(), String> {
    let durability = Durability::parse(durability).ok_or_else(|| format!("no durability is called {durability}"))?;
    let server = Server::start(durability).inspect_err(|_| answer("failed"))?;
    answer(&format!("{READY} {}", server.url()));
    let mut ignored = [0_u8; 16];
    while matches!(std::io::stdin().lock().read(&mut ignored), Ok(1..)) {}
    Ok(())
}

/// Whoever asked may be gone already; then the end of our input says so next.
fn answer(line: &str) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}
