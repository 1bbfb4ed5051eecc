//! Trees to objects of the domain: the fields of every kind, their defaults and their rules.
//!
//! All rules that one object can break by itself are here; references are checked where the whole topology is known.
//! The functions read every field before they give up, so that all faults of an object are noted at once.

use domain::ids::{AccessTemplateId, GroupId, InstanceId, NodeId, OutboundTemplateId, ProductId, RegionId};
use domain::ids::{IdError, RuntimeTemplateId};
use domain::master_data::{
    AccessTemplate, Action, Anchor, Endpoint, Every, GROUP_WEIGHT_MAX, GroupState, INSTANCE_WEIGHT_MAX, Instance,
    InstanceStatus, Kind, Labels, Limits, Mode, Node, NodeLocation, Object, OnBroken, OpaqueBody, Order,
    OutboundTemplate, Place, Policy, Product, Quota, Region, Reset, ResourceGroup, RuntimeTemplate, Switch, Trigger,
};
use domain::time::Micros;

use super::fault::FaultCode;
use super::limits::{
    ADDRESS_LENGTH_MAX, BODY_BYTES_MAX, BODY_KEY_LENGTH_MAX, ENDPOINTS_MAX, EXPRESSION_LENGTH_MAX, INTEGER_MAX,
    LABEL_NAME_LENGTH_MAX, LABEL_VALUE_LENGTH_MAX, LABELS_MAX, MEMBERS_MAX, NAME_LENGTH_MAX, POLICIES_MAX,
    POLICY_PERMILLE_MAX, PROTOCOL_LENGTH_MAX, RESET_DAYS_MAX,
};
use super::reader::Reader;
use super::tree::Tree;
use super::values::{
    Complaint, check_line, choice, choice_text, id, integer, integer_u32, jurisdiction, line, microdegrees, permille,
    text, time, timezone, word,
};

/// The weight of a group or node that states none: room to be larger and smaller without touching the others.
pub const WEIGHT_DEFAULT: u32 = 100;

/// The priority of a node that states none: room to be preferred without touching the others.
pub const PRIORITY_DEFAULT: u32 = 10;

/// The protocol of an endpoint that states none.
pub const PROTOCOL_DEFAULT: &str = "tcp";

/// The time zone of a reset that states none.
pub const TIMEZONE_DEFAULT: &str = "UTC";

const REGION_STATES: &[(&str, Switch)] = &[("active", Switch::Active), ("closed", Switch::Off)];
const SWITCH_STATES: &[(&str, Switch)] = &[("active", Switch::Active), ("disabled", Switch::Off)];
const GROUP_STATES: &[(&str, GroupState)] =
    &[("active", GroupState::Active), ("draining", GroupState::Draining), ("closed", GroupState::Closed)];
const ORDERS: &[(&str, Order)] = &[
    ("priority", Order::Priority),
    ("weight", Order::Weight),
    ("stable_shuffle", Order::StableShuffle),
    ("load", Order::Load),
    ("proximity", Order::Proximity),
];
const ON_BROKEN: &[(&str, OnBroken)] = &[("repair", OnBroken::Repair), ("hold", OnBroken::Hold)];
const MODES: &[(&str, &str)] = &[("fixed", "nodes"), ("merge", "groups"), ("shard", "groups"), ("regional", "regions")];
const EVERY: &[(&str, Every)] = &[
    ("never", Every::Never),
    ("hour", Every::Hour),
    ("day", Every::Day),
    ("week", Every::Week),
    ("month", Every::Month),
    ("year", Every::Year),
];
const ANCHORS: &[(&str, Anchor)] = &[("calendar", Anchor::Calendar), ("instance", Anchor::Instance)];
const ACTIONS: &[(&str, Action)] = &[
    ("notify", Action::Notify),
    ("suspend", Action::Suspend),
    ("throttle", Action::Throttle),
    ("webhook", Action::Webhook),
];

