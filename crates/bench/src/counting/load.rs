//! The load of reports: many connections, each a reporter that sends its next report when it may, on one thread.
//!
//! To Tenure each connection has one report under way, since HTTP/1.1 answers in turn; to Redis it has a fixed number,
//! which is what a pipeline is. The entries are written before the clock starts, and of an answer only its status is
//! read. `tenure-bench report` runs it in a process of its own.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::report::Encoding;

use super::entries::{block, envelope, items, reports_of_all};
use super::redis;
use crate::generator::{Counted, Failed, Found, answer, apart};

/// Reports to Redis that are under way on one connection: enough that it is never waited for.
const PIPELINED: usize = 8;

/// Blocks of entries of one run at most; more would only fill memory.
const BLOCKS_MAX: usize = 10_000;

/// Room for the head of an answer and its body.
const BUFFER_BYTES: usize = 16 * 1024;

/// Who is sent the reports, and in what words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    Protobuf,
    Json,
    Redis,
}

impl Target {
    /// The language of Tenure; none for Redis.
    fn encoding(self) -> Option<Encoding> {
        match self {
            Self::Protobuf => Some(Encoding::Protobuf),
            Self::Json => Some(Encoding::Json),
            Self::Redis => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Protobuf => "protobuf",
            Self::Json => "json",
            Self::Redis => "redis",
        }
    }
}

/// What to send.
#[derive(Debug, Clone, clap::Args)]
pub struct ReportLoad {
    /// Who is sent the reports.
    #[arg(long)]
    pub target: Target,
    /// Where the server listens.
    #[arg(long)]
    pub address: SocketAddr,
    /// The file of the token; for Redis, the hash of the script.
    #[arg(long)]
    pub secret: String,
    /// Entries of a report.
    #[arg(long)]
    pub entries: usize,
    /// Instances that are reported about.
    #[arg(long)]
    pub instances: usize,
    /// Connections at once; each is a reporter.
    #[arg(long)]
    pub connections: usize,
    /// The life of the reporters; each run has a larger one.
    #[arg(long)]
    pub incarnation: u64,
    /// How long.
    #[arg(long)]
    pub milliseconds: u64,
}

/// One reporter on its connection.
struct Reporter {
    load: Rc<ReportLoad>,
    blocks: Rc<Vec<Vec<u8>>>,
    /// The head of a request before its length; of Redis nothing.
    head: String,
    name: String,
    stream: TcpStream,
    sequence: u64,
    next_block: usize,
    bytes: Vec<u8>,
    buffer: Vec<u8>,
}

impl ReportLoad {
    /// Runs it in a process of its own, so that its work is not taken for the server's.
    ///
    /// # Errors
    /// When the process fails, or a report was not acknowledged.
    pub async fn run_apart(&self) -> Result<Found, Failed> {
        let values = [
            ("--target", self.target.word().to_owned()),
            ("--address", self.address.to_string()),
            ("--secret", self.secret.clone()),
            ("--entries", self.entries.to_string()),
            ("--instances", self.instances.to_string()),
            ("--connections", self.connections.to_string()),
            ("--incarnation", self.incarnation.to_string()),
            ("--milliseconds", self.milliseconds.to_string()),
        ];
        let found = apart("report", &values).await?;
        match found.failed {
            0 => Ok(found),
            failed => Err(format!("{failed} reports to {} were not acknowledged", self.target.word()).into()),
        }
    }

