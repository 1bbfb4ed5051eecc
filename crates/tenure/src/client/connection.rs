//! How a command speaks to a server: one connection, one token, and failures that say what to do.
//!
//! A token goes to the server that was named and to no other. On the machine of a server it is found beside its data,
//! so nobody needs to paste secrets.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use wire::manifest::Fault;
use wire::problem::Problem;

/// A server that does not answer the door within so long is not there.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The directory in which a server on this machine keeps its token unless told otherwise.
const DATA_DEFAULT: &str = "./tenure-data";

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    text: String,
    is_usage: bool,
    /// What the server found wrong with manifests.
    faults: Vec<Fault>,
    /// The HTTP status of the refusal.
    status: Option<u16>,
}

impl Failure {
    /// Refused or failed.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_usage: false, faults: Vec::new(), status: None }
    }

    /// Asked in a way that cannot be understood.
    pub fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_usage: true, faults: Vec::new(), status: None }
    }

    /// What the server found wrong with manifests, by object: only the sender knows the files.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The HTTP status with which the server refused; absent when no server answered.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// 1 refused or failed, 2 usage.
    pub fn exit_code(&self) -> u8 {
        if self.is_usage { 2 } else { 1 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.text)
    }
}

/// The certificate authorities of the machine, and one provider of cryptography for the process.
pub fn trust_the_usual_authorities() {
    // Only the first call of a process installs one; a second is a test in the same process.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A server and the right to speak to it.
pub struct Connection {
    client: reqwest::Client,
    server: String,
    token: Option<String>,
}

impl Connection {
    /// A connection; the token is looked for where a server on this machine keeps it.
    ///
    /// # Errors
    /// [`Failure`] when the URL is none.
    pub fn new(server: &str, token: Option<&str>) -> Result<Self, Failure> {
        let server = server.trim_end_matches('/').to_owned();
        let url =
            reqwest::Url::parse(&server).map_err(|error| Failure::usage(format!("--server {server}: {error}")))?;
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_MAX)
            .user_agent(concat!("tenure/", env!("CARGO_PKG_VERSION")));
        // A proxy of the environment is for the world outside, not for the server beside us.
        let builder = if is_local(&url) { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|error| Failure::new(format!("no connection can be made: {error}")))?;
        let token = token.map(str::to_owned).or_else(|| local_token(&url));
        Ok(Self { client, server, token })
    }

    /// Where the server is.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// A request with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.server));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request; an answer that is a problem becomes a failure.
    ///
    /// # Errors
    /// [`Failure`] with the server's own words and what to do.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        let failure = match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => Failure { faults: problem.faults(), ..Failure::new(self.explain(&problem)) },
            Err(_) => Failure::new(format!("{} answered {status}: {}", self.server, text.trim())),
        };
        Err(Failure { status: Some(status.as_u16()), ..failure })
    }

    fn explain(&self, problem: &Problem) -> String {
        let hint = if problem.status == 401 && self.token.is_none() {
            "\n  hint: no token was given and none was found in ./tenure-data; use --token or TENURE_TOKEN"
        } else {
            ""
        };
        format!("{problem}{hint}")
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let cause = crate::server::chain(error);
        let hint = if error.is_connect() {
            "\n  hint: is it running? tenure serve; another address: --server URL"
        } else {
            ""
        };
        Failure::new(format!("{} cannot be reached: {cause}{hint}", self.server))
    }

    /// Sends a request and reads a body.
    ///
    /// # Errors
    /// [`Failure`] when it is refused or the body is not what it should be.
    pub async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let response = self.send(request).await?;
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&body)
            .map_err(|error| Failure::new(format!("{} gave an answer that cannot be read: {error}", self.server)))
    }

    /// Reads a path.
    ///
    /// # Errors
    /// As [`Connection::ask`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(self.request(Method::GET, path)).await
    }

    /// Posts a body and reads the answer.
    ///
    /// # Errors
    /// As [`Connection::ask`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        self.ask(self.request(Method::POST, path).json(body)).await
    }
}

fn is_local(url: &reqwest::Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

/// The admin token of a server on this machine.
fn local_token(url: &reqwest::Url) -> Option<String> {
    if !is_local(url) {
        return None;
    }
    let named = std::env::var_os("TENURE_DATA").map(PathBuf::from);
    // The server that runs now goes before a directory that another may have left here.
    let places = [named, crate::server::noted_data(url.port_or_known_default()?), Some(PathBuf::from(DATA_DEFAULT))];
    let tokens = places.into_iter().flatten().filter_map(|dir| std::fs::read_to_string(dir.join("admin.token")).ok());
    tokens.map(|token| token.trim().to_owned()).find(|token| !token.is_empty())
}
