//! The rendered bytes are the contract's, and the typed body says the same.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::{
    AccessTemplateId, DecisionId, Generation, GroupId, InstanceId, NodeId, OutboundTemplateId, ProductId, RegionId,
    RuntimeTemplateId,
};
use domain::master_data::{
    AccessTemplate, Endpoint, GroupState, InstanceStatus, Limits, Mode, Node, NodeLocation, OnBroken, Order,
    OutboundTemplate, Product, Region, ResourceGroup, RuntimeTemplate, Switch,
};
use domain::orchestration::{Parts, Stamped};
use domain::reason::Reason;
use domain::resolution::resolve;
use domain::time::Micros;
use proptest::prelude::*;

use super::*;

fn stamped<T>(object: T, revision: u64) -> Stamped<T> {
    Stamped { object, revision: Revision(revision), change: 1 }
}

/// Two groups of one region; `shared` is in both, and every text that JSON must escape stands in it.
fn topology(address: &str, body: &str) -> Topology {
    let group_id = |id| GroupId::parse(id).unwrap();
    let region = RegionId::parse("eu-west").unwrap();
    let mut parts = Parts { revision: Revision(40), ..Parts::default() };
    let (name, labels) = (String::new(), BTreeMap::new());
    parts.regions.push(stamped(
        Region { id: region.clone(), name, jurisdiction: None, state: Switch::Active, labels: labels.clone() },
        1,
    ));
    for id in ["eu-west-a", "eu-west-b"] {
        let (id, region) = (group_id(id), region.clone());
        let group = ResourceGroup { id, region, weight: 100, state: GroupState::Active, labels: labels.clone() };
        parts.groups.push(stamped(group, 2));
    }
    let runtime = RuntimeTemplateId::parse("edge-v3").unwrap();
    let outbound = OutboundTemplateId::parse("direct").unwrap();
    let (state, labels) = (Switch::Active, BTreeMap::new());
    parts.runtime_templates.push(stamped(
        RuntimeTemplate { id: runtime.clone(), state, body: body.to_owned(), labels: labels.clone() },
        3,
    ));
    parts.outbound_templates.push(stamped(
        OutboundTemplate { id: outbound.clone(), state, body: "{}".to_owned(), labels: labels.clone() },
        3,
    ));
    for (id, groups, priority) in [("ams-01", vec!["eu-west-a"], 20), ("shared", vec!["eu-west-a", "eu-west-b"], 10)] {
        let endpoint = |port| Endpoint { address: address.to_owned(), port, protocol: "tcp".to_owned() };
        let node = Node {
            id: NodeId::parse(id).unwrap(),
            groups: groups.into_iter().map(group_id).collect(),
            runtime_template: runtime.clone(),
            outbound_template: outbound.clone(),
            state: Switch::Active,
            endpoints: if id == "ams-01" { vec![endpoint(443), endpoint(8443)] } else { Vec::new() },
            priority,
            weight: 100,
            location: NodeLocation::default(),
            labels: labels.clone(),
        };
        parts.nodes.push(stamped(node, 1234));
    }
    let groups: BTreeSet<GroupId> = [group_id("eu-west-a"), group_id("eu-west-b")].into();
    for mode in [Mode::Shard { groups: groups.clone() }, Mode::Merge { groups }] {
        let id = AccessTemplateId::parse(mode.code()).unwrap();
        let product = Product {
            id: ProductId::parse(mode.code()).unwrap(),
            access_template: id.clone(),
            quota: None,
            limits: Limits::default(),
            policies: Vec::new(),
            labels: labels.clone(),
        };
        let (order, limit, on_broken) = (Order::Priority, None, OnBroken::Repair);
        let template = AccessTemplate { id, mode, order, limit, on_broken, labels: labels.clone() };
        parts.access_templates.push(stamped(template, 5));
        parts.products.push(stamped(product, 6));
    }
    Topology::build(parts).unwrap()
}

fn owned_by(group: &str) -> Ownership {
    Ownership {
        holder: Holder::Group {
            region: RegionId::parse("eu-west").unwrap(),
            group: GroupId::parse(group).unwrap(),
            weight: 1,
            product: ProductId::parse("shard").unwrap(),
        },
        generation: Generation(1),
        version: 1,
        decision: DecisionId { batch: 812, ordinal: 47 },
        since: Micros(0),
    }
}

/// The rendered body of `svc-1`.
fn body(topology: &Topology, product: &str, status: InstanceStatus, ownership: Option<&Ownership>) -> String {
    let (id, product) = (InstanceId::parse("svc-1").unwrap(), ProductId::parse(product).unwrap());
    let subject = Subject {
        id: &id,
        product: &product,
        jurisdiction: None,
        status,
        is_expired: false,
        weight: 1,
        location: None,
        ownership,
        revision: Revision(7),
    };
    let resolution = resolve(topology, &subject, None).unwrap();
    let mut out = Vec::new();
    render(&resolution, &subject, topology, &NodeFragments::build(topology), &mut out);
    String::from_utf8(out).unwrap()
}

