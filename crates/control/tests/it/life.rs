//! What a server is for machines: alive, ready, measured, described; and the same after a restart.

use reqwest::Method;
use serde_json::json;

use crate::fixture::{FLEET, Server, send};
use crate::on_both_engines;

on_both_engines! {
    machines_are_answered_without_a_token
    a_restart_keeps_everything
    the_audit_chain_grows_and_verifies
    a_reader_may_demand_a_revision
}

async fn machines_are_answered_without_a_token(server: Server) {
    for path in ["/livez", "/readyz", "/openapi.json", "/metrics"] {
        let answer = send(server.bare(Method::GET, path)).await;
        assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text);
        assert!(!answer.header("x-request-id").is_empty());
    }
    let metrics = send(server.bare(Method::GET, "/metrics")).await.text;
    assert!(
        metrics.contains("tenure_http_requests_total{class=\"2xx\",method=\"GET\",route=\"/livez\"} 1"),
        "{metrics}"
    );
    let named = server.bare(Method::GET, "/livez").header("x-request-id", "mine-1");
    assert_eq!(send(named).await.header("x-request-id"), "mine-1");
    let document = send(server.bare(Method::GET, "/openapi.json")).await.json();
    assert_eq!(document["openapi"], "3.1.0");
}

async fn a_restart_keeps_everything(server: Server) {
    server.apply("", FLEET).await.expect(200);
    let rows: String = (0..100).map(|n| format!("{{\"id\":\"svc-{n}\",\"product\":\"basic\"}}\n")).collect();
    server.import("?wait=true", rows).await.expect(200);
    let before = server.get("/v1/instances/svc-7/resolution").await;
    let token = server.admin.clone();
    let server = server.restart().await;
    assert_eq!(server.admin, token, "the first token stays");
    let after = server.get("/v1/instances/svc-7/resolution").await;
    assert_eq!(before.text, after.text, "equal view, equal bytes");
    assert_eq!(before.header("etag"), after.header("etag"));
    assert_eq!(server.get("/v1/doctor").await.expect(200)["ok"], true);
}

async fn the_audit_chain_grows_and_verifies(server: Server) {
    server.apply("", FLEET).await.expect(200);
    server.put("/v1/instances/svc-1", json!({"product": "basic"})).await.expect(201);
    let mut checkpoint = server.get("/v1/audit/checkpoint").await.expect(200);
    for _ in 0..100 {
        if checkpoint["staged"] == 0 && checkpoint["seq"].as_u64() >= Some(20) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        checkpoint = server.get("/v1/audit/checkpoint").await.expect(200);
    }
    let verified = server.get("/v1/audit/verify").await.expect(200);
    assert_eq!((&verified["ok"], &verified["entries"]), (&json!(true), &checkpoint["seq"]), "{verified}");
    let many: String = (0..1_200).map(|n| format!("---\nkind: Region\nid: many-{n}\n")).collect();
    server.apply("", many).await.expect(200);
    server.until("/v1/audit/checkpoint", |it| it["staged"] == 0 && it["seq"].as_u64() >= Some(1_220)).await;
    let (mut query, mut count) = (String::new(), 0);
    loop {
        let page = server.get(&format!("/v1/audit/entries{query}")).await.expect(200);
        count += page["items"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?cursor={next}");
    }
    assert_eq!(server.get("/v1/audit/checkpoint").await.expect(200)["seq"], count, "every entry is on some page");
    let page = server.get("/v1/audit/entries?limit=5").await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 5);
    assert_eq!(page["items"][0]["seq"], 1);
    let next = page["next"].as_str().unwrap();
    let page = server.get(&format!("/v1/audit/entries?cursor={next}")).await.expect(200);
    assert_eq!(page["items"][0]["seq"], 6);
}

async fn a_reader_may_demand_a_revision(server: Server) {
    let applied = server.apply("", FLEET).await;
    let revision = applied.header("tenure-revision").to_owned();
    assert_eq!(applied.expect(200)["revision"].to_string(), revision);
    let made = server.put("/v1/instances/svc-1", json!({"product": "basic"})).await;
    let get = |revision: String| {
        send(server.request(Method::GET, "/v1/instances/svc-1/resolution").header("tenure-min-revision", revision))
    };
    get(made.header("tenure-revision").to_owned()).await.expect(200);
    get("x".into()).await.problem(400, "bad-request");
    let behind = get("999999999".into()).await;
    assert_eq!(behind.problem(503, "view-behind")["demanded"], 999_999_999);
    assert!(!behind.header("retry-after").is_empty());
}

/// A lease that a stalled transaction outlasts would leave nobody to lead.
#[tokio::test]
async fn a_lease_too_short_is_refused_at_the_start() {
    let data = tempfile::tempdir().unwrap();
    let mut settings = control::settings::Settings::new(data.path().to_owned());
    settings.listen.set_port(0);
    settings.lease_ttl = std::time::Duration::from_millis(3_999);
    let refused = control::wiring::start(settings).await.err().unwrap();
    assert!(refused.to_string().contains("4000 ms"), "{refused}");
}
