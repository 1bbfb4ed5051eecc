//! The service instance: what a customer has.
//!
//! Its status is what the operator wants; ownership and enforcement are kept apart, and neither overwrites the other.
//! It is held while active, suspended or expired, and released when terminated (I2).

use serde::{Deserialize, Serialize};

use super::{Labels, Location};
use crate::ids::{InstanceId, Jurisdiction, ProductId};
use crate::time::Micros;

/// What the operator wants of an instance. Enforcement is kept apart: neither overwrites the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceStatus {
    #[default]
    Active,
    /// Keeps its ownership, delivers nothing.
    Suspended,
    /// Its ownership is released.
    Terminated,
}

impl InstanceStatus {
    /// The spelling in manifests, tables and answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Terminated => "terminated",
        }
    }
}

/// What a customer has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    pub id: InstanceId,
    pub product: ProductId,
    /// Absent means anywhere the product allows.
    pub jurisdiction: Option<Jurisdiction>,
    pub status: InstanceStatus,
    /// Its share of a group's capacity; 1 ..= [`INSTANCE_WEIGHT_MAX`].
    pub weight: u32,
    pub location: Option<Location>,
    /// The anchor of resets. Keeps its first value.
    pub created: Micros,
    pub expires: Option<Micros>,
    pub labels: Labels,
}

/// A million ordinary instances in one; sums over a thousand million of them stay below 2^53.
pub const INSTANCE_WEIGHT_MAX: u32 = 1_000_000;
