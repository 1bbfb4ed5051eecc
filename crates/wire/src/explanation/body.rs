//! The JSON of an explanation. The order of the fields is the order of the keys.
//!
//! Every list is whole: nothing is sampled and nothing is cut but acts beyond the limit of the domain, and then
//! `missing` says so. A code is one of `docs/reference/reasons.md`, or stands in one of its other tables.

use domain::orchestration::Phase;
use domain::resolution::explain::{self, Action, CandidateRow, CheckRow, Explanation, Needed, prose};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::instant;
use crate::ownership::HistoryRowBody;

/// Why an instance is where it is, why not elsewhere, and what would change it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplanationBody {
    /// One sentence.
    pub answer: String,
    pub subject: ExplainedSubject,
    pub verdict_now: ExplainedVerdict,
    /// The decision that chose the owner, or found nobody; null when none was taken.
    pub decision: Option<ExplainedDecision>,
    /// All groups that the decision looked at, with what became of each.
    pub candidates: Vec<ExplainedCandidate>,
    pub tie_break: Option<ExplainedTieBreak>,
    /// Null unless a group was asked for.
    pub why_not: Option<ExplainedWhyNot>,
    /// Null unless a group owns the instance.
    pub why_not_moved: Option<ExplainedStay>,
    pub what_would_change_it: Vec<ExplainedAct>,
    /// Oldest first; the last row is the ownership of today.
    pub history: Vec<HistoryRowBody>,
    /// What happened to the boundary between the decision and today.
    pub scale_events_since: Vec<ExplainedScaleEvent>,
    /// What could not be told, and why.
    pub missing: Vec<ExplainedMissing>,
    pub replay: ExplainedReplay,
}

/// Whom it is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedSubject {
    pub instance: String,
    pub product: String,
    pub access_template: Option<String>,
    pub mode: Option<String>,
    pub jurisdiction: Option<String>,
    pub status: String,
    pub is_expired: bool,
    pub weight: u32,
    pub region: Option<String>,
    pub group: Option<String>,
    pub generation: Option<u64>,
    /// RFC 3339.
    pub since: Option<String>,
    /// The newest revision among the facts that the answer rests on.
    pub revision: u64,
}

/// What resolution says now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedVerdict {
    /// A reason code; `ok` when deliverable.
    pub code: String,
    /// In chain order.
    pub checks: Vec<ExplainedCheck>,
    /// The status of the resolution; null when the product is unknown.
    pub status: Option<String>,
    /// How many nodes are delivered.
    pub delivered: u32,
}

/// One link of the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedCheck {
    pub code: String,
    pub pass: bool,
    pub observed: String,
    pub required: String,
    /// The object in which it was seen, for example `Node ams-01`.
    pub source: String,
    /// The revision that wrote it.
    pub revision: u64,
    /// A reason code; `ok` or `within-limit` when it passes.
    pub reason: String,
    /// The group that it is about, where there are several, or the group of the node.
    pub group: Option<String>,
    /// The node that it is about.
    pub node: Option<String>,
}

/// The decision. What only its batch knows is null when that could not be loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedDecision {
    /// BATCH.ORDINAL.
    pub id: String,
    /// RFC 3339.
    pub at: String,
    /// allocate, repair, recount, release or move.
    pub kind: Option<String>,
    pub actor: Option<String>,
    /// The revision of the topology that it saw.
    pub revision: Option<u64>,
    pub rules: Option<u32>,
}

/// One group in the table of a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedCandidate {
    pub group: String,
    /// chosen, eligible or refused.
    pub verdict: String,
    /// A reason code.
    pub reason: String,
    pub score: ExplainedScore,
    /// From 1, in the order in which they would have been chosen; null for the refused.
    pub rank: Option<u32>,
    /// Utilisation above the chosen one's, in millionths; null for the refused.
    pub margin: Option<i64>,
    pub region: String,
    pub ramp: ExplainedRamp,
}

/// What a group was compared by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedScore {
    /// Before the decision.
    pub active_weight: u64,
    /// The weight of the instance.
    pub own_weight: u32,
    pub capacity: u32,
    /// Instances of the same product in the group.
    pub same_product: u64,
    /// (active + own) ÷ capacity in millionths, rounded down; never compared.
    pub utilisation_ppm: u64,
}

/// Where a group stood in the ramp of the boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedRamp {
    /// out, ramping or full.
    pub phase: String,
    pub taken: u64,
    pub arrived: u64,
}

/// Which rule separated the chosen group from the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedTieBreak {
    pub code: String,
    pub winner: String,
    pub runner_up: Option<String>,
    pub text: String,
}

