//! HTTP: the contract's routes over JSON. Handlers are thin: parse, call a service, write the body.
//!
//! Everything about a route stands in one row of the table in [`table`]: what it needs, what it takes, what it gives.
//! The router, the scopes and the OpenAPI document are made from it. Every error is a problem (RFC 9457).

pub mod metrics;

mod access;
mod audit;
mod body;
mod counting;
mod doctor;
mod explanation;
mod failure;
mod gate;
mod headers;
mod health;
mod import;
mod instances;
mod lines;
mod master_data;
mod openapi;
mod plans;
mod query;
mod reports;
mod resolution;
mod route;
mod table;
mod tasks;
mod usage;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use wire::problem::{Problem, ProblemType};

use crate::wiring::Parts;
use gate::{Floor, Gate, refuse};

pub use openapi::document;
pub use table::table;

/// What handlers are given: one pointer to all parts, since a request copies it.
pub type Shared = Arc<Parts>;

/// The router of the whole contract. Serve it with connect info: loopback is told by the address of the peer.
pub fn router(parts: Parts) -> Router {
    let floor = Floor::new(Arc::clone(&parts.tokens), Arc::clone(&parts.metrics), parts.settings.requests_max);
    let floor = Arc::new(floor);
    let mut router: Router<Shared> = Router::new();
    for route in table() {
        let gate = Arc::new(Gate::new(&floor, &route));
        router = router.route(&route.path, (route.behind)(gate));
    }
    let (unknown, other_method) = (Arc::clone(&floor), floor);
    router
        .fallback(async move |uri: Uri, headers: HeaderMap| no_route(&unknown, &uri, &headers))
        .method_not_allowed_fallback(async move |method: Method, uri: Uri, headers: HeaderMap| {
            no_method(&other_method, &method, &uri, &headers)
        })
        .with_state(Arc::new(parts))
}

fn no_route(floor: &Floor, uri: &Uri, headers: &HeaderMap) -> Response {
    let detail = format!("there is no path {:?}", uri.path());
    let problem = Problem::new(ProblemType::NotFound, detail).with_remedy("the paths are listed in /openapi.json");
    refuse(floor, headers, problem.into())
}

fn no_method(floor: &Floor, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let detail = format!("{:?} does not take {method}", uri.path());
    refuse(floor, headers, Problem::new(ProblemType::MethodNotAllowed, detail).into())
}

#[cfg(test)]
mod tests;
