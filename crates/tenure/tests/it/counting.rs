//! Counting as a node and an operator see it: reports in both languages, usage, conservation, and a server that dies.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};
use wire::report::{Encoding, OnlineItem, Report, ReportResult, Reported, TrafficItem};

use crate::caller::{Caller, runtime};
use crate::fleet;
use crate::ground::{Ground, Server, eventually, says};

/// A cut and a flush in a debug build on two busy cores.
const COMMITTED_MAX: Duration = Duration::from_secs(60);

/// A server that brings its counts into the database every second, so that nobody waits for a minute to end.
fn start(ground: &Ground) -> Server {
    ground.serve_with("data", &["--flush-every", "1s"])
}

/// The same with the fleet and so many instances of `basic`.
fn serve(ground: &Ground, instances: usize) -> Server {
    let server = start(ground);
    fleet::put(ground, &server, instances);
    server
}

fn admin(server: &Server) -> Caller {
    Caller::new(&server.url, &server.token("data"))
}

/// Sends a report in JSON; its status and the answer.
fn send(caller: &Caller, body: Value) -> (u16, Value) {
    runtime().block_on(caller.ask(reqwest::Method::POST, "/v1/reports", Some(body))).unwrap()
}

/// Sends a report in protobuf, which must be taken, and reads the answer.
fn send_protobuf(caller: &Caller, more: &[(&str, &str)], body: Vec<u8>) -> Reported {
    let headers = [&[("content-type", "application/x-protobuf")], more].concat();
    let (status, bytes) = runtime().block_on(caller.post_bytes("/v1/reports", &headers, body)).unwrap();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
    Reported::from_bytes(&bytes, Encoding::Protobuf).unwrap()
}

/// A zstd frame (RFC 8878) that holds the bytes as they are, so that no packer is needed to test an unpacker.
fn zstd_raw(bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("one byte says the length");
    // Magic, a single segment with a content size of one byte, that size, and one last block that is raw.
    let block = (u32::from(length) << 3) | 1;
    [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, length][..], &block.to_le_bytes()[..3], bytes].concat()
}

/// A report of a node about one instance.
fn one(sequence: u64, instance: &str, up: u64, down: u64) -> Value {
    json!({"reporter": "eu-a-1", "incarnation": 1, "sequence": sequence,
           "traffic": [{"instance": instance, "up": up, "down": down}]})
}

/// What an instance used: all of it, and how much of that is in the database.
fn used(server: &Server, instance: &str) -> (u64, u64) {
    let usage = server.json(&["usage", instance]);
    assert_eq!(usage["complete"], true, "{usage}");
    let sum = |part: &str| usage[part]["up"].as_u64().unwrap() + usage[part]["down"].as_u64().unwrap();
    assert_eq!(sum("durable") + sum("pending"), sum("visible"), "{usage}");
    let rows = usage["rows"].as_array().unwrap().iter();
    let of_rows: u64 = rows.map(|row| row["up"].as_u64().unwrap() + row["down"].as_u64().unwrap()).sum();
    assert_eq!(of_rows, sum("visible"), "{usage}");
    (sum("visible"), sum("durable"))
}

/// All shards together, once everything balances: received, durable, pending, parked, rejected.
fn balanced(server: &Server) -> [u64; 5] {
    let found = server.json(&["conservation"]);
    assert_eq!(found["balanced"], true, "{found}");
    let sums = |lines: &str| {
        ["received", "durable", "pending", "parked", "rejected"]
            .map(|term| found[lines].as_array().unwrap().iter().map(|it| it[term].as_u64().unwrap()).sum::<u64>())
    };
    let (shards, reporters) = (sums("shards"), sums("reporters"));
    assert_eq!(shards[0], reporters[0], "both received the same: {found}");
    shards
}

