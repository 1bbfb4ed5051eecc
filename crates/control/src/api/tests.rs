//! The table of routes against what is made of it: the OpenAPI document, the open paths, the list of metrics.
//!
//! What the routes do is tested against a started server, in `tests/it`.
//! Cases are data; the rules stand beside the code.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::metrics::Metrics;
use super::{document, table};
use crate::access::Need;

fn described() -> Value {
    serde_json::to_value(document()).unwrap()
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let document = described();
    assert_eq!(document["openapi"], "3.1.0");
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{method} {path} says nothing");
            assert!(operation["responses"]["default"].is_object(), "{method} {path} names no problem");
            described.insert((method.to_uppercase(), path.clone()));
        }
    }
    let routes = table();
    let written: BTreeSet<_> = routes.iter().map(|it| (it.method.to_string(), it.path.clone())).collect();
    assert_eq!(described, written);
    assert_eq!(written.len(), routes.len(), "a route stands twice");
}

#[test]
fn every_operation_has_an_id_of_its_own_and_every_reference_leads_somewhere() {
    let document = described();
    let mut ids = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let here = format!("{method} {path}");
            assert_eq!(ids.insert(id.clone(), here.clone()), None, "{id} stands twice, also at {here}");
        }
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is referred to and not described");
    }
}

#[test]
fn every_body_is_described() {
    for route in table() {
        let here = format!("{} {}", route.method, route.path);
        assert_eq!(route.gives.is_none(), route.statuses == [204], "{here}");
        let is_command =
            route.path.starts_with("/v1/tasks/") || route.path.ends_with("/undo") || route.path.ends_with("/retire");
        let takes_body = matches!(route.method.as_str(), "POST" | "PUT") && !is_command;
        assert_eq!(!route.takes.is_empty(), takes_body, "{here}");
    }
}

/// Two types of one name would describe one body by the other's fields.
#[test]
fn no_two_types_share_a_name() {
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    for body in table().into_iter().flat_map(|route| route.takes.into_iter().chain(route.gives)) {
        for (name, schema) in body.named {
            let schema = serde_json::to_value(schema).unwrap();
            if let Some(before) = known.insert(name.clone(), schema.clone()) {
                assert_eq!(before, schema, "two types are called {name}");
            }
        }
    }
}

#[test]
fn only_what_machines_ask_for_needs_no_token() {
    let open: Vec<String> =
        table().into_iter().filter(|route| route.need.scope().is_none()).map(|route| route.path).collect();
    assert_eq!(open, ["/livez", "/readyz", "/openapi.json"]);
    let on_loopback: Vec<String> =
        table().into_iter().filter(|route| route.need == Need::ReadUnlessLoopback).map(|route| route.path).collect();
    assert_eq!(on_loopback, ["/metrics"]);
}

#[test]
fn the_list_of_metrics_is_the_code_s() {
    const LIST: &str = include_str!("../../../../docs/reference/metrics.md");
    let metrics = Metrics::new();
    metrics.count_import(1, 1);
    metrics.route("GET", "/v1/nodes").observe(200, std::time::Duration::ZERO);
    metrics.counting().refuse("busy");
    metrics.note_task("allocate", 1, 0);
    let measured: BTreeSet<String> = metrics.registry().gather().iter().map(|it| it.name().to_owned()).collect();
    let rows = LIST.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<String> = rows.map(|row| row.split('`').next().unwrap().to_owned()).collect();
    assert_eq!(listed, measured);
}
