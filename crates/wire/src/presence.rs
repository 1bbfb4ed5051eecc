//! The body of `GET /v1/instances/{id}/presence`: the devices of an instance that were seen lately.
//!
//! Held in memory and joined by the later sighting; what is not seen again within the time to live is gone.

use domain::time::Micros;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::instant;

/// Devices of one answer: more than any product allows, less than a flood.
pub const PRESENCE_DEVICES_MAX: usize = 1000;

/// A device that is online.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceSeen {
    pub device: String,
    /// Who saw it last.
    pub reporter: String,
    #[serde(with = "instant")]
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Micros,
}

/// The devices of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Presence {
    pub instance: String,
    /// How many devices are online.
    pub online: u64,
    /// At most 1000 of them, the latest first.
    pub devices: Vec<DeviceSeen>,
}
