//! The gate before every route: request id, turn, token, patience, panics, meters and the log.
//!
//! What a route needs is baked in when the router is built, so nothing is looked up by path here. A request costs
//! the gate one hash of its token and a few atomic operations.

use std::any::Any;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts as Head;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tokio::sync::Semaphore;
use tracing::Instrument;
use wire::problem::{Problem, ProblemType};

use super::failure::{Answer, Failure};
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
    request_prefix: [u8; 8],
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
            request_prefix: hex::encode(random).into_bytes().try_into().unwrap_or([b'0'; 8]),
            request_count: AtomicU64::new(0),
        }
    }

    /// The id of a request: the client's if it is fit for a log, else a new one.
    pub fn request_id(&self, headers: &HeaderMap) -> RequestId {
        let fit = |id: &&HeaderValue| {
            (1..=REQUEST_ID_LENGTH_MAX).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
        };
        if let Some(id) = headers.get(REQUEST_ID).filter(fit) {
            return RequestId(id.clone());
        }
        // Eight digits of the process and sixteen of the count, written without the machinery of formats.
        let mut text = [b'-'; 25];
        text[..8].copy_from_slice(&self.request_prefix);
        let count = self.request_count.fetch_add(1, Ordering::Relaxed);
        let digits = usize::try_from((67 - (count | 1).leading_zeros()) / 4).unwrap_or(16);
        for (place, digit) in text[9..9 + digits].iter_mut().rev().enumerate() {
            *digit = b"0123456789abcdef"[usize::try_from(count >> (4 * place) & 15).unwrap_or(0)];
        }
        RequestId(HeaderValue::from_bytes(&text[..9 + digits]).expect("hexadecimal digits are fit for a header"))
    }
}

/// The id of a request.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// For logs and bodies.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("?")
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
        answered.unwrap_or_else(|panic| panicked(&*panic).into_response())
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

    /// Lets a request in that is answered at once, and brings its answer out.
    ///
    /// The same rules as those of [`pass`], without what such a request does not need: a known token is not copied, the
    /// request is not moved about, no other future is made.
    pub async fn pass_quickly<F>(&self, request: Request, handler: impl FnOnce(Head) -> F) -> Response
    where
        F: Future<Output = Answer> + Send,
    {
        let started = clock::monotonic();
        let is_local = is_from_this_machine(&request);
        let head = request.into_parts().0;
        let request_id = self.floor.request_id(&head.headers);
        let _present = Present::enter(&self.floor.metrics);
        let admitted = match presented_token(&head.headers) {
            Ok(token) if self.floor.tokens.recall(token, self.need, clock::now(), started) == Some(true) => Ok(()),
            _ => self.admit(&head.headers, is_local).await.map(|_| ()),
        };
        let answered = match admitted {
            Ok(()) => {
                AssertUnwindSafe(handler(head)).catch_unwind().await.unwrap_or_else(|panic| Err(panicked(&*panic)))
            }
            Err(failure) => Err(failure),
        };
        self.finish(answered.unwrap_or_else(IntoResponse::into_response), request_id, started)
    }

    /// Renders and logs a failure, measures, names the request.
    fn finish(&self, mut response: Response, request_id: RequestId, started: Instant) -> Response {
        if let Some(failure) = response.extensions_mut().remove::<Failure>() {
            self.log(&failure, request_id.as_str());
            response = failure.render(request_id.as_str());
        }
        self.meters.observe(response.status().as_u16(), started.elapsed());
        response.headers_mut().insert(REQUEST_ID, request_id.0);
        response
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
    let response = if gate.is_counted {
        let span = tracing::info_span!("request", id = request_id.as_str(), method = %gate.method, route = gate.path);
        gate.answer(request, next).instrument(span).await
    } else {
        gate.answer(request, next).await
    };
    gate.finish(response, request_id, started)
}

/// Answers what no route takes.
pub fn refuse(floor: &Floor, headers: &HeaderMap, failure: Failure) -> Response {
    let request_id = floor.request_id(headers);
    let mut response = failure.render(request_id.as_str());
    response.headers_mut().insert(REQUEST_ID, request_id.0);
    response
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

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    Failure::internal(Panicked(panic_text(panic)))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests;
