//! Who else could count: a Redis with an append-only file and a script that knows whose turn it is.
//!
//! The script judges (reporter, incarnation, sequence) and adds up and down of each entry, in one atomic step, as a
//! careful user would write it: one hash for each direction of the minute, so no entry builds a key. There is no
//! cumulative report, no unknown instance, no conservation, and nothing goes into a database.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::report::TrafficItem;

use crate::generator::Failed;

/// Where `cargo xtask bench` says which Redis to measure on.
pub const VARIABLE: &str = "TENURE_BENCH_REDIS";

/// What the script answers when it has counted a report.
pub const APPLIED: &[u8; 4] = b":1\r\n";

/// Counts one report: 1 applied, 0 duplicate, 2 a gap, 3 a former incarnation.
const SCRIPT: &str = "\
local held = redis.call('HMGET', KEYS[1], 'incarnation', 'sequence')
local incarnation, sequence = tonumber(ARGV[1]), tonumber(ARGV[2])
local known, last = tonumber(held[1] or 0), tonumber(held[2] or 0)
if incarnation < known then return 3 end
if incarnation > known then last = 0 end
if sequence <= last then return 0 end
if sequence > last + 1 then return 2 end
local up, down = 'up:' .. ARGV[3], 'down:' .. ARGV[3]
for at = 4, #ARGV, 3 do
  redis.call('HINCRBY', up, ARGV[at], ARGV[at + 1])
  redis.call('HINCRBY', down, ARGV[at], ARGV[at + 2])
end
redis.call('HSET', KEYS[1], 'incarnation', ARGV[1], 'sequence', ARGV[2])
return 1";

/// The minute of all reports of a run; a real sender would change it once in sixty seconds.
const MINUTE: &str = "29920320";

/// When the append-only file reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Before the answer, as Tenure's log does.
    Always,
    /// Once a second: what was acknowledged in it may be lost.
    EverySecond,
}

impl Fsync {
    /// The setting, as a row names it too.
    pub fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::EverySecond => "everysec",
        }
    }
}

/// A Redis that is ready for reports.
pub struct Redis {
    pub address: SocketAddr,
    /// The hash of the script.
    pub script: String,
}

impl Redis {
    /// The Redis of this run, emptied and with the script; `None` when there is none.
    ///
    /// # Errors
    /// When it does not answer as Redis does, or does not keep what it acknowledges.
    pub async fn find() -> Result<Option<Self>, Failed> {
        let Ok(address) = std::env::var(VARIABLE) else { return Ok(None) };
        let address: SocketAddr = address.parse()?;
        ask(address, &["FLUSHALL"]).await?;
        let appends = ask(address, &["CONFIG", "GET", "appendonly"]).await?;
        if !appends.ends_with("yes\r\n") {
            return Err("the Redis of this run has no append-only file".into());
        }
        let loaded = ask(address, &["SCRIPT", "LOAD", SCRIPT]).await?;
        let script = loaded.lines().nth(1).ok_or("Redis did not name the script")?.to_owned();
        Ok(Some(Self { address, script }))
    }

    /// Sets when the file reaches the disk.
    ///
    /// # Errors
    /// When Redis refuses.
    pub async fn set(&self, fsync: Fsync) -> Result<(), Failed> {
        ask(self.address, &["CONFIG", "SET", "appendfsync", fsync.word()]).await.map(|_| ())
    }
}

/// Sends one command on a connection of its own, and reads its answer.
async fn ask(address: SocketAddr, words: &[&str]) -> Result<String, Failed> {
    let mut stream = TcpStream::connect(address).await?;
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    words.iter().for_each(|word| put(&mut bytes, word));
    stream.write_all(&bytes).await?;
    let mut buffer = vec![0; 4096];
    let read = stream.read(&mut buffer).await?;
    let answer = String::from_utf8_lossy(&buffer[..read]).into_owned();
    match answer.starts_with('-') || answer.is_empty() {
        true => Err(format!("Redis answered {} with {answer:?}", words[0]).into()),
        false => Ok(answer),
    }
}

fn put(bytes: &mut Vec<u8>, word: &str) {
    bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
}

/// The entries of a report as arguments of the script.
pub fn block(traffic: Vec<TrafficItem>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for it in traffic {
        put(&mut bytes, &it.instance);
        put(&mut bytes, &it.up.to_string());
        put(&mut bytes, &it.down.to_string());
    }
    bytes
}

/// The command up to its entries.
pub fn envelope(bytes: &mut Vec<u8>, script: &str, reporter: &str, incarnation: u64, sequence: u64, entries: usize) {
    /// The command, the script, the number of keys, the key, and the three arguments before the entries.
    const WORDS_BEFORE: usize = 7;
    bytes.extend_from_slice(format!("*{}\r\n", WORDS_BEFORE + entries * 3).as_bytes());
    for word in ["EVALSHA", script, "1", reporter, &incarnation.to_string(), &sequence.to_string(), MINUTE] {
        put(bytes, word);
    }
}