/// The contract's example, to the byte.
#[test]
fn the_body_is_the_contracts() {
    let topology = topology("198.51.100.10", r#"{"engine":"envoy","version":"1.31"}"#);
    let owner = owned_by("eu-west-a");
    let expected = concat!(
        r#"{"instance":"svc-1","status":"deliverable","revision":1234,"mode":"shard","order":"priority","#,
        r#""ownership":{"region":"eu-west","group":"eu-west-a","generation":1,"decision":"812.47"},"#,
        r#""nodes":[{"id":"shared","group":"eu-west-a","region":"eu-west","endpoints":[],"#,
        r#""priority":10,"weight":100,"runtime":{"template":"edge-v3","body":{"engine":"envoy","version":"1.31"}},"#,
        r#""outbound":{"template":"direct","body":{}}},"#,
        r#"{"id":"ams-01","group":"eu-west-a","region":"eu-west","#,
        r#""endpoints":[{"address":"198.51.100.10","port":443,"protocol":"tcp"},"#,
        r#"{"address":"198.51.100.10","port":8443,"protocol":"tcp"}],"#,
        r#""priority":20,"weight":100,"runtime":{"template":"edge-v3","body":{"engine":"envoy","version":"1.31"}},"#,
        r#""outbound":{"template":"direct","body":{}}}]}"#,
    );
    assert_eq!(body(&topology, "shard", InstanceStatus::Active, Some(&owner)), expected);
}

#[test]
fn an_answer_without_nodes_says_why() {
    let topology = topology("a", "{}");
    let nobody = Ownership { holder: Holder::Nobody { why: Reason::NoCandidate }, ..owned_by("eu-west-a") };
    let gone = owned_by("gone");
    for (status, ownership, expected) in [
        (
            InstanceStatus::Active,
            None,
            r#""status":"unowned","revision":7,"mode":"shard","order":"priority","ownership":null,"nodes":[],"reason":"pending"}"#,
        ),
        (
            InstanceStatus::Active,
            Some(&nobody),
            r#""status":"unowned","revision":7,"mode":"shard","order":"priority","ownership":null,"nodes":[],"reason":"no-candidate"}"#,
        ),
        (
            InstanceStatus::Active,
            Some(&gone),
            r#""status":"broken","revision":7,"mode":"shard","order":"priority","ownership":{"region":"eu-west","group":"gone","generation":1,"decision":"812.47"},"nodes":[],"reason":"outside-boundary"}"#,
        ),
        (
            InstanceStatus::Suspended,
            Some(&gone),
            r#""status":"suspended","revision":7,"mode":"shard","order":"priority","ownership":{"region":"eu-west","group":"gone","generation":1,"decision":"812.47"},"nodes":[],"reason":"instance-suspended"}"#,
        ),
    ] {
        let body = body(&topology, "shard", status, ownership);
        assert_eq!(body, format!(r#"{{"instance":"svc-1",{expected}"#));
        assert_eq!(serde_json::to_string(&serde_json::from_str::<ResolutionBody>(&body).unwrap()).unwrap(), body);
    }
}

#[test]
fn a_merged_node_is_told_once_under_its_smallest_group() {
    let text = body(&topology("a", "{}"), "merge", InstanceStatus::Active, None);
    let body: ResolutionBody = serde_json::from_str(&text).unwrap();
    let told: Vec<_> = body.nodes.iter().map(|node| (node.id.as_str(), node.group.as_str())).collect();
    assert_eq!(told, [("shared", "eu-west-a"), ("ams-01", "eu-west-a")]);
    assert_eq!((body.ownership, body.reason), (None, None));
}

#[test]
fn a_tag_is_quoted_and_tells_bodies_apart() {
    assert_eq!(etag(b""), "\"99aa06d3014798d86001c324468d497f\"", "XXH3-128 of nothing, from its specification");
    assert_ne!(etag(b"a"), etag(b"b"));
}

proptest! {
    /// I1: the bytes are those of the typed body, whatever an operator wrote; opaque bodies pass untouched.
    #[test]
    fn the_bytes_are_those_of_the_type(address in "\\PC{0,20}|[\"\\\\\u{0}-\u{1f}]{0,8}", group in 0usize..2, number in any::<f64>()) {
        let opaque = serde_json::json!({ "a": [1, null, { "b": address }], "number": number }).to_string();
        let topology = topology(&address, &opaque);
        let owner = owned_by(["eu-west-a", "eu-west-b"][group]);
        let text = body(&topology, "shard", InstanceStatus::Active, Some(&owner));
        let typed: ResolutionBody = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_string(&typed).unwrap(), text.clone());
        prop_assert_eq!(typed.nodes.len(), 2 - group);
        for node in &typed.nodes {
            prop_assert_eq!(node.runtime.body.as_str(), opaque.as_str());
            prop_assert!(node.endpoints.iter().all(|endpoint| endpoint.address == address));
        }
        prop_assert_eq!(text, body(&topology, "shard", InstanceStatus::Active, Some(&owner)));
    }
}
