//! The gate before every route: request id, turn, token, patience, panics, meters and the log.
//!
//! What a route needs is baked in when the router is built, so nothing is looked up by path here. A request costs
//! the gate one hash of its token and a few atomic operations.

use std::any::Any;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tokio::sync::Semaphore;
use tracing::Instrument;
use wire::problem::{Problem, ProblemType};

use super::failure::Failure;
use super::metrics::{Metrics, RouteMeters};
use super::route::Route;
use crate::access::{Bearer, Need, Refused, Tokens};
use crate::clock;

/// The header with the id of a request, taken from the client or made here.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client; it goes into every log line.
const REQUEST_ID_LENGTH_MAX: usize = 64;

/// How long a request waits for its turn before it is told to come back: longer, and clients retry on top.
const TURN_WAIT: Duration = Duration::from_secs(1);

/// What all gates of a router share.
pub struct Floor {
    tokens: Arc<Tokens>,
    metrics: Arc<Metrics>,
    turns: Semaphore,
    requests_max: usize,
    request_prefix: String,
    request_count: AtomicU64,
}

impl Floor {
    /// A floor on which so many requests are answered at once.
    pub fn new(tokens: Arc<Tokens>, metrics: Arc<Metrics>, requests_max: usize) -> Self {
        let mut random = [0; 4];
        // Without randomness ids of two processes may coincide, which only makes logs harder to read.
        if getrandom::fill(&mut random).is_err() {
            tracing::warn!("the system gave no random bytes for request ids");
        }
        Self {
            tokens,
            metrics,
            turns: Semaphore::new(requests_max),
            requests_max,
            request_prefix: hex::encode(random),
            request_count: AtomicU64::new(0),
        }
    }

