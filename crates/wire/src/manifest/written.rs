//! Objects of the domain as they are written: one conversion per kind, and the texts of whole objects.
//!
//! Defaults are spelt out, so that a reader needs no table of them; a location, limits or labels without content are
//! left out. Nothing here can fail: whoever holds an object of the domain holds a checked one.

use domain::master_data::{
    AccessTemplate, Action, Anchor, Every, Instance, Kind, Mode, Node, NodeLocation, Object, OnBroken,
    OutboundTemplate, Place, Policy, Product, Quota, Region, Reset, ResourceGroup, RuntimeTemplate, Switch, Trigger,
};
use serde_json::value::RawValue;

use super::spec::{
    AccessTemplateSpec, AnchorSpec, EndpointSpec, EverySpec, InstanceSpec, LimitsSpec, Manifest, NodeLocationSpec,
    NodeSpec, OutboundTemplateSpec, PlaceSpec, PolicySpec, ProductSpec, QuotaSpec, RegionSpec, ResetSpec,
    ResourceGroupSpec, RuntimeTemplateSpec, active,
};
use super::values::permille_to_text;
use super::yaml_text::json_to_yaml;
use crate::instant;

/// Writes an object as one line of JSON, `kind` first: a line of `export`, and what GET answers.
pub fn to_json(object: &Object) -> String {
    serde_json::to_string(&Manifest::from(object)).expect("a manifest is always JSON")
}

/// Writes an object as a YAML document, `kind` first, without a document mark.
pub fn to_yaml(object: &Object) -> String {
    json_to_yaml(&to_json(object)).expect("what was just written as JSON reads back")
}

impl From<&Object> for Manifest {
    fn from(object: &Object) -> Self {
        match object {
            Object::Region(it) => Self::Region(it.into()),
            Object::ResourceGroup(it) => Self::ResourceGroup(it.into()),
            Object::RuntimeTemplate(it) => Self::RuntimeTemplate(it.into()),
            Object::OutboundTemplate(it) => Self::OutboundTemplate(it.into()),
            Object::Node(it) => Self::Node(it.into()),
            Object::AccessTemplate(it) => Self::AccessTemplate(it.into()),
            Object::Product(it) => Self::Product(it.into()),
            Object::Instance(it) => Self::Instance(it.into()),
        }
    }
}

impl Manifest {
    /// The kind of the object.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Region(_) => Kind::Region,
            Self::ResourceGroup(_) => Kind::ResourceGroup,
            Self::RuntimeTemplate(_) => Kind::RuntimeTemplate,
            Self::OutboundTemplate(_) => Kind::OutboundTemplate,
            Self::Node(_) => Kind::Node,
            Self::AccessTemplate(_) => Kind::AccessTemplate,
            Self::Product(_) => Kind::Product,
            Self::Instance(_) => Kind::Instance,
        }
    }
}

fn switch(state: Switch, off: &str) -> String {
    if state.is_active() { active() } else { off.to_owned() }
}

fn texts<'a, T: ToString + 'a>(ids: impl IntoIterator<Item = &'a T>) -> Vec<String> {
    ids.into_iter().map(ToString::to_string).collect()
}

fn raw(body: &str) -> Box<RawValue> {
    RawValue::from_string(body.to_owned()).expect("a body is kept as JSON text")
}

/// The nearest float to the degrees; written with the fewest digits, it is those degrees again.
fn degrees(microdegrees: i32) -> f64 {
    f64::from(microdegrees) / 1e6
}

impl From<&Region> for RegionSpec {
    fn from(it: &Region) -> Self {
        Self {
            id: it.id.to_string(),
            name: it.name.clone(),
            jurisdiction: it.jurisdiction.as_ref().map(ToString::to_string),
            state: switch(it.state, "closed"),
            labels: it.labels.clone(),
        }
    }
}

impl From<&ResourceGroup> for ResourceGroupSpec {
    fn from(it: &ResourceGroup) -> Self {
        Self {
            id: it.id.to_string(),
            region: it.region.to_string(),
            weight: Some(it.weight),
            state: it.state.code().to_owned(),
            labels: it.labels.clone(),
        }
    }
}

impl From<&RuntimeTemplate> for RuntimeTemplateSpec {
    fn from(it: &RuntimeTemplate) -> Self {
        Self {
            id: it.id.to_string(),
            state: switch(it.state, "disabled"),
            body: raw(&it.body),
            labels: it.labels.clone(),
        }
    }
}

impl From<&OutboundTemplate> for OutboundTemplateSpec {
    fn from(it: &OutboundTemplate) -> Self {
        Self {
            id: it.id.to_string(),
            state: switch(it.state, "disabled"),
            body: raw(&it.body),
            labels: it.labels.clone(),
        }
    }
}

