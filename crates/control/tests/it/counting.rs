//! Reports are counted exactly once: through retries, gaps, new lives, restarts, lost replies and lost disks.

use std::time::Duration;

use control::faults;
use control::settings::Settings;
use reqwest::Method;
use serde_json::{Value, json};
use wire::report::{Encoding, Report};

use crate::fixture::{FLEET, Reply, Server, send};
use crate::on_both_engines;

on_both_engines! {
    a_report_is_counted_once_and_becomes_durable
    gaps_stale_lives_and_new_lives
    late_and_skewed_stamps_count
    what_is_parked_counts_once_its_instance_exists
    running_totals_become_deltas
    a_restart_replays_what_is_not_committed
    a_lost_disk_is_told_and_a_replay_counts_once
    a_log_that_fails_refuses_the_whole_group
    a_lost_reply_counts_once
    reports_come_in_any_language_and_packing
    a_closed_replica_takes_nothing
    what_is_cleaned_is_still_balanced
}

const NODE: &str = "ams-01";

async fn fleet(server: &Server) {
    server.apply("", FLEET).await.expect(200);
    for id in ["svc-1", "svc-2", "svc-3"] {
        server.put(&format!("/v1/instances/{id}"), json!({"product": "basic"})).await.expect(201);
    }
}

fn body(incarnation: u64, sequence: u64, traffic: &[(&str, u64, u64)]) -> Value {
    let items: Vec<Value> =
        traffic.iter().map(|(id, up, down)| json!({"instance": id, "up": up, "down": down})).collect();
    json!({"reporter": NODE, "incarnation": incarnation, "sequence": sequence, "traffic": items})
}

async fn report(server: &Server, body: &Value) -> Reply {
    server.post("/v1/reports", body.clone()).await
}

async fn flush(server: &Server) {
    let before = iteration(server, "flush").await;
    server.post("/v1/tasks/flush/run", json!({})).await.expect(200);
    server
        .until("/v1/tasks", |it| {
            task(it, "flush")["iteration"].as_u64() > Some(before) && task(it, "flush")["is_running"] == false
        })
        .await;
}

fn task<'a>(tasks: &'a Value, name: &str) -> &'a Value {
    tasks["tasks"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap()
}

async fn iteration(server: &Server, name: &str) -> u64 {
    let tasks = server.get("/v1/tasks").await.expect(200);
    task(&tasks, name)["iteration"].as_u64().unwrap()
}

async fn usage(server: &Server, id: &str) -> (u64, u64) {
    let usage = server.get(&format!("/v1/instances/{id}/usage")).await.expect(200);
    assert_eq!(usage["complete"], true, "{usage}");
    let sum = |field: &str| usage[field]["up"].as_u64().unwrap() + usage[field]["down"].as_u64().unwrap();
    assert_eq!(sum("visible"), sum("durable") + sum("pending"), "{usage}");
    (sum("durable"), sum("pending"))
}

/// Both together: a server that starts flushes at once.
async fn visible(server: &Server, id: &str) -> u64 {
    let (durable, pending) = usage(server, id).await;
    durable + pending
}

/// Every byte is somewhere; answers the sum received of all shards.
async fn balanced(server: &Server) -> u64 {
    let deep = server.get("/v1/conservation?deep=true").await.expect(200);
    assert_eq!((&deep["balanced"], &deep["complete"]), (&json!(true), &json!(true)), "{deep}");
    deep["shards"].as_array().unwrap().iter().map(|it| it["received"].as_u64().unwrap()).sum()
}

