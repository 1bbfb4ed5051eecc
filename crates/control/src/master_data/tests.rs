//! What an instance may refer to, and the conditions of writes.
//!
//! What needs a database is tested against a started server, in `tests/it`.
//! Cases are data; the rules stand beside the code.

use std::collections::BTreeMap;

use domain::ids::InstanceId;
use domain::master_data::{Instance, Kind, Object};
use domain::orchestration::{Parts, Stamped, Topology};
use domain::time::Micros;
use wire::manifest::{FaultCode, parse_yaml};

use super::{Condition, Known, Refusal, etag};

const FLEET: &str = include_str!("../../tests/it/fleet.yaml");

fn topology() -> Topology {
    let mut parts = Parts::default();
    for parsed in parse_yaml(FLEET, "fleet.yaml", Micros(0)).unwrap() {
        macro_rules! put {
            ($list:ident, $object:expr) => {
                parts.$list.push(Stamped { object: $object, revision: Default::default(), change: 1 })
            };
        }
        match parsed.object {
            Object::Region(it) => put!(regions, it),
            Object::ResourceGroup(it) => put!(groups, it),
            Object::RuntimeTemplate(it) => put!(runtime_templates, it),
            Object::OutboundTemplate(it) => put!(outbound_templates, it),
            Object::Node(it) => put!(nodes, it),
            Object::AccessTemplate(it) => put!(access_templates, it),
            Object::Product(it) => put!(products, it),
            Object::Instance(_) => {}
        }
    }
    Topology::build(parts).unwrap()
}

fn instance(product: &str, jurisdiction: Option<&str>) -> Instance {
    Instance {
        id: InstanceId::parse("svc-1").unwrap(),
        product: domain::ids::ProductId::parse(product).unwrap(),
        jurisdiction: jurisdiction.map(|it| domain::ids::Jurisdiction::parse(it).unwrap()),
        status: Default::default(),
        weight: 1,
        location: None,
        created: Micros(0),
        expires: None,
        labels: BTreeMap::new(),
    }
}

#[test]
fn an_instance_refers_to_what_there_is() {
    let known = Known::of(&topology());
    assert!(known.takes(&instance("basic", Some("EU"))));
    assert!(known.takes(&instance("roaming", None)));
    for (product, jurisdiction, code, meant) in [
        ("basci", None, FaultCode::MissingReference, Some("basic")),
        ("basic", Some("eu"), FaultCode::UnknownJurisdiction, Some("EU")),
        ("basic", Some("Mars"), FaultCode::UnknownJurisdiction, None),
    ] {
        let faults = known.faults(&instance(product, jurisdiction));
        assert_eq!(faults.len(), 1);
        assert_eq!((faults[0].code, faults[0].suggestion.as_deref()), (code, meant), "{product} {jurisdiction:?}");
    }
    assert_eq!(known.faults(&instance("none", Some("none"))).len(), 2, "all faults are named");
}

#[test]
fn a_condition_holds_for_the_object_that_was_meant() {
    let found = Stamped { object: (), revision: Default::default(), change: 7 };
    let check =
        |condition: Condition, is_there: bool| match condition.check(Kind::Node, "n", is_there.then_some(&found)) {
            Ok(()) => "holds",
            Err(Refusal::Stale { etag, .. }) if etag == "\"7\"" => "stale",
            Err(Refusal::NoObject { .. }) => "no object",
            Err(Refusal::Exists { .. }) => "exists",
            Err(other) => panic!("{other}"),
        };
    for (condition, there, absent) in [
        (Condition::Any, "holds", "holds"),
        (Condition::Exists, "holds", "no object"),
        (Condition::Unchanged(vec![6, 7]), "holds", "no object"),
        (Condition::Unchanged(vec![6]), "stale", "no object"),
        (Condition::Absent, "exists", "holds"),
    ] {
        assert_eq!(check(condition.clone(), true), there, "{condition:?}");
        assert_eq!(check(condition.clone(), false), absent, "{condition:?}");
    }
    assert_eq!(etag(7), "\"7\"");
}
