//! The real server, as its own process: the binary that users run, on a directory of its own, on a free port.
//!
//! Started, timed until it says that it is ready, asked how much memory it has, and ended by SIGTERM, by its pid.
//! What it logs goes into a file beside its data, and the end of that is shown when it does not start.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::http::{Connection, HttpError};

/// Where `cargo xtask bench` says which binary to measure.
pub const BINARY_VARIABLE: &str = "TENURE_BIN";

/// A server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("{BINARY_VARIABLE} names no binary: start the bench with `cargo xtask bench`")]
    NoBinary,
    #[error("the server could not be run")]
    Io(#[from] std::io::Error),
    #[error("the server ended before it was ready:\n{log}")]
    NotReady { log: String },
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// A running server; ended when it is dropped.
pub struct Server {
    child: Child,
    data: PathBuf,
    address: SocketAddr,
    ready_after: Duration,
}

impl Server {
    /// Starts the server on a data directory, and on a database where that is not the embedded one.
    ///
    /// # Errors
    /// [`ServerError`] says why it did not start.
    pub fn start(data: &Path, database: Option<&str>) -> Result<Self, ServerError> {
        let binary = std::env::var_os(BINARY_VARIABLE).ok_or(ServerError::NoBinary)?;
        let log_path = data.with_extension("log");
        let log = std::fs::File::options().create(true).append(true).open(&log_path)?;
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        if let Some(url) = database {
            command.args(["--database", url]);
        }
        let started = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let out = child.stdout.take().expect("its standard output was asked for as a pipe");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let ready_after = started.elapsed();
        let address = line.trim_end().strip_prefix("tenure is ready at http://").and_then(|it| it.parse().ok());
        match address {
            Some(address) => Ok(Self { child, data: data.to_owned(), address, ready_after }),
            None => {
                child.wait()?;
                Err(ServerError::NotReady { log: std::fs::read_to_string(log_path)? })
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From its start to the line that says it is ready.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// A connection as the administrator.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn connect(&self) -> Result<Connection, ServerError> {
        Ok(Connection::open(self.address, &admin_token(&self.data)?).await?)
    }

    /// Resident memory, in bytes.
    ///
    /// # Errors
    /// [`ServerError::Io`] where the system does not tell.
    pub fn resident_bytes(&self) -> Result<u64, ServerError> {
        resident_bytes(&format!("/proc/{}/status", self.child.id()))
    }

    /// Tells it to end, and waits until it has.
    ///
    /// # Errors
    /// [`ServerError::Io`].
    pub fn stop(mut self) -> Result<(), ServerError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), ServerError> {
        if self.child.try_wait()?.is_none() {
            let pid = rustix::process::Pid::from_child(&self.child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(std::io::Error::from)?;
            self.child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("tenure-bench: the server could not be ended: {error}");
        }
    }
}

/// The token that the first start has written.
///
/// # Errors
/// [`ServerError::Io`] when it is not there.
pub fn admin_token(data: &Path) -> Result<String, ServerError> {
    Ok(std::fs::read_to_string(data.join("admin.token"))?.trim().to_owned())
}

fn resident_bytes(status: &str) -> Result<u64, ServerError> {
    let text = std::fs::read_to_string(status)?;
    let kib = text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kib.ok_or_else(|| std::io::Error::other("the system does not tell the resident memory"))? * 1024)
}

/// The processor time that the living threads of this process have used.
///
/// # Errors
/// [`ServerError::Io`] where the system does not tell.
pub fn own_processor_time() -> Result<Duration, ServerError> {
    let mut nanoseconds = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let line = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += line.split_whitespace().next().and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanoseconds))
}