/// The statuses of an instance and their spelling.
pub(super) const STATUSES: &[(&str, InstanceStatus)] = &[
    ("active", InstanceStatus::Active),
    ("suspended", InstanceStatus::Suspended),
    ("terminated", InstanceStatus::Terminated),
];

/// What is read once per object, before its kind is known to be any: the id comes from the address or the text.
pub(super) struct Given<'a> {
    /// The id that the address names; the text may repeat it.
    pub(super) id: Option<&'a str>,
    /// The creation of an instance that states none.
    pub(super) now: Micros,
}

/// Reads the fields of an object of this kind. `kind` has been read before.
pub(super) fn object(kind: Kind, r: &mut Reader<'_, '_, '_>, given: &Given<'_>) -> Option<Object> {
    match kind {
        Kind::Region => region(r, given).map(Object::Region),
        Kind::ResourceGroup => group(r, given).map(Object::ResourceGroup),
        Kind::RuntimeTemplate => runtime_template(r, given).map(Object::RuntimeTemplate),
        Kind::OutboundTemplate => outbound_template(r, given).map(Object::OutboundTemplate),
        Kind::Node => node(r, given).map(Object::Node),
        Kind::AccessTemplate => access_template(r, given).map(Object::AccessTemplate),
        Kind::Product => product(r, given).map(Object::Product),
        Kind::Instance => instance(r, given).map(Object::Instance),
    }
}

/// The id in the text, else the one of the address.
fn own_id<T>(r: &mut Reader<'_, '_, '_>, given: &Given<'_>, parse: fn(&str) -> Result<T, IdError>) -> Option<T> {
    match given.id.filter(|_| !r.has("id")) {
        Some(address) => {
            r.optional("id", id(parse));
            parse(address).ok()
        }
        None => r.required("id", id(parse)),
    }
}

fn region(r: &mut Reader<'_, '_, '_>, given: &Given<'_>) -> Option<Region> {
    let id = own_id(r, given, RegionId::parse);
    let name = r.optional("name", line(NAME_LENGTH_MAX)).unwrap_or_default();
    let jurisdiction = r.optional("jurisdiction", jurisdiction);
    let state = r.optional("state", choice(REGION_STATES)).unwrap_or_default();
    let labels = labels(r);
    Some(Region { id: id?, name, jurisdiction, state, labels })
}

fn group(r: &mut Reader<'_, '_, '_>, given: &Given<'_>) -> Option<ResourceGroup> {
    let own = own_id(r, given, GroupId::parse);
    let region = r.required("region", id(RegionId::parse));
    let weight = r.optional("weight", integer_u32(1, GROUP_WEIGHT_MAX)).unwrap_or(WEIGHT_DEFAULT);
    let state = r.optional("state", choice(GROUP_STATES)).unwrap_or_default();
    let labels = labels(r);
    Some(ResourceGroup { id: own?, region: region?, weight, state, labels })
}

fn runtime_template(r: &mut Reader<'_, '_, '_>, given: &Given<'_>) -> Option<RuntimeTemplate> {
    let id = own_id(r, given, RuntimeTemplateId::parse);
    let state = r.optional("state", choice(SWITCH_STATES)).unwrap_or_default();
    let body = body(r);
    let labels = labels(r);
    Some(RuntimeTemplate { id: id?, state, body: body?, labels })
}

fn outbound_template(r: &mut Reader<'_, '_, '_>, given: &Given<'_>) -> Option<OutboundTemplate> {
    let id = own_id(r, given, OutboundTemplateId::parse);
    let state = r.optional("state", choice(SWITCH_STATES)).unwrap_or_default();
    let body = body(r);
    let labels = labels(r);
    Some(OutboundTemplate { id: id?, state, body: body?, labels })
}

