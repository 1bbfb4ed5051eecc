//! Headers of writes: conditions (`If-Match`, `If-None-Match`), idempotency keys, and what a write answers beside its
//! body (`ETag`, `Tenure-Revision`).
//!
//! A condition that cannot be read is refused: passing it over would write what should not be written.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::response::Response;
use domain::ids::Revision;

use super::failure::Failure;
use super::query::header;
use crate::access::Bearer;
use crate::master_data::{Condition, Once, etag};

/// The revision at which a write is in force; `Tenure-Min-Revision` demands it of a reader.
pub const REVISION: HeaderName = HeaderName::from_static("tenure-revision");

/// The longest idempotency key: a UUID in any spelling, with room for a prefix.
const KEY_LENGTH_MAX: usize = 128;

/// The condition of a write.
///
/// # Errors
/// 400 when it cannot be read.
pub fn condition(headers: &HeaderMap) -> Result<Condition, Failure> {
    match (header(headers, "if-match")?, header(headers, "if-none-match")?) {
        (None, None) => Ok(Condition::Any),
        (None, Some("*")) => Ok(Condition::Absent),
        (None, Some(_)) => Err(Failure::bad_request("header if-none-match: a write takes only *")),
        (Some("*"), None) => Ok(Condition::Exists),
        (Some(tags), None) => {
            let change = |tag: &str| {
                let tag = tag.trim();
                tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
            };
            let changes: Option<Vec<i64>> = tags.split(',').map(change).collect();
            let expected = "header if-match: expected an ETag as this server gives it, for example \"1234\"";
            changes.map(Condition::Unchanged).ok_or_else(|| Failure::bad_request(expected))
        }
        (Some(_), Some(_)) => Err(Failure::bad_request("if-match and if-none-match exclude each other")),
    }
}

/// The idempotency key of a write, bound to its request.
///
/// # Errors
/// 400 when it is none.
pub fn once(
    headers: &HeaderMap,
    bearer: &Bearer,
    method: &Method,
    uri: &Uri,
    body: &[u8],
) -> Result<Option<Once>, Failure> {
    let Some(key) = header(headers, "idempotency-key")? else { return Ok(None) };
    let is_key = (1..=KEY_LENGTH_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if !is_key {
        let detail = format!("header idempotency-key: 1 to {KEY_LENGTH_MAX} characters without blanks");
        return Err(Failure::bad_request(detail));
    }
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let condition = header(headers, "if-match")?.unwrap_or_default();
    Ok(Some(Once::new(&bearer.id, key, &[method.as_str().as_bytes(), target.as_bytes(), condition.as_bytes(), body])))
}

/// The answer, with the ETag of its object and the revision since which it is so.
pub fn stamped(mut response: Response, change: Option<i64>, revision: Revision) -> Response {
    let headers = response.headers_mut();
    headers.insert(REVISION, HeaderValue::from(revision.0));
    if let Some(value) = change.and_then(|change| HeaderValue::from_str(&etag(change)).ok()) {
        headers.insert(axum::http::header::ETAG, value);
    }
    response
}

/// What `curl -d` says when nobody told it otherwise: nothing about the body.
const SAYS_NOTHING: &str = "application/x-www-form-urlencoded";

/// The media type of the body, without its parameters, when the client has named one.
pub fn media_type(headers: &HeaderMap) -> Option<&str> {
    let named = headers.get(axum::http::header::CONTENT_TYPE)?.to_str().unwrap_or("?");
    let media = named.split(';').next().unwrap_or_default().trim();
    (!media.eq_ignore_ascii_case(SAYS_NOTHING)).then_some(media)
}
