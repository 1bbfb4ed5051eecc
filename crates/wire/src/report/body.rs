//! The bodies of `POST /v1/reports`: what a reporter says it saw, and what became of it; and their limits.
//!
//! These structs are what a sender writes and what the interface describes. A server does not read reports with them,
//! since one bad item would refuse the whole: it reads with [`read`](super::read). Integers stay at or below 2^53−1.

use domain::time::Micros;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::instant;

/// The largest integer that every JSON reader takes for what it is.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Items of traffic and presence of one report, together: some 5 MB of JSON, a tenth of a second of work.
pub const REPORT_ITEMS_MAX: usize = 100_000;

/// Bytes of a report, unpacked: as many items as one may have, with the ids that people use.
pub const REPORT_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Bytes of the name of a device: a UUID, an address or a key fits, a document does not.
pub const DEVICE_LENGTH_MAX: usize = 128;

/// Bytes of the id of a lease; the server makes them, and they are shorter.
pub const LEASE_LENGTH_MAX: usize = 128;

/// A hundred times full: beyond that a load is a mistake of the reporter.
pub const LOAD_PERMILLE_MAX: u32 = 100_000;

/// How the numbers of a report are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// What was added since the last report.
    #[default]
    Delta,
    /// Running totals of this incarnation.
    Cumulative,
}

/// What a node says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    Up,
    Down,
}

/// The node part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodePart {
    /// Absent: no word about it, which is still a sign of life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<NodeStatus>,
    /// How loaded the node is; 1000 is full, more is overload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 100_000)]
    pub load_permille: Option<u32>,
}

/// Bytes of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficItem {
    pub instance: String,
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub up: u64,
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub down: u64,
    /// The lease to which the bytes are accounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
}

/// A device that is online.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OnlineItem {
    pub instance: String,
    pub device: String,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The id of the node, or of the edge.
    pub reporter: String,
    /// Which life of the reporter; it grows with each start.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub incarnation: u64,
    /// Which message of that life, from 1.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub sequence: u64,
    #[serde(default)]
    pub kind: ReportKind,
    /// Absent: the receiver's time counts.
    #[serde(default, with = "instant::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub observed_at: Option<Micros>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traffic: Vec<TrafficItem>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub online: Vec<OnlineItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodePart>,
    /// The revision up to which enforcement is in force at the reporter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<u64>,
}

/// Whether a report was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportResult {
    Applied,
    Duplicate,
}

/// An item that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedItem {
    /// Its place: all of `traffic` first, then all of `online`, from 0.
    pub index: u64,
    pub code: String,
    pub detail: String,
}

/// An allowance of bytes that a reporter may let through on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Credit {
    pub lease: String,
    pub instance: String,
    pub period: String,
    pub amount: u64,
    pub ttl_ms: u64,
}

/// A state that the reporter shall bring into force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Enforce {
    pub instance: String,
    pub state: String,
    pub revision: u64,
}

/// The answer to a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reported {
    pub result: ReportResult,
    /// Items that are kept.
    pub accepted: u64,
    /// Items of unknown instances, kept aside.
    pub parked: u64,
    pub rejected: Vec<RejectedItem>,
    /// The last sequence that is logged.
    pub logged_through: u64,
    /// The last sequence that is committed.
    pub committed_through: u64,
    pub enforce: Vec<Enforce>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credit: Vec<Credit>,
}
