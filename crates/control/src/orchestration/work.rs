//! Which instances are worth a look. A hint, never the truth: whoever is taken out is judged by its state.
//!
//! The follower adds what it has applied; a new topology, a new leader and a slow heartbeat ask for a look at
//! everything. A process that does not lead keeps nothing.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use domain::ids::InstanceId;
use tokio::sync::Notify;

/// Which instances are worth a look.
#[derive(Default)]
pub struct WorkSet {
    is_leading: AtomicBool,
    is_all: AtomicBool,
    is_plans: AtomicBool,
    is_reset: AtomicBool,
    ids: Mutex<BTreeSet<InstanceId>>,
    activator: Notify,
}

impl WorkSet {
    /// Everybody should be looked at.
    pub fn look_at_all(&self) {
        self.is_all.store(true, Ordering::Release);
        self.activator.notify_one();
    }

    /// These should be looked at.
    pub fn look_at(&self, ids: impl Iterator<Item = InstanceId>) {
        if self.is_leading.load(Ordering::Acquire) {
            self.ids.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
            self.activator.notify_one();
        }
    }

    /// Plans have changed.
    pub fn look_at_plans(&self) {
        self.is_plans.store(true, Ordering::Release);
        self.activator.notify_one();
    }

    /// The history is another one: what was read before means nothing any more.
    pub fn reset(&self) {
        self.is_reset.store(true, Ordering::Release);
        self.look_at_plans();
        self.look_at_all();
    }

    /// Whether the history is another one; asked once.
    pub(super) fn take_reset(&self) -> bool {
        self.is_reset.swap(false, Ordering::AcqRel)
    }

    /// From now on this process leads, or does not.
    pub fn set_leading(&self, is_leading: bool) {
        if self.is_leading.swap(is_leading, Ordering::AcqRel) == is_leading {
            return;
        }
        if is_leading {
            self.look_at_plans();
            self.look_at_all();
        } else {
            self.ids.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// Whether everybody should be looked at; asked once.
    pub(super) fn take_all(&self) -> bool {
        self.is_all.swap(false, Ordering::AcqRel)
    }

    /// Whether plans should be looked at; asked once.
    pub(super) fn take_plans(&self) -> bool {
        self.is_plans.swap(false, Ordering::AcqRel)
    }

    /// Takes up to `limit`, smallest ids first.
    pub(super) fn take(&self, limit: usize) -> Vec<InstanceId> {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        match ids.iter().nth(limit).cloned() {
            Some(first_left) => {
                let left = ids.split_off(&first_left);
                std::mem::replace(&mut *ids, left).into_iter().collect()
            }
            None => std::mem::take(&mut *ids).into_iter().collect(),
        }
    }

    /// How many wait to be looked at.
    pub fn len(&self) -> usize {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until there may be something to do.
    pub async fn activated(&self) {
        self.activator.notified().await;
    }
}
