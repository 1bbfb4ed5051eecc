//! Master data: `/v1/apply`, and objects of the topology one by one.
//!
//! `PUT` is an apply of one object, so it keeps all rules of one. Answers are manifests, as `apply` takes them back.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use domain::ids::check_id;
use domain::master_data::{Kind, Object};
use serde::Deserialize;
use std::sync::Arc;
use wire::apply as body_of;
use wire::manifest::{ContentType, Manifest, Parsed, parse, parse_one, text_of};
use wire::problem::{Problem, ProblemType};

use super::Shared;
use super::body::{APPLY_BYTES_MAX, OBJECT_BYTES_MAX, read};
use super::failure::{Answer, Failure};
use super::headers::{condition, media_type, once, stamped};
use super::openapi::ManifestPage;
use super::query::{NoParams, Paging, Params, PathId, cursor};
use crate::access::{Bearer, Need};
use crate::clock;
use crate::master_data::{Applied, Applying, Condition, Ground, apply as apply_all};

/// What stands for the file in faults of a body.
const BODY: &str = "body";

/// Languages of manifests.
const LANGUAGES: [&str; 2] = ["application/yaml", "application/json"];

/// The parameters of an apply.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyParams {
    #[serde(default)]
    dry_run: bool,
    set: Option<String>,
    #[serde(default)]
    prune: bool,
    #[serde(default)]
    allow_disruption: bool,
}

/// The parameter of a write of one object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteParams {
    #[serde(default)]
    pub(super) allow_disruption: bool,
}

/// The ground of the services.
pub fn ground(parts: &Shared) -> Ground {
    Ground { store: parts.store.clone(), view: Arc::clone(&parts.view), wake: parts.wake.clone() }
}

/// Only an administrator may allow disruption.
///
/// # Errors
/// 403 naming the scope.
pub fn check_disruption(allow: bool, bearer: &Bearer) -> Result<bool, Failure> {
    if allow && !bearer.may(Need::Admin) {
        let problem = Problem::missing_scope("admin");
        return Err(problem.with("parameter", "allow_disruption").into());
    }
    Ok(allow)
}

/// `POST /v1/apply`
pub async fn apply(
    State(parts): State<Shared>,
    Extension(bearer): Extension<Arc<Bearer>>,
    Params(params): Params<ApplyParams>,
    (method, uri): (Method, Uri),
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let allow_disruption = check_disruption(params.allow_disruption, &bearer)?;
    check_set(&params)?;
    let content = language(&headers)?;
    let bytes = read(&headers, body, APPLY_BYTES_MAX).await?;
    let once = once(&headers, &bearer, &method, &uri, &bytes)?;
    let ground = ground(&parts);
    let now = clock::now();
    // Parsing 64 MB takes seconds; meanwhile the others must be answered.
    let parsed = tokio::task::spawn_blocking(move || parse_body(&bytes, content, now)).await;
    let applying = Applying {
        parsed: parsed.map_err(Failure::internal)??,
        is_dry_run: params.dry_run,
        set: params.set,
        is_pruning: params.prune,
        allow_disruption,
        once,
        actor: bearer.actor().to_owned(),
        now,
        ..Applying::default()
    };
    let Applied { revision, changes, .. } = apply_all(&ground, &applying).await?;
    Ok(stamped(Json(body_of::Applied { revision: revision.0, changes }).into_response(), None, revision))
}

fn check_set(params: &ApplyParams) -> Result<(), Failure> {
    if let Some(set) = &params.set {
        check_id(set).map_err(|error| Failure::bad_request(format!("query: set: {error}")))?;
    } else if params.prune {
        return Err(Failure::bad_request("query: prune needs set: it deletes what an earlier apply of that set made"));
    }
    Ok(())
}

/// The language that the header names; a body without one is read by its first character.
fn language(headers: &HeaderMap) -> Result<Option<ContentType>, Failure> {
    let Some(media) = media_type(headers) else { return Ok(None) };
    match ContentType::from_media_type(media) {
        Some(content) => Ok(Some(content)),
        None => Err(Problem::unsupported_media_type(Some(media), &LANGUAGES).into()),
    }
}

fn parse_body(bytes: &Bytes, content: Option<ContentType>, now: domain::time::Micros) -> Result<Vec<Parsed>, Failure> {
    let text = text_of(bytes, BODY).map_err(|fault| Problem::invalid_manifest(&[fault]))?;
    let content = content.unwrap_or_else(|| ContentType::detect(text));
    parse(text, content, BODY, now).map_err(|faults| Problem::invalid_manifest(&faults).into())
}

