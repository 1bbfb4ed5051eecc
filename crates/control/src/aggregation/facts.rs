//! Facts on their way into the store: gathered, then written by the hundred in one change.
//!
//! A report that changes a fact is answered when the fact is committed, so an acknowledged `down` is never forgotten.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::ids::{NodeId, Revision};
use domain::orchestration::NodeFacts;
use domain::time::Micros;
use store::{FactWrite, Intent, Store};
use tokio::sync::{Notify, oneshot};

use crate::clock;
use crate::tasks::{Status, Task, TaskError, Wake};
use crate::view::View;

/// Facts written in one change; a thousand nodes that change at once are ten changes.
const FACTS_PER_CHANGE: usize = 1_000;

/// Facts that may wait; every node of a large fleet at once.
const FACTS_WAITING_MAX: usize = 100_000;

/// The view shows a committed fact within so long; one that it does not show by then was lost in a failover.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

/// The actor of what nodes say of themselves.
const ACTOR: &str = "reports";

/// Facts that wait to be written, and those written that the view does not show yet.
#[derive(Default)]
struct Waiting {
    queue: BTreeMap<NodeId, (NodeFacts, Vec<oneshot::Sender<bool>>)>,
    written: BTreeMap<NodeId, (NodeFacts, Revision, Instant)>,
}

/// Facts on their way into the store.
#[derive(Default)]
pub struct FactQueue {
    waiting: Mutex<Waiting>,
    activator: Notify,
}

impl FactQueue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The facts of a node as they will stand when everything on its way is written.
    pub fn latest(&self, view: &View, node: &NodeId, shown: NodeFacts) -> NodeFacts {
        let mut waiting = self.lock();
        if let Some((facts, _)) = waiting.queue.get(node) {
            return *facts;
        }
        match waiting.written.get(node).copied() {
            Some((facts, revision, at)) if revision > view.revision() && at.elapsed() < SHOWN_WITHIN => facts,
            Some(_) => {
                waiting.written.remove(node);
                shown
            }
            None => shown,
        }
    }

    /// Queues facts; the receiver hears whether they were committed. `None` when too many wait.
    pub fn put(&self, node: NodeId, facts: NodeFacts) -> Option<oneshot::Receiver<bool>> {
        let mut waiting = self.lock();
        if waiting.queue.len() >= FACTS_WAITING_MAX && !waiting.queue.contains_key(&node) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        let entry = waiting.queue.entry(node).or_insert_with(|| (facts, Vec::new()));
        entry.0 = facts;
        entry.1.push(sender);
        self.activator.notify_one();
        Some(receiver)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.lock().queue.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Writes the queued facts.
pub struct WriteFacts {
    pub store: Store,
    pub queue: Arc<FactQueue>,
    pub wake: Wake,
}

impl Task for WriteFacts {
    fn name(&self) -> &'static str {
        "facts"
    }

    async fn activated(&self) {
        self.queue.activator.notified().await;
    }

    async fn run_once(&mut self, now: Micros) -> Result<Status, TaskError> {
        let batch: Vec<(NodeId, NodeFacts, Vec<oneshot::Sender<bool>>)> = {
            let mut waiting = self.queue.lock();
            let mut taken = Vec::new();
            while taken.len() < FACTS_PER_CHANGE {
                let Some((node, (facts, senders))) = waiting.queue.pop_first() else { break };
                taken.push((node, facts, senders));
            }
            taken
        };
        if batch.is_empty() {
            return Ok(Status::idle());
        }
        let writes: Vec<FactWrite> =
            batch.iter().map(|(node, facts, _)| FactWrite { node: node.clone(), facts: *facts, home: None }).collect();
        // On an error the senders are dropped, and whoever waits hears that nothing was committed.
        let mut change = self.store.begin(Intent::Facts, ACTOR, now).await?;
        change.put_facts(&writes).await?;
        let revision = change.commit().await?;
        self.wake.follow();
        let done = batch.len() as u64;
        let mut waiting = self.queue.lock();
        for (node, facts, senders) in batch {
            waiting.written.insert(node, (facts, revision, clock::monotonic()));
            for sender in senders {
                // The reporter may have gone away; its fact is written all the same.
                let _ = sender.send(true);
            }
        }
        let backlog = waiting.queue.len() as u64;
        Ok(Status { done, backlog, is_more: backlog > 0, ..Status::idle() })
    }
}
