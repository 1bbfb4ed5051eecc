//! Objects as they are written: the fields of the contract, in its order, defaults spelt out, the absent left out.
//!
//! These structs are what GET answers, what `export` writes and what the OpenAPI document describes.
//! Reading what they write gives the same object; `laws.rs` holds them to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// An object with its kind.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind")]
pub enum Manifest {
    Region(RegionSpec),
    ResourceGroup(ResourceGroupSpec),
    RuntimeTemplate(RuntimeTemplateSpec),
    OutboundTemplate(OutboundTemplateSpec),
    Node(NodeSpec),
    AccessTemplate(AccessTemplateSpec),
    Product(ProductSpec),
    Instance(InstanceSpec),
}

/// An orchestration boundary made of resource groups.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegionSpec {
    pub id: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where its data may lie, for example `EU`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<String>,
    /// `active` (default) or `closed`.
    #[serde(default = "active")]
    pub state: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// The first boundary of nodes: managed, measured, allocated.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceGroupSpec {
    pub id: String,
    pub region: String,
    /// Capacity relative to the other groups, 1 to 1,000,000; 100 unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// `active` (default), `draining` (serves its owners, takes nobody) or `closed`.
    #[serde(default = "active")]
    pub state: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

macro_rules! template_spec {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            pub id: String,
            /// `active` (default) or `disabled`.
            #[serde(default = "active")]
            pub state: String,
            /// Delivered with the node, never read; any map.
            #[schema(value_type = Object)]
            pub body: Box<RawValue>,
            #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
            pub labels: BTreeMap<String, String>,
        }
    };
}

template_spec!(/// How a node runs.
    RuntimeTemplateSpec);
template_spec!(/// How a node egresses.
    OutboundTemplateSpec);

/// An edge machine in one or more groups.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
    pub id: String,
    /// At least one; all in one jurisdiction.
    pub groups: Vec<String>,
    pub runtime_template: String,
    pub outbound_template: String,
    /// `active` (default) or `disabled`.
    #[serde(default = "active")]
    pub state: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointSpec>,
    /// Smaller first; 10 unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// Larger first; 100 unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<NodeLocationSpec>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Where a node is reached.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointSpec {
    /// An IP address or a host name.
    pub address: String,
    /// 1 to 65535.
    pub port: u16,
    /// `tcp` unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
}

/// Where a node stands. Both degrees, or none.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeLocationSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
}

/// A place in degrees, kept to a millionth.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceSpec {
    pub latitude: f64,
    pub longitude: f64,
}

/// The executable delivery policy of a product.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessTemplateSpec {
    pub id: String,
    /// `fixed` (nodes), `merge` (groups), `shard` (groups) or `regional` (regions).
    pub mode: String,
    /// Of mode `fixed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Of modes `merge` and `shard`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Of mode `regional`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
    /// `priority` (default), `weight`, `stable_shuffle`, `load` or `proximity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// At most so many nodes delivered; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `repair` (default) or `hold` (wait for a plan).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_broken: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What is sold.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductSpec {
    pub id: String,
    pub access_template: String,
    /// Absent means unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsSpec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PolicySpec>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// How much may be used in a period.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaSpec {
    /// At most 2^53 − 1.
    pub bytes: u64,
    /// Absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<ResetSpec>,
}

/// When usage begins anew.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetSpec {
    /// `never`, `hour`, `day`, `week`, `month`, `year` or `{days: N}`.
    pub every: EverySpec,
    /// `calendar` (default), `instance` or `{day: N}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<AnchorSpec>,
    /// An IANA name; `UTC` unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// How often usage begins anew.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EverySpec {
    Never,
    Hour,
    Day,
    Week,
    Month,
    Year,
    /// So many days, 1 to 3660.
    Days(u32),
}

/// Where periods are counted from.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnchorSpec {
    Calendar,
    Instance,
    /// This day of the month, 1 to 31.
    Day(u8),
}

/// Limits beside the quota.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsSpec {
    /// Devices online at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<u32>,
}

/// A rule on the use of an instance: either `at` or `when`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    /// A share of the quota, for example `80%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// A CEL expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// `notify`, `suspend`, `throttle` or `webhook`.
    #[serde(rename = "do")]
    pub action: String,
}

/// What a customer has.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceSpec {
    pub id: String,
    pub product: String,
    /// Absent means anywhere the product allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<String>,
    /// `active` (default), `suspended` or `terminated`.
    #[serde(default = "active")]
    pub status: String,
    /// 1 to 1,000,000; 1 unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// For proximity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<PlaceSpec>,
    /// The anchor of resets, RFC 3339; keeps its first value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// The state and the status of whatever states none.
pub(super) fn active() -> String {
    "active".to_owned()
}