async fn a_report_is_counted_once_and_becomes_durable(server: Server) {
    fleet(&server).await;
    let first = body(7, 1, &[("svc-1", 100, 1), ("svc-2", 200, 2), ("svc-1", 10, 0)]);
    let taken = report(&server, &first).await.expect(200);
    assert_eq!((&taken["result"], &taken["accepted"]), (&json!("applied"), &json!(3)), "{taken}");
    assert_eq!((&taken["logged_through"], &taken["committed_through"]), (&json!(1), &json!(0)));
    for _ in 0..3 {
        let again = report(&server, &first).await.expect(200);
        assert_eq!(again["result"], "duplicate");
    }
    assert_eq!(usage(&server, "svc-1").await, (0, 111));
    assert_eq!(balanced(&server).await, 313);
    flush(&server).await;
    assert_eq!(usage(&server, "svc-1").await, (111, 0));
    assert_eq!(usage(&server, "svc-2").await, (202, 0));
    let again = report(&server, &first).await.expect(200);
    assert_eq!((&again["result"], &again["committed_through"]), (&json!("duplicate"), &json!(1)));
    // Many at once, each sent twice: whoever is answered is logged.
    let second = body(7, 2, &[("svc-1", 1, 0)]);
    let (one, two) = tokio::join!(report(&server, &second), report(&server, &second));
    let mut results = [one.expect(200)["result"].clone(), two.expect(200)["result"].clone()];
    results.sort_by_key(ToString::to_string);
    assert_eq!(results, [json!("applied"), json!("duplicate")]);
    assert_eq!(usage(&server, "svc-1").await, (111, 1));
    flush(&server).await;
    assert_eq!(usage(&server, "svc-1").await, (112, 0));
    assert_eq!(balanced(&server).await, 314);
    let ledger = server.get("/v1/ledger").await.expect(200);
    let rows = ledger["rows"].as_array().unwrap();
    let counted: u64 = rows.iter().map(|it| it["up"].as_u64().unwrap() + it["down"].as_u64().unwrap()).sum();
    assert_eq!(counted, 314, "{ledger}");
    let reporters = server.get("/v1/reporters").await.expect(200);
    let row = &reporters["reporters"][0];
    assert_eq!((&row["id"], &row["sequence"], &row["committed_through"]), (&json!(NODE), &json!(2), &json!(2)));
    let days = server.get("/v1/instances/svc-1/usage?by=day").await.expect(200);
    assert_eq!(days["rows"].as_array().unwrap().iter().map(|it| it["down"].as_u64().unwrap()).sum::<u64>(), 1);
    server.get("/v1/instances/nobody/usage").await.problem(404, "not-found");
    server.get("/v1/instances/svc-1/usage?by=week").await.problem(400, "bad-request");
}

async fn gaps_stale_lives_and_new_lives(server: Server) {
    fleet(&server).await;
    let one = |incarnation, sequence| body(incarnation, sequence, &[("svc-1", 1, 0)]);
    assert_eq!(report(&server, &one(7, 3)).await.problem(409, "sequence-gap")["expected"], 1);
    report(&server, &one(7, 1)).await.expect(200);
    report(&server, &one(7, 2)).await.expect(200);
    assert_eq!(report(&server, &one(7, 5)).await.problem(409, "sequence-gap")["expected"], 3);
    report(&server, &one(6, 3)).await.problem(409, "stale-incarnation");
    report(&server, &one(8, 2)).await.problem(409, "sequence-gap");
    report(&server, &one(9, 1)).await.expect(200);
    report(&server, &one(7, 3)).await.problem(409, "stale-incarnation");
    assert_eq!(usage(&server, "svc-1").await, (0, 3));
    flush(&server).await;
    // What arrived is told apart from what never came once it is committed.
    let lost = |it: &Value| {
        let lost = it["reporters"][0]["lost"].as_array().unwrap();
        lost.contains(&json!({"incarnation": 7, "from": 3, "to": 4}))
    };
    server.until("/v1/reporters", lost).await;
    let server = server.restart().await;
    report(&server, &one(7, 3)).await.problem(409, "stale-incarnation");
    assert_eq!(report(&server, &one(9, 1)).await.expect(200)["result"], "duplicate");
    report(&server, &one(9, 2)).await.expect(200);
    flush(&server).await;
    assert_eq!(usage(&server, "svc-1").await, (4, 0));
    balanced(&server).await;
}

