//! `GET /v1/instances/{id}/resolution`: the hot path. View in, bytes out; nothing is written and nobody is moved (I7).
//!
//! No lock, no database, no serialisation: the nodes were written once for their topology and are copied here. The
//! ETag is the hash of the bytes, so an equal view gives an equal answer to everybody (I1).

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts as Head;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use domain::master_data::{Kind, Location};
use domain::resolution::resolve;
use serde::Deserialize;
use wire::problem::Problem;
use wire::resolution::{etag, render};

use super::Shared;
use super::failure::{Answer, Failure};
use super::query::{Params, PathId, await_revision, header as text_of_header};

/// What stands around the id in the path.
const PATH: (&str, &str) = ("/v1/instances/", "/resolution");

/// The parameters of a resolution.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolutionParams {
    near: Option<String>,
}

/// `GET /v1/instances/{id}/resolution`
pub async fn resolution(parts: Shared, mut head: Head) -> Answer {
    let near = near_of(&mut head).await?;
    await_revision(&head.headers, &parts.view).await?;
    let unpacked;
    let id = match id_of(head.uri.path()) {
        Some(id) => id,
        None => {
            unpacked = PathId::from_request_parts(&mut head, &()).await?.0;
            &unpacked
        }
    };
    // The instance first: a topology that is read later knows its product, since changes come in topology first.
    let found = parts.view.find(id).ok_or_else(|| Problem::no_object(Kind::Instance, id))?;
    let (subject, view) = (found.subject(), parts.view.glance());
    let resolved = resolve(&view.topology, &subject, near).ok_or_else(|| {
        let detail = format!("product {:?} of the instance is gone", found.product.as_str());
        Problem::new(wire::problem::ProblemType::Conflict, detail)
    })?;
    let mut body = Vec::new();
    render(&resolved, &subject, &view.topology, &view.fragments, &mut body);
    answer(body, text_of_header(&head.headers, "if-none-match")?)
}

/// The id in the path; `None` when it holds escapes, which no id needs.
fn id_of(path: &str) -> Option<&str> {
    let id = path.strip_prefix(PATH.0)?.strip_suffix(PATH.1)?;
    (!id.contains('%')).then_some(id)
}

async fn near_of(head: &mut Head) -> Result<Option<Location>, Failure> {
    if head.uri.query().is_none() {
        return Ok(None);
    }
    let Params(ResolutionParams { near }) = Params::from_request_parts(head, &()).await?;
    near.as_deref().map(parse_near).transpose()
}

/// The bytes with their ETag, or 304 when the client has them already.
fn answer(body: Vec<u8>, known: Option<&str>) -> Answer {
    let tag = etag(&body);
    let is_known = known.is_some_and(|known| {
        known.split(',').map(str::trim).any(|it| it == "*" || it.strip_prefix("W/").unwrap_or(it) == tag)
    });
    let tag = HeaderValue::from_str(&tag).map_err(Failure::internal)?;
    let mut response = match is_known {
        true => Response::new(Body::empty()),
        false => Response::new(Body::from(body)),
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    Ok(response)
}

/// Reads `LATITUDE,LONGITUDE` in degrees.
fn parse_near(text: &str) -> Result<Location, Failure> {
    let refuse = || Failure::bad_request("query: near is LATITUDE,LONGITUDE in degrees, for example 52.37,4.90");
    let (latitude, longitude) = text.split_once(',').ok_or_else(refuse)?;
    let microdegrees = |degrees: &str| {
        let degrees: f64 = degrees.trim().parse().map_err(|_| refuse())?;
        // Beyond these the place itself refuses; a float that is cut to an integer saturates.
        if degrees.is_finite() { Ok((degrees * 1e6).round() as i32) } else { Err(refuse()) }
    };
    Location::new(microdegrees(latitude)?, microdegrees(longitude)?)
        .map_err(|error| Failure::bad_request(format!("query: near: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_two_numbers_on_the_globe() {
        let place = parse_near("52.37, -4.9").unwrap();
        assert_eq!((place.latitude_udeg(), place.longitude_udeg()), (52_370_000, -4_900_000));
        for bad in ["", "52", "52,x", "91,0", "0,181", "nan,0", "1e40,0"] {
            assert!(parse_near(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_has_the_bytes_gets_304() {
        let tag = etag(b"{}");
        for (known, status) in [
            (None, 200),
            (Some("\"other\""), 200),
            (Some(tag.as_str()), 304),
            (Some(&*format!("\"other\", W/{tag}")), 304),
            (Some("*"), 304),
        ] {
            assert_eq!(answer(b"{}".to_vec(), known).unwrap().status().as_u16(), status, "{known:?}");
        }
    }
}
