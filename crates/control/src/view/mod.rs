//! The in-memory view: the topology as one immutable value and a million instances in a lock-free map.
//!
//! One follower writes it, in commit order; readers take no lock. A change that touches both is applied topology
//! first, so that no reader meets an instance whose product it does not know. Nothing in here decides (I7).

mod entry;
mod follow;
mod symbols;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use domain::ids::{InstanceId, ProductId, Revision};
use domain::orchestration::{Frame, Parts, Subject, Topology};
use domain::time::Micros;
use papaya::HashMap;
use store::InstanceRow;
use tokio::sync::watch;
use wire::resolution::NodeFragments;

use entry::Entry;
pub use entry::Found;
pub use follow::{FollowError, Follower};
use symbols::Symbols;

/// The topology with what is rendered from it once.
pub struct TopologyView {
    pub topology: Topology,
    /// The delivered JSON of each node in each of its groups.
    pub fragments: NodeFragments,
    /// The version of the topology row it was read at; the allocator's commit demands it.
    pub version: i64,
    /// Made when first asked for.
    frame: OnceLock<Frame>,
}

impl TopologyView {
    fn new(topology: Topology, version: i64) -> Self {
        let fragments = NodeFragments::build(&topology);
        Self { topology, fragments, version, frame: OnceLock::new() }
    }

    /// What decisions on this topology rest on, while no plan takes anything away.
    pub fn frame(&self) -> &Frame {
        self.frame.get_or_init(|| Frame::build(&self.topology, &BTreeSet::new()))
    }
}

/// The in-memory view.
pub struct View {
    topology: ArcSwap<TopologyView>,
    instances: HashMap<InstanceId, Entry>,
    symbols: Symbols,
    head: watch::Sender<Revision>,
}

impl View {
    /// An empty view at revision 0.
    pub fn empty() -> Self {
        Self {
            topology: ArcSwap::from_pointee(TopologyView::new(Topology::default(), 0)),
            instances: HashMap::new(),
            symbols: Symbols::default(),
            head: watch::Sender::new(Revision::default()),
        }
    }

    /// The topology as it is now; a reader keeps one value for the whole of its answer.
    pub fn topology(&self) -> Arc<TopologyView> {
        self.topology.load_full()
    }

    /// The same for an answer that is made without waiting: nothing is counted, so that readers on many cores do not
    /// pass one counter about.
    pub fn glance(&self) -> arc_swap::Guard<Arc<TopologyView>> {
        self.topology.load()
    }

    /// The head up to which changes are applied.
    pub fn revision(&self) -> Revision {
        *self.head.borrow()
    }

    /// Tells of every new head.
    pub fn heads(&self) -> watch::Receiver<Revision> {
        self.head.subscribe()
    }

    /// How many instances there are, terminated ones included.
    pub fn len(&self) -> usize {
        self.instances.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One instance, as it is now.
    pub fn find(&self, id: &str) -> Option<Found> {
        let instances = self.instances.pin();
        instances.get_key_value(id).map(|(id, entry)| entry.found(id, &self.symbols))
    }

    /// Whether there is such an instance, terminated ones included.
    pub fn knows(&self, id: &str) -> bool {
        self.instances.pin().contains_key(id)
    }

    /// The product of an instance and when it was created; for periods.
    pub fn terms(&self, id: &str) -> Option<(ProductId, Micros)> {
        self.instances.pin().get(id).map(|entry| entry.terms(&self.symbols))
    }

    /// Visits every instance, in no order. Instances that arrive meanwhile may be missed.
    pub fn for_each(&self, mut visit: impl FnMut(&Subject<'_>)) {
        for (id, entry) in &self.instances.pin() {
            visit(&entry.found(id, &self.symbols).subject());
        }
    }

    /// Every instance, by id, as owned values; for planners, which need a stable order.
    pub fn collect(&self) -> Vec<Found> {
        let mut all: Vec<Found> =
            self.instances.pin().iter().map(|(id, entry)| entry.found(id, &self.symbols)).collect();
        all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// Waits until changes up to `revision` are applied; false when `patience` ends first.
    pub async fn wait_for_revision(&self, revision: Revision, patience: Duration) -> bool {
        let mut heads = self.heads();
        let reached = heads.wait_for(|head| *head >= revision);
        tokio::time::timeout(patience, reached).await.is_ok_and(|it| it.is_ok())
    }

    /// Waits until an instance satisfies `is_so`; false when `patience` ends first.
    pub async fn wait_until(&self, id: &str, patience: Duration, is_so: impl Fn(&Subject<'_>) -> bool) -> bool {
        let mut heads = self.heads();
        let reached = heads.wait_for(|_| self.find(id).is_some_and(|found| is_so(&found.subject())));
        tokio::time::timeout(patience, reached).await.is_ok_and(|it| it.is_ok())
    }

    /// Replaces the topology.
    fn set_topology(&self, parts: Parts, version: i64) -> Result<(), domain::orchestration::TopologyError> {
        self.topology.store(Arc::new(TopologyView::new(Topology::build(parts)?, version)));
        Ok(())
    }

    /// Applies rows, unless what is held is newer already.
    fn set_instances(&self, rows: &[InstanceRow]) {
        let entries: Vec<Entry> = self.symbols.pack(|numbers| rows.iter().map(|row| Entry::of(row, numbers)).collect());
        let instances = self.instances.pin();
        for (row, entry) in rows.iter().zip(entries) {
            let is_newer = instances.get(&row.id).is_some_and(|held| held.is_newer_than(row));
            if !is_newer {
                instances.insert(row.id.clone(), entry);
            }
        }
    }

    /// Puts rows in, whatever is held: the history may be another one.
    fn put_instances(&self, rows: &[InstanceRow]) {
        let entries: Vec<Entry> = self.symbols.pack(|numbers| rows.iter().map(|row| Entry::of(row, numbers)).collect());
        let instances = self.instances.pin();
        for (row, entry) in rows.iter().zip(entries) {
            instances.insert(row.id.clone(), entry);
        }
    }

    /// Drops whoever is not among `known`, which is sorted.
    fn keep_only(&self, known: &[InstanceId]) {
        self.instances.pin().retain(|id, _| known.binary_search(id).is_ok());
    }

    fn set_head(&self, revision: Revision) {
        self.head.send_replace(revision);
    }
}
