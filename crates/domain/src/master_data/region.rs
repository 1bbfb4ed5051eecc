//! Regions and resource groups: the two boundaries around nodes.
//!
//! Boundaries come first, resolution second: a node is never delivered but through a group, and a group lies in one
//! region, whose jurisdiction says where data may lie (I22).

use serde::{Deserialize, Serialize};

use super::{Labels, Switch};
use crate::ids::{GroupId, Jurisdiction, RegionId};

/// An orchestration boundary made of resource groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    pub id: RegionId,
    /// For people; empty when not given.
    pub name: String,
    /// Where its data may lie; absent means none is promised, so no instance that demands one lands here.
    pub jurisdiction: Option<Jurisdiction>,
    /// `active` or `closed`.
    pub state: Switch,
    pub labels: Labels,
}

/// What a resource group does with instances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupState {
    /// Takes and serves.
    #[default]
    Active,
    /// Serves its owners and takes nobody.
    Draining,
    /// Does neither.
    Closed,
}

impl GroupState {
    /// The spelling in manifests and tables.
    pub fn code(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Closed => "closed",
        }
    }
}

/// The first boundary of nodes: managed, measured, allocated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceGroup {
    pub id: GroupId,
    pub region: RegionId,
    /// Capacity relative to the other groups; 1 ..= [`GROUP_WEIGHT_MAX`].
    pub weight: u32,
    pub state: GroupState,
    pub labels: Labels,
}

/// A million to one between the largest and the smallest group; keeps every product of the balance rule in u128.
pub const GROUP_WEIGHT_MAX: u32 = 1_000_000;
