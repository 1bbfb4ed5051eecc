//! HTTP as a program would speak it: keeps what was acknowledged, and compares it with what is there later.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::ground::{Server, eventually};

/// Longer than any single request of these tests takes on two busy cores.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// A caller of one server.
#[derive(Clone)]
pub struct Caller {
    client: reqwest::Client,
    url: String,
    token: String,
}

/// An answer: its status and its body.
pub type Answer = (u16, Value);

impl Caller {
    pub fn new(url: &str, token: &str) -> Self {
        // Only the first call of a process installs one; a second is another caller.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).build().unwrap();
        Self { client, url: url.to_owned(), token: token.to_owned() }
    }

    /// An answer, or why there was none.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer, String> {
        let request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        read(request).await
    }

    /// Posts bytes with headers; the status, and the bytes of the answer.
    pub async fn post_bytes(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), String> {
        let request = self.client.post(format!("{}{path}", self.url)).bearer_auth(&self.token).body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = request.send().await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.map_err(|error| error.to_string())?;
        Ok((status, bytes.to_vec()))
    }

    pub async fn get(&self, path: &str) -> Result<Answer, String> {
        self.ask(Method::GET, path, None).await
    }

    /// Imports rows and waits for their owners.
    pub async fn import(&self, rows: String) -> Result<Answer, String> {
        self.import_to("/v1/instances/import?wait=true", rows).await
    }

    /// Imports rows and waits until they are durable.
    pub async fn import_at_once(&self, rows: String) -> Result<Answer, String> {
        self.import_to("/v1/instances/import", rows).await
    }

    async fn import_to(&self, path: &str, rows: String) -> Result<Answer, String> {
        let request = self.client.post(format!("{}{path}", self.url)).bearer_auth(&self.token);
        read(request.header("content-type", "application/x-ndjson").body(rows)).await
    }

    pub async fn put(&self, id: &str) -> Result<Answer, String> {
        self.ask(Method::PUT, &format!("/v1/instances/{id}"), Some(json!({"product": "basic"}))).await
    }

    /// The ids of all instances.
    pub async fn instances(&self) -> Result<Vec<String>, String> {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let (status, page) = self.get(&format!("/v1/instances?limit=1000{cursor}")).await?;
            let items = page["items"].as_array().ok_or_else(|| format!("{status}: {page}"))?;
            ids.extend(items.iter().filter_map(|it| it["id"].as_str()).map(str::to_owned));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(ids),
            }
        }
    }
}

async fn read(request: reqwest::RequestBuilder) -> Result<Answer, String> {
    let response = request.send().await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let text = response.text().await.map_err(|error| error.to_string())?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

/// A runtime for callers.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What was acknowledged.
#[derive(Debug, Default, Clone)]
pub struct Acknowledged {
    /// Instances of imports that were answered.
    pub imported: Vec<String>,
    /// Instances with the owner that their PUT was answered with: (group, generation).
    pub owned: BTreeMap<String, (String, u64)>,
    /// Plans that were told to apply, and the group that is drained, if it is one.
    pub plans: Vec<String>,
}

impl Acknowledged {
    /// Notes the answer to a PUT.
    pub fn note(&mut self, id: String, (status, body): &Answer) {
        let generation = body["generation"].as_u64();
        if let (200 | 201, Some(group), Some(generation)) = (status, body["group"].as_str(), generation) {
            self.owned.insert(id, (group.to_owned(), generation));
        }
    }
}

/// Everything that was acknowledged is there, everybody has exactly one owner, counters equal a recount, plans end.
pub fn verify(server: &Server, caller: &Caller, acknowledged: &Acknowledged) {
    let runtime = runtime();
    let plans_end = |id: &String| {
        eventually(Duration::from_secs(60), || {
            let (_, plan) = runtime.block_on(caller.get(&format!("/v1/plans/{id}")))?;
            if plan["state"] == "done" { Ok(()) } else { Err(plan.to_string()) }
        });
    };
    acknowledged.plans.iter().for_each(plans_end);
    let present = runtime.block_on(caller.instances()).unwrap();
    let is_lost = |id: &&String| present.binary_search(id).is_err();
    let lost: Vec<&String> = acknowledged.imported.iter().chain(acknowledged.owned.keys()).filter(is_lost).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    // Everybody is active and has candidates, so everybody has an owner, and the counters count each once.
    eventually(Duration::from_secs(30), || {
        let doctor = server.run(&["doctor", "-o", "json"]);
        let found: Value = serde_json::from_str(&doctor.out).map_err(|_| format!("{doctor:?}"))?;
        let checks = found["checks"].as_array().ok_or("no checks")?;
        let counters = checks.iter().find(|it| it["check"] == "counters").ok_or("no recount")?;
        assert_eq!(counters["ok"], true, "{counters}");
        let owners: usize =
            counters["detail"].as_str().and_then(|it| it.split(' ').next()?.parse().ok()).ok_or("no number")?;
        if doctor.code == 0 && owners == present.len() {
            Ok(())
        } else {
            Err(format!("{owners} owners of {} instances: {found}", present.len()))
        }
    });
    for (id, (group, generation)) in &acknowledged.owned {
        let (_, now) = runtime.block_on(caller.get(&format!("/v1/instances/{id}/ownership"))).unwrap();
        let now_generation = now["generation"].as_u64().unwrap_or_default();
        assert!(now_generation >= *generation, "{id} went back from {generation}: {now}");
        if now_generation == *generation {
            assert_eq!(now["group"].as_str(), Some(group.as_str()), "{id} in generation {generation}");
        }
    }
    let audit = server.json(&["audit", "verify"]);
    assert_eq!(audit["ok"], true, "{audit}");
}
