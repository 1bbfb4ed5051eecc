//! The body of `GET /v1/reporters`: who reports, how far it is heard, how far that is committed, and what it lost.
//!
//! A reporter may forget what is committed. What lies between `committed_through` and `sequence` is logged on one disk,
//! and a careful reporter keeps it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Holes of one reporter that are listed, the newest; a reporter that loses more has other troubles.
pub const LOST_RANGES_MAX: usize = 100;

/// A reporter in its newest life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reporter {
    pub id: String,
    pub incarnation: u64,
    /// The last report that is logged.
    pub sequence: u64,
    /// Seconds since its last report.
    pub lag_s: u64,
    /// The intake replica that it belongs to.
    pub home: String,
    /// The last report that is in the database.
    pub committed_through: u64,
    /// Reports that never came, since the reporter began a new life without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostRange>,
}

/// Reports of one life that never came, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LostRange {
    pub incarnation: u64,
    pub from: u64,
    pub to: u64,
}

/// All of them, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReporterList {
    pub reporters: Vec<Reporter>,
}
