//! Orchestration: nodes in groups, groups in regions, and which group owns an instance.
//!
//! One qualification ([`qualify`]) and one decision function ([`choose`]) serve allocate, validate, resolve, repair,
//! plan and explain (I8). Nothing here writes; a batch of decisions is a value that the shell stores.

mod batch;
mod boundary;
mod candidates;
mod choose;
mod facts;
mod frame;
mod ownership;
pub mod plan;
mod qualify;
mod ramp;
mod roster;
mod series;
mod state;
mod topology;
mod validate;

#[cfg(test)]
pub(crate) mod laws;

pub use batch::{Ask, Batch, Decided, Held, Outcome, ReplayError, Request, decide, decide_all, replay_state, verify};
pub use boundary::{GroupStanding, node_revision, serving_groups};
pub use candidates::{Candidate, CandidateTable, Score, candidate_table};
pub use choose::{Choice, choose, find_refusal};
pub use facts::{Health, LoadBand, NodeFacts};
pub use frame::{Frame, FrameGroup, FrameRegion, FrameTemplate, Member, RULES_VERSION, StickyMode};
pub use ownership::{Holder, Ownership};
pub use qualify::{Check, NodeVerdict, qualification_checks, qualify};
pub use ramp::{Phase, Ramp, SHARES_WHILE_RAMPING};
pub use series::Series;
pub use state::{GroupLoad, LoadRow, ProductLoad, RampRow, State};
pub use topology::{GroupIx, NodeIx, Parts, Stamped, Topology, TopologyError};
pub use validate::{Subject, Validity, Verdict, is_allowed, standing_for_new, validate, wanted};
