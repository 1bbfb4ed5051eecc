//! The gate before handlers that panic, dawdle and keep everybody waiting; and what verifying a token costs.
//!
//! A real store stands behind the tokens. The routes are made for the tests.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use http_body_util::BodyExt;
use serde_json::Value;
use store::{Intent, Location, Store, TokenRow};
use tower::ServiceExt;

use super::*;
use crate::access::Secret;

/// A router with one gate, and a token that it lets in.
async fn gated(need: Need, patience: Option<Duration>, handler: axum::routing::MethodRouter) -> (Router, String, Tmp) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&Location::Sqlite(folder.path().join("tenure.db")), 1).await.unwrap();
    let secret = Secret::draw().unwrap();
    let row = TokenRow {
        id: "test".into(),
        hash: secret.hash(),
        scopes: vec!["admin".into()],
        reporter: None,
        created: clock::now(),
        expires: None,
        last_used: None,
        revoked: None,
    };
    let mut change = store.begin(Intent::Access, "test", clock::now()).await.unwrap();
    change.add_token(&row).await.unwrap();
    change.commit().await.unwrap();
    let tokens = Arc::new(Tokens::load(store, clock::now()).await.unwrap());
    let metrics = Arc::new(Metrics::new());
    let floor = Arc::new(Floor::new(tokens, Arc::clone(&metrics), 1));
    let gate = Gate {
        meters: metrics.route("GET", "/"),
        floor,
        need,
        patience,
        is_counted: true,
        method: Method::GET,
        path: "/".into(),
    };
    let router = Router::new().route("/", handler.route_layer(from_fn_with_state(Arc::new(gate), pass)));
    (router, secret.reveal().to_owned(), folder)
}

type Tmp = tempfile::TempDir;

async fn ask(router: &Router, token: &str) -> (u16, Value, String) {
    let request = axum::http::Request::get("/").header("authorization", format!("Bearer {token}"));
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let retry = response.headers().get("retry-after").map_or("", |it| it.to_str().unwrap()).to_owned();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default(), retry)
}

#[tokio::test]
async fn a_panic_is_a_problem_of_that_request_alone() {
    let handler = get(async || -> &'static str { panic!("a broken invariant") });
    let (router, token, _folder) = gated(Need::Read, None, handler).await;
    for _ in 0..3 {
        let (status, problem, _) = ask(&router, &token).await;
        assert_eq!((status, problem["type"].as_str()), (500, Some("urn:tenure:problem:internal")));
        assert!(!problem.to_string().contains("invariant"), "causes stay inside");
    }
}

#[tokio::test]
async fn a_request_that_dawdles_is_given_up() {
    let handler = get(async || tokio::time::sleep(Duration::from_secs(3600)).await);
    let (router, token, _folder) = gated(Need::Read, Some(Duration::from_millis(20)), handler).await;
    let (status, problem, retry) = ask(&router, &token).await;
    assert_eq!((status, problem["type"].as_str(), retry.as_str()), (503, Some("urn:tenure:problem:overloaded"), "1"));
}

#[tokio::test]
async fn whoever_finds_no_turn_is_told_to_come_back() {
    let handler = get(async || tokio::time::sleep(Duration::from_millis(1500)).await);
    let (router, token, _folder) = gated(Need::Read, None, handler).await;
    let ((first, ..), (second, problem, retry)) = tokio::join!(ask(&router, &token), ask(&router, &token));
    assert_eq!((first, second), (200, 503));
    assert_eq!((problem["type"].as_str(), retry.as_str()), (Some("urn:tenure:problem:overloaded"), "1"));
    assert_eq!(ask(&router, &token).await.0, 200, "the turn was given back");
}

#[tokio::test]
async fn ids_of_requests_are_fit_for_a_log() {
    let (router, token, _folder) = gated(Need::Read, None, get(async || "")).await;
    for (sent, is_kept) in [("mine-1", true), ("two words", false), (&*"x".repeat(65), false)] {
        let request = axum::http::Request::get("/").header("authorization", format!("bearer {token}"));
        let request = request.header("x-request-id", sent).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers()["x-request-id"] == sent, is_kept, "{sent}");
    }
}
