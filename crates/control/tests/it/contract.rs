//! The contract's routes, as a client meets them.

use reqwest::Method;
use serde_json::json;

use crate::fixture::{FLEET, Server, send};
use crate::on_both_engines;

on_both_engines! {
    applying_twice_changes_nothing
    an_instance_is_put_with_its_ownership_and_resolves
    a_former_refusal_is_no_answer
    a_list_is_paged_and_reads_back
    conditions_guard_writes
    a_key_carries_a_write_out_once
    what_others_need_is_not_deleted
    prune_removes_what_the_set_created
    the_disruption_guard_names_the_plan
    a_node_reports_and_is_qualified
    an_ownership_is_explained_and_replayed
    a_plan_drains_a_group
    the_doctor_finds_nothing
}

async fn applying_twice_changes_nothing(server: Server) {
    let dry = server.apply("?dry_run=true", FLEET).await.expect(200);
    assert_eq!(dry["revision"], 1, "the first token is all that was ever written");
    server.get("/v1/nodes/ams-01").await.problem(404, "not-found");
    let first = server.apply("", FLEET).await.expect(200);
    assert_eq!(dry["changes"], first["changes"], "a dry run computes the same answer");
    assert_eq!(first["changes"].as_array().unwrap().len(), FLEET.matches("kind:").count());
    assert_eq!(first["changes"][0], json!({"kind": "Region", "id": "eu-west", "action": "created"}));
    let second = server.apply("", FLEET).await.expect(200);
    assert!(second["changes"].as_array().unwrap().iter().all(|it| it["action"] == "unchanged"), "{second}");
    assert_eq!(second["revision"], first["revision"]);
}

async fn an_instance_is_put_with_its_ownership_and_resolves(server: Server) {
    server.apply("", FLEET).await.expect(200);
    let made = server.put("/v1/instances/svc-1", json!({"product": "basic", "jurisdiction": "EU"})).await;
    let body = made.expect(201);
    assert_eq!(body["instance"], "svc-1");
    assert_eq!(body["region"], "eu-west");
    assert_eq!(body["generation"], 1);
    let group = body["group"].as_str().unwrap().to_owned();
    let again = server.put("/v1/instances/svc-1", json!({"product": "basic", "jurisdiction": "EU"})).await.expect(200);
    assert_eq!(again["decision"], body["decision"], "nothing changed, so nothing was decided");

    let resolved = server.get("/v1/instances/svc-1/resolution").await;
    let answer = resolved.expect(200);
    assert_eq!(answer["status"], "deliverable");
    assert_eq!(answer["ownership"]["group"], group.as_str());
    assert_eq!(answer["nodes"].as_array().unwrap().len(), 1);
    let tag = resolved.header("etag").to_owned();
    let known = server.request(Method::GET, "/v1/instances/svc-1/resolution").header("if-none-match", &tag);
    let known = send(known).await;
    assert_eq!((known.status.as_u16(), known.text.as_str()), (304, ""));
    assert_eq!(known.header("etag"), tag);

    let owner = server.get("/v1/instances/svc-1/ownership").await.expect(200);
    assert_eq!(owner["group"], group.as_str());
    server.put("/v1/instances/svc-2", json!({"product": "union"})).await.expect(201);
    let owner = server.get("/v1/instances/svc-2/ownership").await.expect(200);
    assert_eq!(owner, json!({"group": null, "reason": "not_applicable"}));
    let near = server.get("/v1/instances/svc-2/resolution?near=48.8,2.3").await.expect(200);
    assert_eq!(near["nodes"][0]["id"], "par-01");
    let near = server.get("/v1/instances/svc-2/resolution?near=52.3,4.9").await.expect(200);
    assert_eq!(near["nodes"][0]["id"], "ams-01");

    let ended = server.delete("/v1/instances/svc-1").await.expect(200);
    assert_eq!(ended["group"], serde_json::Value::Null);
    let resolved = server.get("/v1/instances/svc-1/resolution").await.expect(200);
    assert_eq!(resolved["status"], "terminated");
    let history = server.get("/v1/instances/svc-1/history").await.expect(200);
    assert_eq!(history["rows"].as_array().unwrap().len(), 2, "{history}");
    let back = server.put("/v1/instances/svc-1", json!({"product": "basic", "jurisdiction": "EU"})).await.expect(200);
    assert_eq!(back["generation"], 2, "a re-created id continues its generation");
}