    /// Runs it here, on one thread.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn run_here(&self) -> Result<Found, Failed> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(tokio::task::LocalSet::new().run_until(self.run()))
    }

    async fn run(&self) -> Result<Found, Failed> {
        let blocks = Rc::new(self.blocks());
        let load = Rc::new(self.clone());
        let mut reporters = Vec::new();
        for at in 0..self.connections {
            let mut reporter = Reporter::connect(&load, &blocks, at).await?;
            // Unmeasured: the server asks its database who the reporter is.
            reporter.send().await?;
            if !reporter.is_acknowledged().await? {
                return Err("the first report of a reporter was refused".into());
            }
            reporters.push(reporter);
        }
        let (started, until) = (Instant::now(), Duration::from_millis(self.milliseconds));
        let running: Vec<_> =
            reporters.into_iter().map(|it| tokio::task::spawn_local(it.report(started, until))).collect();
        let mut all = Counted::new()?;
        for reporter in running {
            all.add(reporter.await??)?;
        }
        Ok(all.found(started.elapsed().as_secs_f64()))
    }

    fn blocks(&self) -> Vec<Vec<u8>> {
        let count = reports_of_all(self.entries, self.instances).min(BLOCKS_MAX);
        let of = |at: usize| items(at * self.entries, self.entries, self.instances).collect();
        (0..count)
            .map(|at| match self.target.encoding() {
                Some(encoding) => block(encoding, of(at)),
                None => redis::block(of(at)),
            })
            .collect()
    }
}

impl Reporter {
    async fn connect(load: &Rc<ReportLoad>, blocks: &Rc<Vec<Vec<u8>>>, at: usize) -> Result<Self, Failed> {
        let stream = TcpStream::connect(load.address).await?;
        stream.set_nodelay(true)?;
        let head = match load.target.encoding() {
            Some(encoding) => {
                let token = std::fs::read_to_string(PathBuf::from(&load.secret))?;
                let (media, address) = (encoding.media_type(), load.address);
                format!(
                    "POST /v1/reports HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-type: \
                     {media}\r\ncontent-length: ",
                    token.trim()
                )
            }
            None => String::new(),
        };
        Ok(Self {
            head,
            name: super::intake::reporter(at),
            stream,
            sequence: 0,
            next_block: at * blocks.len() / load.connections,
            bytes: Vec::new(),
            buffer: vec![0; BUFFER_BYTES],
            load: Rc::clone(load),
            blocks: Rc::clone(blocks),
        })
    }

    /// Sends the next report.
    async fn send(&mut self) -> Result<(), Failed> {
        self.sequence += 1;
        let block = &self.blocks[self.next_block % self.blocks.len()];
        self.next_block += 1;
        self.bytes.clear();
        let Self { load, name, sequence, .. } = self;
        match load.target.encoding() {
            Some(encoding) => {
                let (before, after) = envelope(encoding, name, load.incarnation, *sequence);
                let length = before.len() + block.len() + after.len();
                self.bytes.extend_from_slice(self.head.as_bytes());
                self.bytes.extend_from_slice(format!("{length}\r\n\r\n").as_bytes());
                self.bytes.extend_from_slice(&before);
                self.bytes.extend_from_slice(block);
                self.bytes.extend_from_slice(after);
            }
            None => {
                redis::envelope(&mut self.bytes, &load.secret, name, load.incarnation, *sequence, load.entries);
                self.bytes.extend_from_slice(block);
            }
        }
        self.stream.write_all(&self.bytes).await?;
        Ok(())
    }

    /// Waits for the next answer.
    async fn is_acknowledged(&mut self) -> Result<bool, Failed> {
        match self.load.target {
            Target::Protobuf | Target::Json => Ok(answer(&mut self.stream, &mut self.buffer).await?.0),
            // An answer of the script is four bytes, so the next one is never cut into.
            Target::Redis => {
                let mut told = [0; redis::APPLIED.len()];
                self.stream.read_exact(&mut told).await?;
                Ok(&told == redis::APPLIED)
            }
        }
    }

    /// Reports until the time is over, and waits for what is under way.
    async fn report(mut self, started: Instant, until: Duration) -> Result<Counted, Failed> {
        let most = if self.load.target == Target::Redis { PIPELINED } else { 1 };
        let (mut counted, mut under_way) = (Counted::new()?, VecDeque::new());
        loop {
            while under_way.len() < most && started.elapsed() < until {
                under_way.push_back(Instant::now());
                self.send().await?;
            }
            let Some(sent) = under_way.pop_front() else { return Ok(counted) };
            let is_ok = self.is_acknowledged().await?;
            counted.failed += u64::from(!is_ok);
            counted.times.record(u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX))?;
        }
    }
}