async fn late_and_skewed_stamps_count(server: Server) {
    fleet(&server).await;
    let at = |offset_s: i64| {
        let now = jiff::Timestamp::now().as_second() + offset_s;
        jiff::Timestamp::from_second(now).unwrap().to_string()
    };
    for (sequence, offset_s) in [(1, 3600), (2, -3 * 3600), (3, -40 * 86_400), (4, 0)] {
        let mut it = body(1, sequence, &[("svc-1", 10, 0)]);
        it["observed_at"] = json!(at(offset_s));
        assert_eq!(report(&server, &it).await.expect(200)["accepted"], 1);
    }
    let path = format!("/v1/instances/svc-1/usage?from={}&to={}", at(-4 * 3600), at(3600));
    let before = server.get(&path).await.expect(200);
    flush(&server).await;
    let after = server.get(&path).await.expect(200);
    assert_eq!(before["rows"], after["rows"], "what is visible does not change when it is committed");
    assert_eq!(after["visible"]["up"], 40);
    assert_eq!(after["rows"].as_array().unwrap().len(), 2, "its own hour, and the open one: {after}");
    balanced(&server).await;
}

async fn what_is_parked_counts_once_its_instance_exists(server: Server) {
    fleet(&server).await;
    let taken = report(&server, &body(1, 1, &[("svc-1", 1, 0), ("new", 50, 5)])).await.expect(200);
    assert_eq!((&taken["accepted"], &taken["parked"]), (&json!(1), &json!(1)), "{taken}");
    balanced(&server).await;
    flush(&server).await;
    balanced(&server).await;
    server.put("/v1/instances/new", json!({"product": "basic"})).await.expect(201);
    server.until("/v1/instances/new/usage", |it| it["durable"]["up"] == 50).await;
    assert_eq!(usage(&server, "new").await, (55, 0));
    report(&server, &body(1, 2, &[("new", 5, 0)])).await.expect(200);
    assert_eq!(usage(&server, "new").await, (55, 5));
    assert_eq!(balanced(&server).await, 61);
    // An item that cannot be read is named and counted as rejected; the rest counts.
    let mut bad = body(1, 3, &[("svc-1", 2, 0)]);
    bad["traffic"].as_array_mut().unwrap().push(json!({"instance": "NO", "up": 7, "down": 0}));
    let taken = report(&server, &bad).await.expect(200);
    assert_eq!((&taken["accepted"], &taken["rejected"][0]["code"]), (&json!(1), &json!("invalid-id")), "{taken}");
    assert_eq!(balanced(&server).await, 70);
    flush(&server).await;
    assert_eq!(balanced(&server).await, 70);
}

async fn running_totals_become_deltas(server: Server) {
    fleet(&server).await;
    let total = |incarnation, sequence, up: u64| {
        let mut it = body(incarnation, sequence, &[("svc-1", up, 0), ("svc-2", 5, 5)]);
        it["kind"] = json!("cumulative");
        it
    };
    report(&server, &total(1, 1, 100)).await.expect(200);
    report(&server, &total(1, 2, 150)).await.expect(200);
    assert_eq!(usage(&server, "svc-1").await, (0, 150));
    assert_eq!(usage(&server, "svc-2").await, (0, 10));
    flush(&server).await;
    let server = server.restart().await;
    report(&server, &total(1, 3, 170)).await.expect(200);
    assert_eq!(visible(&server, "svc-1").await, 170);
    let rewound = report(&server, &total(1, 4, 30)).await.expect(200);
    assert_eq!(rewound["rejected"][0]["code"], "rewind", "{rewound}");
    report(&server, &total(1, 5, 40)).await.expect(200);
    assert_eq!(visible(&server, "svc-1").await, 180);
    report(&server, &total(2, 1, 7)).await.expect(200);
    flush(&server).await;
    assert_eq!(usage(&server, "svc-1").await, (187, 0));
    assert_eq!(usage(&server, "svc-2").await, (20, 0));
    assert_eq!(balanced(&server).await, 207);
}

