//! `/v1/tokens`: made, listed, revoked. The secret is in the answer to its creation and nowhere else.
//!
//! That is why a creation takes no idempotency key: a repetition would have to show the secret a second time.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use domain::ids::check_id;
use store::{Intent, StoreError, TokenRow};
use wire::access::{CreatedToken, NewToken, Token, TokenPage};
use wire::problem::{Problem, ProblemType};

use super::Shared;
use super::body::{COMMAND_BYTES_MAX, read_json};
use super::failure::{Answer, Failure};
use super::query::{NoParams, Paging, Params, PathId, cursor, header};
use crate::access::{Bearer, Scope, Scopes, Secret, random_id};
use crate::clock;

/// `POST /v1/tokens`
pub async fn create(
    State(parts): State<Shared>,
    Extension(bearer): Extension<Arc<Bearer>>,
    Params(NoParams {}): Params<NoParams>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    if header(&headers, "idempotency-key")?.is_some() {
        let detail = "a token is shown once, so its creation takes no idempotency key; state an id instead";
        return Err(Failure::bad_request(detail));
    }
    let asked: NewToken = read_json(&headers, body, COMMAND_BYTES_MAX).await?;
    let (now, secret) = (clock::now(), Secret::draw().map_err(Failure::internal)?);
    let row = TokenRow {
        scopes: scopes_of(&asked)?.codes(),
        id: match asked.id {
            Some(id) => check_id(&id).map(|()| id).map_err(|error| bad_field("id", error.to_string()))?,
            None => random_id("token").map_err(Failure::internal)?,
        },
        hash: secret.hash(),
        reporter: asked.reporter,
        created: now,
        expires: asked.expires.map(|expires| (expires > now).then_some(expires).ok_or_else(past)).transpose()?,
        last_used: None,
        revoked: None,
    };
    write(&parts, &bearer, Edit::Add(&row)).await.map_err(|error| match error {
        StoreError::Constraint { .. } => {
            let detail = format!("there is a token {:?} already", row.id);
            Problem::new(ProblemType::Conflict, detail).with("id", row.id.as_str()).into()
        }
        other => Failure::from(other),
    })?;
    let answer = CreatedToken { secret: secret.reveal().to_owned(), token: body_of(row) };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// The scopes that are asked for; a reporter belongs to `report` and to nothing else.
fn scopes_of(asked: &NewToken) -> Result<Scopes, Failure> {
    let known = || Scope::ALL.iter().map(|scope| scope.code()).collect::<Vec<_>>().join(", ");
    let mut scopes = Vec::new();
    for code in &asked.scopes {
        let scope = Scope::from_code(code);
        scopes.push(scope.ok_or_else(|| bad_field("scopes", format!("{code:?} is none of {}", known())))?);
    }
    if scopes.is_empty() {
        return Err(bad_field("scopes", format!("at least one of {}", known())));
    }
    let is_reporting = scopes.contains(&Scope::Report);
    match &asked.reporter {
        Some(reporter) if is_reporting => {
            check_id(reporter).map_err(|error| bad_field("reporter", error.to_string()))?;
        }
        Some(_) => return Err(bad_field("reporter", "only a token with the scope report has one".to_owned())),
        None if is_reporting => {
            return Err(bad_field("reporter", "a token with the scope report names its reporter".to_owned()));
        }
        None => {}
    }
    Ok(scopes.into_iter().collect())
}

fn past() -> Failure {
    bad_field("expires", "lies in the past".to_owned())
}

fn bad_field(field: &str, said: String) -> Failure {
    Problem::bad_request(format!("field {field:?}: {said}")).with("field", field).into()
}

fn body_of(row: TokenRow) -> Token {
    let TokenRow { id, scopes, reporter, created, expires, last_used, revoked, .. } = row;
    Token { id, scopes, reporter, created, expires, last_used, revoked }
}

/// What is written of tokens.
#[derive(Clone, Copy)]
enum Edit<'a> {
    Add(&'a TokenRow),
    Revoke(&'a str),
}

/// Writes in a transaction of its own, and lets go of everything that was remembered of tokens. False when there was
/// nothing to write to.
async fn write(parts: &Shared, bearer: &Bearer, edit: Edit<'_>) -> Result<bool, StoreError> {
    let written = store::retry(|| async {
        let mut change = parts.store.begin(Intent::Access, bearer.actor(), clock::now()).await?;
        let is_written = match edit {
            Edit::Add(row) => change.add_token(row).await.map(|()| true)?,
            Edit::Revoke(id) => change.revoke_token(id).await?,
        };
        change.commit().await?;
        Ok(is_written)
    });
    let is_written = written.await?;
    parts.tokens.forget();
    parts.wake.follow();
    Ok(is_written)
}

/// `GET /v1/tokens`
pub async fn list(State(parts): State<Shared>, Params(paging): Params<Paging>) -> Answer {
    let (limit, after) = (paging.limit()?, paging.after()?);
    let mut rows = parts.store.list_tokens(after.as_deref(), limit + 1).await?;
    let is_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| is_more).map(|last| cursor(&last.id));
    let items = rows.into_iter().map(body_of).collect();
    Ok(Json(TokenPage { items, next }).into_response())
}

/// `DELETE /v1/tokens/{id}`
pub async fn revoke(
    State(parts): State<Shared>,
    Extension(bearer): Extension<Arc<Bearer>>,
    (PathId(id), Params(NoParams {})): (PathId, Params<NoParams>),
) -> Answer {
    let is_revoked = write(&parts, &bearer, Edit::Revoke(&id)).await?;
    if is_revoked {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let problem = Problem::new(ProblemType::NotFound, format!("there is no token {id:?} that is in force"));
    Err(problem.with("id", id).into())
}