impl From<&Node> for NodeSpec {
    fn from(it: &Node) -> Self {
        let endpoints = it.endpoints.iter().map(|endpoint| EndpointSpec {
            address: endpoint.address.clone(),
            port: endpoint.port,
            protocol: Some(endpoint.protocol.clone()),
        });
        Self {
            id: it.id.to_string(),
            groups: texts(&it.groups),
            runtime_template: it.runtime_template.to_string(),
            outbound_template: it.outbound_template.to_string(),
            state: switch(it.state, "disabled"),
            endpoints: endpoints.collect(),
            priority: Some(it.priority),
            weight: Some(it.weight),
            location: (it.location != NodeLocation::default()).then(|| NodeLocationSpec::from(&it.location)),
            labels: it.labels.clone(),
        }
    }
}

impl From<&NodeLocation> for NodeLocationSpec {
    fn from(it: &NodeLocation) -> Self {
        Self {
            city: it.city.clone(),
            country: it.country.clone(),
            latitude: it.place.map(|place| degrees(place.latitude_udeg())),
            longitude: it.place.map(|place| degrees(place.longitude_udeg())),
        }
    }
}

impl From<Place> for PlaceSpec {
    fn from(it: Place) -> Self {
        Self { latitude: degrees(it.latitude_udeg()), longitude: degrees(it.longitude_udeg()) }
    }
}

impl From<&AccessTemplate> for AccessTemplateSpec {
    fn from(it: &AccessTemplate) -> Self {
        let (nodes, groups, regions) = match &it.mode {
            Mode::Fixed { nodes } => (texts(nodes), Vec::new(), Vec::new()),
            Mode::Merge { groups } | Mode::Shard { groups } => (Vec::new(), texts(groups), Vec::new()),
            Mode::Regional { regions } => (Vec::new(), Vec::new(), texts(regions)),
        };
        let on_broken = match it.on_broken {
            OnBroken::Repair => "repair",
            OnBroken::Hold => "hold",
        };
        Self {
            id: it.id.to_string(),
            mode: it.mode.code().to_owned(),
            nodes,
            groups,
            regions,
            order: Some(it.order.code().to_owned()),
            limit: it.limit,
            on_broken: Some(on_broken.to_owned()),
            labels: it.labels.clone(),
        }
    }
}

impl From<&Product> for ProductSpec {
    fn from(it: &Product) -> Self {
        Self {
            id: it.id.to_string(),
            access_template: it.access_template.to_string(),
            quota: it.quota.as_ref().map(QuotaSpec::from),
            limits: it.limits.devices.map(|devices| LimitsSpec { devices: Some(devices) }),
            policies: it.policies.iter().map(PolicySpec::from).collect(),
            labels: it.labels.clone(),
        }
    }
}

impl From<&Quota> for QuotaSpec {
    fn from(it: &Quota) -> Self {
        Self { bytes: it.bytes, reset: Some(ResetSpec::from(&it.reset)) }
    }
}

impl From<&Reset> for ResetSpec {
    fn from(it: &Reset) -> Self {
        let every = match it.every {
            Every::Never => EverySpec::Never,
            Every::Hour => EverySpec::Hour,
            Every::Day => EverySpec::Day,
            Every::Week => EverySpec::Week,
            Every::Month => EverySpec::Month,
            Every::Year => EverySpec::Year,
            Every::Days(days) => EverySpec::Days(days),
        };
        let anchor = match it.anchor {
            Anchor::Calendar => AnchorSpec::Calendar,
            Anchor::Instance => AnchorSpec::Instance,
            Anchor::Day(day) => AnchorSpec::Day(day),
        };
        Self { every, anchor: Some(anchor), timezone: Some(it.timezone.clone()) }
    }
}

impl From<&Policy> for PolicySpec {
    fn from(it: &Policy) -> Self {
        let (at, when) = match &it.trigger {
            Trigger::AtPermille(permille) => (Some(permille_to_text(*permille)), None),
            Trigger::When(expression) => (None, Some(expression.clone())),
        };
        let action = match it.action {
            Action::Notify => "notify",
            Action::Suspend => "suspend",
            Action::Throttle => "throttle",
            Action::Webhook => "webhook",
        };
        Self { at, when, action: action.to_owned() }
    }
}

impl From<&Instance> for InstanceSpec {
    fn from(it: &Instance) -> Self {
        Self {
            id: it.id.to_string(),
            product: it.product.to_string(),
            jurisdiction: it.jurisdiction.as_ref().map(ToString::to_string),
            status: it.status.code().to_owned(),
            weight: Some(it.weight),
            location: it.location.map(PlaceSpec::from),
            created: Some(instant::format(it.created)),
            expires: it.expires.map(instant::format),
            labels: it.labels.clone(),
        }
    }
}