async fn a_restart_replays_what_is_not_committed(server: Server) {
    fleet(&server).await;
    report(&server, &body(1, 1, &[("svc-1", 1, 0)])).await.expect(200);
    flush(&server).await;
    report(&server, &body(1, 2, &[("svc-1", 10, 0), ("svc-2", 20, 0), ("svc-3", 30, 0)])).await.expect(200);
    let server = server.restart().await;
    assert_eq!(visible(&server, "svc-1").await, 11);
    assert_eq!(report(&server, &body(1, 2, &[("svc-1", 10, 0)])).await.expect(200)["result"], "duplicate");
    report(&server, &body(1, 3, &[("svc-1", 100, 0), ("unknown", 3, 0)])).await.expect(200);
    assert_eq!(balanced(&server).await, 164);
    let server = server.restart().await;
    assert_eq!(balanced(&server).await, 164);
    flush(&server).await;
    assert_eq!(usage(&server, "svc-1").await, (111, 0));
    assert_eq!(usage(&server, "svc-3").await, (30, 0));
    assert_eq!(balanced(&server).await, 164);
}

async fn a_lost_disk_is_told_and_a_replay_counts_once(server: Server) {
    fleet(&server).await;
    let reports: Vec<Value> = (1..=4)
        .map(|sequence| body(1, sequence, &[("svc-1", sequence, 0), ("svc-2", 10 * sequence, 0), ("svc-3", 100, 0)]))
        .collect();
    report(&server, &reports[0]).await.expect(200);
    flush(&server).await;
    report(&server, &reports[1]).await.expect(200);
    // The flush stops after one shard: the disk is lost in between.
    faults::arm(&format!("before-shard-commit:2:error{}", ",before-shard-commit:1:error".repeat(500))).unwrap();
    server.post("/v1/tasks/flush/run", json!({})).await.expect(200);
    server.until("/v1/tasks", |it| task(it, "flush")["last_error"] != Value::Null).await;
    report(&server, &reports[2]).await.expect(200);
    let settings = Settings::clone(&server.running.parts().settings);
    let Server { running, data, .. } = server;
    running.shutdown().await;
    std::fs::remove_dir_all(data.path().join("intake")).unwrap();
    faults::disarm();
    let server = Server::start(data, settings).await;
    let intake = server.get("/v1/intake").await.expect(200);
    let here = &intake["replicas"][0]["here"];
    assert!(here["missing"].as_str().is_some_and(|it| it.contains("lost")), "{intake}");
    let known = server.get("/v1/reporters").await.expect(200);
    let through = known["reporters"][0]["committed_through"].as_u64().unwrap();
    assert_eq!(through, 1, "{known}");
    for one in &reports {
        let taken = report(&server, one).await.expect(200);
        assert_eq!(taken["result"], if one["sequence"] == 1 { "duplicate" } else { "applied" }, "{taken}");
    }
    assert_eq!(visible(&server, "svc-1").await, 10);
    flush(&server).await;
    assert_eq!(usage(&server, "svc-1").await, (10, 0));
    assert_eq!(usage(&server, "svc-2").await, (100, 0));
    assert_eq!(usage(&server, "svc-3").await, (400, 0));
    assert_eq!(balanced(&server).await, 510);
}

async fn a_log_that_fails_refuses_the_whole_group(server: Server) {
    fleet(&server).await;
    report(&server, &body(1, 1, &[("svc-1", 1, 0)])).await.expect(200);
    faults::arm("before-log-fsync:1:error").unwrap();
    let refused = report(&server, &body(1, 2, &[("svc-1", 10, 0), ("unknown", 5, 0)])).await;
    refused.problem(503, "overloaded");
    assert_eq!(usage(&server, "svc-1").await, (0, 1));
    assert_eq!(balanced(&server).await, 1);
    faults::arm("after-log-fsync:1:error").unwrap();
    report(&server, &body(1, 2, &[("svc-1", 10, 0)])).await.problem(503, "overloaded");
    assert_eq!(usage(&server, "svc-1").await, (0, 1), "what reached the disk and was refused is removed");
    assert_eq!(report(&server, &body(1, 2, &[("svc-1", 10, 0)])).await.expect(200)["result"], "applied");
    let server = server.restart().await;
    assert_eq!(visible(&server, "svc-1").await, 11);
    flush(&server).await;
    assert_eq!(balanced(&server).await, 11);
}