fn node(r: &mut Reader<'_, '_, '_>, given: &Given<'_>) -> Option<Node> {
    let own = own_id(r, given, NodeId::parse);
    if !r.has("groups") {
        r.missing("groups");
    }
    let groups = r.set("groups", MEMBERS_MAX, id(GroupId::parse));
    refuse_empty_list(r, "groups");
    let runtime_template = r.required("runtime_template", id(RuntimeTemplateId::parse));
    let outbound_template = r.required("outbound_template", id(OutboundTemplateId::parse));
    let state = r.optional("state", choice(SWITCH_STATES)).unwrap_or_default();
    let endpoints = r.maps("endpoints", ENDPOINTS_MAX, endpoint);
    let priority = r.optional("priority", integer_u32(0, u32::MAX)).unwrap_or(PRIORITY_DEFAULT);
    let weight = r.optional("weight", integer_u32(0, u32::MAX)).unwrap_or(WEIGHT_DEFAULT);
    let location = r.nested("location", node_location).unwrap_or_default();
    let labels = labels(r);
    Some(Node {
        id: own?,
        groups,
        runtime_template: runtime_template?,
        outbound_template: outbound_template?,
        state,
        endpoints,
        priority,
        weight,
        location,
        labels,
    })
}

fn endpoint(r: &mut Reader<'_, '_, '_>) -> Option<Endpoint> {
    let address = r.required("address", word(ADDRESS_LENGTH_MAX));
    let port = r.required("port", integer(1, u64::from(u16::MAX)));
    let protocol = r.optional("protocol", word(PROTOCOL_LENGTH_MAX)).unwrap_or_else(|| PROTOCOL_DEFAULT.to_owned());
    Some(Endpoint { address: address?, port: u16::try_from(port?).ok()?, protocol })
}

fn node_location(r: &mut Reader<'_, '_, '_>) -> Option<NodeLocation> {
    let city = r.optional("city", line(NAME_LENGTH_MAX));
    let country = r.optional("country", line(NAME_LENGTH_MAX));
    let place = if r.has("latitude") || r.has("longitude") {
        place(r)
    } else {
        // Asked for, so that they are known.
        r.optional("latitude", microdegrees(90)).and(r.optional("longitude", microdegrees(180))).and(None)
    };
    Some(NodeLocation { city, country, place })
}

fn place(r: &mut Reader<'_, '_, '_>) -> Option<Place> {
    let latitude = r.required("latitude", microdegrees(90));
    let longitude = r.required("longitude", microdegrees(180));
    Place::new(latitude?, longitude?).ok()
}

fn access_template(r: &mut Reader<'_, '_, '_>, given: &Given<'_>) -> Option<AccessTemplate> {
    let own = own_id(r, given, AccessTemplateId::parse);
    let mode = mode(r);
    let order = r.optional("order", choice(ORDERS)).unwrap_or_default();
    let limit = r.optional("limit", integer_u32(1, u32::MAX));
    let on_broken = r.optional("on_broken", choice(ON_BROKEN)).unwrap_or_default();
    let labels = labels(r);
    Some(AccessTemplate { id: own?, mode: mode?, order, limit, on_broken, labels })
}

/// The mode with the one list that belongs to it.
fn mode(r: &mut Reader<'_, '_, '_>) -> Option<Mode> {
    let word = r.required("mode", |tree| {
        let word = text(tree)?;
        choice_text(MODES, word).map(|member| (word.to_owned(), member))
    });
    let nodes = r.set("nodes", MEMBERS_MAX, id(NodeId::parse));
    let groups = r.set("groups", MEMBERS_MAX, id(GroupId::parse));
    let regions = r.set("regions", MEMBERS_MAX, id(RegionId::parse));
    let (word, member) = word?;
    if !r.has(member) {
        r.missing(member);
    }
    refuse_empty_list(r, member);
    for other in ["nodes", "groups", "regions"] {
        if other != member && r.has(other) {
            let message = format!("mode {word} is bounded by {member}, it takes no {other}");
            r.fault(other, Complaint::new(FaultCode::Conflict, message));
        }
    }
    match word.as_str() {
        "fixed" => Some(Mode::Fixed { nodes }),
        "merge" => Some(Mode::Merge { groups }),
        "shard" => Some(Mode::Shard { groups }),
        _ => Some(Mode::Regional { regions }),
    }
}

