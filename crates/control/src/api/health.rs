//! `/livez` and `/readyz`: for whoever starts processes and spreads requests over them.
//!
//! Live: the process answers. Ready: its view is loaded. A server that listens has loaded it, since the listener
//! comes last; it stays ready without a database and without a leader, for it still resolves from memory.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde_json::json;

use super::Shared;
use super::failure::Answer;

/// `GET /livez`
pub async fn live() -> Answer {
    Ok(Json(json!({"live": true})).into_response())
}

/// `GET /readyz`
pub async fn ready(State(parts): State<Shared>) -> Answer {
    let body = json!({"ready": true, "revision": parts.view.revision().0, "leading": parts.leadership.is_leading()});
    Ok(Json(body).into_response())
}