async fn a_former_refusal_is_no_answer(server: Server) {
    server.apply("", FLEET).await.expect(200);
    let instance = |jurisdiction: &str| json!({"product": "basic", "jurisdiction": jurisdiction});
    for n in 0..5 {
        let path = format!("/v1/instances/svc-{n}");
        let refused = server.put(&path, instance("US")).await.expect(201);
        assert_eq!(refused["group"], serde_json::Value::Null, "the boundary has no group there: {refused}");
        assert_ne!(refused["reason"], "pending", "{refused}");
        let owned = server.put(&path, instance("EU")).await.expect(200);
        assert_eq!(owned["region"], "eu-west", "{owned}");
    }
    let rows = |jurisdiction: &str| -> String {
        let row = |n| format!("{{\"id\":\"row-{n}\",\"product\":\"basic\",\"jurisdiction\":\"{jurisdiction}\"}}\n");
        (0..500).map(row).collect()
    };
    assert_eq!(server.import("?wait=true", rows("US")).await.expect(200)["pending"], 0);
    assert_eq!(server.import("?wait=true", rows("EU")).await.expect(200)["pending"], 0);
    for n in [0, 250, 499] {
        let owner = server.get(&format!("/v1/instances/row-{n}/ownership")).await.expect(200);
        assert_eq!(owner["region"], "eu-west", "{owner}");
    }
}

async fn a_list_is_paged_and_reads_back(server: Server) {
    server.apply("", FLEET).await.expect(200);
    let (mut query, mut ids) = ("?limit=2".to_owned(), Vec::new());
    loop {
        let page = server.get(&format!("/v1/nodes{query}")).await.expect(200);
        ids.extend(page["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=2&cursor={next}");
    }
    assert_eq!(ids, ["ams-01", "nyc-01", "par-01"]);
    let node = server.get("/v1/nodes/ams-01").await.expect(200);
    assert_eq!(node["kind"], "Node");
    let again = server.put("/v1/nodes/ams-01", node.clone()).await;
    assert_eq!(again.expect(200), node, "what is read can be written back");
    server.get("/v1/nodes?limit=0").await.problem(400, "bad-request");
    server.get("/v1/nodes?cursor=zz").await.problem(400, "bad-request");
}

async fn conditions_guard_writes(server: Server) {
    server.apply("", FLEET).await.expect(200);
    let region = |name: &str| json!({"name": name, "jurisdiction": "EU"});
    let tag = server.get("/v1/regions/eu-west").await.header("etag").to_owned();
    let put = |path: &'static str, header: &'static str, value: String, name: &'static str| {
        send(server.request(Method::PUT, path).header(header, value).json(&region(name)))
    };
    let first = put("/v1/regions/eu-west", "if-match", tag.clone(), "one").await;
    first.expect(200);
    let stale = put("/v1/regions/eu-west", "if-match", tag, "two").await.problem(412, "precondition-failed");
    assert_eq!(stale["etag"], first.header("etag"));
    assert_eq!(server.get("/v1/regions/eu-west").await.json()["name"], "one");
    put("/v1/regions/eu-west", "if-none-match", "*".into(), "x").await.problem(412, "precondition-failed");
    put("/v1/regions/new", "if-none-match", "*".into(), "x").await.expect(201);
    put("/v1/regions/none", "if-match", "*".into(), "x").await.problem(404, "not-found");
    put("/v1/regions/none", "if-match", "nonsense".into(), "x").await.problem(400, "bad-request");
    let deleted = server.request(Method::DELETE, "/v1/regions/new").header("if-match", "\"1\"");
    send(deleted).await.problem(412, "precondition-failed");
    server.delete("/v1/regions/new").await.expect(200);
    server.delete("/v1/regions/new").await.problem(404, "not-found");
}

