//! Instances one by one. `PUT` answers with the ownership, as soon as the leader has decided it.
//!
//! Without a leader the instance is kept all the same, and the answer after a while is 202 `pending`. Ownership and
//! history are read from the view and from the record of decisions; nobody is moved by being looked at (I7).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use domain::ids::Revision;
use domain::master_data::{Kind, Object};
use domain::reason::Reason;
use store::Action;
use wire::apply::InstanceWritten;
use wire::ownership::{OwnershipBody, history_body, nobody, ownership_body};
use wire::problem::Problem;

use super::Shared;
use super::failure::{Answer, Failure};
use super::headers::{condition, once, stamped};
use super::master_data::{ground, parse_object, read_object};
use super::query::{NoParams, Params, PathId, await_revision};
use crate::access::Bearer;
use crate::clock;
use crate::master_data::{Condition, is_settled, put_instance, terminate_instance};
use crate::view::{Found, View};

/// Entries of a history: all that are kept, and the present one.
pub const HISTORY_MAX: u32 = store::HISTORY_KEPT_MAX + 1;

/// `PUT /v1/instances/{id}`
pub async fn put(
    State(parts): State<Shared>,
    Extension(bearer): Extension<Arc<Bearer>>,
    (PathId(id), Params(NoParams {})): (PathId, Params<NoParams>),
    (method, uri): (Method, Uri),
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let condition = condition(&headers)?;
    let body = read_object(&headers, body).await?;
    let once = once(&headers, &bearer, &method, &uri, &body.1)?;
    let parsed = parse_object(&body, Kind::Instance, &id)?;
    let Object::Instance(instance) = &parsed.object else {
        return Err(Failure::bad_request("expected an instance"));
    };
    let ground = ground(&parts);
    let place = |fault: wire::manifest::Fault| fault.at(&parsed.file, parsed.line);
    let author = (bearer.actor(), clock::now());
    let saved = put_instance(&ground, instance, &condition, once.as_ref(), author, place).await?;
    let is_owned = await_ownership(&parts, &id, saved.revision).await;
    let found = parts.view.find(&id).filter(|_| is_owned);
    let status = match found {
        None => StatusCode::ACCEPTED,
        Some(_) if saved.action == Action::Created => StatusCode::CREATED,
        Some(_) => StatusCode::OK,
    };
    let ownership = found.as_ref().map_or_else(|| nobody(Reason::Pending), |found| ownership_of(&parts.view, found));
    let answer = InstanceWritten { instance: id, revision: saved.revision.0, ownership };
    Ok(stamped((status, Json(answer)).into_response(), Some(saved.change), saved.revision))
}

/// Waits until the view holds the write and the leader has decided; false when that takes too long.
async fn await_ownership(parts: &Shared, id: &str, revision: Revision) -> bool {
    let (view, patience) = (&parts.view, parts.settings.ownership_wait);
    let started = clock::monotonic();
    if !view.wait_for_revision(revision, patience).await {
        return false;
    }
    let patience = patience.saturating_sub(started.elapsed());
    view.wait_until(id, patience, |subject| is_settled(&view.topology(), subject)).await
}

fn ownership_of(view: &View, found: &Found) -> OwnershipBody {
    ownership_body(&view.topology().topology, &found.subject())
}

/// `DELETE /v1/instances/{id}`
pub async fn delete(
    State(parts): State<Shared>,
    Extension(bearer): Extension<Arc<Bearer>>,
    (PathId(id), Params(NoParams {})): (PathId, Params<NoParams>),
    (method, uri): (Method, Uri),
    headers: HeaderMap,
) -> Answer {
    let condition = match condition(&headers)? {
        Condition::Any => Condition::Exists,
        stated => stated,
    };
    let once = once(&headers, &bearer, &method, &uri, &[])?;
    let ground = ground(&parts);
    let author = (bearer.actor(), clock::now());
    let saved = terminate_instance(&ground, &id, &condition, once.as_ref(), author).await?;
    let is_released = await_ownership(&parts, &id, saved.revision).await;
    let found = parts.view.find(&id).filter(|_| is_released);
    let status = if found.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let ownership = found.as_ref().map_or_else(|| nobody(Reason::Pending), |found| ownership_of(&parts.view, found));
    let answer = InstanceWritten { instance: id, revision: saved.revision.0, ownership };
    Ok(stamped((status, Json(answer)).into_response(), Some(saved.change), saved.revision))
}

/// `GET /v1/instances/{id}/ownership`
pub async fn ownership(
    State(parts): State<Shared>,
    (PathId(id), Params(NoParams {})): (PathId, Params<NoParams>),
    headers: HeaderMap,
) -> Answer {
    await_revision(&headers, &parts.view).await?;
    let found = parts.view.find(&id).ok_or_else(|| Problem::no_object(Kind::Instance, &id))?;
    Ok(stamped(Json(ownership_of(&parts.view, &found)).into_response(), None, found.revision))
}

/// `GET /v1/instances/{id}/history`
pub async fn history(
    State(parts): State<Shared>,
    (PathId(id), Params(NoParams {})): (PathId, Params<NoParams>),
) -> Answer {
    let mut found = parts.view.find(&id).ok_or_else(|| Problem::no_object(Kind::Instance, &id))?;
    let mut rows = parts.store.history(&found.id, HISTORY_MAX).await?.into_iter().map(|(ownership, _)| ownership);
    // Both from one reading: the view may be a moment behind.
    found.ownership = rows.next();
    let mut former: Vec<_> = rows.collect();
    former.reverse();
    Ok(Json(history_body(&found.subject(), &former)).into_response())
}
