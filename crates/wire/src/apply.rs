//! The answers to writes: what became of each object of an apply, and the ownership of an instance that was written.
//!
//! A dry run gives the same answer; its `revision` is the one that the answer was computed at.
//! What a prune deletes follows behind what was given.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ownership::OwnershipBody;

/// What became of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeAction {
    Created,
    Updated,
    Deleted,
    Unchanged,
}

impl ChangeAction {
    /// The spelling in answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Unchanged => "unchanged",
        }
    }
}

/// One object of an apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppliedChange {
    /// For example `Node`.
    pub kind: String,
    pub id: String,
    pub action: ChangeAction,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// The revision at which all of it is in force.
    pub revision: u64,
    pub changes: Vec<AppliedChange>,
}

/// An instance that was written, with who owns it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstanceWritten {
    pub instance: String,
    /// The revision at which it is in force.
    pub revision: u64,
    #[serde(flatten)]
    pub ownership: OwnershipBody,
}
