//! The parts of an explanation, as codes and parameters.
//!
//! Nothing here is prose: sentences are made in [`super::prose`] from what stands here, and never stored.
//! Every part of the contract has one type; the order of the fields is the order in which the parts are told.

use crate::ids::Jurisdiction;
use crate::ids::{
    AccessTemplateId, DecisionId, Generation, GroupId, InstanceId, NodeId, ProductId, RegionId, Revision,
};
use crate::master_data::{InstanceStatus, Kind};
use crate::orchestration::{Ask, Candidate, Check, Ramp, Score};
use crate::reason::Reason;
use crate::resolution::Status;
use crate::time::Micros;

/// Everything that can be told about where an instance belongs and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub subject: SubjectPart,
    pub verdict_now: VerdictNow,
    /// The decision that chose the owner, or that found nobody; absent when none was taken.
    pub decision: Option<DecisionPart>,
    /// All groups that the decision looked at; those of today when none was taken yet.
    pub candidates: Vec<CandidateRow>,
    pub tie_break: Option<TieBreak>,
    /// Present when a group was asked for.
    pub why_not: Option<WhyNot>,
    /// Present while a group owns the instance.
    pub why_not_moved: Option<WhyNotMoved>,
    pub what_would_change_it: Vec<Remedy>,
    /// Oldest first; the last row is the ownership of today.
    pub history: Vec<HistoryRow>,
    /// What happened to the boundary between the decision and today, by group.
    pub scale_events_since: Vec<ScaleEvent>,
    pub missing: Vec<Missing>,
    pub replay: Replay,
}

/// Whom the explanation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectPart {
    pub instance: InstanceId,
    pub product: ProductId,
    /// Absent when the product is unknown.
    pub access_template: Option<AccessTemplateId>,
    /// The mode's spelling; absent when the product is unknown.
    pub mode: Option<&'static str>,
    pub jurisdiction: Option<Jurisdiction>,
    pub status: InstanceStatus,
    pub is_expired: bool,
    pub weight: u32,
    /// The owner, if a group owns it.
    pub region: Option<RegionId>,
    pub group: Option<GroupId>,
    pub generation: Option<Generation>,
    pub since: Option<Micros>,
    /// The newest revision among the facts that the answer rests on.
    pub revision: Revision,
}

/// What resolution says now, with every check that leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictNow {
    /// Absent when the product is unknown, so that nothing can be resolved.
    pub status: Option<Status>,
    /// [`Reason::Ok`] when deliverable.
    pub reason: Reason,
    /// How many nodes are delivered.
    pub delivered: u32,
    /// In chain order. The first failing one that is about neither a group nor a node gives the reason.
    pub checks: Vec<CheckRow>,
}

/// One link of the chain, with what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRow {
    /// One of [`super::CHECK_CODES`].
    pub code: &'static str,
    pub pass: bool,
    /// [`Reason::Ok`] or [`Reason::WithinLimit`] when it passes.
    pub reason: Reason,
    pub observed: String,
    pub required: String,
    /// The object in which it was seen, for example `Node ams-01`.
    pub source: String,
    /// The revision that wrote it; 0 when nothing ever did.
    pub revision: Revision,
    /// Set where the check is about one group of a boundary of several, or about a node in it.
    pub group: Option<GroupId>,
    /// Set where the check is about a node.
    pub node: Option<NodeId>,
}

impl CheckRow {
    /// A link of the qualification chain of a node.
    pub(super) fn of_node(check: Check, node: &NodeId, group: &GroupId) -> Self {
        Self {
            code: check.code,
            pass: check.pass,
            reason: check.reason,
            observed: check.observed,
            required: check.required.to_owned(),
            source: check.source,
            revision: check.revision,
            group: Some(group.clone()),
            node: Some(node.clone()),
        }
    }

    /// Whether it is a link of the instance's own chain, and not of one group or node among several.
    pub fn is_of_instance(&self) -> bool {
        self.group.is_none() && self.node.is_none()
    }
}

/// What was asked when a decision was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DecisionKind {
    Allocate,
    Repair,
    Recount,
    Release,
    Move,
}

impl DecisionKind {
    /// The kind of a request.
    pub fn of(ask: &Ask) -> Self {
        match ask {
            Ask::Allocate => Self::Allocate,
            Ask::Repair => Self::Repair,
            Ask::Recount => Self::Recount,
            Ask::Release { .. } => Self::Release,
            Ask::Move { .. } => Self::Move,
        }
    }

