//! A small HTTP/1.1 client over one kept connection: what a measurement needs and no more.
//!
//! It must cost less than the server that it measures, so it knows only answers with a `Content-Length`, sends one
//! request at a time, and hands out bytes. It is no client for anything but our own server.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any answer takes, the import of millions included.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Grown when an answer is longer.
const BUFFER_BYTES: usize = 64 * 1024;

/// A connection, and the token it speaks with.
pub struct Connection {
    stream: TcpStream,
    authority: String,
    token: String,
    buffer: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// What went wrong with a request.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
    #[error("the answer could not be understood: {0}")]
    Spelling(String),
    #[error("{request}: {status} {body}")]
    Refused { request: String, status: u16, body: String },
    #[error("the answer is not the JSON that was expected")]
    Json(#[from] serde_json::Error),
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`HttpError::Io`].
    pub async fn open(address: SocketAddr, token: &str) -> Result<Self, HttpError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, authority: address.to_string(), token: token.to_owned(), buffer: Vec::new() })
    }

    /// The bytes of a request's head; the body follows.
    pub fn head(&self, method: &str, path: &str, media: &str, length: usize) -> Vec<u8> {
        let Self { authority, token, .. } = self;
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {token}\r\n");
        if length > 0 {
            head.push_str(&format!("content-type: {media}\r\ncontent-length: {length}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// Sends a request and waits for its answer, whatever its status.
    ///
    /// # Errors
    /// [`HttpError::Io`] and [`HttpError::Spelling`].
    pub async fn send(&mut self, head: &[u8], body: &[u8]) -> Result<Answer, HttpError> {
        self.stream.write_all(head).await?;
        if !body.is_empty() {
            self.stream.write_all(body).await?;
        }
        let (status, end, length) = self.read_head().await?;
        while self.buffer.len() < end + length {
            self.read_more().await?;
        }
        let body = self.buffer[end..end + length].to_vec();
        self.buffer.drain(..end + length);
        Ok(Answer { status, body })
    }

    /// Asks for a path; any status but 200 and 202 is an error.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn ask(&mut self, method: &str, path: &str, media: &str, body: &[u8]) -> Result<Vec<u8>, HttpError> {
        let head = self.head(method, path, media, body.len());
        let answer = self.send(&head, body).await?;
        if matches!(answer.status, 200..=202) {
            return Ok(answer.body);
        }
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        Err(HttpError::Refused { request: format!("{method} {path}"), status: answer.status, body: text })
    }

    /// Reads until the head is whole: its status, where it ends, and the length of the body.
    async fn read_head(&mut self) -> Result<(u16, usize, usize), HttpError> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|it| it == b"\r\n\r\n") {
                let (status, length) = parse_head(&self.buffer[..end])?;
                return Ok((status, end + 4, length));
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Result<(), HttpError> {
        self.buffer.reserve(BUFFER_BYTES);
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.buffer));
        match read.await {
            Ok(Ok(0)) => Err(HttpError::Spelling("it ended early".to_owned())),
            Ok(read) => read.map(|_| ()).map_err(HttpError::from),
            Err(_) => Err(HttpError::Spelling(format!("nothing came for {} s", PATIENCE.as_secs()))),
        }
    }
}

/// The status and the content length of a head.
fn parse_head(head: &[u8]) -> Result<(u16, usize), HttpError> {
    let text = std::str::from_utf8(head).map_err(|error| HttpError::Spelling(error.to_string()))?;
    let status = text.get(9..12).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| HttpError::Spelling(text.to_owned()))?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok()).flatten()
    });
    match length {
        Some(length) => Ok((status, length)),
        None if status == 204 || status == 304 => Ok((status, 0)),
        None => Err(HttpError::Spelling("an answer without a length".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_its_status_and_length() {
        assert_eq!(parse_head(b"HTTP/1.1 202 Accepted\r\nContent-Length: 17\r\ndate: x").unwrap(), (202, 17));
        assert_eq!(parse_head(b"HTTP/1.1 304 Not Modified\r\netag: x").unwrap(), (304, 0));
        assert!(parse_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked").is_err());
        assert!(parse_head(b"nonsense").is_err());
    }
}