fn refuse_empty_list(r: &mut Reader<'_, '_, '_>, field: &'static str) {
    let is_empty = r.optional(field, |tree| Ok(matches!(tree, Tree::List(items) if items.is_empty())));
    if is_empty == Some(true) {
        r.fault(field, Complaint::new(FaultCode::EmptyList, "at least one belongs here"));
    }
}

fn product(r: &mut Reader<'_, '_, '_>, given: &Given<'_>) -> Option<Product> {
    let own = own_id(r, given, ProductId::parse);
    let access_template = r.required("access_template", id(AccessTemplateId::parse));
    let quota = r.nested("quota", quota);
    let limits = r.nested("limits", limits).unwrap_or_default();
    let policies = r.maps("policies", POLICIES_MAX, policy);
    let labels = labels(r);
    Some(Product { id: own?, access_template: access_template?, quota, limits, policies, labels })
}

fn quota(r: &mut Reader<'_, '_, '_>) -> Option<Quota> {
    let bytes = r.required("bytes", integer(0, INTEGER_MAX));
    let never = Reset { every: Every::Never, anchor: Anchor::Calendar, timezone: TIMEZONE_DEFAULT.to_owned() };
    let stated = r.nested("reset", reset);
    let reset = if r.has("reset") { stated } else { Some(never) };
    Some(Quota { bytes: bytes?, reset: reset? })
}

fn reset(r: &mut Reader<'_, '_, '_>) -> Option<Reset> {
    let every = word_or_number(r, "every", EVERY, "days", RESET_DAYS_MAX, Every::Days);
    if !r.has("every") {
        r.missing("every");
    }
    let anchor = word_or_number(r, "anchor", ANCHORS, "day", 31, |day| Anchor::Day(u8::try_from(day).unwrap_or(31)));
    let has_bad_anchor = anchor.is_none() && r.has("anchor");
    let timezone = r.optional("timezone", timezone);
    if has_bad_anchor {
        return None;
    }
    let anchor = anchor.unwrap_or(Anchor::Calendar);
    Some(Reset { every: every?, anchor, timezone: timezone.unwrap_or_else(|| TIMEZONE_DEFAULT.to_owned()) })
}

/// A field that is a word of a list, or a map with one number: `month`, `{days: 30}`.
fn word_or_number<T: Copy + 'static>(
    r: &mut Reader<'_, '_, '_>,
    field: &'static str,
    words: &'static [(&'static str, T)],
    name: &'static str,
    number_max: u32,
    make: fn(u32) -> T,
) -> Option<T> {
    if r.optional(field, |tree| Ok(matches!(tree, Tree::Map(_)))) == Some(true) {
        return r.nested(field, |inner| inner.required(name, integer_u32(1, number_max)).map(make));
    }
    r.optional(field, |tree| match tree {
        Tree::Text(_) => choice(words)(tree),
        other => {
            let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("expected {} or {{{name}: N}}, found {}", list.join(", "), other.describe());
            Err(Complaint::new(FaultCode::WrongType, message))
        }
    })
}

fn limits(r: &mut Reader<'_, '_, '_>) -> Option<Limits> {
    Some(Limits { devices: r.optional("devices", integer_u32(1, u32::MAX)) })
}

fn policy(r: &mut Reader<'_, '_, '_>) -> Option<Policy> {
    let at = r.optional("at", permille(POLICY_PERMILLE_MAX)).map(Trigger::AtPermille);
    let when = r.optional("when", expression).map(Trigger::When);
    let action = r.required("do", choice(ACTIONS));
    match (r.has("at"), r.has("when")) {
        (true, true) => {
            r.fault("when", Complaint::new(FaultCode::Conflict, "a policy has either at or when, not both"))
        }
        (false, false) => r.missing("at"),
        _ => {}
    }
    Some(Policy { trigger: at.or(when)?, action: action? })
}