    /// The id of a request: the client's if it is fit for a log, else a new one.
    pub fn request_id(&self, headers: &HeaderMap) -> String {
        let fit =
            |id: &&str| (1..=REQUEST_ID_LENGTH_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        match headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(fit) {
            Some(id) => id.to_owned(),
            None => format!("{}-{:x}", self.request_prefix, self.request_count.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// The gate of one route.
pub struct Gate {
    floor: Arc<Floor>,
    need: Need,
    patience: Option<Duration>,
    is_counted: bool,
    method: Method,
    path: String,
    meters: RouteMeters,
}

impl Gate {
    /// The gate of a route.
    pub fn new(floor: &Arc<Floor>, route: &Route) -> Self {
        Self {
            floor: Arc::clone(floor),
            need: route.need,
            patience: route.patience,
            is_counted: route.is_counted,
            method: route.method.clone(),
            path: route.path.clone(),
            meters: floor.metrics.route(route.method.as_str(), &route.path),
        }
    }

    /// Lets a request in, and brings its answer out.
    async fn answer(&self, mut request: Request, next: Next) -> Response {
        let _turn = match self.turn().await {
            Ok(turn) => turn,
            Err(failure) => return failure.into_response(),
        };
        let is_local = is_from_this_machine(&request);
        match self.admit(request.headers(), is_local).await {
            Ok(Some(bearer)) => {
                request.extensions_mut().insert(bearer);
            }
            Ok(None) => {}
            Err(failure) => return failure.into_response(),
        }
        let answered = AssertUnwindSafe(next.run(request)).catch_unwind();
        let answered = match self.patience {
            None => answered.await,
            Some(patience) => match tokio::time::timeout(patience, answered).await {
                Ok(answered) => answered,
                Err(_) => return given_up(patience).into_response(),
            },
        };
        answered.unwrap_or_else(|panic| Failure::internal(Panicked(panic_text(&*panic))).into_response())
    }

    async fn turn(&self) -> Result<Option<tokio::sync::SemaphorePermit<'_>>, Failure> {
        if !self.is_counted {
            return Ok(None);
        }
        let turns = &self.floor.turns;
        if let Ok(turn) = turns.try_acquire() {
            return Ok(Some(turn));
        }
        match tokio::time::timeout(TURN_WAIT, turns.acquire()).await {
            Ok(Ok(turn)) => Ok(Some(turn)),
            _ => {
                let detail = format!("{} requests are being answered, the most at once", self.floor.requests_max);
                Err(Problem::new(ProblemType::Overloaded, detail).into())
            }
        }
    }

    /// Who asks, if that matters.
    async fn admit(&self, headers: &HeaderMap, is_local: bool) -> Result<Option<Arc<Bearer>>, Failure> {
        let is_open = match self.need {
            Need::Nothing => true,
            Need::ReadUnlessLoopback => is_local,
            _ => false,
        };
        if is_open {
            return Ok(None);
        }
        let presented = presented_token(headers)?;
        let bearer = self.floor.tokens.verify(presented, clock::now()).await.map_err(|refused| match refused {
            Refused::Unknown => unauthenticated("the token is not known, was revoked or has expired"),
            Refused::Unchecked(Some(cause)) => cause.into(),
            Refused::Unchecked(None) => Problem::new(ProblemType::Overloaded, "the server is stopping").into(),
        })?;
        match self.need.scope() {
            Some(scope) if !bearer.may(self.need) => Err(Problem::missing_scope(scope.code()).into()),
            _ => Ok(Some(bearer)),
        }
    }

    fn log(&self, failure: &Failure, request_id: &str) {
        let status = failure.problem().status;
        let Some(cause) = failure.cause_chain() else { return };
        if status == 500 {
            tracing::error!(request = request_id, method = %self.method, route = self.path, cause, "a request failed");
        } else {
            tracing::warn!(request = request_id, method = %self.method, route = self.path, cause, "a request failed");
        }
    }
}

/// The middleware of a route.
pub async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let started = clock::monotonic();
    let request_id = gate.floor.request_id(request.headers());
    let _present = Present::enter(&gate.floor.metrics);
    let mut response = if gate.is_counted {
        let span = tracing::info_span!("request", id = request_id, method = %gate.method, route = gate.path);
        gate.answer(request, next).instrument(span).await
    } else {
        gate.answer(request, next).await
    };
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        gate.log(&failure, &request_id);
        response = failure.render(&request_id);
    }
    gate.meters.observe(response.status().as_u16(), started.elapsed());
    name_request(&mut response, &request_id);
    response
}

/// Answers what no route takes.
pub fn refuse(floor: &Floor, headers: &HeaderMap, failure: Failure) -> Response {
    let request_id = floor.request_id(headers);
    let mut response = failure.render(&request_id);
    name_request(&mut response, &request_id);
    response
}

fn name_request(response: &mut Response, request_id: &str) {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
}

/// A request that is being answered; it leaves also when its client goes away.
struct Present<'a>(&'a Metrics);

impl<'a> Present<'a> {
    fn enter(metrics: &'a Metrics) -> Self {
        metrics.enter();
        Self(metrics)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

fn given_up(patience: Duration) -> Failure {
    let detail = format!("the request was not answered within {} s and was given up", patience.as_secs());
    Problem::new(ProblemType::Overloaded, detail).into()
}

fn is_from_this_machine(request: &Request) -> bool {
    let info = request.extensions().get::<ConnectInfo<SocketAddr>>();
    info.is_some_and(|ConnectInfo(address)| address.ip().to_canonical().is_loopback())
}

fn presented_token(headers: &HeaderMap) -> Result<&str, Failure> {
    const EXPECTED: &str = "expected the header Authorization: Bearer TOKEN";
    let value = headers.get(header::AUTHORIZATION).ok_or_else(|| unauthenticated(EXPECTED))?;
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
    match token.trim() {
        "" => Err(unauthenticated(EXPECTED)),
        token if scheme.eq_ignore_ascii_case("bearer") => Ok(token),
        _ => Err(unauthenticated(EXPECTED)),
    }
}

fn unauthenticated(detail: &str) -> Failure {
    Problem::new(ProblemType::Unauthenticated, detail).into()
}

/// A handler panicked: a broken invariant, which must not take the other requests with it.
#[derive(Debug, thiserror::Error)]
#[error("a handler panicked: {0}")]
struct Panicked(String);

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests;
