//! Why a write of master data was refused, and how that is said.
//!
//! A refusal names everything that stands in the way, so that one correction is enough. Nothing was written.

use domain::master_data::Kind;
use domain::orchestration::TopologyError;
use store::{Needed, StoreError};
use wire::manifest::Fault;
use wire::problem::{DisruptedBoundary, Problem, ProblemType, Referrer};

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("the manifest has {} faults", .0.len())]
    Faults(Vec<Fault>),
    #[error("there is no {kind} {id}")]
    NoObject { kind: Kind, id: String },
    #[error("{kind} {id} exists already")]
    Exists { kind: Kind, id: String },
    #[error("{kind} {id} has the ETag {etag} now")]
    Stale { kind: Kind, id: String, etag: String },
    #[error("{} others refer to {kind} {id}", .needed.total)]
    StillReferenced { kind: Kind, id: String, needed: Needed },
    #[error("{} boundaries would lose too many owners", .0.len())]
    TooDisruptive(Vec<DisruptedBoundary>),
    #[error("the idempotency key {key} belongs to another request")]
    OtherRequest { key: String },
    #[error("the same request was carried out at the same time")]
    Repeated,
    #[error("the look at the instances was interrupted")]
    Interrupted,
    #[error("the store did not take part")]
    Store(#[from] StoreError),
    #[error("the database holds a topology that cannot be")]
    Topology(#[from] TopologyError),
}

impl Refusal {
    /// How it is said to a client.
    pub fn to_problem(&self) -> Problem {
        match self {
            Self::Faults(faults) => Problem::invalid_manifest(faults),
            Self::NoObject { kind, id } => Problem::no_object(*kind, id),
            Self::Exists { kind, id } => {
                let detail = format!("{kind} {id:?} exists, and If-None-Match: * asks for one that does not");
                Problem::new(ProblemType::PreconditionFailed, detail).with("kind", kind.name()).with("id", id.as_str())
            }
            Self::Stale { kind, id, etag } => Problem::precondition_failed(*kind, id, etag),
            Self::StillReferenced { kind, id, needed } => {
                Problem::still_referenced(*kind, id, &referrers(needed), needed.total)
            }
            Self::TooDisruptive(boundaries) => Problem::too_disruptive(boundaries),
            Self::OtherRequest { key } => Problem::new(
                ProblemType::IdempotencyConflict,
                format!("the key {key:?} was used by this token for a request with other bytes"),
            ),
            Self::Repeated => Problem::new(
                ProblemType::Conflict,
                "a request with this idempotency key was carried out at the same time; repeat it for its answer",
            ),
            Self::Interrupted | Self::Store(_) | Self::Topology(_) => Problem::internal(),
        }
    }
}

fn referrers(needed: &Needed) -> Vec<Referrer> {
    let referrer =
        |it: &store::NeededBy| Referrer { kind: it.kind.to_owned(), id: it.id.clone(), field: it.field.to_owned() };
    needed.by.iter().map(referrer).collect()
}