    /// The spelling in answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::Allocate => "allocate",
            Self::Repair => "repair",
            Self::Recount => "recount",
            Self::Release => "release",
            Self::Move => "move",
        }
    }
}

/// The decision; what only its batch knows is absent when the batch is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionPart {
    pub id: DecisionId,
    pub at: Micros,
    pub kind: Option<DecisionKind>,
    pub actor: Option<String>,
    /// The revision of the topology that it saw.
    pub revision: Option<Revision>,
    pub rules: Option<u32>,
}

/// What became of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CandidateVerdict {
    /// It became the owner.
    Chosen,
    /// It could have taken the instance.
    Eligible,
    /// It could not.
    Refused,
}

impl CandidateVerdict {
    /// The spelling in answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Eligible => "eligible",
            Self::Refused => "refused",
        }
    }
}

/// One group of the boundary in the table of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateRow {
    pub group: GroupId,
    pub region: RegionId,
    pub verdict: CandidateVerdict,
    /// Why it was chosen, or why not.
    pub reason: Reason,
    pub score: Score,
    pub ramp: Ramp,
    /// From 1, in the order in which they would have been chosen; absent for the refused.
    pub rank: Option<u32>,
    /// Utilisation above the chosen one's, in millionths; absent for the refused and where none was chosen.
    pub margin_ppm: Option<i64>,
}

impl CandidateRow {
    /// A row as the rules alone would have it.
    pub(super) fn of(candidate: Candidate) -> Self {
        let verdict = match (candidate.is_eligible, candidate.is_chosen) {
            (_, true) => CandidateVerdict::Chosen,
            (true, false) => CandidateVerdict::Eligible,
            (false, false) => CandidateVerdict::Refused,
        };
        Self {
            group: candidate.group,
            region: candidate.region,
            verdict,
            reason: candidate.reason,
            score: candidate.score,
            ramp: candidate.ramp,
            rank: candidate.rank,
            margin_ppm: candidate.rank.map(|_| candidate.margin_ppm),
        }
    }

    /// Whether it could have taken the instance.
    pub fn is_eligible(&self) -> bool {
        self.verdict != CandidateVerdict::Refused
    }
}

/// Which rule separated the chosen group from the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TieBreak {
    pub reason: Reason,
    pub winner: GroupId,
    /// Absent when nobody competed.
    pub runner_up: Option<GroupId>,
}

/// Why a certain group is not the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyNot {
    pub group: GroupId,
    pub is_owner: bool,
    /// Whether the mode owns nobody, so that the question is what the group delivers.
    pub is_about_delivery: bool,
    /// The reason of its row in the table of the decision; without a row, its first failing check.
    pub reason: Reason,
    /// The checks that it fails now as a taker of the instance.
    pub failing_now: Vec<CheckRow>,
    /// Its row in the table of the decision.
    pub then: Option<CandidateRow>,
    /// Its row if the instance were allocated today.
    pub today: Option<CandidateRow>,
    /// What would have had to be different at the decision.
    pub needed: Option<Needed>,
}

/// What would have had to be different for a group to be chosen, all else being equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needed {
    /// Less weight, or more capacity. The greatest weight is absent where even none would have been too much.
    Weight { active_weight: u64, active_weight_max: Option<u64>, capacity: u32, capacity_min: u64 },
    /// Its region would have had to be lighter as a whole, and then the group the lightest in it.
    RegionWeight {
        region: RegionId,
        chosen: RegionId,
        active_weight: u64,
        active_weight_max: Option<u64>,
        capacity: u64,
    },
    /// A repair keeps the region while it has a candidate.
    OutsideKeptRegion { kept: RegionId },
    /// More arrivals since it entered the ramp; weights.
    Arrivals { taken: u64, arrived: u64, arrived_min: u64 },
    /// It could take nobody: its checks would have had to pass.
    Eligibility,
    /// A plan or a recount named the owner; nothing was compared.
    Naming,
}

/// Why the instance stays where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyNotMoved {
    pub reason: Reason,
    pub owner: GroupId,
    /// The group that would be chosen today, the instance itself not counted; absent when none can be told.
    pub lightest_today: Option<CandidateRow>,
    /// The owner as it stands in the same table; absent when it is not in the boundary.
    pub owner_today: Option<CandidateRow>,
    /// What would move the instance; absent when the owner is the lightest.
    pub mover: Option<Action>,
}

