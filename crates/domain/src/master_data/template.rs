//! Runtime and outbound templates: how a node runs and how it egresses.
//!
//! Their bodies are delivered, never read: they are JSON text as it was parsed. A template that is disabled
//! disqualifies every node that names it (I3).

use serde::{Deserialize, Serialize};

use super::{Labels, OpaqueBody, Switch};
use crate::ids::{OutboundTemplateId, RuntimeTemplateId};

/// How a node runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeTemplate {
    pub id: RuntimeTemplateId,
    /// `active` or `disabled`.
    pub state: Switch,
    pub body: OpaqueBody,
    pub labels: Labels,
}

/// How a node egresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundTemplate {
    pub id: OutboundTemplateId,
    /// `active` or `disabled`.
    pub state: Switch,
    pub body: OpaqueBody,
    pub labels: Labels,
}
