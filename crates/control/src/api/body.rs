//! Reads bodies: never more than the limit of the path, whatever the length that was announced, packed or not.
//!
//! A body that announces more than its limit is refused before a byte of it is read; one that lies is cut off at the
//! limit. What a refused client still sends is read away for a moment, or it would never see the answer.

use std::io::{Read, Write};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use wire::problem::{Problem, ProblemType};

use super::failure::Failure;
use super::headers::media_type;

/// A body of one object: the largest opaque body with room for labels.
pub const OBJECT_BYTES_MAX: u64 = 1024 * 1024;

/// The body of an apply, as many as `wire` reads at once.
pub const APPLY_BYTES_MAX: u64 = wire::manifest::INPUT_BYTES_MAX as u64;

/// Small bodies: a new token, a command.
pub const COMMAND_BYTES_MAX: u64 = 64 * 1024;

/// How long a client may be silent in the middle of a body: whoever feeds an import by hand is quicker, and whoever
/// only holds the connection is not served for it.
pub const STALL_MAX: Duration = Duration::from_secs(60);

/// How long the rest of a refused body is read away.
const LINGER: Duration = Duration::from_secs(5);

/// Reads a whole body.
///
/// # Errors
/// 413 above the limit, 400 when it breaks off, 415 when it is packed in an unknown way.
pub async fn read(headers: &HeaderMap, body: Body, limit_bytes: u64) -> Result<Bytes, Failure> {
    let packing = packing(headers)?;
    if announced_length(headers).is_some_and(|length| length > limit_bytes) {
        linger(body);
        return Err(Problem::payload_too_large(limit_bytes).into());
    }
    let bytes = collect(body, limit_bytes).await?;
    match packing {
        None => Ok(bytes),
        Some(Packing::Gzip) => unpack(&bytes, limit_bytes).map(Bytes::from),
        Some(Packing::Zstd) => unpack_zstd(&bytes, limit_bytes).map(Bytes::from),
    }
}

/// Reads a JSON body.
///
/// # Errors
/// As [`read`]; 400 with line, column and field when it is not what the path takes.
pub async fn read_json<T: DeserializeOwned>(headers: &HeaderMap, body: Body, limit_bytes: u64) -> Result<T, Failure> {
    refuse_other_language(headers)?;
    let bytes = read(headers, body, limit_bytes).await?;
    from_json(&bytes)
}

/// Reads JSON text.
///
/// # Errors
/// 400 with line, column and field.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = error.path().to_string();
        bad_json(error.inner(), (field != ".").then_some(field))
    })?;
    reader.end().map_err(|error| bad_json(&error, None))?;
    Ok(value)
}

fn bad_json(error: &serde_json::Error, field: Option<String>) -> Failure {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let said = text.rsplit_once(" at line ").map_or(text.as_str(), |(said, _)| said);
    let place = field.as_ref().map(|field| format!("field {field:?}: ")).unwrap_or_default();
    let problem = Problem::new(ProblemType::MalformedJson, format!("line {line}, column {column}: {place}{said}"))
        .with("line", line)
        .with("column", column);
    match field {
        Some(field) => problem.with("field", field),
        None => problem,
    }
    .into()
}

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
}

/// How a body is packed; none when it is not.
fn packing(headers: &HeaderMap) -> Result<Option<Packing>, Failure> {
    match headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim()) {
        None | Some("" | "identity") => Ok(None),
        Some("gzip" | "x-gzip") => Ok(Some(Packing::Gzip)),
        Some("zstd") => Ok(Some(Packing::Zstd)),
        Some(other) => Err(unknown_packing(other, &["gzip", "zstd"])),
    }
}

/// Whether a stream is packed with gzip, the only way that is taken for one.
///
/// # Errors
/// 415 for every other way.
pub fn is_packed(headers: &HeaderMap) -> Result<bool, Failure> {
    match packing(headers)? {
        None => Ok(false),
        Some(Packing::Gzip) => Ok(true),
        Some(Packing::Zstd) => Err(unknown_packing("zstd", &["gzip"])),
    }
}

fn unknown_packing(found: &str, accepted: &[&str]) -> Failure {
    let detail = format!("the body is packed with {found:?}; this path unpacks {}", accepted.join(" and "));
    Problem::new(ProblemType::UnsupportedMediaType, detail).with("accepted", accepted.to_vec()).into()
}

/// The length that a client announced.
pub fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads away what a refused client still sends, so that it comes to read the answer.
pub fn linger(body: Body) {
    tokio::spawn(tokio::time::timeout(LINGER, async move {
        let mut body = body;
        while let Some(Ok(_)) = body.frame().await {}
    }));
}

