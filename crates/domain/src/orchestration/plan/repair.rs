//! The plan that repairs: every broken ownership gets the owner that the allocator would choose for it.
//!
//! Templates that hold broken ownerships are no exception: this is the plan that they wait for. Instances without an
//! owner are the allocator's own work and no part of it; one without any candidate is counted as blocked.
//! After a fill it proposes nothing (I8).

use super::balance::max_over_mean_ppm;
use super::class::Census;
use super::draft::{Draft, Move, Planner};
use super::request::find_request;
use crate::ids::{Generation, GroupId};
use crate::orchestration::{
    Ask, Frame, Outcome, Ownership, Request, Series, State, Subject, Topology, Validity, find_refusal, validate,
};
use crate::reason::Reason;

/// An instance that is to be decided at the end, in the order of ids.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) request: Request,
    pub(super) from: Option<GroupId>,
    pub(super) generation: Generation,
    /// Whether its ownership is valid now.
    pub(super) is_valid: bool,
}

impl Pending {
    /// `None` when the frame does not know its product.
    pub(super) fn of(frame: &Frame, subject: &Subject<'_>, ask: Ask, is_valid: bool) -> Option<Self> {
        Some(Self {
            request: find_request(frame, subject, ask)?,
            from: subject.ownership.and_then(Ownership::group).cloned(),
            generation: subject.ownership.map(|it| it.generation).unwrap_or_default(),
            is_valid,
        })
    }

    /// Decides, and writes the outcome into the draft.
    pub(super) fn decide(self, frame: &Frame, series: &mut Series<'_>, draft: &mut Draft) {
        match series.decide(&self.request) {
            Outcome::Owned { group } => draft.push(self, frame.group(group).id.clone()),
            Outcome::Stays { why: Reason::KeptValid | Reason::AlreadyThere } | Outcome::Kept | Outcome::Void => {
                draft.summary.stay += 1;
            }
            Outcome::Stays { why } | Outcome::Nobody { why } => draft.block(why),
        }
    }
}

impl Draft {
    /// Adds a move and counts it.
    pub(super) fn push(&mut self, it: Pending, to: GroupId) {
        if it.is_valid || it.from.is_none() {
            self.summary.moves += 1;
        } else {
            self.summary.repair += 1;
        }
        self.moves.push(Move { instance: it.request.instance, from: it.from, from_generation: it.generation, to });
    }
}

/// What becomes of the instances of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Broken,
    Unowned,
}

/// Works out the plan that repairs.
pub struct RepairPlanner<'a> {
    topology: &'a Topology,
    frame: &'a Frame,
    state: &'a State,
    census: Census<'a>,
    /// Parallel to the classes.
    fates: Vec<Fate>,
    pending: Vec<Pending>,
}

impl<'a> RepairPlanner<'a> {
    /// A planner over one moment: the frame is that of the topology, the state gives the ramps.
    pub fn new(topology: &'a Topology, frame: &'a Frame, state: &'a State) -> Self {
        Self { topology, frame, state, census: Census::new(frame), fates: Vec::new(), pending: Vec::new() }
    }

    fn fate_of(&mut self, class: usize) -> Fate {
        if class == self.fates.len() {
            let representative = self.census.representative(class);
            let validity = validate(self.topology, &representative.subject()).map(|it| it.validity);
            self.fates.push(match validity {
                Some(Validity::Broken { .. }) => Fate::Broken,
                Some(Validity::Unowned { .. }) => Fate::Unowned,
                Some(Validity::Valid { .. } | Validity::NotApplicable) | None => Fate::Stays,
            });
        }
        self.fates[class]
    }
}

impl Planner for RepairPlanner<'_> {
    fn see(&mut self, subject: &Subject<'_>) {
        let Some(class) = self.census.see(subject) else { return };
        if self.fate_of(class) == Fate::Broken {
            self.pending.extend(Pending::of(self.frame, subject, Ask::Repair, false));
        }
    }

    fn finish(mut self) -> Draft {
        let mut state = self.census.state(&self.state.ramps);
        let mut draft = Draft { before_ppm: max_over_mean_ppm(self.frame, &state), ..Draft::default() };
        for (at, (class, fate)) in self.census.classes.iter().zip(&self.fates).enumerate() {
            match fate {
                Fate::Stays => draft.summary.stay += class.instances,
                Fate::Broken => {}
                Fate::Unowned => match refusal_of(self.frame, &self.census, at) {
                    Some(why) => draft.block_many(why, class.instances),
                    None => draft.summary.stay += class.instances,
                },
            }
        }
        self.pending.sort_unstable_by(|a, b| a.request.instance.cmp(&b.request.instance));
        let mut series = Series::new(self.frame, &mut state);
        for it in self.pending {
            it.decide(self.frame, &mut series, &mut draft);
        }
        draft.after_ppm = max_over_mean_ppm(self.frame, &state);
        draft.sum_up_groups();
        draft
    }
}

/// Why an instance of the class finds no candidate; `None` when it finds one.
pub(super) fn refusal_of(frame: &Frame, census: &Census<'_>, class: usize) -> Option<Reason> {
    let representative = census.representative(class);
    find_refusal(frame, &find_request(frame, &representative.subject(), Ask::Allocate)?)
}
