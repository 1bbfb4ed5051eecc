//! Answers that were given to requests with a key, so that a repeated request gets the same answer and does nothing.
//!
//! The answer is written in the transaction of the work itself: there is no moment at which one stands without the
//! other.

use domain::time::Micros;

use crate::change::Change;
use crate::engine::{Store, blob, hash, integer, number, text};
use crate::error::{Result, during};

/// An answer, with what it was given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentAnswer {
    /// Whose key it is.
    pub token: String,
    pub key: String,
    /// SHA-256 of the request: another request with the same key is a mistake of the client.
    pub request_hash: [u8; 32],
    /// The HTTP status.
    pub status: u16,
    pub body: Vec<u8>,
    pub at: Micros,
}

/// A thousand answers in one clean-up.
pub const ANSWERS_FORGOTTEN_MAX: u32 = 1_000;

const REMEMBER: &str = "INSERT INTO idempotent_answer (token_id, idempotency_key, request_hash, status, body, at_us)
VALUES ($1, $2, $3, $4, $5, $6)";

const FIND: &str = "SELECT token_id, idempotency_key, request_hash, status, body, at_us
FROM idempotent_answer
WHERE token_id = $1 AND idempotency_key = $2";

const FORGET: &str = "DELETE FROM idempotent_answer
WHERE (token_id, idempotency_key) IN (
  SELECT token_id, idempotency_key
  FROM idempotent_answer
  WHERE at_us < $1
  ORDER BY at_us
  LIMIT $2)";

impl Change {
    /// Writes the answer with the work of this change, be it that the work turned out to change nothing.
    ///
    /// # Errors
    /// [`crate::StoreError::Constraint`] when the key was used meanwhile: roll back and look at its answer.
    pub async fn remember(&mut self, answer: &IdempotentAnswer) -> Result<()> {
        let remember = sqlx::query(REMEMBER).bind(answer.token.as_str()).bind(answer.key.as_str());
        let remember = remember.bind(answer.request_hash.to_vec()).bind(i64::from(answer.status));
        let remember = remember.bind(answer.body.clone()).bind(answer.at.0);
        remember.execute(self.parts().1).await.map_err(during("remembering an answer"))?;
        self.write_aside();
        Ok(())
    }
}

impl Store {
    /// The answer that was given to a key of a token.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn find_answer(&self, token: &str, key: &str) -> Result<Option<IdempotentAnswer>> {
        let rows = sqlx::query(FIND).bind(token).bind(key).fetch_all(&mut *self.reader().await?).await;
        let rows = rows.map_err(during("finding an answer"))?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(IdempotentAnswer {
            token: text(row, 0)?.to_owned(),
            key: text(row, 1)?.to_owned(),
            request_hash: hash(row, 2)?,
            status: number(row, 3)?,
            body: blob(row, 4)?.to_owned(),
            at: Micros(integer(row, 5)?),
        }))
    }

    /// Forgets answers that were given before a time, oldest first, at most [`ANSWERS_FORGOTTEN_MAX`].
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn forget_answers(&self, before: Micros, limit: u32) -> Result<u64> {
        let limit = i64::from(limit.min(ANSWERS_FORGOTTEN_MAX));
        let forget = sqlx::query(FORGET).bind(before.0).bind(limit).execute(&mut *self.writer().await?).await;
        forget.map(|done| done.rows_affected()).map_err(during("forgetting answers"))
    }
}