async fn a_lost_reply_counts_once(server: Server) {
    fleet(&server).await;
    for (at, place) in
        ["after-shard-commit", "before-shard-commit", "between-shards", "after-blob", "after-cut"].iter().enumerate()
    {
        report(&server, &body(1, 1 + at as u64, &[("svc-1", 1, 0), ("svc-2", 2, 0), ("svc-3", 3, 0)]))
            .await
            .expect(200);
        faults::arm(&format!("{place}:1:error")).unwrap();
        flush(&server).await;
        flush(&server).await;
        let times = at as u64 + 1;
        let served = server.until("/v1/instances/svc-3/usage", |it| it["durable"]["up"] == 3 * times).await;
        assert_eq!(served["pending"]["up"], 0, "{place}: {served}");
        assert_eq!(usage(&server, "svc-1").await, (times, 0), "{place}");
        assert_eq!(balanced(&server).await, 6 * times, "{place}");
    }
}

async fn reports_come_in_any_language_and_packing(server: Server) {
    use std::io::Write;
    fleet(&server).await;
    let one = |sequence| {
        let read: Report = serde_json::from_value(body(1, sequence, &[("svc-1", 1, 0)])).unwrap();
        read
    };
    let post = |encoding: Encoding, packing: &'static str, bytes: Vec<u8>| {
        let request = server.request(Method::POST, "/v1/reports").header("content-type", encoding.media_type());
        send(request.header("content-encoding", packing).body(bytes))
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&one(1).to_bytes(Encoding::Json)).unwrap();
    post(Encoding::Json, "gzip", gzip.finish().unwrap()).await.expect(200);
    let zstd = zstd::encode_all(&*one(2).to_bytes(Encoding::Protobuf), 3).unwrap();
    let answer = post(Encoding::Protobuf, "zstd", zstd).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/x-protobuf"));
    let answer = post(Encoding::Protobuf, "identity", one(3).to_bytes(Encoding::Protobuf)).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    post(Encoding::Json, "br", b"{}".to_vec()).await.problem(415, "unsupported-media-type");
    post(Encoding::Json, "zstd", b"nonsense".to_vec()).await.problem(400, "bad-request");
    post(Encoding::Protobuf, "identity", b"\xff".to_vec()).await.problem(400, "malformed-protobuf");
    assert_eq!(usage(&server, "svc-1").await, (0, 3));
    let mut seen = body(1, 4, &[]);
    seen["online"] = json!([{"instance": "svc-1", "device": "a1"}, {"instance": "svc-1", "device": "b2"}]);
    assert_eq!(report(&server, &seen).await.expect(200)["accepted"], 2);
    let presence = server.get("/v1/instances/svc-1/presence").await.expect(200);
    assert_eq!((&presence["online"], &presence["devices"][0]["reporter"]), (&json!(2), &json!(NODE)), "{presence}");
}