/// A CEL expression; it may run over several lines. Its meaning is checked where policies are judged.
fn expression(tree: &Tree) -> Result<String, Complaint> {
    let text = text(tree)?;
    if text.trim().is_empty() {
        return Err(Complaint::new(FaultCode::InvalidText, "an expression belongs here"));
    }
    check_line(&text.replace(['\n', '\t'], " "), EXPRESSION_LENGTH_MAX)?;
    Ok(text.to_owned())
}

fn instance(r: &mut Reader<'_, '_, '_>, given: &Given<'_>) -> Option<Instance> {
    let own = own_id(r, given, InstanceId::parse);
    let product = r.required("product", id(ProductId::parse));
    let jurisdiction = r.optional("jurisdiction", jurisdiction);
    let status = r.optional("status", choice(STATUSES)).unwrap_or_default();
    let weight = r.optional("weight", integer_u32(1, INSTANCE_WEIGHT_MAX)).unwrap_or(1);
    let location = r.nested("location", place);
    let created = r.optional("created", time).unwrap_or(given.now);
    let expires = r.optional("expires", time);
    let labels = labels(r);
    Some(Instance { id: own?, product: product?, jurisdiction, status, weight, location, created, expires, labels })
}

fn labels(r: &mut Reader<'_, '_, '_>) -> Labels {
    let read = |name: &str, value: &Tree| label(name, text(value)?);
    r.entries("labels", LABELS_MAX, read).into_iter().collect()
}

/// Checks one label.
pub(super) fn label(name: &str, value: &str) -> Result<(String, String), Complaint> {
    if name.is_empty() {
        return Err(Complaint::new(FaultCode::InvalidText, "the name of a label must not be empty"));
    }
    check_line(name, LABEL_NAME_LENGTH_MAX)?;
    check_line(value, LABEL_VALUE_LENGTH_MAX)?;
    Ok((name.to_owned(), value.to_owned()))
}

/// An opaque body as JSON text; an absent one is the empty map.
fn body(r: &mut Reader<'_, '_, '_>) -> Option<OpaqueBody> {
    let body = r.optional("body", |tree| {
        if !matches!(tree, Tree::Map(_)) {
            let message = format!("expected a map, found {}", tree.describe());
            return Err(Complaint::new(FaultCode::WrongType, message));
        }
        check_body(tree)?;
        let mut text = String::new();
        tree.write_json(&mut text);
        if text.len() > BODY_BYTES_MAX {
            let message = format!("the body has {} bytes as JSON, at most {BODY_BYTES_MAX} are allowed", text.len());
            return Err(Complaint::new(FaultCode::TooLarge, message));
        }
        Ok(text)
    });
    if r.has("body") { body } else { Some("{}".to_owned()) }
}

/// Refuses what JSON cannot say, and names that stand twice.
fn check_body(tree: &Tree) -> Result<(), Complaint> {
    match tree {
        Tree::NotFinite(found) => {
            Err(Complaint::new(FaultCode::OutOfRange, format!("a body is delivered as JSON, which has no {found}")))
        }
        Tree::List(items) => items.iter().try_for_each(|item| check_body(&item.tree)),
        Tree::Map(entries) => {
            let mut seen = std::collections::BTreeSet::new();
            for (name, value) in entries {
                if name.text.chars().count() > BODY_KEY_LENGTH_MAX {
                    let message = format!("a name in the body has more than {BODY_KEY_LENGTH_MAX} characters");
                    return Err(Complaint::new(FaultCode::TooLarge, message));
                }
                if !seen.insert(name.text.as_str()) {
                    let message = format!("the name {:?} stands twice in one map", super::tree::shorten(&name.text));
                    return Err(Complaint::new(FaultCode::DuplicateField, message));
                }
                check_body(&value.tree)?;
            }
            Ok(())
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => Ok(()),
    }
}
