//! The home of each node: the one process that judges its silence, and when that process last heard of it.
//!
//! Measured on the monotonic clock. While this process was not listening (not running, stopped, starved) no silence
//! grows: the readings are moved on by the gap, so that an outage of the centre accuses nobody.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::ids::NodeId;
use store::Home;

/// A node that is at home here.
#[derive(Debug, Clone)]
struct Here {
    home: Home,
    heard: Instant,
}

/// The nodes whose silence this process judges.
pub struct Homes {
    nodes: Mutex<BTreeMap<NodeId, Here>>,
}

impl Homes {
    /// The nodes that were at home here before the start; all heard at the start, since nobody was listening.
    pub fn new(at_home: Vec<(NodeId, Home)>, started: Instant) -> Self {
        let nodes = at_home.into_iter().map(|(node, home)| (node, Here { home, heard: started })).collect();
        Self { nodes: Mutex::new(nodes) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Here>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears of a node; false when it is not at home here yet.
    pub fn hear(&self, node: &NodeId, now: Instant) -> bool {
        self.lock().get_mut(node).map(|here| here.heard = now).is_some()
    }

    /// The node has come home.
    pub fn settle(&self, node: NodeId, home: Home, now: Instant) {
        self.lock().insert(node, Here { home, heard: now });
    }

    /// The node lives elsewhere now.
    pub fn leave(&self, node: &NodeId) {
        self.lock().remove(node);
    }

    /// Forgets the nodes that live elsewhere by now: their next report here claims them anew.
    pub fn keep_only(&self, homes: &BTreeMap<NodeId, Home>) {
        self.lock().retain(|node, here| homes.get(node) == Some(&here.home));
    }

    /// Nobody was listening for so long: no silence has grown.
    pub fn forgive(&self, gap: Duration) {
        for here in self.lock().values_mut() {
            here.heard += gap;
        }
    }

    /// The home of a node that is at home here and has been silent for longer than `ttl`.
    pub fn unheard(&self, ttl: Duration, now: Instant) -> BTreeMap<NodeId, Home> {
        let nodes = self.lock();
        let silent = nodes.iter().filter(|(_, here)| now.saturating_duration_since(here.heard) > ttl);
        silent.map(|(node, here)| (node.clone(), here.home.clone())).collect()
    }
}
