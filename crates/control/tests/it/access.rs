//! Who may do what: every route with every scope, and tokens from their first to their last day.

use control::access::{Need, Scope};
use control::api::table;
use reqwest::Method;
use serde_json::json;

use crate::fixture::{FLEET, Server, send};
use crate::on_both_engines;

on_both_engines! {
    every_route_with_every_scope
    a_revoked_token_is_refused
    tokens_are_made_with_care
}

/// The contract's own words, written down a second time: what each scope may do, by method and path.
fn allows(scope: Scope, method: &str, path: &str) -> bool {
    let is_tokens = path.starts_with("/v1/tokens");
    let is_resolving = path.ends_with("/resolution") || path.ends_with("/ownership");
    let is_task = path.starts_with("/v1/tasks") || path.starts_with("/v1/intake");
    match scope {
        Scope::Admin => true,
        Scope::Resolve => method == "GET" && is_resolving,
        Scope::Read => method == "GET" && !is_tokens,
        Scope::Report => path == "/v1/reports",
        Scope::Write => method != "GET" && path != "/v1/reports" && !is_tokens && !is_task,
    }
}

async fn every_route_with_every_scope(server: Server) {
    let mut tokens = Vec::new();
    for scope in Scope::ALL {
        let mut body = json!({"scopes": [scope.code()]});
        if *scope == Scope::Report {
            body["reporter"] = json!("ams-01");
        }
        tokens.push((*scope, server.token(body).await));
    }
    let routes: Vec<(Method, String, Need)> = table().into_iter().map(|it| (it.method, it.path, it.need)).collect();
    assert!(routes.len() > 50);
    for (method, path, need) in routes {
        let target = path.replace("{id}", "nobody").replace("{name}", "nobody");
        let body = json!({"reporter": "ams-01", "incarnation": 1, "sequence": 1});
        let request = || match method {
            Method::GET | Method::DELETE => server.bare(method.clone(), &target),
            _ => server.bare(method.clone(), &target).json(&body),
        };
        let bare = send(request()).await;
        let is_open = matches!(need, Need::Nothing | Need::ReadUnlessLoopback);
        assert_eq!(bare.status != 401, is_open, "{method} {path} without a token: {}", bare.text);
        if is_open {
            continue;
        }
        assert_eq!(bare.header("www-authenticate"), "Bearer realm=\"tenure\"");
        bare.problem(401, "unauthenticated");
        for wrong in [format!("tenure_{}", "0".repeat(64)), "x".repeat(5000)] {
            send(request().bearer_auth(wrong)).await.problem(401, "unauthenticated");
        }
        send(request().header("authorization", "Basic eDp5")).await.problem(401, "unauthenticated");
        for (scope, token) in &tokens {
            let answer = send(request().bearer_auth(token)).await;
            let is_allowed = allows(*scope, method.as_str(), &path);
            assert_eq!(answer.status != 403, is_allowed, "{method} {path} with {}: {}", scope.code(), answer.text);
            if !is_allowed {
                let problem = answer.problem(403, "forbidden");
                assert_eq!(problem["scope"], need.scope().unwrap().code());
            }
        }
    }
}

async fn a_revoked_token_is_refused(server: Server) {
    server.apply("", FLEET).await.expect(200);
    let made = server.post("/v1/tokens", json!({"scopes": ["read"], "id": "reader"})).await.expect(201);
    let secret = made["secret"].as_str().unwrap().to_owned();
    let get = || send(server.bare(Method::GET, "/v1/nodes").bearer_auth(&secret));
    get().await.expect(200);
    let listed = server.get("/v1/tokens").await;
    assert!(!listed.text.contains(&secret), "a secret is shown once");
    assert!(listed.json()["items"].as_array().unwrap().iter().any(|it| it["id"] == "reader"));
    server.delete("/v1/tokens/reader").await.expect(204);
    get().await.problem(401, "unauthenticated");
    server.delete("/v1/tokens/reader").await.problem(404, "not-found");
    // Revoked past this process, as another one would: refused within a second.
    let made = server.post("/v1/tokens", json!({"scopes": ["read"], "id": "other"})).await.expect(201);
    let secret = made["secret"].as_str().unwrap().to_owned();
    let get = || send(server.bare(Method::GET, "/v1/nodes").bearer_auth(&secret));
    get().await.expect(200);
    let store = &server.running.parts().store;
    let mut change = store.begin(store::Intent::Access, "test", control::clock::now()).await.unwrap();
    assert!(change.revoke_token("other").await.unwrap());
    change.commit().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1000)).await;
    get().await.problem(401, "unauthenticated");
}

async fn tokens_are_made_with_care(server: Server) {
    for (body, field) in [
        (json!({"scopes": []}), "scopes"),
        (json!({"scopes": ["everything"]}), "scopes"),
        (json!({"scopes": ["report"]}), "reporter"),
        (json!({"scopes": ["read"], "reporter": "ams-01"}), "reporter"),
        (json!({"scopes": ["read"], "id": "No Id"}), "id"),
        (json!({"scopes": ["read"], "expires": "2020-01-01T00:00:00Z"}), "expires"),
    ] {
        let refused = server.post("/v1/tokens", body).await.problem(400, "bad-request");
        assert_eq!(refused["field"], field);
    }
    server.post("/v1/tokens", json!({"scopes": ["read"], "scope": 1})).await.problem(400, "malformed-json");
    server.post("/v1/tokens", json!({"scopes": ["read"], "id": "twice"})).await.expect(201);
    server.post("/v1/tokens", json!({"scopes": ["read"], "id": "twice"})).await.problem(409, "conflict");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(server.data.path().join("admin.token")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let soon = wire::instant::format(control::clock::now().plus_seconds(1));
    let made = server.post("/v1/tokens", json!({"scopes": ["read"], "expires": soon})).await.expect(201);
    let secret = made["secret"].as_str().unwrap();
    send(server.bare(Method::GET, "/v1/nodes").bearer_auth(secret)).await.expect(200);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    send(server.bare(Method::GET, "/v1/nodes").bearer_auth(secret)).await.problem(401, "unauthenticated");
}