/// Waits until everything is in the database.
fn committed(server: &Server, bytes: u64) {
    eventually(COMMITTED_MAX, || match balanced(server) {
        [_, durable, 0, _, _] if durable == bytes => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn a_report_counts_once_in_any_language_and_is_seen_at_once() {
    let ground = Ground::new();
    let server = serve(&ground, 4);
    let caller = admin(&server);
    let (status, answer) = send(&caller, one(1, "svc-0", 1200, 88_000));
    assert_eq!((status, &answer["result"], &answer["accepted"]), (200, &json!("applied"), &json!(1)), "{answer}");
    assert_eq!(answer["logged_through"], 1, "{answer}");
    let (status, again) = send(&caller, one(1, "svc-0", 1200, 88_000));
    assert_eq!((status, &again["result"]), (200, &json!("duplicate")), "{again}");
    assert_eq!(used(&server, "svc-0").0, 89_200);
    // The same node goes on in protobuf, packed.
    let report = Report {
        reporter: "eu-a-1".into(),
        incarnation: 1,
        sequence: 2,
        kind: Default::default(),
        observed_at: None,
        traffic: vec![TrafficItem { instance: "svc-0".into(), up: 1, down: 2, lease: None }],
        online: vec![OnlineItem { instance: "svc-0".into(), device: "phone".into() }],
        node: None,
        in_force: Some(3),
    };
    let bytes = report.to_bytes(Encoding::Protobuf);
    let answer = send_protobuf(&caller, &[], bytes.clone());
    assert_eq!((answer.result, answer.accepted, answer.logged_through), (ReportResult::Applied, 2, 2), "{answer:?}");
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&bytes).unwrap();
    for (encoding, packed) in [("gzip", packer.finish().unwrap()), ("zstd", zstd_raw(&bytes))] {
        let again = send_protobuf(&caller, &[("content-encoding", encoding)], packed);
        assert_eq!((again.result, again.logged_through), (ReportResult::Duplicate, 2), "{again:?}");
    }
    assert_eq!(used(&server, "svc-0").0, 89_203);
    says(&server.ok(&["presence", "svc-0"]), &["phone", "eu-a-1"]);
    // A gap names what is expected, and changes nothing.
    let (status, gap) = send(&caller, one(9, "svc-0", 5, 5));
    assert_eq!((status, &gap["type"], &gap["expected"]), (409, &json!("urn:tenure:problem:sequence-gap"), &json!(3)));
    committed(&server, 89_203);
    assert_eq!(used(&server, "svc-0"), (89_203, 89_203));
    says(&server.ok(&["usage", "svc-0", "--by", "period"]), &["89,203 bytes", "all of it in the database"]);
    says(&server.ok(&["reporters"]), &["eu-a-1"]);
    says(&server.ok(&["ledger"]), &["committed"]);
    says(&server.ok(&["intake", "list"]), &["open"]);
    says(&server.ok(&["conservation", "--deep"]), &["balanced to the byte", "no difference"]);
}

#[test]
fn a_bad_item_is_named_and_an_unknown_instance_waits() {
    let ground = Ground::new();
    let server = serve(&ground, 1);
    let caller = admin(&server);
    let (status, answer) = send(
        &caller,
        json!({"reporter": "eu-a-1", "incarnation": 1, "sequence": 1, "traffic": [
            {"instance": "svc-0", "up": 1, "down": 2},
            {"instance": "svc-0", "up": -1, "down": 30},
            {"instance": "later", "up": 400, "down": 0},
            {"up": 1000, "down": 1000},
        ]}),
    );
    assert_eq!((status, &answer["accepted"], &answer["parked"]), (200, &json!(1), &json!(1)), "{answer}");
    let named: Vec<_> = answer["rejected"].as_array().unwrap().iter().map(|it| (&it["index"], &it["code"])).collect();
    assert_eq!(named, [(&json!(1), &json!("negative")), (&json!(3), &json!("missing-field"))], "{answer}");
    let [received, _, _, parked, rejected] = balanced(&server);
    assert_eq!((received, parked, rejected), (2_433, 400, 2_030));
    server.ok(&["conservation"]);
    // It is counted as soon as it exists.
    ground.write("later.ndjson", r#"{"id":"later","product":"basic"}"#);
    server.ok(&["import", "instances", "later.ndjson"]);
    committed(&server, 403);
    eventually(COMMITTED_MAX, || match used(&server, "later") {
        (400, 400) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn a_wrong_envelope_is_refused_with_its_field() {
    let ground = Ground::new();
    let server = serve(&ground, 0);
    let caller = admin(&server);
    for (body, field) in [
        (json!({"incarnation": 1, "sequence": 1}), "reporter"),
        (json!({"reporter": "eu-a-1", "incarnation": 1, "sequence": 0}), "sequence"),
        (json!({"reporter": "eu-a-1", "incarnation": "x", "sequence": 1}), "incarnation"),
        (json!({"reporter": "eu-a-1", "incarnation": 1, "sequence": 1, "kind": "total"}), "kind"),
    ] {
        let (status, problem) = send(&caller, body);
        assert_eq!((status, &problem["field"]), (400, &json!(field)), "{problem}");
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let ground = Ground::new();
    let server = serve(&ground, 3);
    let caller = admin(&server);
    let mut sent = 0;
    for sequence in 1..=40 {
        let (status, answer) = send(&caller, one(sequence, "svc-1", sequence, 1_000));
        assert_eq!((status, &answer["logged_through"]), (200, &json!(sequence)), "{answer}");
        sent += sequence + 1_000;
    }
    server.kill();
    let server = start(&ground);
    let caller = admin(&server);
    eventually(COMMITTED_MAX, || match used(&server, "svc-1").0 {
        bytes if bytes == sent => Ok(()),
        other => Err(format!("{other} of {sent}")),
    });
    // The reporter that got no answer sends its last report again.
    let (_, again) = send(&caller, one(40, "svc-1", 40, 1_000));
    assert_eq!(again["result"], "duplicate", "{again}");
    committed(&server, sent);
    assert_eq!(used(&server, "svc-1"), (sent, sent));
}

#[test]
fn commands_of_counting_refuse_what_they_do_not_understand() {
    let ground = Ground::new();
    let server = serve(&ground, 1);
    let ran = server.run(&["usage", "svc-0", "--by", "week"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let ran = server.run(&["usage", "svc-0", "--from", "yesterday"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    says(&ran.err, &["--from", "2026-01-31T10:00:00Z"]);
    says(&server.refused(&["usage", "nobody"]), &["there is no"]);
    says(&server.refused(&["intake", "retire", "nowhere"]), &["refused"]);
}
