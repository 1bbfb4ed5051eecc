//! A server for one run, owned by a second process: gone afterwards whatever happens to us.
//!
//! The guard lives in a process group of its own and waits for the end of a pipe that only we hold. The pipe ends when
//! we do: by success, failure, Ctrl-C or `kill -9`. So no signal handler is needed, and nothing is ever stopped that the
//! guard did not start. It says one line on standard output: `ready` and where the server listens, or `failed`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

/// The first word of the answer when the server accepts connections.
const READY: &str = "ready";

/// A server and its guard; dropping it stops the server and waits until its folder is gone.
pub struct Guarded {
    name: &'static str,
    guard: Child,
    /// Closing this is the order to stop.
    order: Option<ChildStdin>,
    place: String,
}

impl Guarded {
    /// Starts a guard by a command of ours, and waits until its server is ready.
    ///
    /// # Errors
    /// When it did not start; its guard says why on standard error.
    pub fn start(name: &'static str, command: &[&str]) -> Result<Self, String> {
        let mut guard = Command::new(own_program()?)
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("the guard of {name} could not be started: {error}"))?;
        let order = guard.stdin.take();
        let answer = guard.stdout.take().expect("its standard output was asked for as a pipe");
        // Made before the answer is read, so that a failure below waits for the guard as well.
        let mut server = Self { name, guard, order, place: String::new() };
        let mut line = String::new();
        BufReader::new(answer).read_line(&mut line).map_err(|error| format!("the guard said nothing: {error}"))?;
        match line.trim_end().split_once(' ') {
            Some((READY, place)) => server.place = place.to_owned(),
            _ => return Err(format!("{name} did not start; its guard says why above")),
        }
        Ok(server)
    }

    /// Where it listens.
    pub fn place(&self) -> &str {
        &self.place
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.order.take());
        if let Err(error) = self.guard.wait() {
            eprintln!("xtask: the guard of {} could not be awaited: {error}", self.name);
        }
    }
}

/// Is the guard: starts a server, says where it listens, and drops it when standard input ends.
///
/// # Errors
/// Why the server did not start.
pub fn guard<S>(start: impl FnOnce() -> Result<(S, String), String>) -> Result<(), String> {
    let (server, place) = start().inspect_err(|_| answer("failed"))?;
    answer(&format!("{READY} {place}"));
    let mut ignored = [0_u8; 16];
    while matches!(std::io::stdin().lock().read(&mut ignored), Ok(1..)) {}
    drop(server);
    Ok(())
}

/// Whoever asked may be gone already; then the end of our input says so next.
fn answer(line: &str) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// A port that nobody has at this moment.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(|error| format!("127.0.0.1 has no free port: {error}"))
}

/// Our own program; on Linux by the link that stays right when a build has replaced the file meanwhile.
fn own_program() -> Result<PathBuf, String> {
    const OWN_LINK: &str = "/proc/self/exe";
    if std::path::Path::new(OWN_LINK).exists() {
        return Ok(OWN_LINK.into());
    }
    std::env::current_exe().map_err(|error| format!("xtask cannot find its own program: {error}"))
}