/// Why a certain group is not the owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedWhyNot {
    pub group: String,
    pub code: String,
    pub is_owner: bool,
    pub text: String,
    /// The checks that it fails now as a taker of the instance.
    pub failing_now: Vec<ExplainedCheck>,
    /// Its row in the table of the decision.
    pub then: Option<ExplainedCandidate>,
    /// Its row if the instance were allocated today.
    pub today: Option<ExplainedCandidate>,
    pub needed: Option<ExplainedNeed>,
}

/// What would have had to be different for the group to be chosen, all else being equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum ExplainedNeed {
    /// Less weight (null: none is little enough), or more capacity.
    Weight { active_weight: u64, active_weight_max: Option<u64>, capacity: u32, capacity_min: u64 },
    /// A lighter region; weights and capacity over its candidates.
    RegionWeight { region: String, chosen: String, active_weight: u64, active_weight_max: Option<u64>, capacity: u64 },
    /// A repair kept another region.
    OutsideKeptRegion { kept: String },
    /// More arriving weight while it ramped.
    Arrivals { taken: u64, arrived: u64, arrived_min: u64 },
    /// It could take nobody.
    Eligibility,
    /// The owner was named, not compared.
    Naming,
}

/// Why the instance stays where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedStay {
    pub code: String,
    pub owner: String,
    pub text: String,
    /// The group that would be chosen today, the instance itself not counted.
    pub lightest_today: Option<ExplainedCandidate>,
    /// The owner in the same table.
    pub owner_today: Option<ExplainedCandidate>,
    /// What would move it, and its command.
    pub action: Option<String>,
    pub command: Option<String>,
}

/// What an operator can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedAct {
    /// The reason that it answers.
    pub code: String,
    pub group: Option<String>,
    pub action: String,
    /// To be pasted; null where only a manifest can say what is wanted.
    pub command: Option<String>,
}

/// One difference between the boundary then and now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedScaleEvent {
    pub code: String,
    /// Null when the template itself changed.
    pub group: Option<String>,
    pub was: Option<String>,
    pub is: Option<String>,
    /// The newest revision of the objects that it rests on.
    pub revision: u64,
    pub text: String,
}

/// What could not be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedMissing {
    pub code: String,
    pub text: String,
}

/// Whether the decision comes out again from its batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedReplay {
    /// The hash of the batch, in hex.
    pub hash: Option<String>,
    pub rules: Option<u32>,
    /// Null when it was not run again.
    pub verified: Option<bool>,
}

fn text_of<T: ToString>(it: Option<&T>) -> Option<String> {
    it.map(ToString::to_string)
}

impl From<&Explanation> for ExplanationBody {
    fn from(it: &Explanation) -> Self {
        let instance = &it.subject.instance;
        Self {
            answer: prose::answer(it),
            subject: subject(&it.subject),
            verdict_now: ExplainedVerdict {
                code: it.verdict_now.reason.code().to_owned(),
                checks: it.verdict_now.checks.iter().map(ExplainedCheck::from).collect(),
                status: it.verdict_now.status.map(|status| status.code().to_owned()),
                delivered: it.verdict_now.delivered,
            },
            decision: it.decision.as_ref().map(|decision| ExplainedDecision {
                id: decision.id.to_string(),
                at: instant::format(decision.at),
                kind: decision.kind.map(|kind| kind.code().to_owned()),
                actor: decision.actor.clone(),
                revision: decision.revision.map(|revision| revision.0),
                rules: decision.rules,
            }),
            candidates: it.candidates.iter().map(ExplainedCandidate::from).collect(),
            tie_break: it.tie_break.as_ref().map(|it| ExplainedTieBreak {
                code: it.reason.code().to_owned(),
                winner: it.winner.to_string(),
                runner_up: text_of(it.runner_up.as_ref()),
                text: prose::tie_break(it),
            }),
            why_not: it.why_not.as_ref().map(|why_not| ExplainedWhyNot {
                group: why_not.group.to_string(),
                code: why_not.reason.code().to_owned(),
                is_owner: why_not.is_owner,
                text: prose::why_not(why_not, instance),
                failing_now: why_not.failing_now.iter().map(ExplainedCheck::from).collect(),
                then: why_not.then.as_ref().map(ExplainedCandidate::from),
                today: why_not.today.as_ref().map(ExplainedCandidate::from),
                needed: why_not.needed.as_ref().map(ExplainedNeed::from),
            }),
            why_not_moved: it.why_not_moved.as_ref().map(|stay| ExplainedStay {
                code: stay.reason.code().to_owned(),
                owner: stay.owner.to_string(),
                text: prose::why_not_moved(stay, instance),
                lightest_today: stay.lightest_today.as_ref().map(ExplainedCandidate::from),
                owner_today: stay.owner_today.as_ref().map(ExplainedCandidate::from),
                action: stay.mover.as_ref().map(prose::action),
                command: stay.mover.as_ref().and_then(prose::command),
            }),
            what_would_change_it: it.what_would_change_it.iter().map(ExplainedAct::from).collect(),
            history: it.history.iter().map(HistoryRowBody::from).collect(),
            scale_events_since: it.scale_events_since.iter().map(ExplainedScaleEvent::from).collect(),
            missing: it
                .missing
                .iter()
                .map(|it| ExplainedMissing { code: it.code().to_owned(), text: prose::missing(*it).to_owned() })
                .collect(),
            replay: ExplainedReplay {
                hash: it.replay.hash.clone(),
                rules: it.replay.rules,
                verified: it.replay.verified,
            },
        }
    }
}