async fn a_key_carries_a_write_out_once(server: Server) {
    server.apply("", FLEET).await.expect(200);
    let put = |weight: u32| {
        let request = server.request(Method::PUT, "/v1/groups/eu-west-c").header("idempotency-key", "k-1");
        send(request.json(&json!({"region": "eu-west", "weight": weight})))
    };
    let first = put(100).await;
    first.expect(201);
    server.delete("/v1/groups/eu-west-c").await.expect(200);
    let again = put(100).await;
    again.expect(201);
    assert_eq!(again.header("tenure-revision"), first.header("tenure-revision"));
    server.get("/v1/groups/eu-west-c").await.problem(404, "not-found");
    put(200).await.problem(409, "idempotency-conflict");
    let apply = |text: &'static str| {
        let request = server.request(Method::POST, "/v1/apply").header("idempotency-key", "k-2");
        send(request.header("content-type", "application/yaml").body(text))
    };
    const REGION: &str = "kind: Region\nid: once\n";
    let first = apply(REGION).await.expect(200);
    assert_eq!(apply(REGION).await.expect(200), first);
    let put = || {
        let request = server.request(Method::PUT, "/v1/instances/svc-1").header("idempotency-key", "k-3");
        send(request.json(&json!({"product": "basic"})))
    };
    let (one, other, third) = tokio::join!(put(), put(), put());
    for answer in [&other, &third] {
        assert_eq!(answer.expect(201), one.expect(201), "whoever is late is answered like the first");
        assert_eq!(answer.header("etag"), one.header("etag"));
    }
}

async fn what_others_need_is_not_deleted(server: Server) {
    server.apply("", FLEET).await.expect(200);
    server.put("/v1/instances/svc-1", json!({"product": "basic"})).await.expect(201);
    for (path, kind, id) in [
        ("/v1/regions/eu-west", "ResourceGroup", "eu-west-a"),
        ("/v1/runtime-templates/edge-v3", "Node", "ams-01"),
        ("/v1/access-templates/standard", "Product", "basic"),
        ("/v1/products/basic", "Instance", "svc-1"),
    ] {
        let refused = server.delete(path).await.problem(409, "still-referenced");
        let by = refused["by"].as_array().unwrap();
        assert!(by.iter().any(|it| it["kind"] == kind && it["id"] == id), "{path}: {refused}");
    }
}

async fn prune_removes_what_the_set_created(server: Server) {
    server.apply("", "kind: Region\nid: kept\n").await.expect(200);
    let both = "kind: Region\nid: kept\n---\nkind: Region\nid: one\n---\nkind: ResourceGroup\nid: g\nregion: one\n";
    server.apply("?set=mine", both).await.expect(200);
    let other = "kind: Region\nid: other\n";
    let dry = server.apply("?set=mine&prune=true&dry_run=true", other).await.expect(200);
    let pruned = server.apply("?set=mine&prune=true", other).await.expect(200);
    assert_eq!(dry["changes"], pruned["changes"]);
    let actions: Vec<String> = pruned["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} {}", it["id"].as_str().unwrap(), it["action"].as_str().unwrap()))
        .collect();
    assert_eq!(actions, ["other created", "g deleted", "one deleted"], "what refers goes before what is referred to");
    server.get("/v1/regions/kept").await.expect(200);
    // Somebody else has come to need it: the prune is refused as a whole.
    server.apply("", "kind: ResourceGroup\nid: late\nregion: other\n").await.expect(200);
    let refused = server.apply("?set=mine&prune=true", "kind: Region\nid: third\n").await;
    assert_eq!(refused.problem(409, "still-referenced")["by"][0]["id"], "late");
    server.get("/v1/regions/third").await.problem(404, "not-found");
    server.apply("?prune=true", other).await.problem(400, "bad-request");
}

