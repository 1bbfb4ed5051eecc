//! Verifies tokens from memory, and follows the database closely enough that a revocation holds within a second.
//!
//! A token that was read less than [`FRESH_MAX`] ago is believed; an older reading is repeated before the token is
//! believed again. Unknown tokens are remembered as unknown for as long. While the database cannot be asked, a token
//! that it once confirmed stays good for [`UNCONFIRMED_MAX`]: resolution must outlive an outage of the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::time::Micros;
use store::{Store, StoreError, TokenRow};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::scope::{Need, Scope, Scopes};
use super::secret::{PRESENTED_LENGTH_MAX, hash};
use crate::clock;

/// How long a reading of a token is believed. Half of the second within which a revocation must hold.
pub const FRESH_MAX: Duration = Duration::from_millis(500);

/// How long a confirmed token stays good while the database cannot be asked: an outage that is noticed and mended,
/// not one that lasts.
pub const UNCONFIRMED_MAX: Duration = Duration::from_secs(15 * 60);

/// Tokens held in memory, some 300 bytes each. When there are more, all are forgotten and read again as they come.
const CACHED_MAX: usize = 65_536;

/// Tokens that are read at the start: one page.
const LOADED_MAX: u32 = 1000;

/// Tokens looked up at once: a flood of wrong ones must not take the database from everybody else.
const LOOKUPS_MAX: usize = 16;

/// How often the last use of a token is written down: people ask whether it is used, not how often.
const TOUCH_EVERY_US: i64 = 60 * 1_000_000;

/// Who a request comes from, once its token was verified.
#[derive(Debug)]
pub struct Bearer {
    /// The id of the token.
    pub id: String,
    /// Its scopes.
    pub scopes: Scopes,
    /// The only reporter that it speaks for.
    pub reporter: Option<String>,
    /// When it ends by itself.
    pub expires: Option<Micros>,
    actor: String,
    hash: [u8; 32],
    touched_us: AtomicI64,
}

impl Bearer {
    /// Whether it may do what needs this.
    pub fn may(&self, need: Need) -> bool {
        self.scopes.meet(need)
    }

    /// Whether it may report for a reporter: an admin for any, a reporter for itself alone.
    pub fn may_report_for(&self, reporter: &str) -> bool {
        self.scopes.contains(Scope::Admin)
            || self.scopes.contains(Scope::Report) && self.reporter.as_deref() == Some(reporter)
    }

    /// How it is named in changes and in the audit log.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// Whether it is the token of this hash, and its time has not run out.
    fn is_good(&self, hash: &[u8; 32], now: Micros) -> bool {
        bool::from(self.hash.ct_eq(hash)) && self.expires.is_none_or(|expires| now < expires)
    }

    fn of(row: TokenRow) -> Self {
        Self {
            actor: format!("token:{}", row.id),
            scopes: row.scopes.iter().filter_map(|code| Scope::from_code(code)).collect(),
            id: row.id,
            reporter: row.reporter,
            expires: row.expires,
            hash: row.hash,
            touched_us: AtomicI64::new(row.last_used.map_or(i64::MIN, |at| at.0)),
        }
    }
}

/// Why a token is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("the token is not known, was revoked or has expired")]
    Unknown,
    #[error("the token could not be checked")]
    Unchecked(#[source] Option<StoreError>),
}

#[derive(Debug, Clone)]
struct Reading {
    bearer: Option<Arc<Bearer>>,
    at: Instant,
}

/// The verified tokens of a process.
pub struct Tokens {
    store: Store,
    readings: papaya::HashMap<[u8; 32], Reading>,
    lookups: Semaphore,
    /// Grows with every change of a token made here, so that a reading begun before it is not kept.
    changes: AtomicU64,
}

impl Tokens {
    /// Starts with the first tokens in memory, so that a database that is lost right after the start costs nobody.
    ///
    /// # Errors
    /// [`StoreError`] when the tokens cannot be read.
    pub async fn load(store: Store, now: Micros) -> Result<Self, StoreError> {
        let rows = store.list_tokens(None, LOADED_MAX).await?;
        let (readings, at) = (papaya::HashMap::new(), clock::monotonic());
        let is_good = |row: &TokenRow| row.revoked.is_none() && row.expires.is_none_or(|expires| now < expires);
        for row in rows.into_iter().filter(is_good) {
            readings.pin().insert(row.hash, Reading { bearer: Some(Arc::new(Bearer::of(row))), at });
        }
        Ok(Self { store, readings, lookups: Semaphore::new(LOOKUPS_MAX), changes: AtomicU64::new(0) })
    }

