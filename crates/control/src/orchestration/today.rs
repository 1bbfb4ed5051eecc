//! The counters of today, as a decision would begin with them: for explanations, in every process.
//!
//! Kept for the revision of the view at which they were read. Counters change with revisions only, so an equal view
//! has equal counters, and a thousand explanations between two changes read them once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use domain::ids::{AccessTemplateId, GroupId, Revision};
use domain::orchestration::{Frame, State};
use store::{Store, StoreError};

use super::PlanRecord;
use crate::view::{TopologyView, View};

/// What a decision would begin with.
pub struct Today {
    pub topology: Arc<TopologyView>,
    pub frame: Frame,
    pub state: State,
}

/// The counters of today.
#[derive(Default)]
pub struct TodaysCounters {
    kept: Mutex<Option<(Revision, Arc<Today>)>>,
}

impl TodaysCounters {
    /// What a decision would begin with, at the revision of the view or a later one.
    ///
    /// # Errors
    /// [`StoreError`] when the database is gone, or a plan in it cannot be read.
    pub async fn read(&self, store: &Store, view: &View) -> Result<Arc<Today>, StoreError> {
        let revision = view.revision();
        if let Some((at, today)) = &*self.kept.lock().unwrap_or_else(PoisonError::into_inner)
            && *at == revision
        {
            return Ok(Arc::clone(today));
        }
        let (books, leaving) = tokio::try_join!(store.load_books(), leaving(store))?;
        let topology = view.topology();
        let frame = Frame::build(&topology.topology, &leaving);
        let state = State::from_rows(&frame, &books.loads, &books.ramps);
        let today = Arc::new(Today { topology, frame, state });
        // A view that moved meanwhile may have given a topology of another revision.
        if view.revision() == revision {
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((revision, Arc::clone(&today)));
        }
        Ok(today)
    }
}

/// What the plans that run are emptying: groups, each in the boundary of a template.
async fn leaving(store: &Store) -> Result<BTreeSet<(AccessTemplateId, GroupId)>, StoreError> {
    let mut leaving = BTreeSet::new();
    for running in store.running_plans().await? {
        leaving.extend(PlanRecord::read(running)?.draft.steps.leaving);
    }
    Ok(leaving)
}
