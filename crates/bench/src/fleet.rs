//! The fleet that is measured: regions, groups, nodes, two sticky products, and the rows of its customers.
//!
//! One source for all: the in-process measurements build a topology from these objects, the whole-process ones apply
//! them as manifests, and the SQL that a user would write is filled from the same numbers. Nothing is random.

use std::fmt::Write as _;

use domain::ids::{
    AccessTemplateId, GroupId, InstanceId, Jurisdiction, NodeId, OutboundTemplateId, ProductId, RegionId, Revision,
    RuntimeTemplateId,
};
use domain::master_data::{
    AccessTemplate, Endpoint, GroupState, Labels, Limits, Mode, Node, NodeLocation, Object, OnBroken, Order,
    OutboundTemplate, Product, Region, ResourceGroup, RuntimeTemplate, Switch,
};
use domain::orchestration::{Parts, Stamped, Topology};

/// Regions of every fleet: the groups are spread over them evenly.
pub const REGIONS: u32 = 10;

/// The product whose boundary is all groups.
pub const SHARD_PRODUCT: &str = "basic";

/// The product whose boundary is all regions.
pub const REGIONAL_PRODUCT: &str = "roaming";

/// The body of the runtime template: what an engine needs to know, of an ordinary length.
const RUNTIME_BODY: &str = r#"{"engine":"envoy","version":"1.31","workers":4}"#;

/// How large a fleet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Resource groups, over [`REGIONS`] regions.
    pub groups: u32,
    /// Nodes in each group; each node is in one.
    pub nodes_per_group: u32,
}

/// A text that is an id by construction.
fn id<T, E>(parsed: Result<T, E>) -> T {
    parsed.ok().expect("ids of the fleet are spelled as ids")
}

/// The id of a group; numbers sort as their ids do.
pub fn group_id(number: u32) -> GroupId {
    id(GroupId::parse(&format!("g{number:04}")))
}

/// The id of an instance; numbers sort as their ids do.
pub fn instance_id(number: usize) -> InstanceId {
    id(InstanceId::parse(&instance_text(number)))
}

/// The id of an instance, as a client writes it.
pub fn instance_text(number: usize) -> String {
    format!("svc-{number:08}")
}

/// The product of an instance: every other is regional.
pub fn product_of(number: usize) -> &'static str {
    if number.is_multiple_of(2) { SHARD_PRODUCT } else { REGIONAL_PRODUCT }
}

/// The rows of an import, one instance a line.
pub fn ndjson(instances: usize) -> Vec<u8> {
    let mut text = String::with_capacity(instances * 48);
    for number in 0..instances {
        // Writing to a string succeeds.
        let _ = writeln!(text, "{{\"id\":\"{}\",\"product\":\"{}\"}}", instance_text(number), product_of(number));
    }
    text.into_bytes()
}

impl Shape {
    /// All objects, references first.
    pub fn objects(self) -> Vec<Object> {
        let mut objects: Vec<Object> = (0..REGIONS).map(region).collect();
        objects.push(Object::RuntimeTemplate(RuntimeTemplate {
            id: id(RuntimeTemplateId::parse("edge-v3")),
            state: Switch::Active,
            body: RUNTIME_BODY.to_owned(),
            labels: Labels::new(),
        }));
        objects.push(Object::OutboundTemplate(OutboundTemplate {
            id: id(OutboundTemplateId::parse("direct")),
            state: Switch::Active,
            body: "{}".to_owned(),
            labels: Labels::new(),
        }));
        objects.extend((0..self.groups).map(|number| group(number, GroupState::Active)));
        objects.extend((0..self.groups).flat_map(|group| (0..self.nodes_per_group).map(move |it| node(group, it))));
        let groups = (0..self.groups).map(group_id).collect();
        let regions = (0..REGIONS).map(|it| id(RegionId::parse(&format!("r{it}")))).collect();
        objects.push(access_template("by-group", Mode::Shard { groups }));
        objects.push(access_template("by-region", Mode::Regional { regions }));
        objects.push(product(SHARD_PRODUCT, "by-group"));
        objects.push(product(REGIONAL_PRODUCT, "by-region"));
        objects
    }

    /// The topology of all objects.
    pub fn topology(self) -> Topology {
        let mut parts = Parts { revision: Revision(1), ..Parts::default() };
        for object in self.objects() {
            match object {
                Object::Region(it) => parts.regions.push(stamped(it)),
                Object::ResourceGroup(it) => parts.groups.push(stamped(it)),
                Object::RuntimeTemplate(it) => parts.runtime_templates.push(stamped(it)),
                Object::OutboundTemplate(it) => parts.outbound_templates.push(stamped(it)),
                Object::Node(it) => parts.nodes.push(stamped(it)),
                Object::AccessTemplate(it) => parts.access_templates.push(stamped(it)),
                Object::Product(it) => parts.products.push(stamped(it)),
                Object::Instance(_) => {}
            }
        }
        Topology::build(parts).expect("the fleet refers to itself only")
    }
}

/// One group, in a state. Groups that join later leave the regions of the others as they are.
pub fn group(number: u32, state: GroupState) -> Object {
    Object::ResourceGroup(ResourceGroup {
        id: group_id(number),
        region: id(RegionId::parse(&format!("r{}", number % REGIONS))),
        weight: 100,
        state,
        labels: Labels::new(),
    })
}

/// Objects as one JSON array of manifests.
pub fn manifests(objects: &[Object]) -> String {
    let all: Vec<String> = objects.iter().map(wire::manifest::to_json).collect();
    format!("[{}]", all.join(","))
}

fn stamped<T>(object: T) -> Stamped<T> {
    Stamped { object, revision: Revision(1), change: 1 }
}

fn region(number: u32) -> Object {
    Object::Region(Region {
        id: id(RegionId::parse(&format!("r{number}"))),
        name: format!("Region {number}"),
        jurisdiction: Jurisdiction::parse("EU").ok(),
        state: Switch::Active,
        labels: Labels::new(),
    })
}

fn node(group: u32, number: u32) -> Object {
    let port = 443;
    let address = format!("10.{}.{}.{number}", group / 256, group % 256);
    Object::Node(Node {
        id: id(NodeId::parse(&format!("n{group:04}-{number:02}"))),
        groups: [group_id(group)].into(),
        runtime_template: id(RuntimeTemplateId::parse("edge-v3")),
        outbound_template: id(OutboundTemplateId::parse("direct")),
        state: Switch::Active,
        endpoints: vec![Endpoint { address, port, protocol: "tcp".to_owned() }],
        priority: 10 + number % 3,
        weight: 100,
        location: NodeLocation::default(),
        labels: Labels::new(),
    })
}

fn access_template(name: &str, mode: Mode) -> Object {
    Object::AccessTemplate(AccessTemplate {
        id: id(AccessTemplateId::parse(name)),
        mode,
        order: Order::Priority,
        limit: None,
        on_broken: OnBroken::Repair,
        labels: Labels::new(),
    })
}

fn product(name: &str, template: &str) -> Object {
    Object::Product(Product {
        id: id(ProductId::parse(name)),
        access_template: id(AccessTemplateId::parse(template)),
        quota: None,
        limits: Limits::default(),
        policies: Vec::new(),
        labels: Labels::new(),
    })
}
