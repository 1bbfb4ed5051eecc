//! Takes many decisions in a row, fast: the counters lie beside it column by column.
//!
//! [`super::decide`] is the rule, and a series is the same rule: the same contest over the same members, settled and
//! counted by the same functions; a law compares the two. What it saves is looking up: the weight of each group, the
//! owners of each product in it, and what each member of a boundary is to a jurisdiction stand in vectors that are
//! kept current decision by decision. Nobody else may touch the state meanwhile, so it is borrowed.

use std::collections::BTreeMap;

use super::batch::{Outcome, Request, outcome_of, record, settle};
use super::choose::{Choice, Contest, Loads, member_verdict};
use super::frame::Frame;
use super::state::State;
use crate::ids::Jurisdiction;
use crate::reason::Reason;

/// Decisions in a row on one state.
pub struct Series<'a> {
    frame: &'a Frame,
    state: &'a mut State,
    /// Parallel to the groups.
    weights: Vec<u64>,
    /// Of the products that were asked for: the owners in each group.
    owners: BTreeMap<u32, Vec<u64>>,
    /// Of the templates and jurisdictions that were asked for: the verdict on each member.
    verdicts: BTreeMap<u32, BTreeMap<Option<Jurisdiction>, Vec<Reason>>>,
}

/// The columns that one request reads.
struct Columns<'a> {
    weights: &'a [u64],
    /// Of the product of the request.
    owners: &'a [u64],
}

impl Loads for Columns<'_> {
    fn weight_of(&self, group: u32) -> u64 {
        self.weights[group as usize]
    }

    fn owners_of(&self, group: u32, _product: u32) -> u64 {
        self.owners[group as usize]
    }
}

impl<'a> Series<'a> {
    /// A series that goes on from a state, which it moves on.
    pub fn new(frame: &'a Frame, state: &'a mut State) -> Self {
        let weights = state.loads.iter().map(|load| load.weight).collect();
        Self { frame, state, weights, owners: BTreeMap::new(), verdicts: BTreeMap::new() }
    }

    /// The state after the decisions so far.
    pub fn state(&self) -> &State {
        self.state
    }

    /// Takes one decision and counts it, as [`super::decide`] does.
    pub fn decide(&mut self, request: &Request) -> Outcome {
        settle(self.frame, self.state, request);
        self.look_up(request);
        let outcome = outcome_of(self.frame, request, || self.choose(request));
        record(self.frame, self.state, request, outcome);
        let held = request.held.map(|held| (held.group, held.product));
        let taken = match outcome {
            Outcome::Owned { group } => Some((group, request.product)),
            Outcome::Kept => held.map(|(group, _)| (group, request.product)),
            Outcome::Nobody { .. } | Outcome::Stays { .. } | Outcome::Void => None,
        };
        for (group, product) in held.into_iter().chain(taken) {
            self.refresh(group, product);
        }
        outcome
    }

    fn choose(&self, request: &Request) -> Choice {
        let Some(at) = request.template else {
            return Choice::None(Reason::NotApplicable);
        };
        let columns = Columns { weights: &self.weights, owners: &self.owners[&request.product] };
        let verdicts = self.verdicts[&at][&request.jurisdiction].as_slice();
        let (template, ramps) = (&self.frame.templates[at as usize], &self.state.ramps[at as usize]);
        Contest::open_with(self.frame, template, &columns, ramps, request, Some(verdicts)).choice()
    }

    /// Makes the columns that a request reads, if nobody has read them yet.
    fn look_up(&mut self, request: &Request) {
        let loads = &self.state.loads;
        let column = || loads.iter().map(|load| load.owners_of(request.product)).collect();
        self.owners.entry(request.product).or_insert_with(column);
        let Some(at) = request.template else { return };
        let known = self.verdicts.entry(at).or_default();
        if !known.contains_key(&request.jurisdiction) {
            let members = self.frame.templates[at as usize].members.iter();
            let verdicts = members.map(|member| member_verdict(self.frame, *member, request)).collect();
            known.insert(request.jurisdiction.clone(), verdicts);
        }
    }

    /// Copies what the state counts for a product in a group.
    fn refresh(&mut self, group: u32, product: u32) {
        let load = &self.state.loads[group as usize];
        self.weights[group as usize] = load.weight;
        if let Some(column) = self.owners.get_mut(&product) {
            column[group as usize] = load.owners_of(product);
        }
    }
}
