//! The bodies of `/v1/intake`: the intake replicas, one log on one disk each.
//!
//! A replica whose disk is gone for good is retired, by name and never by itself: its reporters then find a new home.

use domain::time::Micros;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::instant;

/// Whether a replica may still bring counts into the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaState {
    Open,
    /// Retired.
    Closed,
}

impl ReplicaState {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// What only the process that has the log can say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplicaHere {
    /// The generation that counts now.
    pub open_generation: u64,
    /// Generations that are closed and not in the database.
    pub sealed_generations: u64,
    pub log_bytes: u64,
    /// At this size the intake takes no more until the database has some of it.
    pub log_bytes_max: u64,
    /// The oldest report that is not in the database.
    #[serde(default, with = "instant::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_uncommitted: Option<Micros>,
    /// What a lost disk has lost, in words; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// An intake replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replica {
    pub name: String,
    pub state: ReplicaState,
    /// Whether the process that answers has its log.
    pub is_here: bool,
    /// The generation up to which all shards are in the database.
    pub committed_min: u64,
    /// The generation up to which one shard is.
    pub committed_max: u64,
    /// When it was retired.
    #[serde(default, with = "instant::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed: Option<Micros>,
    /// How many reporters belong to it.
    pub reporters: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub here: Option<ReplicaHere>,
}

/// All of them, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplicaList {
    pub replicas: Vec<Replica>,
}
