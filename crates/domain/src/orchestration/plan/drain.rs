//! The plan that empties a group: every owner of it gets the owner that the allocator would choose without the group.
//!
//! It begins by setting the group `draining`, so that nobody comes while the owners leave; undo gives it back the
//! state it had. Whoever has no other candidate is blocked and stays where it is served.

use super::balance::max_over_mean_ppm;
use super::change::{Change, changed, revert};
use super::class::{Census, Owner};
use super::draft::{Draft, Planner};
use super::repair::Pending;
use super::request::leaving_of;
use super::steps::{Expectation, Steps};
use crate::ids::GroupId;
use crate::master_data::{GroupState, Object, ResourceGroup};
use crate::orchestration::{Ask, Frame, Series, State, Subject, Topology, Validity, validate};

/// Works out the plan that empties a group.
pub struct DrainPlanner<'a> {
    topology: &'a Topology,
    frame: &'a Frame,
    state: &'a State,
    /// The frame in which the group takes nobody.
    drained: Frame,
    /// The position of the group in both frames.
    group: u32,
    change: Change,
    census: Census<'a>,
    /// Whether the ownership is valid, for classes that the group owns; parallel to the classes.
    owned: Vec<Option<bool>>,
    pending: Vec<Pending>,
}

impl<'a> DrainPlanner<'a> {
    /// A planner over one moment; `None` when there is no such group.
    pub fn new(topology: &'a Topology, frame: &'a Frame, state: &'a State, group: &GroupId) -> Option<Self> {
        let at = frame.find_group(group)?;
        let before = &topology.find_group(group)?.object;
        let mut change = Change::default();
        let mut drained = frame.clone();
        if before.state == GroupState::Active {
            let draining = ResourceGroup { state: GroupState::Draining, ..before.clone() };
            change.puts.push(Object::ResourceGroup(draining));
            // The state of a group is no reference, so the changed topology stands as the old one did.
            let after = changed(topology, &change).ok()?;
            drained = Frame::build(&after, &leaving_of(frame));
        }
        let (census, owned, pending) = (Census::new(frame), Vec::new(), Vec::new());
        Some(Self { topology, frame, state, drained, group: at, change, census, owned, pending })
    }

    /// Whether the group owns the class, and validly.
    fn owned_validly(&mut self, class: usize) -> Option<bool> {
        if class == self.owned.len() {
            let is_owned = self.census.classes[class].owner == Owner::Group(self.group);
            let representative = self.census.representative(class);
            let validity = validate(self.topology, &representative.subject()).map(|it| it.validity);
            self.owned.push(match validity {
                Some(Validity::Valid { .. }) if is_owned => Some(true),
                Some(Validity::Broken { .. }) if is_owned => Some(false),
                // A template that is not sticky any more: the allocator releases, nobody has to be moved.
                _ => None,
            });
        }
        self.owned[class]
    }
}

impl Planner for DrainPlanner<'_> {
    fn see(&mut self, subject: &Subject<'_>) {
        let Some(class) = self.census.see(subject) else { return };
        if let Some(is_valid) = self.owned_validly(class) {
            self.pending.extend(Pending::of(&self.drained, subject, Ask::Repair, is_valid));
        }
    }

    fn finish(mut self) -> Draft {
        let before = self.census.state(&self.state.ramps);
        let mut state = before.carry_over(self.frame, &self.drained);
        let mut draft = Draft { before_ppm: max_over_mean_ppm(self.frame, &before), ..Draft::default() };
        let all: u64 = self.census.classes.iter().map(|class| class.instances).sum();
        draft.summary.stay = all - self.pending.len() as u64;
        self.pending.sort_unstable_by(|a, b| a.request.instance.cmp(&b.request.instance));
        let mut series = Series::new(&self.drained, &mut state);
        for it in self.pending {
            it.decide(&self.drained, &mut series, &mut draft);
        }
        draft.after_ppm = max_over_mean_ppm(&self.drained, &state);
        draft.sum_up_groups();
        draft.revert = revert(self.topology, &self.change);
        draft.steps = Steps {
            expected: self.change.puts.iter().map(|it| Expectation::of(self.topology, it.kind(), it.id())).collect(),
            widen: self.change.puts,
            ..Steps::default()
        };
        draft
    }
}
