//! A batch of decisions: what was asked, in order, and what came out. A pure value: the shell stores it.
//!
//! A batch holds its start (frame and state) or names a base whose end is its start. Any decision is rebuilt by
//! running the requests before it (I9). A request that the commit did not take is `Void`: it was counted during the
//! run and is counted during the replay, and the batch after it begins from a new start.

use serde::{Deserialize, Serialize};

use super::frame::Frame;
use super::series::Series;
use super::state::State;
use crate::ids::{InstanceId, Jurisdiction};
use crate::reason::Reason;

/// What is asked for an instance. Positions are those of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// It has no owner.
    Allocate,
    /// Its owner does not deliver any more.
    Repair,
    /// Its owner stays; weight, product or region are counted anew.
    Recount,
    /// Its ownership ends.
    Release { why: Reason },
    /// A plan wants it in this group.
    Move { to: u32 },
}

/// How an instance is counted before the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub group: u32,
    pub weight: u32,
    pub product: u32,
}

/// One request of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub instance: InstanceId,
    pub product: u32,
    /// Absent when the product's template is not sticky, so that only a release can be asked.
    pub template: Option<u32>,
    pub jurisdiction: Option<Jurisdiction>,
    pub weight: u32,
    pub ask: Ask,
    pub held: Option<Held>,
}

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// This group owns it now.
    Owned { group: u32 },
    /// Its owner stays and is counted anew.
    Kept,
    /// Nobody owns it.
    Nobody { why: Reason },
    /// Nothing was changed: no better owner, or a move that is not allowed.
    Stays { why: Reason },
    /// The commit did not take it: the instance had changed.
    Void,
}

/// A request with its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    pub request: Request,
    pub outcome: Outcome,
}

/// The content of a batch, with the start it was run from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub frame: Frame,
    /// The state before the first request of `decided`.
    pub start: State,
    pub decided: Vec<Decided>,
}

/// A replay came out otherwise than the record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("decision {ordinal} was recorded as {recorded:?}, the replay gives {replayed:?}")]
pub struct ReplayError {
    pub ordinal: usize,
    pub recorded: Outcome,
    pub replayed: Outcome,
}

/// Takes one decision and counts it. For many see [`Series`].
pub fn decide(frame: &Frame, state: &mut State, request: &Request) -> Outcome {
    Series::new(frame, state).decide(request)
}

/// Takes the decisions of a batch in order.
pub fn decide_all(frame: &Frame, state: &mut State, requests: Vec<Request>) -> Vec<Decided> {
    let mut series = Series::new(frame, state);
    let decide = |request: Request| {
        let outcome = series.decide(&request);
        Decided { request, outcome }
    };
    requests.into_iter().map(decide).collect()
}

/// Moves the state on over recorded decisions without deciding them anew; void ones are, since they were counted.
pub fn replay_state(frame: &Frame, state: &mut State, decided: &[Decided]) {
    let mut series = Series::new(frame, state);
    decided.iter().for_each(|it| series.replay(it));
}

/// Decides everything anew and compares with the record.
///
/// # Errors
/// [`ReplayError`] names the first difference.
pub fn verify(frame: &Frame, state: &mut State, decided: &[Decided]) -> Result<(), ReplayError> {
    let mut series = Series::new(frame, state);
    for (ordinal, Decided { request, outcome }) in decided.iter().enumerate() {
        let replayed = series.decide(request);
        if *outcome != Outcome::Void && replayed != *outcome {
            return Err(ReplayError { ordinal, recorded: *outcome, replayed });
        }
    }
    Ok(())
}