    /// What is known of a token without asking anybody: whether it meets a need. `None` when it must be verified.
    ///
    /// For the hot path: nothing is copied and nothing is counted, and of a refusal [`Tokens::verify`] tells the rest.
    pub fn recall(&self, presented: &str, need: Need, now: Micros, at: Instant) -> Option<bool> {
        if presented.len() > PRESENTED_LENGTH_MAX {
            return None;
        }
        let hash = hash(presented);
        let readings = self.readings.pin();
        let reading = readings.get(&hash).filter(|it| at.saturating_duration_since(it.at) < FRESH_MAX)?;
        let bearer = reading.bearer.as_ref().filter(|bearer| bearer.is_good(&hash, now))?;
        Some(bearer.may(need))
    }

    /// Verifies a token that was presented.
    ///
    /// # Errors
    /// [`Refused`] when it is not one of ours, or nobody can say.
    pub async fn verify(&self, presented: &str, now: Micros) -> Result<Arc<Bearer>, Refused> {
        if presented.len() > PRESENTED_LENGTH_MAX {
            return Err(Refused::Unknown);
        }
        let hash = hash(presented);
        let known = self.readings.pin().get(&hash).cloned();
        let bearer = match known {
            Some(reading) if clock::monotonic().duration_since(reading.at) < FRESH_MAX => reading.bearer,
            known => self.read(hash, known, now).await?,
        };
        let bearer = bearer.ok_or(Refused::Unknown)?;
        if bearer.is_good(&hash, now) { Ok(bearer) } else { Err(Refused::Unknown) }
    }

    /// Forgets what is known of tokens, after one was made or revoked here.
    pub fn forget(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.readings.pin().clear();
    }

    async fn read(&self, hash: [u8; 32], known: Option<Reading>, now: Micros) -> Result<Option<Arc<Bearer>>, Refused> {
        let Ok(_turn) = self.lookups.acquire().await else { return Err(Refused::Unchecked(None)) };
        // Whoever waited for a turn may find that another request has read it meanwhile.
        let newest = self.readings.pin().get(&hash).cloned();
        if let Some(reading) = newest.filter(|it| clock::monotonic().duration_since(it.at) < FRESH_MAX) {
            return Ok(reading.bearer);
        }
        let (changes, at) = (self.changes.load(Ordering::SeqCst), clock::monotonic());
        let row = match self.store.find_token(&hash).await {
            Ok(row) => row.filter(|row| row.revoked.is_none()),
            Err(error) => return unconfirmed(known, error),
        };
        let bearer = row.map(|row| match known.and_then(|it| it.bearer) {
            Some(before) if is_unchanged(&before, &row) => before,
            _ => Arc::new(Bearer::of(row)),
        });
        if let Some(bearer) = &bearer {
            self.touch(bearer, now);
        }
        self.keep(hash, Reading { bearer: bearer.clone(), at }, changes);
        Ok(bearer)
    }

    fn keep(&self, hash: [u8; 32], reading: Reading, changes: u64) {
        let readings = self.readings.pin();
        if readings.len() >= CACHED_MAX {
            readings.clear();
        }
        if self.changes.load(Ordering::SeqCst) == changes {
            readings.insert(hash, reading);
        }
    }

    /// Writes down that a token is used, once in a while and without anybody waiting for it.
    fn touch(&self, bearer: &Arc<Bearer>, now: Micros) {
        let before = bearer.touched_us.load(Ordering::Relaxed);
        if now.0.saturating_sub(before) < TOUCH_EVERY_US {
            return;
        }
        bearer.touched_us.store(now.0, Ordering::Relaxed);
        let (store, bearer) = (self.store.clone(), Arc::clone(bearer));
        tokio::spawn(async move {
            if let Err(error) = store.touch_token(&bearer.id, now).await {
                tracing::debug!(token = %bearer.id, %error, "the use of a token was not written down");
            }
        });
    }
}

fn is_unchanged(bearer: &Bearer, row: &TokenRow) -> bool {
    bearer.id == row.id && bearer.scopes.codes() == row.scopes && bearer.expires == row.expires
}

/// What holds while the database cannot be asked.
fn unconfirmed(known: Option<Reading>, error: StoreError) -> Result<Option<Arc<Bearer>>, Refused> {
    match known {
        Some(Reading { bearer: Some(bearer), at })
            if clock::monotonic().duration_since(at) < UNCONFIRMED_MAX && error.is_unavailable() =>
        {
            Ok(Some(bearer))
        }
        _ => Err(Refused::Unchecked(Some(error))),
    }
}
