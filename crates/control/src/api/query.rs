//! Parts of a request beside its body: query, path and headers, each refused with a word on what was expected.
//!
//! An unknown parameter is refused: a misspelt `dry_run` that is passed over in silence would write.

use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::HeaderMap;
use axum::http::request::Parts as RequestParts;
use domain::ids::Revision;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wire::problem::Problem;

use super::failure::Failure;
use crate::view::View;

/// Objects of a page unless asked otherwise.
pub const PAGE_DEFAULT: u32 = 100;

/// Objects of a page at most; a page then stays below some megabytes.
pub const PAGE_MAX: u32 = 1000;

/// How long a reader that demands a revision is kept waiting: a view that follows is there within milliseconds.
pub const MIN_REVISION_WAIT: Duration = Duration::from_secs(5);

/// The header with the least revision that an answer may be of.
pub const MIN_REVISION: &str = "tenure-min-revision";

/// The query of a request.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut RequestParts, state: &S) -> Result<Self, Failure> {
        let query: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        let said = |error: QueryRejection| {
            let text = error.body_text();
            let said = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text).to_owned();
            Failure::bad_request(format!("query: {said}"))
        };
        query.map(|Query(value)| Self(value)).map_err(said)
    }
}

/// The id in the path of a request, as it was written.
pub struct PathId(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut RequestParts, state: &S) -> Result<Self, Failure> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|_| Failure::bad_request("the path is not UTF-8 when its % are read"))
    }
}

/// No parameter at all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

/// The parameters of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl Paging {
    /// How many objects to answer.
    ///
    /// # Errors
    /// 400 outside 1 ..= [`PAGE_MAX`].
    pub fn limit(&self) -> Result<u32, Failure> {
        match self.limit.unwrap_or(PAGE_DEFAULT) {
            limit @ 1..=PAGE_MAX => Ok(limit),
            _ => Err(Failure::bad_request(format!("query: limit lies between 1 and {PAGE_MAX}"))),
        }
    }

    /// After which id the page begins. The cursor is the last id of the page before, marked so that nobody builds one.
    ///
    /// # Errors
    /// 400 when the cursor is none of ours.
    pub fn after(&self) -> Result<Option<String>, Failure> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let bytes = hex::decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        bytes.map(Some).ok_or_else(|| Failure::bad_request("query: cursor is not one that a list has answered"))
    }
}

/// The cursor of the page after the one that ends with this id.
pub fn cursor(last: &str) -> String {
    hex::encode(last)
}

/// A header as text.
///
/// # Errors
/// 400 when it is not ASCII.
pub fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Failure> {
    let value = headers.get(name).map(|value| value.to_str().map(str::trim)).transpose();
    value.map_err(|_| Failure::bad_request(format!("header {name}: only ASCII is taken")))
}

/// Waits until the view has reached the revision that the request demands, if it demands one.
///
/// # Errors
/// 503 `view-behind` when the view does not get there in time.
pub async fn await_revision(headers: &HeaderMap, view: &View) -> Result<(), Failure> {
    let Some(text) = header(headers, MIN_REVISION)? else { return Ok(()) };
    let demanded: u64 =
        text.parse().map_err(|_| Failure::bad_request(format!("header {MIN_REVISION}: expected a number")))?;
    if view.revision().0 >= demanded || view.wait_for_revision(Revision(demanded), MIN_REVISION_WAIT).await {
        return Ok(());
    }
    Err(Problem::view_behind(demanded, view.revision().0).into())
}
