//! What a server can be told. Where each value came from is the business of the command line.
//!
//! Every field has its unit in its type or its name, and a default that is right for one process on a laptop.
//! Nothing here is read from the environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use store::Location;

/// What happens when a region falls silent as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnRegionSilent {
    /// Its nodes stay as they were; an alarm stands.
    #[default]
    Hold,
    /// Its nodes count as silent.
    Repair,
}

/// The settings of one process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Holds the embedded database, the admin token and the lock of the process.
    pub data: PathBuf,
    /// Where HTTP is served; port 0 picks a free one.
    pub listen: SocketAddr,
    pub database: Location,
    /// Distinguishes the processes on one database; made at first start and kept in the data directory.
    pub replica: String,
    /// A node that has not reported for so long counts as silent.
    pub health_ttl: Duration,
    pub on_region_silent: OnRegionSilent,
    /// Lost health repairs after so long.
    pub repair_after: Duration,
    /// Lost health repairs at this share of a boundary's owners per second, in permille; at least one.
    pub repair_rate_permille: u32,
    /// How long a leader's lease runs without being renewed.
    pub lease_ttl: Duration,
    /// How long a write waits for the ownership of its instance.
    pub ownership_wait: Duration,
    /// How often other processes' changes are looked for; local ones are followed at once.
    pub follow_every: Duration,
    /// How often the counts are cut and brought into the database.
    pub flush_every: Duration,
    /// How long a committed generation stays in the log, to refill a database that lost its last commits.
    pub retain_committed: Duration,
    /// At so many bytes the log takes no more until the database has some of them.
    pub log_bytes_max: u64,
    /// Memory for reports that wait for the log; further ones are told to come back.
    pub queue_bytes_max: u64,
    /// Items of unknown instances that are kept aside for one reporter.
    pub parked_max: u64,
    /// A device that was not seen for so long is not online.
    pub presence_ttl: Duration,
    /// Requests served at once; further ones wait, then are told to come back.
    pub requests_max: usize,
}

impl Settings {
    /// The defaults for a data directory, on the embedded database inside it.
    pub fn new(data: PathBuf) -> Self {
        let database = Location::Sqlite(data.join("tenure.db"));
        Self {
            data,
            listen: SocketAddr::from(([127, 0, 0, 1], 7400)),
            database,
            replica: "local".to_owned(),
            health_ttl: Duration::from_secs(90),
            on_region_silent: OnRegionSilent::default(),
            repair_after: Duration::from_secs(60),
            repair_rate_permille: 10,
            lease_ttl: Duration::from_secs(5),
            ownership_wait: Duration::from_secs(5),
            follow_every: Duration::from_millis(50),
            flush_every: Duration::from_secs(60),
            retain_committed: Duration::from_secs(15 * 60),
            log_bytes_max: 4 * 1024 * 1024 * 1024,
            queue_bytes_max: 64 * 1024 * 1024,
            parked_max: 10_000,
            presence_ttl: Duration::from_secs(5 * 60),
            requests_max: 4096,
        }
    }
}
