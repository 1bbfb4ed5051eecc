//! Idempotency keys: a write that is repeated with the same key answers what it answered, and writes nothing.
//!
//! The answer is kept in the transaction of the write, so it is there exactly when the write is. Only writes that
//! changed something are kept: to repeat any other one is harmless. A key is bound to its token and to its request.

use domain::ids::Revision;
use domain::time::Micros;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use store::{Change, IdempotentAnswer, Store, StoreError};

use super::refusal::Refusal;

/// A request that shall be carried out once.
#[derive(Debug, Clone)]
pub struct Once {
    token: String,
    key: String,
    request_hash: [u8; 32],
}

/// An answer that was given before.
#[derive(Debug)]
pub struct Remembered {
    pub status: u16,
    pub revision: Revision,
    /// The ETag's change id.
    pub change: i64,
    /// JSON; empty when the answer is made anew from the view.
    pub body: String,
}

/// How a request was answered.
#[derive(Debug)]
pub enum Outcome<T> {
    /// As before; nothing was done.
    Given(Remembered),
    /// By doing it.
    Done(T),
}

/// Does the work unless the request was carried out before, or is being carried out by somebody who is faster.
///
/// # Errors
/// Those of the work, and [`Refusal::OtherRequest`].
pub async fn carry_out<T>(
    store: &Store,
    once: Option<&Once>,
    work: impl Future<Output = Result<T, Refusal>>,
) -> Result<Outcome<T>, Refusal> {
    let Some(once) = once else { return work.await.map(Outcome::Done) };
    if let Some(given) = once.find(store).await? {
        return Ok(Outcome::Given(given));
    }
    match work.await {
        Err(Refusal::Repeated) => once.find(store).await?.map(Outcome::Given).ok_or(Refusal::Repeated),
        done => done.map(Outcome::Done),
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    change: i64,
    body: Option<Box<RawValue>>,
}

impl Once {
    /// A request by its token, its key and everything that makes it what it is.
    pub fn new(token: &str, key: &str, request: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in request {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self { token: token.to_owned(), key: key.to_owned(), request_hash: hash.finalize().into() }
    }

    /// The answer that this request was given before.
    ///
    /// # Errors
    /// [`Refusal::OtherRequest`] when the key was used for another request.
    async fn find(&self, store: &Store) -> Result<Option<Remembered>, Refusal> {
        let Some(answer) = store.find_answer(&self.token, &self.key).await? else { return Ok(None) };
        if answer.request_hash != self.request_hash {
            return Err(Refusal::OtherRequest { key: self.key.clone() });
        }
        let Ok(kept) = serde_json::from_slice::<Kept>(&answer.body) else { return Ok(None) };
        // An answer is kept in the transaction of its change, so the change is there.
        let revision = store.outcome_of(kept.change).await?.unwrap_or_default();
        let body = kept.body.map(|body| body.get().to_owned()).unwrap_or_default();
        Ok(Some(Remembered { status: answer.status, revision, change: kept.change, body }))
    }

    /// Keeps the answer of this request with its change.
    ///
    /// # Errors
    /// [`Refusal::Repeated`] when the same request was carried out meanwhile, else those of the store.
    pub(super) async fn keep(
        &self,
        change: &mut Change,
        status: u16,
        body: Option<String>,
        now: Micros,
    ) -> Result<(), Refusal> {
        let body = body.map(|body| RawValue::from_string(body).expect("our own answers are JSON"));
        let kept = Kept { change: change.id(), body };
        let answer = IdempotentAnswer {
            token: self.token.clone(),
            key: self.key.clone(),
            request_hash: self.request_hash,
            status,
            body: serde_json::to_vec(&kept).expect("a number and JSON are JSON"),
            at: now,
        };
        change.remember(&answer).await.map_err(|error| match error {
            // The key was not there when we looked: somebody sent the same request at the same time.
            StoreError::Constraint { .. } => Refusal::Repeated,
            other => other.into(),
        })
    }
}
