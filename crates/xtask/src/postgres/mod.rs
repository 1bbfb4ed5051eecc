//! One PostgreSQL for one run: started in a folder of its own, gone afterwards whatever happens.
//!
//! The server is owned by a second process, the guard, that lives in a process group of its own and waits for
//! the end of a pipe that only we hold. The pipe ends when we do: by success, failure, Ctrl-C or `kill -9`.
//! So no signal handler is needed, and nothing is ever stopped that the guard did not start.

mod binaries;
mod guard;
mod install;
mod server;

pub use guard::{GUARD_COMMAND, guard};

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

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
    guard: Child,
    /// Closing this is the order to stop.
    order: Option<ChildStdin>,
    url: String,
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
        let program = own_program()?;
        let mut guard = Command::new(program)
            .args([GUARD_COMMAND, durability.word()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("the guard of PostgreSQL could not be started: {error}"))?;
        let order = guard.stdin.take();
        let answer = guard.stdout.take().expect("its standard output was asked for as a pipe");
        // Made before the answer is read, so that a failure below waits for the guard as well.
        let mut server = Self { guard, order, url: String::new() };
        let mut line = String::new();
        BufReader::new(answer).read_line(&mut line).map_err(|error| format!("the guard said nothing: {error}"))?;
        match line.trim_end().split_once(' ') {
            Some((guard::READY, url)) => server.url = url.to_owned(),
            _ => return Err("PostgreSQL did not start; its guard says why above".to_owned()),
        }
        Ok(server)
    }

    /// Where it listens, as its superuser, on the database `postgres`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.order.take());
        if let Err(error) = self.guard.wait() {
            eprintln!("xtask: the guard of PostgreSQL could not be awaited: {error}");
        }
    }
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

/// Our own program; on Linux by the link that stays right when a build has replaced the file meanwhile.
fn own_program() -> Result<std::path::PathBuf, String> {
    const OWN_LINK: &str = "/proc/self/exe";
    if std::path::Path::new(OWN_LINK).exists() {
        return Ok(OWN_LINK.into());
    }
    std::env::current_exe().map_err(|error| format!("xtask cannot find its own program: {error}"))
}

#[cfg(test)]
mod tests;
