//! The product: an access template with a quota, limits and policies.
//!
//! Only the access template enters ownership. Periods follow I15; a policy is data here, and is judged elsewhere.
//! Bytes and counts are integers; shares are permille.

use serde::{Deserialize, Serialize};

use super::Labels;
use crate::ids::{AccessTemplateId, ProductId};

/// How often usage begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    Never,
    Hour,
    Day,
    Week,
    Month,
    Year,
    /// So many days.
    Days(u32),
}

/// Where periods are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// 00:00 local time of the calendar's own boundary.
    Calendar,
    /// The creation of the instance.
    Instance,
    /// 00:00 local time of this day of the month, 1 ..= 31.
    Day(u8),
}

/// When usage begins anew (I15).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    pub every: Every,
    pub anchor: Anchor,
    /// An IANA zone name.
    pub timezone: String,
}

/// How much may be used in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    pub bytes: u64,
    pub reset: Reset,
}

/// Limits beside the quota.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Devices online at once.
    pub devices: Option<u32>,
}

/// What makes a policy fire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A share of the quota, in permille: `80%` is 800.
    AtPermille(u32),
    /// A CEL expression.
    When(String),
}

/// What a policy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Notify,
    Suspend,
    Throttle,
    Webhook,
}

/// A rule on the use of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub trigger: Trigger,
    pub action: Action,
}

/// What is sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub id: ProductId,
    pub access_template: AccessTemplateId,
    /// Absent means unlimited.
    pub quota: Option<Quota>,
    pub limits: Limits,
    pub policies: Vec<Policy>,
    pub labels: Labels,
}