async fn the_disruption_guard_names_the_plan(server: Server) {
    server.apply("", FLEET).await.expect(200);
    let rows: String = (0..400).map(|n| format!("{{\"id\":\"svc-{n}\",\"product\":\"basic\"}}\n")).collect();
    assert_eq!(server.import("?wait=true", rows).await.expect(200)["pending"], 0);
    let closed = json!({"region": "eu-west", "state": "closed"});
    let refused = server.put("/v1/groups/eu-west-a", closed.clone()).await.problem(409, "too-disruptive");
    assert_eq!(refused["boundaries"][0]["access_template"], "standard");
    assert_eq!(refused["plan"]["kind"], "topology");
    let writer = server.token(json!({"scopes": ["write"]})).await;
    let forced = server.bare(Method::PUT, "/v1/groups/eu-west-a?allow_disruption=true").bearer_auth(&writer);
    send(forced.json(&closed)).await.problem(403, "forbidden");
    server.put("/v1/groups/eu-west-a?allow_disruption=true", closed).await.expect(200);
    for n in 0..400 {
        let is_repaired = |it: &serde_json::Value| it["group"] == "eu-west-b";
        server.until(&format!("/v1/instances/svc-{n}/ownership"), is_repaired).await;
    }
    // Rows of an import are held to the same: all owners would leave their jurisdiction.
    let rows: String =
        (0..400).map(|n| format!("{{\"id\":\"svc-{n}\",\"product\":\"basic\",\"jurisdiction\":\"US\"}}\n")).collect();
    let imported = server.import("", rows).await.expect(200);
    assert_eq!(imported["accepted"], 100, "{imported}");
    assert_eq!(imported["refused_total"], 300);
    assert_eq!(imported["refused"][0]["code"], "too-disruptive");
}

async fn a_node_reports_and_is_qualified(server: Server) {
    server.apply("", FLEET).await.expect(200);
    server.put("/v1/instances/svc-1", json!({"product": "pinned"})).await.expect(201);
    let token = server.token(json!({"scopes": ["report"], "reporter": "ams-01"})).await;
    let report =
        |body: serde_json::Value| send(server.bare(Method::POST, "/v1/reports").bearer_auth(&token).json(&body));
    let base = json!({"reporter": "ams-01", "incarnation": 7, "sequence": 1});
    let with = |field: &str, value: serde_json::Value| {
        let mut body = base.clone();
        body[field] = value;
        body
    };
    let down = with("node", json!({"status": "down", "load_permille": 310}));
    assert_eq!(report(down.clone()).await.expect(200)["result"], "applied");
    assert_eq!(report(down).await.expect(200)["result"], "duplicate");
    server.until("/v1/instances/svc-1/resolution", |it| it["status"] == "broken").await;
    let gap = report(with("sequence", json!(9))).await.problem(409, "sequence-gap");
    assert_eq!(gap["expected"], 2);
    report(with("incarnation", json!(6))).await.problem(409, "stale-incarnation");
    report(with("reporter", json!("par-01"))).await.problem(403, "forbidden");
    report(with("observed_at", json!("yesterday"))).await.problem(400, "bad-request");
    report(with("sequence", json!(0))).await.problem(400, "bad-request");
    let mut counted = with("sequence", json!(2));
    counted["traffic"] = json!([{"instance": "svc-1", "up": 1, "down": 2}]);
    counted["online"] = json!([{"instance": "svc-1", "device": "a1"}]);
    counted["node"] = json!({"status": "up"});
    let taken = report(counted).await.expect(200);
    assert_eq!((taken["accepted"].as_u64(), taken["rejected"].as_array().unwrap().len()), (Some(2), 0), "{taken}");
    assert_eq!(taken["logged_through"], 2);
    server.until("/v1/instances/svc-1/resolution", |it| it["status"] == "deliverable").await;
    let reporters = server.get("/v1/reporters").await.expect(200);
    assert_eq!(reporters["reporters"][0]["id"], "ams-01");
}

