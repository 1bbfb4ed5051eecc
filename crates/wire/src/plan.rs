//! The bodies of `/v1/plans`: what is asked for, what it would do, how far it has come.
//!
//! A plan is made and read before it is applied; making one changes nothing. `topology` answers also with its blast
//! radius over every instance. Ratios are decimal numbers of at most six digits.

use std::collections::BTreeMap;

use domain::time::Micros;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::instant;

/// What a plan is asked for. Which fields belong to which kind stands beside them.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanRequest {
    /// topology, repair, rebalance, drain or move.
    pub kind: String,
    /// `topology`: objects as they shall be, as in `apply`; no instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub manifests: Option<Box<RawValue>>,
    /// `topology`: objects that shall go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delete: Vec<PlannedDeletion>,
    /// `rebalance`: the largest utilisation over the mean that is wanted; 1 unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<f64>,
    /// `drain`: the group that shall be emptied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `move`: who shall go where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<PlannedMove>,
}

/// An object that shall go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedDeletion {
    pub kind: String,
    pub id: String,
}

/// Who shall go where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedMove {
    pub instance: String,
    pub to: String,
}

/// How fast a plan is applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanPace {
    /// Moves per second; 100 unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<u32>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    pub id: String,
    /// topology, repair, rebalance, drain, move or undo.
    pub kind: String,
    /// draft, applying, paused, done, aborted or failed.
    pub state: String,
    /// The revision that it was worked out on.
    pub snapshot_revision: u64,
    pub summary: PlanSummary,
    pub before: PlanBalance,
    pub after: PlanBalance,
    /// Groups that somebody comes to or goes from, by id.
    pub groups: Vec<PlanGroup>,
    /// How long the moves take at the rate.
    pub estimate_s: u64,
    /// `topology` only: instances whose owner becomes another, or first comes to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ownership_changed: Option<u64>,
    /// `topology` only: what is delivered otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution_changed: Option<ResolutionChange>,
    /// `topology` only: the same by product; only products that are touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_product: Option<BTreeMap<String, ProductChange>>,
    /// How many instances are blocked for which reason code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blocked: BTreeMap<String, u64>,
    pub progress: PlanProgress,
    pub rate_per_s: u32,
    #[serde(with = "instant")]
    #[schema(value_type = String, format = DateTime)]
    pub created: Micros,
    /// Who made it.
    pub actor: String,
    /// The plan that this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_of: Option<String>,
    /// `undo` only: objects that somebody has edited after the plan that it takes back. They stay as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_alone: Vec<PlanObject>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The name of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanObject {
    pub kind: String,
    pub id: String,
}

/// What a plan would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanSummary {
    /// Left as they are.
    pub stay: u64,
    /// Valid owners that change.
    #[serde(rename = "move")]
    pub moves: u64,
    /// Broken owners that are replaced.
    pub repair: u64,
    /// Should change and cannot.
    pub blocked: u64,
}

/// How even a boundary is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlanBalance {
    /// The fullest candidate over the mean of its boundary, the largest over all boundaries.
    pub max_over_mean: f64,
}

/// What the moves do to a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanGroup {
    pub id: String,
    #[serde(rename = "in")]
    pub arriving: u64,
    #[serde(rename = "out")]
    pub leaving: u64,
}

/// What is delivered otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResolutionChange {
    /// Instances that are delivered another set of nodes.
    pub instances: u64,
    /// Pairs of instance and node that are delivered after and not before.
    pub nodes_added: u64,
    /// Pairs of instance and node that are delivered before and not after.
    pub nodes_removed: u64,
}

/// What a change does to the instances of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductChange {
    pub ownership_changed: u64,
    pub resolution_changed: ResolutionChange,
}

/// How far the moves have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanProgress {
    pub pending: u64,
    pub done: u64,
    pub skipped: u64,
}

/// One move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanMove {
    pub ordinal: u32,
    pub instance: String,
    /// Null for an instance that nobody owned.
    pub from: Option<String>,
    pub to: String,
    /// The generation that the plan read; the move is made only while it stands.
    pub generation: u64,
    /// pending, done or skipped.
    pub state: String,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The decision that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
}

/// A page of plans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlanPage {
    pub items: Vec<Plan>,
    /// The cursor of the next page; null on the last.
    pub next: Option<String>,
}

/// A page of moves, in the order in which they are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MovePage {
    pub items: Vec<PlanMove>,
    /// The cursor of the next page; null on the last.
    pub next: Option<String>,
}
