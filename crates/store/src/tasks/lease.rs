//! Leases: who may lead, by the clock of the database.
//!
//! A lease is an optimisation (I25): what it guards is safe without it, since every commit that needs it locks its row
//! and looks at holder, term and time once more. Each new holding has a larger term.

use crate::change::Change;
use crate::dialect::STALL_MAX_MS;
use crate::engine::{Store, integer, text};
use crate::error::{Result, StoreError, during};
use domain::time::Micros;
use sqlx::any::AnyRow;

/// Twice the time after which a stalled transaction is thrown out: a stall of the leader ends before its lease does.
pub const LEASE_TTL_MIN_US: i64 = 2 * 1_000 * STALL_MAX_MS as i64;

/// A lease as it is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub name: String,
    /// Empty after a release.
    pub holder: String,
    pub term: i64,
    /// By the clock of the database.
    pub expires: Micros,
}

/// What a holder shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseProof {
    pub name: String,
    pub holder: String,
    pub term: i64,
}

impl Lease {
    /// What its holder shows.
    pub fn proof(&self) -> LeaseProof {
        LeaseProof { name: self.name.clone(), holder: self.holder.clone(), term: self.term }
    }
}

const ACQUIRE: &str = "INSERT INTO lease (name, holder, term, expires_us)
VALUES ($1, $2, 1, {clock} + $3)
ON CONFLICT (name) DO UPDATE
SET term = lease.term + CASE WHEN lease.holder = excluded.holder AND lease.expires_us > {clock} THEN 0 ELSE 1 END,
  holder = excluded.holder, expires_us = excluded.expires_us
WHERE lease.holder = excluded.holder OR lease.expires_us <= {clock}
RETURNING name, holder, term, expires_us";

const RENEW: &str = "UPDATE lease
SET expires_us = {clock} + $1
WHERE name = $2 AND holder = $3 AND term = $4 AND expires_us > {clock}
RETURNING name, holder, term, expires_us";

const RELEASE: &str = "UPDATE lease
SET holder = '', expires_us = 0
WHERE name = $1 AND holder = $2 AND term = $3";

const ONE: &str = "SELECT name, holder, term, expires_us FROM lease WHERE name = $1";

const HOLD: &str = "SELECT holder, term, expires_us - {clock} FROM lease WHERE name = $1";

impl Store {
    /// Takes a lease that is free or whose time has run out; none when another holds it. A holder that asks while its
    /// time runs keeps its term. `ttl_us` is at least [`LEASE_TTL_MIN_US`] where a stall must not cost the lease.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn acquire_lease(&self, name: &str, holder: &str, ttl_us: i64) -> Result<Option<Lease>> {
        let acquire = sqlx::query(self.engine().timed(ACQUIRE)).bind(name).bind(holder).bind(ttl_us);
        let rows = acquire.fetch_all(&mut *self.writer().await?).await.map_err(during("acquiring a lease"))?;
        rows.first().map(read).transpose()
    }

    /// Prolongs a lease that is still held.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when it is not.
    pub async fn renew_lease(&self, proof: &LeaseProof, ttl_us: i64) -> Result<Lease> {
        let renew = sqlx::query(self.engine().timed(RENEW)).bind(ttl_us).bind(proof.name.as_str());
        let renew = renew.bind(proof.holder.as_str()).bind(proof.term);
        let rows = renew.fetch_all(&mut *self.writer().await?).await.map_err(during("renewing a lease"))?;
        rows.first().map(read).transpose()?.ok_or_else(|| StoreError::LeaseLost { name: proof.name.clone() })
    }

    /// Gives a lease back, so that the next need not wait; nothing happens when it is another's by now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn release_lease(&self, proof: &LeaseProof) -> Result<()> {
        let release = sqlx::query(RELEASE).bind(proof.name.as_str()).bind(proof.holder.as_str()).bind(proof.term);
        let done = release.execute(&mut *self.writer().await?).await;
        done.map(|_| ()).map_err(during("releasing a lease"))
    }

    /// A lease as it stands, held or not.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn lease(&self, name: &str) -> Result<Option<Lease>> {
        let rows = sqlx::query(ONE).bind(name).fetch_all(&mut *self.reader().await?).await;
        rows.map_err(during("reading a lease"))?.first().map(read).transpose()
    }
}

/// Keeps the lease from changing hands until the change ends; refuses when it is not the prover's.
pub(crate) async fn hold_lease(change: &mut Change, proof: &LeaseProof) -> Result<()> {
    let (engine, connection) = change.parts();
    let hold = engine.share(&engine.timed(HOLD).0);
    let rows = sqlx::query(hold).bind(proof.name.as_str()).fetch_all(connection).await;
    let rows = rows.map_err(during("holding a lease"))?;
    let is_held = match rows.first() {
        Some(row) => text(row, 0)? == proof.holder && integer(row, 1)? == proof.term && integer(row, 2)? > 0,
        None => false,
    };
    if is_held { Ok(()) } else { Err(StoreError::LeaseLost { name: proof.name.clone() }) }
}

fn read(row: &AnyRow) -> Result<Lease> {
    Ok(Lease {
        name: text(row, 0)?.to_owned(),
        holder: text(row, 1)?.to_owned(),
        term: integer(row, 2)?,
        expires: Micros(integer(row, 3)?),
    })
}
