//! What the shell does around decisions, in memory: it asks what is wanted, decides, and writes the owner down.
//!
//! It keeps the batch, as the store would, so that laws about replay have something to replay. It knows no rule.

use std::collections::{BTreeMap, BTreeSet};

use super::world::{Customer, World};
use crate::ids::{DecisionId, Generation, GroupId, InstanceId, ProductId};
use crate::orchestration::{
    Ask, Batch, Decided, Frame, Held, Holder, LoadRow, Outcome, Ownership, Parts, Request, State, Topology, decide,
    replay_state, wanted,
};
use crate::time::Micros;

/// A shell without a store.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) topology: Topology,
    pub(crate) frame: Frame,
    pub(crate) state: State,
    /// The state at the start of the batch.
    pub(crate) start: State,
    /// How many batches ended before this one.
    pub(crate) batches: u32,
    /// The batch so far.
    pub(crate) decided: Vec<Decided>,
    pub(crate) owners: BTreeMap<InstanceId, Ownership>,
}

impl Run {
    /// An empty store.
    pub(crate) fn new(world: &World) -> Self {
        let topology = Topology::build(world.parts.clone()).expect("the generator refers to what is there");
        let frame = Frame::build(&topology, &BTreeSet::new());
        let state = State::from_rows(&frame, &[], &[]);
        Self { topology, frame, start: state.clone(), state, batches: 0, decided: Vec::new(), owners: BTreeMap::new() }
    }

    /// A store in which everybody has what can be had.
    pub(crate) fn filled(world: &World) -> Self {
        let mut run = Self::new(world);
        run.settle(&world.customers);
        run
    }

    /// Goes on under other master data, with a new batch.
    pub(crate) fn turn_to(&mut self, parts: Parts) {
        self.topology = Topology::build(parts).expect("edits keep references");
        let frame = Frame::build(&self.topology, &BTreeSet::new());
        self.state = self.state.carry_over(&self.frame, &frame);
        self.frame = frame;
        self.start = self.state.clone();
        self.decided = Vec::new();
        self.batches += 1;
    }

    /// Asks once for everybody what is wanted.
    pub(crate) fn settle(&mut self, customers: &[Customer]) {
        for customer in customers {
            if let Some(ask) = self.wanted(customer) {
                self.ask(customer, ask);
            }
        }
    }

    pub(crate) fn wanted(&self, customer: &Customer) -> Option<Ask> {
        wanted(&self.topology, &customer.subject(self.owners.get(&customer.id)))
    }

    /// Decides and writes down.
    pub(crate) fn ask(&mut self, customer: &Customer, ask: Ask) -> Outcome {
        let request = self.request(customer, ask);
        let outcome = decide(&self.frame, &mut self.state, &request);
        self.write(&request, outcome);
        self.decided.push(Decided { request, outcome });
        outcome
    }

    /// Decides, and the commit does not take it.
    pub(crate) fn ask_in_vain(&mut self, customer: &Customer, ask: Ask) {
        let request = self.request(customer, ask);
        decide(&self.frame, &mut self.state, &request);
        self.decided.push(Decided { request, outcome: Outcome::Void });
    }

    pub(crate) fn request(&self, customer: &Customer, ask: Ask) -> Request {
        let product = self.frame.find_product(&customer.product).expect("products stay");
        let held = match self.owners.get(&customer.id).map(|it| &it.holder) {
            Some(Holder::Group { group, weight, product, .. }) => Some(Held {
                group: self.frame.find_group(group).expect("groups stay"),
                weight: *weight,
                product: self.frame.find_product(product).expect("products stay"),
            }),
            _ => None,
        };
        Request {
            instance: customer.id.clone(),
            product,
            template: self.frame.products[product as usize].1,
            jurisdiction: customer.jurisdiction.clone(),
            weight: customer.weight,
            ask,
            held,
        }
    }

    fn write(&mut self, request: &Request, outcome: Outcome) {
        let before = self.owners.get(&request.instance);
        let (version, generation) = before.map_or((0, 0), |it| (it.version, it.generation.0));
        let group = match outcome {
            Outcome::Owned { group } => Some(group),
            Outcome::Kept => request.held.map(|held| held.group),
            Outcome::Nobody { .. } => None,
            Outcome::Stays { .. } | Outcome::Void => return,
        };
        let holder = match (group, outcome) {
            (Some(group), _) => Holder::Group {
                region: self.frame.region_of(group).id.clone(),
                group: self.frame.group(group).id.clone(),
                weight: request.weight,
                product: self.frame.products[request.product as usize].0.clone(),
            },
            (None, Outcome::Nobody { why }) => Holder::Nobody { why },
            (None, _) => return,
        };
        let is_new_owner = matches!(outcome, Outcome::Owned { .. });
        let row = Ownership {
            holder,
            generation: Generation(generation + u64::from(is_new_owner)),
            version: version + 1,
            decision: DecisionId { batch: 1, ordinal: u32::try_from(self.decided.len()).expect("batches are small") },
            since: Micros(0),
        };
        self.owners.insert(request.instance.clone(), row);
    }

    /// Ends the batch: what the commit did not take never happened, and the next batch begins without it.
    pub(crate) fn commit(&mut self) {
        let taken: Vec<Decided> = self.decided.drain(..).filter(|it| it.outcome != Outcome::Void).collect();
        replay_state(&self.frame, &mut self.start, &taken);
        self.state = self.start.clone();
        self.batches += 1;
    }

    /// The batch as it would be stored.
    pub(crate) fn batch(&self) -> Batch {
        Batch { frame: self.frame.clone(), start: self.start.clone(), decided: self.decided.clone() }
    }

    /// The group of each instance that has one.
    pub(crate) fn groups(&self) -> BTreeMap<InstanceId, GroupId> {
        self.owners.iter().filter_map(|(id, it)| Some((id.clone(), it.group()?.clone()))).collect()
    }

    /// The counters as somebody would count them who only reads the ownership rows.
    pub(crate) fn recount(&self) -> Vec<LoadRow> {
        let mut counts: BTreeMap<(GroupId, ProductId), (u64, u64)> = BTreeMap::new();
        for ownership in self.owners.values() {
            if let Holder::Group { group, weight, product, .. } = &ownership.holder {
                let count = counts.entry((group.clone(), product.clone())).or_default();
                *count = (count.0 + 1, count.1 + u64::from(*weight));
            }
        }
        let row = |((group, product), (owners, weight))| LoadRow { group, product, owners, weight };
        counts.into_iter().map(row).collect()
    }

    /// How many owners each group of the topology has, by id.
    pub(crate) fn owners_by_group(&self) -> Vec<u64> {
        self.state.loads.iter().map(|load| load.owners).collect()
    }
}
