//! The load generator: many kept connections, one request at a time on each, on one thread of a process of its own.
//!
//! It must cost less than the server that it measures: requests are written before the clock starts, of an answer only
//! the status and the length are read, and its processor time is told beside what it measured. `tenure-bench generate`
//! runs it; what it found goes to standard output as one JSON object.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fleet::instance_text;

/// Different requests of a run: more than a cache of the processor holds of the view.
const REQUESTS: usize = 16_384;

/// Room for any answer's head, and for the body of most.
const BUFFER_BYTES: usize = 32 * 1024;

/// What to ask for.
#[derive(Debug, Clone, clap::Args)]
pub struct Load {
    /// Where the server listens.
    #[arg(long)]
    pub address: SocketAddr,
    /// The file of the token.
    #[arg(long)]
    pub token_file: PathBuf,
    /// Before the id in the path.
    #[arg(long)]
    pub before: String,
    /// After the id in the path.
    #[arg(long, default_value = "")]
    pub after: String,
    /// Instances of the fleet.
    #[arg(long)]
    pub instances: usize,
    /// 0: those of the shard product; 1: those of the regional one.
    #[arg(long)]
    pub parity: usize,
    /// Connections at once.
    #[arg(long)]
    pub connections: usize,
    /// How long.
    #[arg(long)]
    pub milliseconds: u64,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    pub per_s: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// Answers that were no 200.
    pub failed: u64,
    /// Bytes of an answer's body, on average.
    pub body_bytes: f64,
}

impl Load {
    /// Runs it in a process of its own, so that its work is not taken for the server's.
    ///
    /// # Errors
    /// When the process fails.
    pub async fn run_apart(&self) -> Result<Found, Box<dyn std::error::Error>> {
        let values = [
            ("--address", self.address.to_string()),
            ("--before", self.before.clone()),
            ("--after", self.after.clone()),
            ("--instances", self.instances.to_string()),
            ("--parity", self.parity.to_string()),
            ("--connections", self.connections.to_string()),
            ("--milliseconds", self.milliseconds.to_string()),
            ("--token-file", self.token_file.display().to_string()),
        ];
        apart("generate", &values).await
    }

    /// Runs it here, on one thread.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn run_here(&self) -> Result<Found, Box<dyn std::error::Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(tokio::task::LocalSet::new().run_until(self.run()))
    }

    async fn run(&self) -> Result<Found, Box<dyn std::error::Error>> {
        let requests = Rc::new(self.requests()?);
        let until = Duration::from_millis(self.milliseconds);
        let started = Instant::now();
        let clients: Vec<_> = (0..self.connections)
            .map(|at| {
                let first = at * REQUESTS / self.connections;
                tokio::task::spawn_local(ask(self.address, Rc::clone(&requests), first, started, until))
            })
            .collect();
        let mut all = Counted::new()?;
        for client in clients {
            all.add(client.await??)?;
        }
        Ok(all.found(started.elapsed().as_secs_f64()))
    }

    /// The bytes of the requests: instances all over the fleet, in an order that no cache foresees.
    fn requests(&self) -> std::io::Result<Vec<Vec<u8>>> {
        let token = std::fs::read_to_string(&self.token_file)?;
        let Self { address, before, after, .. } = self;
        let request = |at: usize| {
            let number = at.wrapping_mul(2_654_435_761) % (self.instances / 2) * 2 + self.parity;
            let id = instance_text(number);
            let line = format!("GET {before}{id}{after} HTTP/1.1\r\nhost: {address}\r\n");
            format!("{line}authorization: Bearer {}\r\n\r\n", token.trim()).into_bytes()
        };
        Ok((0..REQUESTS).map(request).collect())
    }
}

/// Runs a load of this program in a process of its own.
///
/// # Errors
/// When the process fails.
pub(crate) async fn apart(load: &str, values: &[(&str, String)]) -> Result<Found, Failed> {
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.arg(load).args(values.iter().map(|(flag, value)| format!("{flag}={value}")));
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().await?;
    if !output.status.success() {
        return Err(format!("the load generator failed: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Answers, counted.
pub(crate) struct Counted {
    pub times: Histogram<u64>,
    pub failed: u64,
    pub body_bytes: u64,
}

impl Counted {
    pub(crate) fn new() -> Result<Self, hdrhistogram::CreationError> {
        Ok(Self { times: Histogram::new(3)?, failed: 0, body_bytes: 0 })
    }

    pub(crate) fn add(&mut self, other: Self) -> Result<(), hdrhistogram::AdditionError> {
        self.failed += other.failed;
        self.body_bytes += other.body_bytes;
        self.times.add(other.times)
    }

    /// What it says after so many seconds.
    pub(crate) fn found(&self, seconds: f64) -> Found {
        let answers = self.times.len();
        Found {
            per_s: answers as f64 / seconds,
            p50_us: self.times.value_at_quantile(0.5) as f64 / 1_000.0,
            p99_us: self.times.value_at_quantile(0.99) as f64 / 1_000.0,
            failed: self.failed,
            body_bytes: self.body_bytes as f64 / answers.max(1) as f64,
        }
    }
}

pub(crate) type Failed = Box<dyn std::error::Error>;

/// One client: asks, waits for the whole answer, asks again.
async fn ask(
    address: SocketAddr,
    requests: Rc<Vec<Vec<u8>>>,
    first: usize,
    started: Instant,
    until: Duration,
) -> Result<Counted, Failed> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut counted = Counted::new()?;
    let mut buffer = vec![0; BUFFER_BYTES];
    for request in requests.iter().cycle().skip(first) {
        let asked = Instant::now();
        if asked.duration_since(started) >= until {
            break;
        }
        stream.write_all(request).await?;
        let (is_ok, bytes) = answer(&mut stream, &mut buffer).await?;
        counted.failed += u64::from(!is_ok);
        counted.body_bytes += bytes as u64;
        counted.times.record(u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX))?;
    }
    Ok(counted)
}

/// Reads one answer: whether it was a 200, and how long its body is.
pub(crate) async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(bool, usize), Failed> {
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            buffer.resize(buffer.len() * 2, 0);
        }
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Err("the server closed the connection".into());
        }
        filled += read;
        let Some((end, length)) = find_body(&buffer[..filled]) else { continue };
        let mut left = (end + length).saturating_sub(filled);
        while left > 0 {
            let part = left.min(buffer.len() - end);
            let read = stream.read(&mut buffer[end..end + part]).await?;
            if read == 0 {
                return Err("the server closed the connection".into());
            }
            left -= read;
        }
        return Ok((buffer.starts_with(b"HTTP/1.1 200"), length));
    }
}

/// Where the body begins and how long it is, once the head is whole.
fn find_body(bytes: &[u8]) -> Option<(usize, usize)> {
    const LENGTH: &[u8] = b"\r\ncontent-length: ";
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n")?;
    let at = bytes[..end].windows(LENGTH.len()).position(|it| it == LENGTH)? + LENGTH.len();
    let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0_usize, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    Some((end + 4, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_begins_after_the_head_and_has_its_length() {
        let answer = b"HTTP/1.1 200 OK\r\netag: \"x\"\r\ncontent-length: 12\r\ndate: now\r\n\r\nhello";
        assert_eq!(find_body(answer), Some((answer.len() - 5, 12)));
        assert_eq!(find_body(&answer[..40]), None);
    }
}