async fn a_closed_replica_takes_nothing(server: Server) {
    fleet(&server).await;
    report(&server, &body(1, 1, &[("svc-1", 1, 0)])).await.expect(200);
    flush(&server).await;
    report(&server, &body(1, 2, &[("svc-1", 10, 0)])).await.expect(200);
    let mine = server.get("/v1/intake").await.expect(200)["replicas"][0]["name"].as_str().unwrap().to_owned();
    server.post(&format!("/v1/intake/{mine}/retire"), json!({})).await.problem(409, "conflict");
    let settings = Settings::clone(&server.running.parts().settings);
    let Server { running, data, admin, .. } = server;
    running.shutdown().await;
    // Another process on the same database, with a log of its own.
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("admin.token"), &admin).unwrap();
    let own = Settings { data: other.path().to_owned(), ..settings.clone() };
    let second = Server::start(other, own).await;
    report(&second, &body(1, 2, &[("svc-1", 10, 0)])).await.problem(421, "not-home");
    let retired = second.post(&format!("/v1/intake/{mine}/retire"), json!({})).await.expect(200);
    assert_eq!(retired["state"], "closed", "{retired}");
    assert_eq!(report(&second, &body(1, 1, &[("svc-1", 1, 0)])).await.expect(200)["result"], "duplicate");
    assert_eq!(report(&second, &body(1, 2, &[("svc-1", 10, 0)])).await.expect(200)["result"], "applied");
    flush(&second).await;
    assert_eq!(usage(&second, "svc-1").await, (11, 0));
    assert_eq!(balanced(&second).await, 11);
    second.running.shutdown().await;
    // The first one comes back after all.
    let first = Server::start(data, settings).await;
    report(&first, &body(1, 3, &[("svc-1", 5, 0)])).await.problem(503, "replica-closed");
}

async fn what_is_cleaned_is_still_balanced(server: Server) {
    fleet(&server).await;
    let settings = Settings { retain_committed: Duration::ZERO, ..Settings::clone(&server.running.parts().settings) };
    let Server { running, data, .. } = server;
    running.shutdown().await;
    let server = Server::start(data, settings).await;
    for sequence in 1..=3 {
        report(&server, &body(1, sequence, &[("svc-1", 1, 0), ("svc-2", 1, 0)])).await.expect(200);
        flush(&server).await;
        server.post("/v1/tasks/cleanup/run", json!({})).await.expect(200);
    }
    server.until("/v1/intake", |it| it["replicas"][0]["here"]["log_bytes"] == 0).await;
    let ledger = server.get("/v1/ledger?state=cleaned").await.expect(200);
    assert!(ledger["rows"].as_array().unwrap().len() >= 2, "{ledger}");
    assert_eq!(balanced(&server).await, 6);
    let server = server.restart().await;
    assert_eq!(server.get("/v1/intake").await.expect(200)["replicas"][0]["here"]["missing"], Value::Null);
    assert_eq!(report(&server, &body(1, 3, &[("svc-1", 1, 0)])).await.expect(200)["result"], "duplicate");
    report(&server, &body(1, 4, &[("svc-1", 1, 0)])).await.expect(200);
    flush(&server).await;
    assert_eq!(usage(&server, "svc-1").await, (4, 0));
    assert_eq!(balanced(&server).await, 7);
}

/// The database as it was, in place of the one that is.
async fn stop_and(server: Server, meanwhile: impl FnOnce(&std::path::Path), settings: Settings) -> Server {
    let Server { running, data, .. } = server;
    running.shutdown().await;
    meanwhile(data.path());
    Server::start(data, settings).await
}

fn keep(data: &std::path::Path) {
    std::fs::copy(data.join("tenure.db"), data.join("kept.db")).unwrap();
}

