//! Takes many decisions in a row: where a batch is decided and counted, on one frame.
//!
//! It keeps what every decision looks at within reach (the candidates of each boundary, the counters in a row) and
//! lays it out when it is first asked for. What it keeps follows from the frame and the state, and is refreshed from
//! the state whenever that moves: a decision comes out as if it were the only one (I1).

use std::collections::BTreeMap;

use super::batch::{Ask, Decided, Outcome, Request};
use super::choose::{Contest, Counts, Kept};
use super::frame::Frame;
use super::ramp::{self, Phase};
use super::roster::{Roster, member_verdict, refusal};
use super::state::State;
use crate::ids::Jurisdiction;
use crate::reason::Reason;

/// Decisions in a row on one state, which nobody else may touch meanwhile.
#[derive(Debug)]
pub struct Series<'a> {
    frame: &'a Frame,
    state: &'a mut State,
    /// By template: whether a group of it ramps. None enters the ramp while a frame stands.
    is_ramping: Vec<Option<bool>>,
    /// By template and the jurisdiction that is demanded.
    rosters: BTreeMap<(u32, Option<Jurisdiction>), Roster>,
    /// By group; empty until a choice is asked for.
    weights: Vec<u64>,
    /// By product, then by group.
    products: BTreeMap<u32, Vec<u64>>,
}

impl<'a> Series<'a> {
    /// A series that goes on from a state, which it moves on. Nothing is laid out before it is asked for.
    pub fn new(frame: &'a Frame, state: &'a mut State) -> Self {
        let is_ramping = vec![None; frame.templates.len()];
        Self { frame, state, is_ramping, rosters: BTreeMap::new(), weights: Vec::new(), products: BTreeMap::new() }
    }

    /// The state after the decisions so far.
    pub fn state(&self) -> &State {
        self.state
    }

    /// Takes one decision and counts it.
    pub fn decide(&mut self, request: &Request) -> Outcome {
        self.settle(request);
        let outcome = self.outcome_of(request);
        self.record(request, outcome);
        outcome
    }

    /// Counts a recorded decision without taking it anew; a void one is taken anew, since the run counted it so.
    pub fn replay(&mut self, decided: &Decided) {
        let Decided { request, outcome } = decided;
        if *outcome == Outcome::Void {
            self.decide(request);
        } else {
            self.settle(request);
            self.record(request, *outcome);
        }
    }

    /// What a ramp looks like just before a decision: those that have caught up have left.
    fn settle(&mut self, request: &Request) {
        let Some(at) = request.template.map(|it| it as usize) else { return };
        if self.is_ramping(at) {
            let (template, ramps) = (&self.frame.templates[at], &mut self.state.ramps[at]);
            ramp::leave(self.frame, template, &self.state.loads, ramps);
            self.is_ramping[at] = None;
        }
    }

    /// Whether any group of a boundary ramps.
    fn is_ramping(&mut self, template: usize) -> bool {
        let ramps = &self.state.ramps[template];
        let known = &mut self.is_ramping[template];
        *known.get_or_insert_with(|| ramps.iter().any(|ramp| ramp.phase == Phase::Ramping))
    }

    fn outcome_of(&mut self, request: &Request) -> Outcome {
        match request.ask {
            Ask::Release { why } => Outcome::Nobody { why },
            Ask::Recount => Outcome::Kept,
            Ask::Allocate => match self.choose(request) {
                Ok(group) => Outcome::Owned { group },
                Err(why) => Outcome::Nobody { why },
            },
            Ask::Repair => match self.choose(request) {
                Ok(group) if request.held.is_some_and(|held| held.group == group) => {
                    Outcome::Stays { why: Reason::KeptValid }
                }
                Ok(group) => Outcome::Owned { group },
                Err(why) => Outcome::Stays { why },
            },
            Ask::Move { to } => match move_verdict(self.frame, request, to) {
                Reason::Ok => Outcome::Owned { group: to },
                why => Outcome::Stays { why },
            },
        }
    }

