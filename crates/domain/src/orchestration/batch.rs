//! A batch of decisions: what was asked, in order, and what came out. A pure value: the shell stores it.
//!
//! A batch holds its start (frame and state) or names a base whose end is its start. Any decision is rebuilt by
//! running the requests before it (I9). A request that the commit did not take is `Void`: it was counted during the
//! run and is counted during the replay, and the batch after it begins from a new start.

use serde::{Deserialize, Serialize};

use super::choose::{Choice, Kept, choose, member_verdict};
use super::frame::Frame;
use super::ramp::{self, Phase};
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

/// Takes one decision and counts it.
pub fn decide(frame: &Frame, state: &mut State, request: &Request) -> Outcome {
    settle(frame, state, request);
    let outcome = outcome_of(frame, request, || choose(frame, state, request));
    record(frame, state, request, outcome);
    outcome
}

/// Takes the decisions of a batch in order.
pub fn decide_all(frame: &Frame, state: &mut State, requests: Vec<Request>) -> Vec<Decided> {
    let mut series = Series::new(frame, state);
    requests
        .into_iter()
        .map(|request| {
            let outcome = series.decide(&request);
            Decided { request, outcome }
        })
        .collect()
}

/// Moves the state on over recorded decisions without deciding them anew; void ones are, since they were counted.
pub fn replay_state(frame: &Frame, state: &mut State, decided: &[Decided]) {
    for Decided { request, outcome } in decided {
        if *outcome == Outcome::Void {
            decide(frame, state, request);
        } else {
            settle(frame, state, request);
            record(frame, state, request, *outcome);
        }
    }
}

/// Decides everything anew and compares with the record.
///
/// # Errors
/// [`ReplayError`] names the first difference.
pub fn verify(frame: &Frame, state: &mut State, decided: &[Decided]) -> Result<(), ReplayError> {
    for (ordinal, Decided { request, outcome }) in decided.iter().enumerate() {
        let replayed = decide(frame, state, request);
        if *outcome != Outcome::Void && replayed != *outcome {
            return Err(ReplayError { ordinal, recorded: *outcome, replayed });
        }
    }
    Ok(())
}

/// What a ramp looks like just before a decision: those that have caught up have left.
pub(super) fn settle(frame: &Frame, state: &mut State, request: &Request) {
    if let Some(template) = request.template {
        let at = template as usize;
        ramp::leave(frame, &frame.templates[at], &state.loads, &mut state.ramps[at]);
    }
}

/// What comes of a request; `choose` is called only where one group is to be chosen.
pub(super) fn outcome_of(frame: &Frame, request: &Request, choose: impl FnOnce() -> Choice) -> Outcome {
    match request.ask {
        Ask::Release { why } => Outcome::Nobody { why },
        Ask::Recount => Outcome::Kept,
        Ask::Allocate => match choose() {
            Choice::Group(group) => Outcome::Owned { group },
            Choice::None(why) => Outcome::Nobody { why },
        },
        Ask::Repair => match choose() {
            Choice::Group(group) if request.held.is_some_and(|held| held.group == group) => {
                Outcome::Stays { why: Reason::KeptValid }
            }
            Choice::Group(group) => Outcome::Owned { group },
            Choice::None(why) => Outcome::Stays { why },
        },
        Ask::Move { to } => match move_verdict(frame, request, to) {
            Reason::Ok => Outcome::Owned { group: to },
            why => Outcome::Stays { why },
        },
    }
}

/// Whether a plan may move the instance into a group: the same test that a candidate passes (I8).
pub(super) fn move_verdict(frame: &Frame, request: &Request, to: u32) -> Reason {
    if request.held.is_some_and(|held| held.group == to) {
        return Reason::AlreadyThere;
    }
    let Some(template) = request.template else {
        return Reason::NotApplicable;
    };
    let members = &frame.templates[template as usize].members;
    match members.iter().find(|member| member.group == to) {
        Some(member) => member_verdict(frame, *member, request),
        None => Reason::OutsideBoundary,
    }
}

/// Counts an outcome. Allocations and repairs are arrivals for the ramp (I5); moves and recounts are not.
pub(super) fn record(frame: &Frame, state: &mut State, request: &Request, outcome: Outcome) {
    let target = match outcome {
        Outcome::Owned { group } => Some(group),
        Outcome::Kept => request.held.map(|held| held.group),
        Outcome::Nobody { .. } => None,
        Outcome::Stays { .. } | Outcome::Void => return,
    };
    if let (Outcome::Owned { group }, Ask::Allocate | Ask::Repair, Some(template)) =
        (outcome, request.ask, request.template)
    {
        count_arrival(frame, state, request, template, group);
    }
    if let Some(held) = request.held {
        state.loads[held.group as usize].remove(held.product, u64::from(held.weight));
    }
    if let Some(group) = target {
        state.loads[group as usize].add(request.product, 1, u64::from(request.weight));
    }
}

/// Every ramping candidate that the request could have gone to sees an arrival; the one that took it has taken it.
fn count_arrival(frame: &Frame, state: &mut State, request: &Request, template: u32, group: u32) {
    if !state.is_ramping(template) {
        return;
    }
    let at = template as usize;
    let kept = Kept::of(frame, &frame.templates[at], request);
    for (member, ramp) in frame.templates[at].members.iter().zip(&mut state.ramps[at]) {
        let is_candidate = || member_verdict(frame, *member, request) == Reason::Ok;
        if ramp.phase == Phase::Ramping && kept.admits(frame, member.group) && is_candidate() {
            ramp.arrived += u64::from(request.weight);
            if member.group == group {
                ramp.taken += u64::from(request.weight);
            }
        }
    }
}