fn put_back(data: &std::path::Path) {
    for aside in ["tenure.db-wal", "tenure.db-shm"] {
        let _ = std::fs::remove_file(data.join(aside));
    }
    std::fs::copy(data.join("kept.db"), data.join("tenure.db")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_lost_its_last_commits_is_refilled() {
    let server = Server::sqlite().await;
    fleet(&server).await;
    let settings = Settings::clone(&server.running.parts().settings);
    report(&server, &body(1, 1, &[("svc-1", 1, 0)])).await.expect(200);
    flush(&server).await;
    let server = stop_and(server, keep, settings.clone()).await;
    report(&server, &body(1, 2, &[("svc-1", 10, 0), ("svc-2", 20, 0), ("unknown", 3, 0)])).await.expect(200);
    flush(&server).await;
    report(&server, &body(1, 3, &[("svc-1", 100, 0)])).await.expect(200);
    let server = stop_and(server, put_back, settings).await;
    assert_eq!(visible(&server, "svc-1").await, 111);
    assert_eq!(report(&server, &body(1, 3, &[("svc-1", 100, 0)])).await.expect(200)["result"], "duplicate");
    flush(&server).await;
    assert_eq!((usage(&server, "svc-1").await, usage(&server, "svc-2").await), ((111, 0), (20, 0)));
    assert_eq!(balanced(&server).await, 134);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_went_back_further_than_the_log_is_told() {
    let server = Server::sqlite().await;
    fleet(&server).await;
    let settings = Settings { retain_committed: Duration::ZERO, ..Settings::clone(&server.running.parts().settings) };
    report(&server, &body(1, 1, &[("svc-1", 1, 0)])).await.expect(200);
    flush(&server).await;
    let server = stop_and(server, keep, settings.clone()).await;
    report(&server, &body(1, 2, &[("svc-1", 10, 0)])).await.expect(200);
    flush(&server).await;
    server.post("/v1/tasks/cleanup/run", json!({})).await.expect(200);
    server.until("/v1/intake", |it| it["replicas"][0]["here"]["log_bytes"] == 0).await;
    let server = stop_and(server, put_back, settings).await;
    let intake = server.get("/v1/intake").await.expect(200);
    assert!(intake["replicas"][0]["here"]["missing"].is_string(), "{intake}");
    assert_eq!(usage(&server, "svc-1").await, (1, 0));
    // The reporter kept what it was told is not committed, and sends it again.
    assert_eq!(report(&server, &body(1, 2, &[("svc-1", 10, 0)])).await.expect(200)["result"], "applied");
    flush(&server).await;
    assert_eq!(usage(&server, "svc-1").await, (11, 0));
    assert_eq!(balanced(&server).await, 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bounds_refuse_before_anything_is_dropped() {
    let data = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(data.path().to_owned());
    (settings.parked_max, settings.log_bytes_max, settings.queue_bytes_max) = (2, 2_000, 3_000);
    let server = Server::start(data, settings).await;
    fleet(&server).await;
    let unknown = |n: u64| format!("unknown-{n}");
    let (a, b, c) = (unknown(1), unknown(2), unknown(3));
    report(&server, &body(1, 1, &[(&a, 1, 0), (&b, 1, 0)])).await.expect(200);
    let refused = report(&server, &body(1, 2, &[("svc-1", 1, 0), (&c, 1, 0)])).await;
    refused.problem(429, "too-many-parked");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(usage(&server, "svc-1").await, (0, 0), "nothing of a report that is refused counts");
    flush(&server).await;
    report(&server, &body(1, 2, &[(&c, 1, 0)])).await.problem(429, "too-many-parked");
    // The log fills up; what it has taken stays, and there is room again once it is committed and cleaned.
    let mut sequence = 2;
    let full = loop {
        let taken = report(&server, &body(1, sequence, &[("svc-1", 1, 0), ("svc-2", 1, 0)])).await;
        if taken.status != 200 {
            break taken;
        }
        sequence += 1;
    };
    full.problem(429, "log-full");
    assert_eq!(usage(&server, "svc-1").await.1, sequence - 2);
    flush(&server).await;
    server.post("/v1/tasks/cleanup/run", json!({})).await.expect(200);
    server.until("/v1/intake", |it| it["replicas"][0]["here"]["log_bytes"] == 0).await;
    report(&server, &body(1, sequence, &[("svc-1", 1, 0)])).await.expect(200);
    assert_eq!(balanced(&server).await, 2 + 2 * (sequence - 2) + 1);
    // More than may wait for the log is told to come back; a report alone is always taken.
    let many: Vec<(&str, u64, u64)> = (0..200).map(|n| ("svc-1", n, 0)).collect();
    report(&server, &body(1, sequence + 1, &many)).await.expect(200);
}
