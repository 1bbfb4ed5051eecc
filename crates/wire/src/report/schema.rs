//! The shipped schema, compiled, and everything that is written by hand held to it.
//!
//! A report that sets every field is encoded by our messages and read by the compiled schema, and the other way round;
//! whatever has another number, type or name shows as a field that is missing, unknown or different.

use std::collections::BTreeSet;

use prost::Message;
use protox::prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage, Value};

use super::*;
use crate::report::proto;

fn schema() -> DescriptorPool {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let files = protox::compile(["tenure/report/v1/report.proto"], [root]).unwrap();
    DescriptorPool::from_file_descriptor_set(files).unwrap()
}

fn message(name: &str) -> MessageDescriptor {
    schema().get_message_by_name(&format!("tenure.report.v1.{name}")).unwrap()
}

/// Every field is set to something that is not its default.
fn whole_report() -> proto::Report {
    proto::Report {
        reporter: "ams-01".into(),
        incarnation: 7,
        sequence: 42,
        kind: 1,
        observed_at_us: Some(-5),
        traffic: vec![proto::Traffic { instance: "svc-1".into(), up: 1200, down: 88_000, lease: "l-9".into() }],
        online: vec![proto::Online { instance: "svc-1".into(), device: "a1".into() }],
        node: Some(proto::Node { status: 2, load_permille: Some(310) }),
        in_force: Some(17),
    }
}

fn whole_answer() -> proto::Reported {
    proto::Reported {
        result: 2,
        accepted: 3,
        parked: 4,
        rejected: vec![proto::Rejected { index: 5, code: "c".into(), detail: "d".into() }],
        logged_through: 6,
        committed_through: 7,
        enforce: vec![proto::Enforce { instance: "i".into(), state: "s".into(), revision: 8 }],
        credit: vec![proto::Credit {
            lease: "l".into(),
            instance: "i".into(),
            period: "p".into(),
            amount: 9,
            ttl_ms: 10,
        }],
    }
}

/// Names and values of all fields, nested ones too; panics where one is not set or not known.
fn values(message: &DynamicMessage, at: &str, into: &mut Vec<String>) {
    assert_eq!(message.unknown_fields().count(), 0, "{at} has fields that the schema does not name");
    for field in message.descriptor().fields() {
        let name = format!("{at}.{}", field.name());
        assert!(message.has_field(&field), "{name} is in the schema and not written");
        let value = message.get_field(&field);
        let list = match &*value {
            Value::List(list) => list.clone(),
            one => vec![one.clone()],
        };
        for one in list {
            match one {
                Value::Message(inner) => values(&inner, &name, into),
                other => into.push(format!("{name} = {other:?}")),
            }
        }
    }
}

fn check(name: &str, bytes: &[u8], expected: expect_test::Expect) {
    let read = DynamicMessage::decode(message(name), bytes).unwrap();
    let mut found = Vec::new();
    values(&read, name, &mut found);
    expected.assert_eq(&found.join("\n"));
}

#[test]
fn the_messages_are_those_of_the_schema() {
    check(
        "Report",
        &whole_report().encode_to_vec(),
        expect_test::expect![[r#"
        Report.reporter = String("ams-01")
        Report.incarnation = U64(7)
        Report.sequence = U64(42)
        Report.kind = EnumNumber(1)
        Report.observed_at_us = I64(-5)
        Report.traffic.instance = String("svc-1")
        Report.traffic.up = U64(1200)
        Report.traffic.down = U64(88000)
        Report.traffic.lease = String("l-9")
        Report.online.instance = String("svc-1")
        Report.online.device = String("a1")
        Report.node.status = EnumNumber(2)
        Report.node.load_permille = U32(310)
        Report.in_force = U64(17)"#]],
    );
    check(
        "Reported",
        &whole_answer().encode_to_vec(),
        expect_test::expect![[r#"
        Reported.result = EnumNumber(2)
        Reported.accepted = U64(3)
        Reported.parked = U64(4)
        Reported.rejected.index = U64(5)
        Reported.rejected.code = String("c")
        Reported.rejected.detail = String("d")
        Reported.logged_through = U64(6)
        Reported.committed_through = U64(7)
        Reported.enforce.instance = String("i")
        Reported.enforce.state = String("s")
        Reported.enforce.revision = U64(8)
        Reported.credit.lease = String("l")
        Reported.credit.instance = String("i")
        Reported.credit.period = String("p")
        Reported.credit.amount = U64(9)
        Reported.credit.ttl_ms = U64(10)"#]],
    );
    // What the schema writes, our messages read whole: types agree in both directions.
    for (name, bytes) in [("Report", whole_report().encode_to_vec()), ("Reported", whole_answer().encode_to_vec())] {
        let again = DynamicMessage::decode(message(name), &bytes[..]).unwrap().encode_to_vec();
        match name {
            "Report" => assert_eq!(proto::Report::decode(&again[..]).unwrap(), whole_report()),
            _ => assert_eq!(proto::Reported::decode(&again[..]).unwrap(), whole_answer()),
        }
    }
}

#[test]
fn the_reader_reads_every_field_of_the_schema() {
    let report = read(&whole_report().encode_to_vec(), Encoding::Protobuf).unwrap();
    assert_eq!(
        (report.reporter.as_str(), report.incarnation, report.sequence, report.kind),
        ("ams-01", 7, 42, ReportKind::Cumulative)
    );
    assert_eq!((report.observed_at, report.in_force), (Some(domain::time::Micros(-5)), Some(17)));
    assert_eq!(report.node, Some(NodePart { status: Some(NodeStatus::Down), load_permille: Some(310) }));
    let traffic: Vec<_> = report.traffic().collect();
    assert_eq!(traffic, [Traffic { index: 0, instance: "svc-1", up: 1200, down: 88_000, lease: Some("l-9") }]);
    assert_eq!(report.online().collect::<Vec<_>>(), [Online { index: 1, instance: "svc-1", device: "a1" }]);
    assert_eq!(report.rejected, []);
}

#[test]
fn names_of_values_are_those_of_json() {
    let pool = schema();
    let names = |of: &str| -> BTreeSet<String> {
        let list = pool.get_enum_by_name(&format!("tenure.report.v1.{of}")).unwrap();
        list.values().map(|value| format!("{} {}", value.number(), value.name().to_lowercase())).collect()
    };
    let set = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names("Kind"), set(&["0 kind_delta", "1 kind_cumulative"]));
    assert_eq!(names("Status"), set(&["0 status_unspecified", "1 status_up", "2 status_down"]));
    assert_eq!(names("Result"), set(&["0 result_unspecified", "1 result_applied", "2 result_duplicate"]));
}
