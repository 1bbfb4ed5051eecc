//! Nodes and places on the globe.
//!
//! Degrees are integer microdegrees, so that no float enters a decision (I1). All groups of a node lie in one
//! jurisdiction (I22); what is observed of a node is a fact and stands elsewhere.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Labels, Switch};
use crate::ids::{GroupId, NodeId, OutboundTemplateId, RuntimeTemplateId};

/// A place on the globe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    latitude_udeg: i32,
    longitude_udeg: i32,
}

/// Degrees outside the globe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error("a latitude lies between -90 and 90 degrees")]
    Latitude,
    #[error("a longitude lies between -180 and 180 degrees")]
    Longitude,
}

impl Place {
    /// A place from microdegrees.
    ///
    /// # Errors
    /// [`PlaceError`] when a coordinate lies outside ±90° or ±180°.
    pub fn new(latitude_udeg: i32, longitude_udeg: i32) -> Result<Self, PlaceError> {
        if latitude_udeg.unsigned_abs() > 90_000_000 {
            return Err(PlaceError::Latitude);
        }
        if longitude_udeg.unsigned_abs() > 180_000_000 {
            return Err(PlaceError::Longitude);
        }
        Ok(Self { latitude_udeg, longitude_udeg })
    }

    /// Microdegrees north of the equator.
    pub fn latitude_udeg(self) -> i32 {
        self.latitude_udeg
    }

    /// Microdegrees east of Greenwich.
    pub fn longitude_udeg(self) -> i32 {
        self.longitude_udeg
    }
}

/// Where an instance is used; all Tenure needs of it is the place.
pub type Location = Place;

/// Where a node stands. City and country are for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLocation {
    pub city: Option<String>,
    pub country: Option<String>,
    pub place: Option<Place>,
}

/// Where a node is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// An IP address or a host name; opaque.
    pub address: String,
    pub port: u16,
    /// For example `tcp`, `udp`, `quic`; opaque.
    pub protocol: String,
}

/// An edge machine in one or more groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub id: NodeId,
    /// At least one; all in one jurisdiction (I22).
    pub groups: BTreeSet<GroupId>,
    pub runtime_template: RuntimeTemplateId,
    pub outbound_template: OutboundTemplateId,
    /// `active` or `disabled`.
    pub state: Switch,
    pub endpoints: Vec<Endpoint>,
    /// Smaller first.
    pub priority: u32,
    /// Larger first.
    pub weight: u32,
    pub location: NodeLocation,
    pub labels: Labels,
}
