//! The model for stateright: which actions a state allows, and the properties that hold in every state.
//!
//! Symmetry is broken by hand: the reporter is first at home at replica 0, and shards commit in any order. What no step
//! can reach is left out here only to save time; `step` refuses it too.

use stateright::{Model, Property};

use super::database::{REPLICAS, REPORTS, SHARDS};
use super::process::{Disk, Flush};
use super::settle::{Unsettled, settle};
use super::state::{Reader, State};
use super::step::{Action, step};
use super::switch::{Defect, Scope};

/// The protocol within a scope, with at most one rule left out.
#[derive(Debug, Clone, Copy)]
pub struct Counting {
    pub scope: Scope,
    pub defect: Option<Defect>,
}

/// A law that a state breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// I10: a report is in the usage of a shard twice.
    CountedTwice,
    /// I10, I11: a quiet run from here does not count each report once, or ends with accounts that differ.
    Unsettled(Unsettled),
    /// I11: what was received of a shard is not what its usage holds, at its watermark.
    NotConserved,
    /// I14: an answer that was called complete does not show each acknowledged report once.
    NotVisible,
}

impl Broken {
    /// For the table.
    pub fn describe(self) -> &'static str {
        match self {
            Self::CountedTwice => "I10, a report is counted twice",
            Self::Unsettled(Unsettled::Count { count: 0, .. }) => "I10, an acknowledged report is lost",
            Self::Unsettled(Unsettled::Count { .. }) => "I10, a report will be counted twice",
            Self::Unsettled(Unsettled::Account { .. }) => "I11, the accounts differ in the end",
            Self::NotConserved => "I11, received and durable differ",
            Self::NotVisible => "I14, a complete answer shows a wrong sum",
        }
    }
}

impl Counting {
    fn of_process(&self, state: &State, number: u8, actions: &mut Vec<Action>) {
        let replica = number;
        let Some(process) = &state.processes[usize::from(number)] else {
            actions.push(Action::Start { replica });
            let cuts = 0..=state.disks[usize::from(number)].cut[0];
            if state.budget.lost_disks > 0 {
                actions.extend(cuts.map(|cut| Action::LoseDisk { replica, cut }));
            }
            return;
        };
        self.of_reporter(state, number, actions);
        match self.defect {
            Some(Defect::AcknowledgeBeforeLog) => actions.push(Action::Log { replica }),
            Some(Defect::PrunedLedger) => actions.push(Action::PruneLedger { replica }),
            _ => {}
        }
        let shards = (0u8..).take(SHARDS);
        match self.defect {
            Some(Defect::SealPerShard) => {
                actions.extend(shards.clone().map(|shard| Action::CutShard { replica, shard }))
            }
            _ => actions.push(Action::Cut { replica }),
        }
        match process.flush {
            Flush::Idle => actions.push(Action::WriteBlobs { replica }),
            Flush::Blobs { .. } => {
                for shard in shards {
                    actions.push(Action::Commit { replica, shard, is_answered: true });
                    if state.budget.lost_replies > 0 {
                        actions.push(Action::Commit { replica, shard, is_answered: false });
                    }
                }
            }
            Flush::Unsure { .. } => actions.push(Action::Resolve { replica }),
            Flush::Half { .. } => actions.push(Action::CommitRest { replica }),
        }
        actions.extend([Action::CleanStore { replica }, Action::CleanLog { replica }]);
        if self.has_failed_over(state) {
            actions.push(Action::CompareMarks { replica });
        }
        // What memory still serves matters to readers only.
        if state.budget.reads > 0 || state.reader != Reader::Idle {
            actions.push(Action::Forget { replica });
        }
        // A replica that heard nothing has nothing to lose.
        let has_heard = process.last.is_some() || state.disks[usize::from(number)] != Disk::default();
        if has_heard && state.budget.crashes > 0 {
            actions.push(Action::Crash { replica });
        }
        if has_heard && state.budget.stalls > 0 {
            actions.push(Action::Stall { replica });
        }
    }

    fn has_failed_over(&self, state: &State) -> bool {
        state.budget.failovers < self.scope.failovers && state.standby.is_none()
    }

    fn of_reporter(&self, state: &State, replica: u8, actions: &mut Vec<Action>) {
        let is_first = state.database.home.is_none() && !self.has_failed_over(state);
        if replica > 0 && is_first && self.defect != Some(Defect::TwoHomes) {
            return;
        }
        // It says one thing after the other, and repeats anything at any time.
        let newest = (state.acknowledged_through() + 1).min(self.scope.reports);
        for sequence in 1..=newest {
            let is_new = !state.acknowledged[usize::from(sequence) - 1];
            actions.push(Action::Receive { replica, sequence, is_answered: true });
            if is_new {
                actions.push(Action::Receive { replica, sequence, is_answered: false });
            }
        }
    }
}

impl Model for Counting {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(&self.scope)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for replica in (0u8..).take(REPLICAS) {
            self.of_process(state, replica, actions);
            if state.budget.retirements > 0 && replica == 0 {
                actions.push(Action::Retire { replica });
            }
        }
        if state.budget.failovers > 0 {
            actions.push(Action::FallBehind);
        }
        if state.standby.is_some() {
            actions.push(Action::FailOver);
        }
        if state.hanging.is_some() {
            actions.push(Action::WakeAndWriteBlobs);
            actions.extend((0u8..).take(SHARDS).map(|shard| Action::WakeAndCommit { shard }));
        }
        match state.reader {
            Reader::Idle if state.budget.reads > 0 => actions.push(Action::Look),
            Reader::Reading(_) => actions.push(Action::Ask),
            Reader::Idle | Reader::Wrong => {}
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        step(state, action, &self.scope, self.defect)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        // One property, so that the exploration ends with the first state that breaks any law: a shortest trace.
        vec![Property::always("the laws hold", |model: &Self, state: &State| model.first_broken(state).is_none())]
    }
}

impl Counting {
    /// The first law that a state breaks.
    pub fn first_broken(&self, state: &State) -> Option<Broken> {
        if state.database.usage.iter().flatten().any(|it| *it > 1) {
            return Some(Broken::CountedTwice);
        }
        if !is_conserved(state) {
            return Some(Broken::NotConserved);
        }
        if state.reader == Reader::Wrong {
            return Some(Broken::NotVisible);
        }
        settle(state, &self.scope, self.defect).end.err().map(Broken::Unsettled)
    }
}

fn is_conserved(state: &State) -> bool {
    let received = |shard: usize| state.database.replicas.iter().map(|it| it.marks[shard].received).sum::<u8>();
    (0..SHARDS).all(|shard| received(shard) == state.database.usage[shard].iter().sum::<u8>())
}

/// The bound of the arrays holds every scope.
const _: () = assert!(REPORTS >= 2);
