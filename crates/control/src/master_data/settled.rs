//! Whether an instance has its ownership, or a reason why it has none; and the instances of which that is awaited.
//!
//! Settled is what the allocator would not touch soon: a repair that health alone calls for keeps its pace and is not
//! waited for. Judged by the view alone, so that any process can wait, whoever leads.

use std::collections::VecDeque;

use domain::ids::{InstanceId, Revision};
use domain::orchestration::plan::find_request;
use domain::orchestration::{Ask, Frame, Holder, Subject, Validity, find_refusal, validate, wanted};
use domain::reason::Reason;

use crate::view::{TopologyView, View};

/// Instances that are awaited by name: some 100 MB. Of a longer import the rest is counted at its end.
const AWAITED_MAX: usize = 2_000_000;

/// Whether an instance has its ownership or a reason.
pub fn is_settled(view: &TopologyView, subject: &Subject<'_>) -> bool {
    let topology = &view.topology;
    match wanted(topology, subject) {
        None | Some(Ask::Recount) => true,
        Some(Ask::Repair) => validate(topology, subject)
            .is_some_and(|verdict| matches!(verdict.validity, Validity::Broken { is_health: true, .. })),
        Some(Ask::Allocate) => match subject.ownership.map(|ownership| &ownership.holder) {
            // A refusal stands for as long as it would be given again; else the allocator is about to decide anew. One
            // of a life before this one, when the instance was terminated or its mode owned nobody, never does.
            Some(Holder::Nobody { why }) => refusal(view.frame(), subject) == Some(*why),
            _ => false,
        },
        Some(_) => false,
    }
}

/// Why nobody could own it, if it were asked now.
fn refusal(frame: &Frame, subject: &Subject<'_>) -> Option<Reason> {
    find_refusal(frame, &find_request(frame, subject, Ask::Allocate)?)
}

/// Counts all instances that are not settled, in one pass over the view.
pub fn count_unsettled(view: &View) -> u64 {
    let topology = view.topology();
    let mut count = 0;
    view.for_each(|subject| count += u64::from(!is_settled(&topology, subject)));
    count
}

/// Instances that are awaited, oldest first.
#[derive(Debug, Default)]
pub struct Unsettled {
    chunks: VecDeque<(Revision, Vec<InstanceId>)>,
    waiting: usize,
    /// Whether some were too many to be awaited by name.
    is_cut: bool,
}

impl Unsettled {
    /// Awaits the instances of a chunk that was committed.
    pub fn push(&mut self, revision: Revision, instances: Vec<InstanceId>) {
        if self.waiting + instances.len() > AWAITED_MAX {
            self.is_cut = true;
            return;
        }
        self.waiting += instances.len();
        self.chunks.push_back((revision, instances));
    }

    /// Lets go of those that are settled by now, up to the first that is not; says how many. A `thorough` look does
    /// not stop there, since whoever settles need not do it in our order; it costs a look at each.
    pub fn settle(&mut self, view: &View, thorough: bool) -> usize {
        let (topology, reached, before) = (view.topology(), view.revision(), self.waiting);
        let is_open =
            |id: &InstanceId| view.find(id.as_str()).is_none_or(|found| !is_settled(&topology, &found.subject()));
        for (revision, instances) in &mut self.chunks {
            if *revision > reached {
                break;
            }
            let waiting = instances.len();
            if thorough {
                instances.retain(is_open);
            } else {
                let settled = instances.iter().rev().take_while(|id| !is_open(id)).count();
                instances.truncate(waiting - settled);
            }
            self.waiting -= waiting - instances.len();
            if !instances.is_empty() && !thorough {
                break;
            }
        }
        self.chunks.retain(|(_, instances)| !instances.is_empty());
        before - self.waiting
    }

    /// Whether nothing is awaited by name.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// How many are not settled. When there were too many to name, those of all others are counted with them.
    pub fn count(&mut self, view: &View) -> u64 {
        if self.is_cut {
            return count_unsettled(view);
        }
        self.settle(view, true);
        self.waiting as u64
    }
}
