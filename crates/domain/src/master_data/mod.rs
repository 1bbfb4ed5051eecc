//! Master data: what operators write down. Plain structs; whoever holds one holds a checked one.
//!
//! References between objects are ids here; [`crate::orchestration::Topology`] resolves them.
//! Labels are resident data (I22): they never enter a decision or a log line.

mod access_template;
mod instance;
mod node;
mod object;
mod product;
mod region;
mod template;

pub use access_template::{AccessTemplate, Mode, OnBroken, Order};
pub use instance::{INSTANCE_WEIGHT_MAX, Instance, InstanceStatus};
pub use node::{Endpoint, Location, Node, NodeLocation, Place, PlaceError};
pub use object::{Kind, Object, Reference};
pub use product::{Action, Anchor, Every, Limits, Policy, Product, Quota, Reset, Trigger};
pub use region::{GROUP_WEIGHT_MAX, GroupState, Region, ResourceGroup};
pub use template::{OutboundTemplate, RuntimeTemplate};

use std::collections::BTreeMap;

/// Labels of an object: operators' words, opaque to Tenure.
pub type Labels = BTreeMap<String, String>;

/// A body that is delivered and never read: JSON text, exactly as it was parsed, without insignificant blanks.
pub type OpaqueBody = String;

/// Whether a thing takes part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// It takes part.
    #[default]
    Active,
    /// It does not: `closed` for a region, `disabled` for a node or a template.
    Off,
}

impl Switch {
    /// Whether the thing takes part.
    pub fn is_active(self) -> bool {
        self == Self::Active
    }
}
