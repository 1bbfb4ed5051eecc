//! The answer of `POST /v1/instances/import`: how many rows are kept, and which were refused and why.
//!
//! Rows are written in chunks while the body still comes in, so a refused row stops nobody else's.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Refused rows that are listed. Nobody reads more; `refused_total` counts them all.
pub const REFUSED_LISTED_MAX: usize = 10_000;

/// A row that was not written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedRow {
    /// From 1, blank lines counted.
    pub line: u64,
    /// A fault code, or `too-disruptive`.
    pub code: String,
    /// For people, with what was probably meant.
    pub detail: String,
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// Rows that are kept: created, updated and unchanged.
    pub accepted: u64,
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    /// All refused rows, also those beyond the list.
    pub refused_total: u64,
    /// The first refused rows, by line.
    pub refused: Vec<RefusedRow>,
    /// The revision at which all accepted rows are in force.
    pub revision: u64,
    /// With `wait`: instances that have neither an owner nor a reason yet. Absent without `wait`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<u64>,
}
