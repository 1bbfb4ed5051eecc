//! The rows of tokens.
//!
//! The secret is nowhere: a token is found by the SHA-256 of what the client shows. Making and revoking one is a
//! change with its audit leaf; noting that one was used is neither, since nothing is decided by it.

use domain::time::Micros;
use sqlx::any::AnyRow;

use crate::audit::AuditLeaf;
use crate::change::{Change, Intent, Touched};
use crate::engine::{Store, hash, integer, maybe_integer, maybe_text, text};
use crate::error::{Result, StoreError, during};
use crate::master_data::PAGE_MAX;

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    pub id: String,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    pub scopes: Vec<String>,
    /// The one reporter that it may speak for.
    pub reporter: Option<String>,
    pub created: Micros,
    pub expires: Option<Micros>,
    pub last_used: Option<Micros>,
    pub revoked: Option<Micros>,
}

const PUT: &str =
    "INSERT INTO token (token_id, hash, scopes, reporter, created_us, expires_us, last_used_us, revoked_us,
  change_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (token_id) DO UPDATE
SET hash = excluded.hash, scopes = excluded.scopes, reporter = excluded.reporter, created_us = excluded.created_us,
  expires_us = excluded.expires_us, last_used_us = excluded.last_used_us, revoked_us = excluded.revoked_us,
  change_id = excluded.change_id";

const ADD: &str =
    "INSERT INTO token (token_id, hash, scopes, reporter, created_us, expires_us, last_used_us, revoked_us,
  change_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const REVOKE: &str = "UPDATE token
SET revoked_us = $1, change_id = $2
WHERE token_id = $3 AND revoked_us IS NULL";

const TOUCH: &str = "UPDATE token
SET last_used_us = $1
WHERE token_id = $2 AND (last_used_us IS NULL OR last_used_us < $1)";

const BY_HASH: &str = "SELECT token_id, hash, scopes, reporter, created_us, expires_us, last_used_us, revoked_us
FROM token
WHERE hash = $1";

const PAGE: &str = "SELECT token_id, hash, scopes, reporter, created_us, expires_us, last_used_us, revoked_us
FROM token
WHERE token_id > $1
ORDER BY token_id
LIMIT $2";

impl Change {
    /// Writes a token.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] when another token has this hash.
    pub async fn put_token(&mut self, token: &TokenRow) -> Result<()> {
        self.write_token(PUT, token).await
    }

    /// Writes a token of which there is none yet.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] when another token has this id or this hash.
    pub async fn add_token(&mut self, token: &TokenRow) -> Result<()> {
        self.write_token(ADD, token).await
    }

    async fn write_token(&mut self, sql: &'static str, token: &TokenRow) -> Result<()> {
        self.require(&[Intent::Access], "writing a token")?;
        let scopes = serde_json::Value::from(token.scopes.clone()).to_string();
        let put = sqlx::query(sql).bind(token.id.as_str()).bind(token.hash.to_vec()).bind(scopes);
        let put = put.bind(token.reporter.as_deref()).bind(token.created.0).bind(token.expires.map(|it| it.0));
        let put = put.bind(token.last_used.map(|it| it.0)).bind(token.revoked.map(|it| it.0)).bind(self.id());
        put.execute(self.parts().1).await.map_err(during("writing a token"))?;
        self.touch(Touched::ACCESS);
        let detail = format!("scopes={}", token.scopes.join(","));
        self.stage(AuditLeaf { verb: "put", kind: "Token".to_owned(), id: token.id.clone(), detail });
        Ok(())
    }

    /// Revokes a token and says whether there was one to revoke.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] for a change of another intent.
    pub async fn revoke_token(&mut self, id: &str) -> Result<bool> {
        self.require(&[Intent::Access], "revoking a token")?;
        let (now, change) = (self.now(), self.id());
        let revoke = sqlx::query(REVOKE).bind(now.0).bind(change).bind(id).execute(self.parts().1).await;
        let is_revoked = revoke.map_err(during("revoking a token"))?.rows_affected() > 0;
        if is_revoked {
            self.touch(Touched::ACCESS);
            let (kind, id) = ("Token".to_owned(), id.to_owned());
            self.stage(AuditLeaf { verb: "revoke", kind, id, detail: String::new() });
        }
        Ok(is_revoked)
    }
}

impl Store {
    /// The token with this hash, revoked and expired ones too.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn find_token(&self, hash: &[u8; 32]) -> Result<Option<TokenRow>> {
        let rows = sqlx::query(BY_HASH).bind(hash.to_vec()).fetch_all(&mut *self.reader().await?).await;
        rows.map_err(during("finding a token"))?.first().map(read).transpose()
    }

    /// Tokens after an id, by id; at most [`PAGE_MAX`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn list_tokens(&self, after: Option<&str>, limit: u32) -> Result<Vec<TokenRow>> {
        let query = sqlx::query(PAGE).bind(after.unwrap_or("")).bind(i64::from(limit.min(PAGE_MAX)));
        let rows = query.fetch_all(&mut *self.reader().await?).await.map_err(during("listing tokens"))?;
        rows.iter().map(read).collect()
    }

    /// Notes that a token was used. It makes no revision: nothing is decided by it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn touch_token(&self, id: &str, at: Micros) -> Result<()> {
        let touch = sqlx::query(TOUCH).bind(at.0).bind(id).execute(&mut *self.writer().await?).await;
        touch.map(|_| ()).map_err(during("noting the use of a token"))
    }
}

fn read(row: &AnyRow) -> Result<TokenRow> {
    let scopes = serde_json::from_str(text(row, 2)?);
    Ok(TokenRow {
        id: text(row, 0)?.to_owned(),
        hash: hash(row, 1)?,
        scopes: scopes.map_err(|error| StoreError::corrupt(format!("the scopes of a token: {error}")))?,
        reporter: maybe_text(row, 3)?.map(str::to_owned),
        created: Micros(integer(row, 4)?),
        expires: maybe_integer(row, 5)?.map(Micros),
        last_used: maybe_integer(row, 6)?.map(Micros),
        revoked: maybe_integer(row, 7)?.map(Micros),
    })
}
