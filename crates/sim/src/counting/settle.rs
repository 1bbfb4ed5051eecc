//! What becomes of a state when nothing more goes wrong: processes start, the reporter says what it must, all is flushed.
//!
//! Loss is a question about the future, so it is asked there: from every state, a quiet run ends with each report counted
//! exactly once in each shard, and with the accounts of shards and reporter equal. Without a lost disk or a retired
//! replica the reporter has forgotten what was acknowledged.

use super::database::{REPLICAS, SHARDS};
use super::state::{Reader, State};
use super::step::{Action, step};
use super::switch::{Defect, Scope};

/// A round opens each process at most once; two suffice for one that finds itself fenced.
const ROUNDS_MAX: u32 = 3;

/// Why the end of a state is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsettled {
    /// A report is not counted once in a shard.
    Count { shard: usize, report: usize, count: u8 },
    /// The shards or the reporter have an account of another sum.
    Account { shards: u8, reporter: u8, counted: u8 },
}

/// The quiet run from a state.
pub struct Quiet {
    state: State,
    scope: Scope,
    defect: Option<Defect>,
    /// What happened in it, in order.
    pub actions: Vec<Action>,
    /// Whether the end is right.
    pub end: Result<(), Unsettled>,
}

/// Runs a state to its quiet end.
pub fn settle(state: &State, scope: &Scope, defect: Option<Defect>) -> Quiet {
    // Cuts of the quiet end are not those of the scope.
    let scope = Scope { cuts: u8::MAX, ..*scope };
    let state = State { hanging: None, standby: None, reader: Reader::Idle, ..state.clone() };
    let mut quiet = Quiet { state, scope, defect, actions: Vec::new(), end: Ok(()) };
    quiet.flush_all();
    let first = if quiet.state.is_kept_needed { 1 } else { quiet.state.acknowledged_through() + 1 };
    for sequence in first..=scope.reports {
        let Some(replica) = quiet.replica_of_reporter() else { return quiet };
        quiet.take(Action::Receive { replica, sequence, is_answered: true });
    }
    quiet.flush_all();
    quiet.end = judge(&quiet.state, &scope, defect);
    quiet
}

impl Quiet {
    fn take(&mut self, action: Action) {
        if let Some(next) = step(&self.state, action, &self.scope, self.defect) {
            self.state = next;
            self.actions.push(action);
        }
    }

    /// Where the reporter is at home, or will be; `None` when every replica is retired.
    fn replica_of_reporter(&self) -> Option<u8> {
        let rows = &self.state.database.replicas;
        let home = self.state.database.home.filter(|home| !rows[usize::from(*home)].is_closed);
        home.or_else(|| (0u8..).zip(rows).find(|(_, rows)| !rows.is_closed).map(|(replica, _)| replica))
    }

    /// Starts what is down, finishes the flush that is under way, cuts and flushes the rest.
    fn flush_all(&mut self) {
        for replica in (0u8..).take(REPLICAS) {
            for _ in 0..ROUNDS_MAX {
                let before = self.actions.len();
                self.take(Action::CompareMarks { replica });
                if self.state.processes[usize::from(replica)].is_none() {
                    self.take(Action::Start { replica });
                }
                self.finish_flush(replica);
                self.take(Action::Log { replica });
                self.take(Action::Cut { replica });
                let is_sealed_alone = self.defect == Some(Defect::SealPerShard);
                for shard in (0u8..).take(SHARDS).filter(|_| is_sealed_alone) {
                    self.take(Action::CutShard { replica, shard });
                }
                self.finish_flush(replica);
                if self.actions.len() == before {
                    break;
                }
            }
        }
    }

    fn finish_flush(&mut self, replica: u8) {
        self.take(Action::Resolve { replica });
        self.take(Action::CommitRest { replica });
        self.take(Action::WriteBlobs { replica });
        for shard in (0u8..).take(SHARDS) {
            self.take(Action::Commit { replica, shard, is_answered: true });
            self.take(Action::CommitRest { replica });
        }
    }
}

fn judge(state: &State, scope: &Scope, defect: Option<Defect>) -> Result<(), Unsettled> {
    for (shard, units) in state.database.usage.iter().enumerate() {
        for (report, count) in units.iter().take(usize::from(scope.reports)).enumerate() {
            if *count != 1 {
                return Err(Unsettled::Count { shard, report, count: *count });
            }
        }
    }
    // Without a watermark that all shards share there is no point at which the reporter could be read.
    if matches!(defect, Some(Defect::NoWatermark | Defect::PrunedLedger | Defect::SealPerShard)) {
        return Ok(());
    }
    let rows = state.database.replicas.iter().flat_map(|it| &it.marks);
    let shards: u8 = rows.map(|it| it.received).sum();
    let reporter = state.database.reporter_units();
    let counted: u8 = state.database.usage.iter().flatten().sum();
    let is_equal = shards == counted && reporter == counted;
    if is_equal { Ok(()) } else { Err(Unsettled::Account { shards, reporter, counted }) }
}
