//! From what went wrong to `application/problem+json`, in one place.
//!
//! A handler returns a [`Failure`]; the gate renders it with the id of the request and logs its cause once. Causes of
//! the inside never reach the body.

use std::error::Error;
use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use store::StoreError;
use wire::problem::{MEDIA_TYPE, Problem, ProblemType};

use crate::master_data::Refusal;

/// What a handler answers instead of what was asked for.
#[derive(Debug, Clone)]
pub struct Failure {
    problem: Box<Problem>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// The result of a handler.
pub type Answer = Result<Response, Failure>;

/// When a caller should come back after an overload, in seconds: by then a queue of our length has drained.
const RETRY_AFTER_S: &str = "1";

impl Failure {
    /// An unexpected failure of the inside.
    pub fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        Self { problem: Box::new(Problem::internal()), cause: Some(Arc::new(cause)) }
    }

    /// A parameter, a header or a path that is not what it must be.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Problem::bad_request(detail).into()
    }

    /// The problem inside.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The same failure, with more members in its problem.
    #[must_use]
    pub fn map(mut self, change: impl FnOnce(Problem) -> Problem) -> Self {
        self.problem = Box::new(change(*self.problem));
        self
    }

    /// The causes, outermost first; `None` when the problem says it all.
    pub fn cause_chain(&self) -> Option<String> {
        let first = self.cause.as_ref()?;
        let mut chain = first.to_string();
        let mut source = first.source();
        while let Some(cause) = source {
            chain = format!("{chain}: {cause}");
            source = cause.source();
        }
        Some(chain)
    }

    /// The answer, with the id of the request.
    pub fn render(self, request_id: &str) -> Response {
        let problem = self.problem.with_request(request_id);
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).expect("a problem is plain JSON");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tenure\""));
        }
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        response
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), cause: None }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let problem = match &error {
            StoreError::Unavailable { .. } => {
                Problem::new(ProblemType::DatabaseUnavailable, "the database did not answer; nothing was acknowledged")
            }
            StoreError::DiskFull { .. } => {
                Problem::new(ProblemType::DiskFull, "the disk of the database is full; nothing of this was kept")
            }
            StoreError::Contention { .. } => {
                Problem::new(ProblemType::Overloaded, "too many writes at once; this one found no turn")
            }
            StoreError::CommitUnknown { .. } => Problem::new(
                ProblemType::DatabaseUnavailable,
                "the database went away in the middle of the commit; whether it was kept is not known: repeat it",
            ),
            _ => Problem::internal(),
        };
        Self { problem: Box::new(problem), cause: Some(Arc::new(error)) }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Store(error) => error.into(),
            Refusal::Topology(error) => Self::internal(error),
            refusal => refusal.to_problem().into(),
        }
    }
}

impl IntoResponse for Failure {
    /// Leaves the rendering to the gate, which knows the request.
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