fn subject(it: &explain::SubjectPart) -> ExplainedSubject {
    ExplainedSubject {
        instance: it.instance.to_string(),
        product: it.product.to_string(),
        access_template: text_of(it.access_template.as_ref()),
        mode: it.mode.map(str::to_owned),
        jurisdiction: text_of(it.jurisdiction.as_ref()),
        status: it.status.code().to_owned(),
        is_expired: it.is_expired,
        weight: it.weight,
        region: text_of(it.region.as_ref()),
        group: text_of(it.group.as_ref()),
        generation: it.generation.map(|generation| generation.0),
        since: it.since.map(instant::format),
        revision: it.revision.0,
    }
}

impl From<&CheckRow> for ExplainedCheck {
    fn from(it: &CheckRow) -> Self {
        Self {
            code: it.code.to_owned(),
            pass: it.pass,
            observed: it.observed.clone(),
            required: it.required.clone(),
            source: it.source.clone(),
            revision: it.revision.0,
            reason: it.reason.code().to_owned(),
            group: text_of(it.group.as_ref()),
            node: text_of(it.node.as_ref()),
        }
    }
}

impl From<&CandidateRow> for ExplainedCandidate {
    fn from(it: &CandidateRow) -> Self {
        Self {
            group: it.group.to_string(),
            verdict: it.verdict.code().to_owned(),
            reason: it.reason.code().to_owned(),
            score: ExplainedScore {
                active_weight: it.score.active_weight,
                own_weight: it.score.own_weight,
                capacity: it.score.capacity,
                same_product: it.score.same_product,
                utilisation_ppm: it.score.utilisation_ppm(),
            },
            rank: it.rank,
            margin: it.margin_ppm,
            region: it.region.to_string(),
            ramp: ExplainedRamp {
                phase: it.ramp.phase.code().to_owned(),
                taken: it.ramp.taken,
                arrived: it.ramp.arrived,
            },
        }
    }
}

impl ExplainedRamp {
    /// Whether the group was held to its share.
    pub fn is_ramping(&self) -> bool {
        self.phase == Phase::Ramping.code()
    }
}

impl From<&Needed> for ExplainedNeed {
    fn from(it: &Needed) -> Self {
        match it.clone() {
            Needed::Weight { active_weight, active_weight_max, capacity, capacity_min } => {
                Self::Weight { active_weight, active_weight_max, capacity, capacity_min }
            }
            Needed::RegionWeight { region, chosen, active_weight, active_weight_max, capacity } => Self::RegionWeight {
                region: region.to_string(),
                chosen: chosen.to_string(),
                active_weight,
                active_weight_max,
                capacity,
            },
            Needed::OutsideKeptRegion { kept } => Self::OutsideKeptRegion { kept: kept.to_string() },
            Needed::Arrivals { taken, arrived, arrived_min } => Self::Arrivals { taken, arrived, arrived_min },
            Needed::Eligibility => Self::Eligibility,
            Needed::Naming => Self::Naming,
        }
    }
}

impl From<&explain::Remedy> for ExplainedAct {
    fn from(it: &explain::Remedy) -> Self {
        let action: &Action = &it.action;
        Self {
            code: it.reason.code().to_owned(),
            group: text_of(it.group.as_ref()),
            action: prose::action(action),
            command: prose::command(action),
        }
    }
}

impl From<&explain::ScaleEvent> for ExplainedScaleEvent {
    fn from(it: &explain::ScaleEvent) -> Self {
        Self {
            code: it.kind.code().to_owned(),
            group: text_of(it.group.as_ref()),
            was: it.was.clone(),
            is: it.is.clone(),
            revision: it.revision.0,
            text: prose::scale_event(it),
        }
    }
}