/// One thing that an operator can do about the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// The reason that it answers.
    pub reason: Reason,
    /// The group that it is about, if one.
    pub group: Option<GroupId>,
    pub action: Action,
}

/// An act of an operator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Write one field of an object.
    Set {
        kind: Kind,
        id: String,
        field: &'static str,
        value: &'static str,
    },
    /// Write the instance with a later end.
    Prolong {
        instance: InstanceId,
    },
    /// Bring a machine back.
    MendNode {
        node: NodeId,
    },
    AddNode {
        group: GroupId,
    },
    /// Put the group, or its region, into the access template.
    WidenBoundary {
        template: AccessTemplateId,
        group: Option<GroupId>,
    },
    OfferJurisdiction {
        template: AccessTemplateId,
        jurisdiction: Jurisdiction,
    },
    /// Deliver more nodes.
    RaiseLimit {
        template: AccessTemplateId,
    },
    WriteProduct {
        product: ProductId,
    },
    PlanRepair,
    PlanMove {
        instance: InstanceId,
        to: GroupId,
    },
    PlanDrain {
        group: GroupId,
    },
    /// End or wait for the plan that takes the group away.
    AbortPlan {
        group: GroupId,
    },
    Terminate {
        instance: InstanceId,
    },
    /// Wait for the allocator, or see who leads.
    AwaitAllocator,
}

/// One line of the life of an ownership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    pub at: Micros,
    pub generation: Generation,
    pub region: Option<RegionId>,
    pub group: Option<GroupId>,
    /// Why nobody owned it, or that it was counted anew; absent when a group became the owner.
    pub reason: Option<Reason>,
    pub decision: DecisionId,
}

/// What happened to a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScaleEventKind {
    /// The instance is judged by another access template.
    TemplateChanged,
    Joined,
    Left,
    /// It is a candidate and was none.
    BecameCandidate,
    /// It was a candidate and is none.
    CeasedCandidate,
    CapacityChanged,
    RegionChanged,
}

impl ScaleEventKind {
    /// All kinds.
    pub const ALL: &[Self] = &[
        Self::TemplateChanged,
        Self::Joined,
        Self::Left,
        Self::BecameCandidate,
        Self::CeasedCandidate,
        Self::CapacityChanged,
        Self::RegionChanged,
    ];

    /// The spelling in answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::TemplateChanged => "template-changed",
            Self::Joined => "joined",
            Self::Left => "left",
            Self::BecameCandidate => "became-candidate",
            Self::CeasedCandidate => "ceased-candidate",
            Self::CapacityChanged => "capacity-changed",
            Self::RegionChanged => "region-changed",
        }
    }
}

/// One difference between the boundary at the decision and the boundary of today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaleEvent {
    pub kind: ScaleEventKind,
    /// Absent when the template itself changed.
    pub group: Option<GroupId>,
    pub was: Option<String>,
    pub is: Option<String>,
    /// The newest revision of the objects that it rests on, as they are now.
    pub revision: Revision,
}

/// What could not be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// No decision was taken yet: the candidates are those of today.
    NoDecisionYet,
    /// The mode owns nobody, so nothing was ever decided.
    NoDecisionNeeded,
    /// The batch of the decision is not kept any more.
    BatchGone,
    /// The counters of today could not be had.
    CountersUnknown,
    /// The product is unknown.
    ProductUnknown,
    /// The rules of today give another table than the record.
    RecordDiffers,
    /// The owner is no object any more.
    OwnerGone,
    /// More could be done than is listed.
    MoreRemedies,
}

impl Missing {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::NoDecisionYet,
        Self::NoDecisionNeeded,
        Self::BatchGone,
        Self::CountersUnknown,
        Self::ProductUnknown,
        Self::RecordDiffers,
        Self::OwnerGone,
        Self::MoreRemedies,
    ];

    /// The spelling in answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoDecisionYet => "no-decision-yet",
            Self::NoDecisionNeeded => "no-decision-needed",
            Self::BatchGone => "batch-gone",
            Self::CountersUnknown => "counters-unknown",
            Self::ProductUnknown => "product-unknown",
            Self::RecordDiffers => "record-differs",
            Self::OwnerGone => "owner-gone",
            Self::MoreRemedies => "more-remedies",
        }
    }
}

/// Whether the decision comes out again from its batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    /// The hash of the batch, in hex.
    pub hash: Option<String>,
    pub rules: Option<u32>,
    /// Absent when it was not run again.
    pub verified: Option<bool>,
}
