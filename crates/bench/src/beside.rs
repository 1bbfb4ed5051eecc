//! What stands beside the resolution on the same HTTP server, in the same process: a constant, and SQL by hand.
//!
//! The constant answers with the bytes and the headers of a real resolution and does nothing else: no token, no meter,
//! no lookup. It is the most that this server gives, and stricter than a handler behind our gate. The joins are asked
//! without a token, too: what they cost is theirs alone.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::by_hand::join::Joined;

/// The path of the constant, as the load generator writes it.
pub const CONSTANT: &str = "/constant/";

/// The path of the join on an engine.
pub fn join_path(at: usize) -> String {
    format!("/join/{at}/")
}

#[derive(Clone)]
struct Answers {
    bytes: Bytes,
    tag: HeaderValue,
    joins: Arc<Vec<Joined>>,
}

/// Serves them on a free port, until the process ends.
///
/// # Errors
/// When no port can be had.
pub async fn serve(bytes: Vec<u8>, joins: Vec<Joined>) -> std::io::Result<SocketAddr> {
    let tag = HeaderValue::from_str(&wire::resolution::etag(&bytes)).map_err(std::io::Error::other)?;
    let answers = Answers { bytes: bytes.into(), tag, joins: Arc::new(joins) };
    let router = Router::new()
        .route(&format!("{CONSTANT}{{id}}"), get(constant))
        .route("/join/{at}/{id}", get(join))
        .with_state(answers);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            eprintln!("tenure-bench: what stands beside cannot be served: {error}");
        }
    });
    Ok(address)
}

async fn constant(State(answers): State<Answers>) -> Response {
    json(Body::from(answers.bytes), Some(answers.tag))
}

async fn join(State(answers): State<Answers>, Path((at, id)): Path<(usize, String)>) -> Result<Response, StatusCode> {
    let joined = answers.joins.get(at).ok_or(StatusCode::NOT_FOUND)?;
    let found = joined.resolve(&id).await.map_err(|error| {
        eprintln!("tenure-bench: the join failed: {error}");
        StatusCode::INTERNAL_SERVER_ERROR
    })?;
    found.map(|text| json(Body::from(text), None)).ok_or(StatusCode::NOT_FOUND)
}

fn json(body: Body, tag: Option<HeaderValue>) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