async fn an_ownership_is_explained_and_replayed(server: Server) {
    server.apply("", FLEET).await.expect(200);
    let made = server.put("/v1/instances/svc-1", json!({"product": "roaming", "jurisdiction": "EU"})).await.expect(201);
    let told = server.get("/v1/instances/svc-1/explanation?why_not=us-east-a&verify=true").await.expect(200);
    assert_eq!(told["decision"]["id"], made["decision"]);
    assert_eq!(told["replay"]["verified"], true);
    assert_eq!(told["replay"]["hash"].as_str().unwrap().len(), 64);
    let candidates: Vec<&str> =
        told["candidates"].as_array().unwrap().iter().map(|it| it["group"].as_str().unwrap()).collect();
    assert_eq!(candidates.len(), 3, "every group of the boundary: {candidates:?}");
    assert_eq!(told["why_not"]["group"], "us-east-a");
    assert!(!told["answer"].as_str().unwrap().is_empty());
    let text = server.request(Method::GET, "/v1/instances/svc-1/explanation").header("accept", "text/plain");
    assert!(send(text).await.text.contains("svc-1"));
    server.get("/v1/instances/svc-1/explanation?why_not=nowhere").await.problem(404, "not-found");
}

async fn a_plan_drains_a_group(server: Server) {
    server.apply("", FLEET).await.expect(200);
    let rows: String = (0..50).map(|n| format!("{{\"id\":\"svc-{n}\",\"product\":\"basic\"}}\n")).collect();
    server.import("?wait=true", rows).await.expect(200);
    let made = server.post("/v1/plans", json!({"kind": "drain", "group": "eu-west-a"})).await.expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(made["state"], "draft");
    let moves = server.get(&format!("/v1/plans/{id}/moves?limit=10")).await.expect(200);
    assert_eq!(moves["items"].as_array().unwrap().len(), 10);
    assert_eq!(moves["items"][0]["from"], "eu-west-a");
    server.post(&format!("/v1/plans/{id}/pause"), json!({})).await.problem(409, "plan-state");
    server.post(&format!("/v1/plans/{id}/apply"), json!({"rate_per_s": 10_000})).await.expect(200);
    let done = server.until(&format!("/v1/plans/{id}"), |it| it["state"] == "done").await;
    assert_eq!(done["progress"]["pending"], 0, "{done}");
    for n in 0..50 {
        let owner = server.get(&format!("/v1/instances/svc-{n}/ownership")).await.expect(200);
        assert_eq!(owner["group"], "eu-west-b");
    }
    for (body, field) in [
        (json!({"kind": "banana"}), "kind"),
        (json!({"kind": "repair", "group": "eu-west-a"}), "group"),
        (json!({"kind": "rebalance", "to": 0.5}), "to"),
        (json!({"kind": "move", "moves": [{"instance": "svc-1", "to": "NO"}]}), "moves[0].to"),
    ] {
        assert_eq!(server.post("/v1/plans", body).await.problem(400, "bad-request")["field"], field);
    }
    server.get("/v1/plans/nobody").await.problem(404, "not-found");
    assert_eq!(server.get("/v1/plans").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

async fn the_doctor_finds_nothing(server: Server) {
    server.apply("", FLEET).await.expect(200);
    server.put("/v1/instances/svc-1", json!({"product": "basic"})).await.expect(201);
    let found = server.get("/v1/doctor").await.expect(200);
    assert_eq!(found["ok"], true, "{found:#}");
    let checks: Vec<&str> =
        found["checks"].as_array().unwrap().iter().map(|it| it["check"].as_str().unwrap()).collect();
    let expected =
        ["store", "view", "leader", "counters", "audit", "counts", "clock", "disk", "tasks", "region-silent"];
    assert_eq!(checks, expected);
    let tasks = server.get("/v1/tasks").await.expect(200);
    assert!(tasks["tasks"].as_array().unwrap().iter().any(|it| it["name"] == "recount"), "{tasks}");
    assert_eq!(server.post("/v1/tasks/recount/pause", json!({})).await.expect(200)["is_paused"], true);
    assert_eq!(server.post("/v1/tasks/recount/resume", json!({})).await.expect(200)["is_paused"], false);
    server.post("/v1/tasks/nothing/run", json!({})).await.problem(404, "not-found");
}
