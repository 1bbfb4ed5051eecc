//! Leadership: the lease of the allocator, taken and renewed here, proven in every commit.
//!
//! The lease is an optimisation and a fence, not a lock: two holders harm nobody, since a stale term commits nothing
//! (I25). Times of the lease are the database's.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use store::{LeaseProof, Store, StoreError};

use super::WorkSet;
use crate::clock;

/// The one lease that allocation needs.
pub const ALLOCATOR_LEASE: &str = "allocator";

/// A lease that this process holds.
#[derive(Debug)]
struct Holding {
    proof: LeaseProof,
    /// When it was last renewed, on our monotonic clock, read before the renewal was sent.
    renewed: std::time::Instant,
}

/// Whether this process leads.
pub struct Leadership {
    store: Store,
    work: Arc<WorkSet>,
    holder: String,
    ttl: Duration,
    holding: ArcSwapOption<Holding>,
}

impl Leadership {
    /// Nobody leads yet.
    pub fn new(store: Store, work: Arc<WorkSet>, holder: String, ttl: Duration) -> Self {
        Self { store, work, holder, ttl, holding: ArcSwapOption::empty() }
    }

    /// The name under which this process leads.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// Whether this process leads, as far as it can know.
    pub fn is_leading(&self) -> bool {
        self.proof().is_some()
    }

    /// The proof to commit with, while the lease can still be running.
    pub fn proof(&self) -> Option<LeaseProof> {
        let holding = self.holding.load();
        holding.as_ref().filter(|it| it.renewed.elapsed() < self.ttl).map(|it| it.proof.clone())
    }

    /// The term that this process leads in.
    pub fn term(&self) -> Option<i64> {
        self.proof().map(|proof| proof.term)
    }

    /// Ends the lease of an earlier life of this replica, so that a server that was killed leads again at once.
    ///
    /// Only for a process that holds the lock of the replica's data directory: it knows that the earlier one is dead.
    /// Were it wrong, the term would still fence the other out (I25).
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be asked.
    pub async fn bury_former_life(&self, replica: &str) -> Result<(), StoreError> {
        let Some(lease) = self.store.lease(ALLOCATOR_LEASE).await? else { return Ok(()) };
        let is_of_replica = lease.holder.strip_prefix(replica).is_some_and(|rest| rest.starts_with('/'));
        if is_of_replica && lease.holder != self.holder {
            self.store.release_lease(&lease.proof()).await?;
        }
        Ok(())
    }

    /// Renews the lease, or takes it if it is free. To be called a few times within its time to live.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be asked; the holding then runs out by itself.
    pub async fn keep(&self) -> Result<(), StoreError> {
        let asked = clock::monotonic();
        let ttl_us = i64::try_from(self.ttl.as_micros()).unwrap_or(i64::MAX);
        let held = self.holding.load_full();
        if let Some(holding) = held {
            match self.store.renew_lease(&holding.proof, ttl_us).await {
                Ok(_) => {
                    self.hold(holding.proof.clone(), asked);
                    return Ok(());
                }
                Err(StoreError::LeaseLost { .. }) => self.step_down(),
                Err(error) => {
                    self.work.set_leading(self.is_leading());
                    return Err(error);
                }
            }
        }
        if let Some(lease) = self.store.acquire_lease(ALLOCATOR_LEASE, &self.holder, ttl_us).await? {
            tracing::info!(term = lease.term, holder = %self.holder, "this process leads");
            self.hold(LeaseProof { name: lease.name, holder: lease.holder, term: lease.term }, asked);
        }
        Ok(())
    }

    fn hold(&self, proof: LeaseProof, renewed: std::time::Instant) {
        self.holding.store(Some(Arc::new(Holding { proof, renewed })));
        self.work.set_leading(true);
    }

    /// Leads no more: the lease was taken by somebody else.
    pub fn step_down(&self) {
        if self.holding.swap(None).is_some() {
            tracing::warn!(holder = %self.holder, "this process does not lead any more");
        }
        self.work.set_leading(false);
    }

    /// Gives the lease back, so that another process need not wait for its end; also after a lost reply, so that the
    /// next term begins after whatever was still under way.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be asked; the lease then runs out by itself.
    pub async fn resign(&self) -> Result<(), StoreError> {
        let held = self.holding.swap(None);
        self.work.set_leading(false);
        match held {
            Some(holding) => self.store.release_lease(&holding.proof).await,
            None => Ok(()),
        }
    }
}