/// `GET /v1/{kind}/{id}`
pub async fn get(kind: Kind, State(parts): State<Shared>, PathId(id): PathId, Params(_): Params<NoParams>) -> Answer {
    let found = parts.store.get(kind, &id).await?.ok_or_else(|| Problem::no_object(kind, &id))?;
    Ok(stamped(Json(Manifest::from(&found.object)).into_response(), Some(found.change), found.revision))
}

/// `GET /v1/{kind}`
pub async fn list(kind: Kind, State(parts): State<Shared>, Params(paging): Params<Paging>) -> Answer {
    let (limit, after) = (paging.limit()?, paging.after()?);
    let mut found = parts.store.list(kind, after.as_deref(), limit + 1).await?;
    let is_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| is_more).map(|last| cursor(last.object.id()));
    let items = found.iter().map(|it| Manifest::from(&it.object)).collect();
    Ok(Json(ManifestPage { items, next }).into_response())
}

/// `PUT /v1/{kind}/{id}` of the topology
pub async fn put(
    kind: Kind,
    State(parts): State<Shared>,
    Extension(bearer): Extension<Arc<Bearer>>,
    (PathId(id), Params(params)): (PathId, Params<WriteParams>),
    (method, uri): (Method, Uri),
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let allow_disruption = check_disruption(params.allow_disruption, &bearer)?;
    let condition = condition(&headers)?;
    let bytes = read_object(&headers, body).await?;
    let once = once(&headers, &bearer, &method, &uri, &bytes.1)?;
    let ground = ground(&parts);
    let parsed = parse_object(&bytes, kind, &id)?;
    let applying = Applying {
        parsed: vec![parsed],
        allow_disruption,
        condition,
        once,
        actor: bearer.actor().to_owned(),
        now: clock::now(),
        ..Applying::default()
    };
    let Applied { revision, changes, change } = apply_all(&ground, &applying).await?;
    let is_created = changes.first().is_some_and(|it| it.action == body_of::ChangeAction::Created);
    let status = if is_created { StatusCode::CREATED } else { StatusCode::OK };
    let object: &Object = &applying.parsed[0].object;
    Ok(stamped((status, Json(Manifest::from(object))).into_response(), Some(change), revision))
}

/// Reads the body of one object, and its language.
pub async fn read_object(headers: &HeaderMap, body: Body) -> Result<(Option<ContentType>, Bytes), Failure> {
    let content = language(headers)?;
    Ok((content, read(headers, body, OBJECT_BYTES_MAX).await?))
}

/// Parses the one object of a body.
///
/// # Errors
/// 422 with its faults.
pub fn parse_object((content, bytes): &(Option<ContentType>, Bytes), kind: Kind, id: &str) -> Result<Parsed, Failure> {
    let text = text_of(bytes, BODY).map_err(|fault| Problem::invalid_manifest(&[fault]))?;
    let content = content.unwrap_or_else(|| ContentType::detect(text));
    parse_one(text, content, (kind, id), BODY, clock::now()).map_err(|faults| {
        let is_syntax = faults.iter().all(|fault| fault.code == wire::manifest::FaultCode::Syntax);
        match faults.first().filter(|_| is_syntax && content == ContentType::Json) {
            Some(fault) => Problem::new(ProblemType::MalformedJson, fault.to_string())
                .with("line", fault.line)
                .with("column", fault.column)
                .into(),
            None => Problem::invalid_manifest(&faults).into(),
        }
    })
}

/// `DELETE /v1/{kind}/{id}` of the topology
pub async fn delete(
    kind: Kind,
    State(parts): State<Shared>,
    Extension(bearer): Extension<Arc<Bearer>>,
    (PathId(id), Params(params)): (PathId, Params<WriteParams>),
    (method, uri): (Method, Uri),
    headers: HeaderMap,
) -> Answer {
    let allow_disruption = check_disruption(params.allow_disruption, &bearer)?;
    let condition = match condition(&headers)? {
        Condition::Any => Condition::Exists,
        stated => stated,
    };
    let once = once(&headers, &bearer, &method, &uri, &[])?;
    let ground = ground(&parts);
    let applying = Applying {
        deletions: vec![(kind, id)],
        allow_disruption,
        condition,
        once,
        actor: bearer.actor().to_owned(),
        now: clock::now(),
        ..Applying::default()
    };
    let Applied { revision, changes, .. } = apply_all(&ground, &applying).await?;
    Ok(stamped(Json(body_of::Applied { revision: revision.0, changes }).into_response(), None, revision))
}
