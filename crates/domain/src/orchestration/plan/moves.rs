//! The plan that an operator spells out: these instances to these groups.
//!
//! Each is judged by the verdict that a candidate passes (I8): a group outside the boundary, outside the jurisdiction
//! or unable to take is refused with its reason, and voids no other.

use std::collections::BTreeMap;

use super::balance::max_over_mean_ppm;
use super::class::Census;
use super::draft::{Draft, Planner};
use super::repair::Pending;
use crate::ids::{GroupId, InstanceId};
use crate::master_data::InstanceStatus;
use crate::orchestration::{Ask, Frame, Series, State, Subject, Topology, Validity, validate};
use crate::reason::Reason;

/// A list of moves cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoveFault {
    #[error("move {index} names the group {group}, which does not exist")]
    UnknownGroup { index: usize, group: GroupId },
    #[error("move {index} names the instance {instance} a second time")]
    Twice { index: usize, instance: InstanceId },
}

/// Works out the plan that an operator spells out.
pub struct MovePlanner<'a> {
    topology: &'a Topology,
    frame: &'a Frame,
    state: &'a State,
    census: Census<'a>,
    /// The place in the list and the position of the target, until the instance is seen.
    wanted: BTreeMap<InstanceId, (usize, u32)>,
    terminated: u64,
    pending: Vec<(usize, Pending)>,
}

impl<'a> MovePlanner<'a> {
    /// A planner over one moment.
    ///
    /// # Errors
    /// All faults of the list, in its order.
    pub fn new(
        topology: &'a Topology,
        frame: &'a Frame,
        state: &'a State,
        moves: &[(InstanceId, GroupId)],
    ) -> Result<Self, Vec<MoveFault>> {
        let (mut wanted, mut faults) = (BTreeMap::new(), Vec::new());
        for (index, (instance, group)) in moves.iter().enumerate() {
            let Some(to) = frame.find_group(group) else {
                faults.push(MoveFault::UnknownGroup { index, group: group.clone() });
                continue;
            };
            if wanted.insert(instance.clone(), (index, to)).is_some() {
                faults.push(MoveFault::Twice { index, instance: instance.clone() });
            }
        }
        let (census, pending) = (Census::new(frame), Vec::new());
        let planner = Self { topology, frame, state, census, wanted, terminated: 0, pending };
        if faults.is_empty() { Ok(planner) } else { Err(faults) }
    }

    /// The instances of the list that were not seen yet: after all have been shown, those that do not exist.
    pub fn unseen(&self) -> impl Iterator<Item = &InstanceId> {
        self.wanted.keys()
    }
}

impl Planner for MovePlanner<'_> {
    fn see(&mut self, subject: &Subject<'_>) {
        self.census.see(subject);
        let Some((index, to)) = self.wanted.remove(subject.id) else { return };
        if subject.status == InstanceStatus::Terminated {
            self.terminated += 1;
            return;
        }
        let validity = validate(self.topology, subject).map(|it| it.validity);
        let is_valid = matches!(validity, Some(Validity::Valid { .. }));
        let pending = Pending::of(self.frame, subject, Ask::Move { to }, is_valid);
        self.pending.extend(pending.map(|it| (index, it)));
    }

    fn finish(mut self) -> Draft {
        let mut state = self.census.state(&self.state.ramps);
        let mut draft = Draft { before_ppm: max_over_mean_ppm(self.frame, &state), ..Draft::default() };
        let all: u64 = self.census.classes.iter().map(|class| class.instances).sum();
        draft.summary.stay = all - self.pending.len() as u64;
        draft.block_many(Reason::InstanceTerminated, self.terminated);
        draft.blocked.retain(|_, count| *count > 0);
        self.pending.sort_unstable_by_key(|(index, _)| *index);
        let mut series = Series::new(self.frame, &mut state);
        for (_, it) in self.pending {
            it.decide(self.frame, &mut series, &mut draft);
        }
        draft.after_ppm = max_over_mean_ppm(self.frame, &state);
        draft.sum_up_groups();
        draft
    }
}