fn refuse_other_language(headers: &HeaderMap) -> Result<(), Failure> {
    const ACCEPTED: &str = "application/json";
    match media_type(headers) {
        None => Ok(()),
        Some(found) if found.eq_ignore_ascii_case(ACCEPTED) => Ok(()),
        Some(found) => Err(Problem::unsupported_media_type(Some(found), &[ACCEPTED]).into()),
    }
}

async fn collect(mut body: Body, limit_bytes: u64) -> Result<Bytes, Failure> {
    let mut first: Option<Bytes> = None;
    let mut all: Vec<u8> = Vec::new();
    while let Some(data) = next_piece(&mut body).await? {
        let length = all.len().max(first.as_ref().map_or(0, Bytes::len)) as u64 + data.len() as u64;
        if length > limit_bytes {
            linger(body);
            return Err(Problem::payload_too_large(limit_bytes).into());
        }
        // Most bodies come in one piece, which needs no copy.
        match first.take() {
            None if all.is_empty() => first = Some(data),
            Some(before) => {
                all.extend_from_slice(&before);
                all.extend_from_slice(&data);
            }
            None => all.extend_from_slice(&data),
        }
    }
    Ok(first.unwrap_or_else(|| Bytes::from(all)))
}

/// The next piece of a body; none at its end.
///
/// # Errors
/// 400 when the body breaks off, 408 when nothing of it comes for [`STALL_MAX`].
pub async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, Failure> {
    loop {
        match tokio::time::timeout(STALL_MAX, body.frame()).await {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => return Ok(Some(data)),
                // Trailers say nothing that we would listen to.
                Err(_) => continue,
            },
            Ok(Some(Err(_))) => return Err(Failure::bad_request("the body broke off before its end")),
            Err(_) => {
                let detail = format!("nothing of the body came for {} s", STALL_MAX.as_secs());
                return Err(Problem::new(ProblemType::BodyStalled, detail).into());
            }
        }
    }
}

/// Unpacks gzip without ever holding more than the limit.
fn unpack(packed: &[u8], limit_bytes: u64) -> Result<Vec<u8>, Failure> {
    let mut unpacker = flate2::write::MultiGzDecoder::new(Bounded { bytes: Vec::new(), limit: limit_bytes });
    let done = unpacker.write_all(packed).and_then(|()| unpacker.try_finish());
    let is_over = unpacker.get_ref().bytes.len() as u64 > limit_bytes;
    match done {
        Ok(()) => Ok(std::mem::take(&mut unpacker.get_mut().bytes)),
        Err(_) if is_over => Err(Problem::payload_too_large(limit_bytes).into()),
        Err(_) => Err(Failure::bad_request("the body is not whole gzip, as Content-Encoding says it is")),
    }
}

/// Unpacks zstd without ever holding more than the limit, and no window that is larger than it.
fn unpack_zstd(packed: &[u8], limit_bytes: u64) -> Result<Vec<u8>, Failure> {
    let broken = |_| Failure::bad_request("the body is not whole zstd, as Content-Encoding says it is");
    let mut unpacker = zstd::stream::read::Decoder::new(packed).map_err(broken)?;
    unpacker.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(broken)?;
    let mut bytes = Vec::new();
    unpacker.take(limit_bytes + 1).read_to_end(&mut bytes).map_err(broken)?;
    match bytes.len() as u64 > limit_bytes {
        true => Err(Problem::payload_too_large(limit_bytes).into()),
        false => Ok(bytes),
    }
}

/// Eight megabytes, as every encoder's default levels stay below: a sender cannot make us hold more for its window.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Takes bytes up to one beyond its limit, then fails.
struct Bounded {
    bytes: Vec<u8>,
    limit: u64,
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.bytes.extend_from_slice(data);
        match self.bytes.len() as u64 > self.limit {
            true => Err(std::io::ErrorKind::FileTooLarge.into()),
            false => Ok(data.len()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    /// I26: whoever stops in the middle of a body holds its place for [`STALL_MAX`] and no longer.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_coming_is_given_up() {
        let first = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
        let mut body = Body::from_stream(first.chain(futures::stream::pending()));
        assert_eq!(next_piece(&mut body).await.ok().flatten(), Some(Bytes::from_static(b"{")));
        let given_up = tokio::time::timeout(2 * STALL_MAX, next_piece(&mut body)).await.expect("it waits for ever");
        assert_eq!(given_up.unwrap_err().problem().status, 408);
    }
}
