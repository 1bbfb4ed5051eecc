//! Ownership: the persisted answer to where an instance belongs.
//!
//! Brokenness is a verdict of the one evaluator, never a stored variant. A row outlives its release, so that the
//! generation of a re-created id goes on (I2). `fixed` and `merge` have no row.

use serde::{Deserialize, Serialize};

use crate::ids::{DecisionId, Generation, GroupId, ProductId, RegionId};
use crate::reason::Reason;
use crate::time::Micros;

/// Who holds an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holder {
    /// One group.
    Group {
        region: RegionId,
        group: GroupId,
        /// The weight with which it is counted in the load of the group.
        weight: u32,
        /// The product with which it is counted.
        product: ProductId,
    },
    /// Explicitly nobody.
    Nobody { why: Reason },
}

/// The ownership row of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    pub holder: Holder,
    /// Grows by one whenever another group becomes the holder.
    pub generation: Generation,
    /// Grows by one with every write of the row; the compare-and-set of the next.
    pub version: u64,
    /// The decision that made it so.
    pub decision: DecisionId,
    /// When.
    pub since: Micros,
}

impl Ownership {
    /// The group that owns, if one does.
    pub fn group(&self) -> Option<&GroupId> {
        match &self.holder {
            Holder::Group { group, .. } => Some(group),
            Holder::Nobody { .. } => None,
        }
    }
}
