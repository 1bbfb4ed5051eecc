//! What every write of master data stands on: the store, the view to judge by, and who is told when it is done.
//!
//! Also the conditions of a write (`If-Match`, `If-None-Match`) and the retry while other writers are in the way.

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use domain::master_data::Kind;
use domain::orchestration::{Stamped, Topology};
use store::{Change, Store, StoreError};

use super::refusal::Refusal;
use crate::tasks::Wake;
use crate::view::{TopologyView, View};

/// What a write stands on.
#[derive(Clone)]
pub struct Ground {
    pub store: Store,
    pub view: Arc<View>,
    pub wake: Wake,
}

/// On which condition an object is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Condition {
    /// None.
    #[default]
    Any,
    /// It exists.
    Exists,
    /// It stands under one of these change ids.
    Unchanged(Vec<i64>),
    /// There is none yet.
    Absent,
}

impl Condition {
    /// Whether the object, as it is in the transaction, is the one that was meant.
    ///
    /// # Errors
    /// [`Refusal::Stale`], [`Refusal::NoObject`] or [`Refusal::Exists`].
    pub fn check<T>(&self, kind: Kind, id: &str, found: Option<&Stamped<T>>) -> Result<(), Refusal> {
        let id = || id.to_owned();
        match (self, found) {
            (Self::Any, _) | (Self::Exists, Some(_)) | (Self::Absent, None) => Ok(()),
            (Self::Unchanged(changes), Some(found)) if changes.contains(&found.change) => Ok(()),
            (Self::Unchanged(_), Some(found)) => Err(Refusal::Stale { kind, id: id(), etag: etag(found.change) }),
            (Self::Exists | Self::Unchanged(_), None) => Err(Refusal::NoObject { kind, id: id() }),
            (Self::Absent, Some(_)) => Err(Refusal::Exists { kind, id: id() }),
        }
    }
}

/// The ETag of an object.
pub fn etag(change: i64) -> String {
    format!("\"{change}\"")
}

/// A topology as a transaction sees it: the view's, where that is the same.
pub(super) enum Seen {
    View(Arc<TopologyView>),
    Read(Box<Topology>),
}

impl Deref for Seen {
    type Target = Topology;

    fn deref(&self) -> &Topology {
        match self {
            Self::View(view) => &view.topology,
            Self::Read(topology) => topology,
        }
    }
}

impl Ground {
    /// The topology as this change, which has locked it, sees it.
    pub(super) async fn topology(&self, change: &mut Change) -> Result<Seen, Refusal> {
        let view = self.view.topology();
        if view.version == change.topology_version() {
            return Ok(Seen::View(view));
        }
        let parts = change.load_parts().await?;
        Ok(Seen::Read(Box::new(Topology::build(parts)?)))
    }
}

/// Does the work again while other transactions are in its way; a refusal is an answer and ends it.
pub(super) async fn retrying<T, F, Fut>(mut attempt: F) -> Result<T, Refusal>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Refusal>>,
{
    let outcome = store::retry(|| {
        let attempt = attempt();
        async move {
            match attempt.await {
                Err(Refusal::Store(error)) => Err(error),
                other => Ok::<_, StoreError>(other),
            }
        }
    });
    outcome.await?
}
