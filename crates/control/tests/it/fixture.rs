//! A server on a database of its own: SQLite in a temporary directory, or PostgreSQL where `TENURE_TEST_POSTGRES`
//! names a server. It is stopped when the test is done with it.

use std::path::Path;
use std::time::Duration;

use control::settings::Settings;
use control::wiring::{Running, start};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use store::Location;

/// A small fleet with the four modes, in two jurisdictions.
pub const FLEET: &str = include_str!("fleet.yaml");

/// A running server and a client that holds its admin token.
pub struct Server {
    pub running: Running,
    pub data: tempfile::TempDir,
    pub admin: String,
    client: reqwest::Client,
}

/// An answer, taken apart.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Demands a status and gives the body.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// Demands a problem of this type and gives it.
    pub fn problem(&self, status: u16, slug: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        assert_eq!(body["type"], format!("urn:tenure:problem:{slug}"), "{}", self.text);
        assert_eq!(body["status"], status, "{}", self.text);
        assert!(!body["instance"].as_str().unwrap().is_empty(), "the id of the request is missing");
        assert_eq!(self.header("x-request-id"), body["instance"].as_str().unwrap());
        body
    }
}

impl Server {
    /// A server on SQLite.
    pub async fn sqlite() -> Self {
        let data = tempfile::tempdir().unwrap();
        let settings = Settings::new(data.path().to_owned());
        Self::start(data, settings).await
    }

    /// A server on a new PostgreSQL database; `None` where there is no PostgreSQL.
    pub async fn postgres(name: &str) -> Option<Self> {
        let url = create_database(name)?;
        let data = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(data.path().to_owned());
        settings.database = Location::Postgres(url);
        Some(Self::start(data, settings).await)
    }

    /// A server with these settings, on any free port.
    pub async fn start(data: tempfile::TempDir, settings: Settings) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut settings = settings;
        settings.listen.set_port(0);
        let running = start(settings).await.unwrap_or_else(|error| panic!("{error:?}"));
        let admin = read_token(data.path());
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        Self { running, data, admin, client }
    }

    /// The same database and token, in another process's place.
    pub async fn restart(self) -> Self {
        let settings = Settings::clone(&self.running.parts().settings);
        let Self { running, data, .. } = self;
        running.shutdown().await;
        Self::start(data, settings).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.address())
    }

    /// A request without a token.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// A request of the administrator.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.admin)
    }

    pub async fn get(&self, path: &str) -> Reply {
        send(self.request(Method::GET, path)).await
    }

    /// Asks until the answer is as it shall be, at most ten seconds.
    pub async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..400 {
            let answer = self.get(path).await.expect(200);
            if is_so(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{path} did not come to be as it shall: {}", self.get(path).await.text);
    }

    pub async fn delete(&self, path: &str) -> Reply {
        send(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        send(self.request(Method::PUT, path).json(&body)).await
    }

    /// Applies manifests.
    pub async fn apply(&self, query: &str, text: impl Into<String>) -> Reply {
        let request = self.request(Method::POST, &format!("/v1/apply{query}"));
        send(request.header("content-type", "application/yaml").body(text.into())).await
    }

    /// Imports rows.
    pub async fn import(&self, query: &str, rows: impl Into<reqwest::Body>) -> Reply {
        let request = self.request(Method::POST, &format!("/v1/instances/import{query}"));
        send(request.header("content-type", "application/x-ndjson").body(rows)).await
    }

    /// A token with one scope.
    pub async fn token(&self, body: Value) -> String {
        let made = self.post("/v1/tokens", body).await.expect(201);
        made["secret"].as_str().unwrap().to_owned()
    }
}

/// Sends a request and takes its answer apart.
pub async fn send(request: RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Reply { status, headers, text: response.text().await.unwrap() }
}

/// A database of its own for a test; `None` where there is no server. An unattended run skips nothing.
fn create_database(name: &str) -> Option<String> {
    let admin = std::env::var("TENURE_TEST_POSTGRES").unwrap_or_default();
    if admin.is_empty() || admin == "skip" {
        assert!(std::env::var_os("CI").is_none(), "no PostgreSQL: run `cargo xtask test`");
        eprintln!("SKIPPED ON POSTGRESQL: set TENURE_TEST_POSTGRES, or run `cargo xtask test`");
        return None;
    }
    let database = format!("tenure_control_{}_{name}", std::process::id());
    let create = format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8'");
    let made = std::process::Command::new("psql").args(["-q", &admin, "-c", &create]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (server, parameters) = admin.split_once('?').map_or((admin.as_str(), None), |(url, rest)| (url, Some(rest)));
    let server = server.rsplit_once('/').unwrap().0;
    Some(parameters.map_or_else(|| format!("{server}/{database}"), |rest| format!("{server}/{database}?{rest}")))
}

fn read_token(data: &Path) -> String {
    std::fs::read_to_string(data.join("admin.token")).unwrap().trim().to_owned()
}

/// Runs a test on SQLite, and on PostgreSQL where there is one.
#[macro_export]
macro_rules! on_both_engines {
    ($($name:ident)+) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name($crate::fixture::Server::sqlite().await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    if let Some(server) = $crate::fixture::Server::postgres(stringify!($name)).await {
                        super::$name(server).await;
                    }
                }
            )+
        }
    };
}