    /// The same choice as [`super::choose`], from what is laid out.
    fn choose(&mut self, request: &Request) -> Result<u32, Reason> {
        let Some(at) = request.template else {
            return Err(Reason::NotApplicable);
        };
        let is_ramping = self.is_ramping(at as usize);
        self.lay_out(at, request);
        let (weights, same_product) = (&self.weights, &self.products[&request.product]);
        let counts = Counts { weights, same_product };
        let roster = &self.rosters[&(at, request.jurisdiction.clone())];
        let ramps = &self.state.ramps[at as usize];
        let open = if is_ramping { Contest::open } else { Contest::open_full };
        let chosen = open(self.frame, roster, counts, ramps, request).lightest_of_all();
        let template = &self.frame.templates[at as usize];
        chosen.ok_or_else(|| refusal(self.frame, template, request.jurisdiction.as_ref()))
    }

    /// Fetches what a request is compared by.
    fn lay_out(&mut self, template: u32, request: &Request) {
        if self.weights.is_empty() {
            self.weights = self.state.weights();
        }
        let state = &*self.state;
        self.products.entry(request.product).or_insert_with(|| state.owners_of(request.product));
        self.roster(template, request);
    }

    fn roster(&mut self, template: u32, request: &Request) -> &Roster {
        let (frame, demanded) = (self.frame, request.jurisdiction.as_ref());
        let lay_out = || Roster::of(frame, &frame.templates[template as usize], demanded);
        self.rosters.entry((template, request.jurisdiction.clone())).or_insert_with(lay_out)
    }

    /// Counts an outcome. Allocations and repairs are arrivals for the ramp (I5); moves and recounts are not.
    fn record(&mut self, request: &Request, outcome: Outcome) {
        let target = match outcome {
            Outcome::Owned { group } => Some(group),
            Outcome::Kept => request.held.map(|held| held.group),
            Outcome::Nobody { .. } => None,
            Outcome::Stays { .. } | Outcome::Void => return,
        };
        if let (Outcome::Owned { group }, Ask::Allocate | Ask::Repair, Some(template)) =
            (outcome, request.ask, request.template)
        {
            self.count_arrival(request, template, group);
        }
        if let Some(held) = request.held {
            self.state.loads[held.group as usize].remove(held.product, u64::from(held.weight));
            self.refresh(held.group, held.product);
        }
        if let Some(group) = target {
            self.state.loads[group as usize].add(request.product, 1, u64::from(request.weight));
            self.refresh(group, request.product);
        }
    }

    /// Copies what the state counts for a product in a group.
    fn refresh(&mut self, group: u32, product: u32) {
        let load = &self.state.loads[group as usize];
        if let Some(weight) = self.weights.get_mut(group as usize) {
            *weight = load.weight;
        }
        if let Some(owners) = self.products.get_mut(&product) {
            owners[group as usize] = load.owners_of(product);
        }
    }

    /// Every ramping candidate that the request could have gone to sees an arrival; the one that took it has taken it.
    fn count_arrival(&mut self, request: &Request, template: u32, group: u32) {
        if !self.is_ramping(template as usize) {
            return;
        }
        let frame = self.frame;
        self.roster(template, request);
        let roster = &self.rosters[&(template, request.jurisdiction.clone())];
        let kept = Kept::of(frame, roster, request);
        let ramps = &mut self.state.ramps[template as usize];
        for candidate in roster.open.iter().filter(|it| kept.admits(it)) {
            let ramp = &mut ramps[candidate.member as usize];
            if ramp.phase == Phase::Ramping {
                ramp.arrived += u64::from(request.weight);
                if candidate.group == group {
                    ramp.taken += u64::from(request.weight);
                }
            }
        }
    }
}

/// Whether a plan may move the instance into a group: the same test that a candidate passes (I8).
pub(super) fn move_verdict(frame: &Frame, request: &Request, to: u32) -> Reason {
    if request.held.is_some_and(|held| held.group == to) {
        return Reason::AlreadyThere;
    }
    let Some(template) = request.template else {
        return Reason::NotApplicable;
    };
    let members = &frame.templates[template as usize].members;
    match members.iter().find(|member| member.group == to) {
        Some(member) => member_verdict(frame, *member, request.jurisdiction.as_ref()),
        None => Reason::OutsideBoundary,
    }
}
