//! Where each reporter stands in its life: what is staged, what is logged, what the store held before.
//!
//! Only the newest incarnation of a reporter is kept. What is staged is taken back when the log fails; what is logged
//! never is. A reporter that is not here is introduced by what the store knows of it.

use std::collections::HashMap;

use domain::aggregation::{Traffic, Vector};
use domain::ids::{InstanceId, NodeId};
use domain::time::Micros;

use super::names::{NameIx, Names, hash_of};

/// What the store knows of a reporter's life whose home is here.
#[derive(Debug, Clone)]
pub struct Introduction {
    pub incarnation: u64,
    pub vector: Vector,
    /// Bytes that it reported in this life, at the smallest watermark.
    pub received: u64,
    /// The running totals of this life; `None` when nobody asked for them.
    pub baselines: Option<Vec<(InstanceId, Traffic)>>,
}

/// A reporter.
#[derive(Debug)]
pub struct Reporter {
    pub id: NodeId,
    pub incarnation: u64,
    /// The last sequence that is logged, or was in the store before.
    pub logged: u64,
    /// The last sequence that is staged.
    pub staged: u64,
    /// Up to which sequence every shard is committed.
    pub committed: u64,
    /// What the store held when it was introduced: shards that are ahead skip what a replay brings.
    pub vector: Vector,
    pub received: u64,
    /// Items kept aside that are staged or logged and not committed.
    pub parked_pending: u64,
    /// Items kept aside in the store.
    pub parked_stored: u64,
    pub heard: Micros,
    /// The last running total of each instance; `None` until they were read from the store.
    pub baselines: Option<HashMap<NameIx, Traffic>>,
    /// Totals learned from the log before the store was asked; they are newer than the store's.
    pub learned: HashMap<NameIx, Traffic>,
    /// Its home is elsewhere by now: what is known of it here is worth nothing.
    pub is_strange: bool,
    /// Where it stands in the open generation.
    pub part: Option<(u64, u32)>,
}

impl Reporter {
    fn new(id: NodeId, introduction: &Introduction, now: Micros) -> Self {
        let through = introduction.vector.through();
        Self {
            id,
            incarnation: introduction.incarnation,
            logged: through,
            staged: through,
            committed: through,
            vector: introduction.vector.clone(),
            received: introduction.received,
            parked_pending: 0,
            parked_stored: 0,
            heard: now,
            baselines: None,
            learned: HashMap::new(),
            is_strange: false,
            part: None,
        }
    }

    /// Takes the totals of the store; what was learned from the log is newer.
    fn take_baselines(&mut self, names: &mut Names, read: &[(InstanceId, Traffic)]) {
        if self.baselines.is_some() {
            return;
        }
        let mut baselines = HashMap::with_capacity(read.len());
        for (instance, total) in read {
            let hash = hash_of(instance.as_str());
            let name = names.find(hash, instance.as_str()).or_else(|| names.add(hash, instance.as_str()));
            baselines.extend(name.map(|name| (name, *total)));
        }
        baselines.extend(self.learned.drain());
        self.baselines = Some(baselines);
    }

    /// The place of its part in a generation, if it has one there.
    pub fn part_in(&self, generation: u64) -> Option<u32> {
        self.part.filter(|(of, _)| *of == generation).map(|(_, part)| part)
    }
}

/// The reporters of this process.
#[derive(Default)]
pub struct Reporters {
    all: Vec<Reporter>,
    by_id: HashMap<NodeId, u32>,
}

impl Reporters {
    /// The place of a reporter.
    pub fn find(&self, id: &NodeId) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// The reporter at a place.
    pub fn get(&self, at: u32) -> &Reporter {
        &self.all[at as usize]
    }

    /// The reporter at a place, to change.
    pub fn get_mut(&mut self, at: u32) -> &mut Reporter {
        &mut self.all[at as usize]
    }

    /// All of them, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &Reporter> {
        self.all.iter()
    }

    /// All of them, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Reporter> {
        self.all.iter_mut()
    }

    /// The life of a reporter has its home elsewhere: its next report here asks the store.
    pub fn estrange(&mut self, id: &NodeId, incarnation: u64) {
        if let Some(at) = self.find(id) {
            let held = self.get_mut(at);
            held.is_strange |= held.incarnation == incarnation;
        }
    }

    /// Takes what the store knows, unless the same or a newer life is here already; answers the place.
    pub fn introduce(&mut self, names: &mut Names, id: &NodeId, introduction: &Introduction, now: Micros) -> u32 {
        let at = match self.find(id) {
            Some(at) => {
                let held = self.get_mut(at);
                if held.incarnation < introduction.incarnation || held.is_strange {
                    let parked = (held.parked_pending, held.parked_stored);
                    *held = Reporter::new(id.clone(), introduction, now);
                    (held.parked_pending, held.parked_stored) = parked;
                }
                at
            }
            None => {
                let at = u32::try_from(self.all.len()).expect("reporters are nodes, fewer than 2^32");
                self.all.push(Reporter::new(id.clone(), introduction, now));
                self.by_id.insert(id.clone(), at);
                at
            }
        };
        let held = self.get_mut(at);
        if let Some(read) = introduction.baselines.as_ref().filter(|_| held.incarnation == introduction.incarnation) {
            held.take_baselines(names, read);
        }
        at
    }
}
