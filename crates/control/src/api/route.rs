//! A route as it is written in the table: method, path, what it needs, how long it may take, and what it says of itself.
//!
//! The router, the scopes and the OpenAPI document all come from it, so they cannot disagree.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::http::request::Parts as Head;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, post, put};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Shared;
use super::failure::Answer;
use super::gate::{Gate, pass};
use crate::access::Need;

/// What most requests may take, waiting for an ownership (5 s) and a turn in the database included.
const PATIENCE: Duration = Duration::from_secs(30);

/// Schemas that a document names, with what they consist of.
pub type Named = Vec<(String, RefOr<Schema>)>;

/// A body that is described in the document.
pub struct BodySchema {
    /// The media type.
    pub media: &'static str,
    /// The schema itself, or a reference to a named one.
    pub schema: RefOr<Schema>,
    /// What the reference needs.
    pub named: Named,
}

impl BodySchema {
    /// The schema of a type, in JSON.
    pub fn of<T: ToSchema>() -> Self {
        let mut named: Named = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut named);
        Self { media: "application/json", schema: RefOr::Ref(utoipa::openapi::Ref::from_schema_name(T::name())), named }
    }

    /// A list of a type, in JSON.
    pub fn list_of<T: ToSchema>() -> Self {
        let Self { media, schema, named } = Self::of::<T>();
        let list = utoipa::openapi::ArrayBuilder::new().items(schema).build();
        Self { media, schema: RefOr::T(Schema::Array(list)), named }
    }

    /// The schema of a type, in another language.
    pub fn media<T: ToSchema>(media: &'static str) -> Self {
        Self { media, ..Self::of::<T>() }
    }

    /// Text.
    pub fn text(media: &'static str) -> Self {
        Self { media, schema: String::schema(), named: Vec::new() }
    }
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Query,
    /// In the query; `true` or `false`.
    Flag,
    Header,
}

/// A parameter.
#[derive(Clone, Copy)]
pub struct Parameter {
    pub name: &'static str,
    pub place: Place,
    pub says: &'static str,
}

/// A row of the table.
pub struct Route {
    pub method: Method,
    pub path: String,
    pub need: Need,
    /// After so long a request is given up; `None` where there is nothing to wait for, or no end is known.
    pub patience: Option<Duration>,
    /// Whether its requests count against the limit of those that are answered at once.
    pub is_counted: bool,
    /// One sentence without a full stop.
    pub says: String,
    pub parameters: Vec<Parameter>,
    pub takes: Vec<BodySchema>,
    pub gives: Option<BodySchema>,
    /// The statuses when all went well, the usual one first.
    pub statuses: Vec<u16>,
    /// Puts the handler behind its gate.
    pub(super) behind: Box<dyn FnOnce(Arc<Gate>) -> MethodRouter<Shared>>,
}

impl Route {
    /// A row for GET.
    pub fn get<H: Handler<T, Shared>, T: 'static>(path: impl Into<String>, need: Need, handler: H) -> Self {
        Self::new(Method::GET, path.into(), need, get(handler))
    }

    /// A row for POST.
    pub fn post<H: Handler<T, Shared>, T: 'static>(path: impl Into<String>, need: Need, handler: H) -> Self {
        Self::new(Method::POST, path.into(), need, post(handler))
    }

    /// A row for PUT.
    pub fn put<H: Handler<T, Shared>, T: 'static>(path: impl Into<String>, need: Need, handler: H) -> Self {
        Self::new(Method::PUT, path.into(), need, put(handler))
    }

    /// A row for DELETE.
    pub fn delete<H: Handler<T, Shared>, T: 'static>(path: impl Into<String>, need: Need, handler: H) -> Self {
        Self::new(Method::DELETE, path.into(), need, delete(handler))
    }

    /// A row for GET that is answered from memory and at once: no timer, no turn, no body, no extractor, no copy of
    /// the headers. The handler is given the head of the request as it came.
    pub fn quick<H, F>(path: &'static str, need: Need, handler: H) -> Self
    where
        H: FnOnce(Shared, Head) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let behind = Box::new(|gate: Arc<Gate>| {
            get(async move |State(parts): State<Shared>, request: Request| {
                gate.pass_quickly(request, |head| handler(parts, head)).await
            })
        });
        let route = Self { behind, ..Self::new(Method::GET, path.to_owned(), need, MethodRouter::new()) };
        route.at_once()
    }

    fn new(method: Method, path: String, need: Need, handler: MethodRouter<Shared>) -> Self {
        let behind = Box::new(|gate| handler.route_layer(from_fn_with_state(gate, pass)));
        Self {
            method,
            path,
            need,
            patience: Some(PATIENCE),
            is_counted: true,
            says: String::new(),
            parameters: Vec::new(),
            takes: Vec::new(),
            gives: None,
            statuses: vec![200],
            behind,
        }
    }

    /// What it does.
    #[must_use]
    pub fn says(mut self, says: impl Into<String>) -> Self {
        self.says = says.into();
        self
    }

    /// A query parameter that it takes.
    #[must_use]
    pub fn query(self, name: &'static str, says: &'static str) -> Self {
        self.parameter(name, Place::Query, says)
    }

    /// A query parameter that is `true` or `false`; false unless stated.
    #[must_use]
    pub fn flag(self, name: &'static str, says: &'static str) -> Self {
        self.parameter(name, Place::Flag, says)
    }

    /// A header that it takes.
    #[must_use]
    pub fn header(self, name: &'static str, says: &'static str) -> Self {
        self.parameter(name, Place::Header, says)
    }

    fn parameter(mut self, name: &'static str, place: Place, says: &'static str) -> Self {
        self.parameters.push(Parameter { name, place, says });
        self
    }

    /// The headers of a write of one object.
    #[must_use]
    pub fn conditional(self) -> Self {
        self.header("If-Match", "the ETag that the object must have; * for any")
            .header("If-None-Match", "*: there must be no such object yet")
            .idempotent()
    }

    /// The header of a write that may be repeated.
    #[must_use]
    pub fn idempotent(self) -> Self {
        self.header("Idempotency-Key", "a repetition with the same key answers what was answered and writes nothing")
    }

    /// The header of a read from the view.
    #[must_use]
    pub fn answered_from_view(self) -> Self {
        self.header("Tenure-Min-Revision", "the least revision to answer from; 503 when it is not there within 5 s")
    }

    /// The parameters of a list.
    #[must_use]
    pub fn paged(self) -> Self {
        self.query("limit", "objects of a page, 1 to 1000; 100 unless stated")
            .query("cursor", "`next` of the page before")
    }

    /// A body that it takes.
    #[must_use]
    pub fn takes(mut self, body: BodySchema) -> Self {
        self.takes.push(body);
        self
    }

    /// The body that it gives.
    #[must_use]
    pub fn gives(mut self, body: BodySchema) -> Self {
        self.gives = Some(body);
        self
    }

    /// The JSON body that it gives.
    #[must_use]
    pub fn gives_json<T: ToSchema>(self) -> Self {
        self.gives(BodySchema::of::<T>())
    }

    /// The statuses when all went well, the usual one first.
    #[must_use]
    pub fn statuses(mut self, statuses: &[u16]) -> Self {
        self.statuses = statuses.to_vec();
        self
    }

    /// It may take as long as it takes: its length is the client's, or it looks at everything.
    #[must_use]
    pub fn unhurried(mut self) -> Self {
        self.patience = None;
        self
    }

    /// It answers from memory without waiting: neither a timer nor a turn is worth its price.
    #[must_use]
    pub fn at_once(mut self) -> Self {
        self.patience = None;
        self.is_counted = false;
        self
    }
}
