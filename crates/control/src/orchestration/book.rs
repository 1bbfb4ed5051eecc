//! The book of a leader: the frame and the counters of the last commit, from which the next batch is decided.
//!
//! Opened anew for each term, from rows read after the lease was taken; carried over when the topology changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::ids::{AccessTemplateId, GroupId, Revision};
use domain::orchestration::{Frame, GroupIx, State, Topology};
use domain::reason::Reason;
use store::{Base, Store, StoreError};

use crate::view::TopologyView;

/// (template, group) pairs that running plans take out of a boundary.
pub(super) type Leaving = BTreeSet<(AccessTemplateId, GroupId)>;

/// The book of a leader. A copy shares what is large.
#[derive(Clone)]
pub(super) struct Book {
    pub(super) term: i64,
    /// The head at which its rows were read.
    pub(super) opened: Revision,
    pub(super) topology: Arc<TopologyView>,
    pub(super) frame: Arc<Frame>,
    pub(super) state: Arc<State>,
    /// Where the state was last stored, while the frame is still that one.
    pub(super) base: Option<Base>,
    leaving: Leaving,
    /// How many instances each boundary owns; parallel to the templates of the frame.
    owners: Vec<u64>,
}

impl Book {
    /// Opens the book of a term. The lease must have been taken before.
    pub(super) async fn open(
        store: &Store,
        term: i64,
        topology: Arc<TopologyView>,
        leaving: Leaving,
    ) -> Result<Self, StoreError> {
        let books = store.load_books().await?;
        let frame = Frame::build(&topology.topology, &leaving);
        let state = State::from_rows(&frame, &books.loads, &books.ramps);
        let owners = owners_by_template(&frame, &state);
        let (frame, state) = (Arc::new(frame), Arc::new(state));
        Ok(Self { term, opened: books.head.revision, topology, frame, state, base: None, leaving, owners })
    }

    /// Goes on from what a commit has left.
    pub(super) fn advance(&mut self, end: State, base: Option<Base>) {
        self.state = Arc::new(end);
        self.base = base;
        self.owners = owners_by_template(&self.frame, &self.state);
    }

    /// Goes on under another topology or another set of leaving groups. Returns whether any verdict on an ownership
    /// can have changed, so that everybody must be looked at.
    pub(super) fn turn_to(&mut self, topology: Arc<TopologyView>, leaving: Leaving) -> bool {
        if Arc::ptr_eq(&self.topology, &topology) && self.leaving == leaving {
            return false;
        }
        let is_served_alike = is_served_alike(&self.topology.topology, &topology.topology);
        let frame = Frame::build(&topology.topology, &leaving);
        let is_equivalent = frame.is_equivalent(&self.frame);
        if !is_equivalent {
            self.state = Arc::new(self.state.carry_over(&self.frame, &frame));
            self.frame = Arc::new(frame);
            self.base = None;
            self.owners = owners_by_template(&self.frame, &self.state);
        }
        self.topology = topology;
        self.leaving = leaving;
        !(is_equivalent && is_served_alike)
    }

    /// Whether both stand in one term on one topology, with the same groups leaving.
    pub(super) fn is_same_ground(&self, other: &Self) -> bool {
        self.term == other.term
            && Arc::ptr_eq(&self.topology, &other.topology)
            && Arc::ptr_eq(&self.frame, &other.frame)
            && self.leaving == other.leaving
    }

    /// How many instances a boundary owns.
    pub(super) fn owners_of(&self, template: u32) -> u64 {
        self.owners.get(template as usize).copied().unwrap_or(0)
    }
}

fn owners_by_template(frame: &Frame, state: &State) -> Vec<u64> {
    let mut owners = vec![0; frame.templates.len()];
    for (product, part) in state.loads.iter().flat_map(|load| &load.products) {
        if let Some(template) = frame.products[*product as usize].1 {
            owners[template as usize] += part.owners;
        }
    }
    owners
}

/// Whether every group serves as before and every template treats broken ownerships as before.
fn is_served_alike(before: &Topology, after: &Topology) -> bool {
    let serving = |topology: &Topology| -> Vec<(Reason, bool)> {
        let standings = (0u32..).zip(topology.groups()).map(|(at, _)| topology.standing(GroupIx(at)));
        standings.map(|it| (it.serving, it.is_sound_but_for_health)).collect()
    };
    let templates = |topology: &Topology| -> Vec<_> {
        topology.access_templates().iter().map(|it| (it.object.id.clone(), it.object.on_broken)).collect()
    };
    serving(before) == serving(after) && templates(before) == templates(after)
}
