//! Explores the model and prints what it found: for each switch the shortest trace, for the shipped protocol the number
//! of states in which nothing was found.
//!
//! Each defect is looked for in one of the scopes that the shipped protocol passes whole, breadth first on one thread,
//! so the first trace is a shortest one.

use stateright::{Checker, Model, Path};

use super::model::{Broken, Counting};
use super::settle::settle;
use super::state::State;
use super::step::Action;
use super::switch::{Defect, Scope};

/// What an exploration came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Different states seen.
    pub states: usize,
    /// The longest of the shortest ways to a state.
    pub depth: usize,
    /// The first law that fell, and a shortest way to it.
    pub broken: Option<Trace>,
}

/// A way to a state in which a law is broken, or from which none leads to a right end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    pub law: Broken,
    /// As short as any.
    pub actions: Vec<Action>,
    /// The quiet run after them, for a law that speaks of the end.
    pub quiet: Vec<Action>,
}

/// Explores a scope: to the first broken law, or to its end.
pub fn explore(scope: Scope, defect: Option<Defect>) -> Finding {
    let model = Counting { scope, defect };
    let checker = model.checker().spawn_bfs().join();
    let trace = |path: Path<State, Action>| {
        let law = model.first_broken(path.last_state())?;
        let speaks_of_the_end = matches!(law, Broken::Unsettled(_));
        let quiet = settle(path.last_state(), &scope, defect).actions;
        Some(Trace { law, quiet: if speaks_of_the_end { quiet } else { Vec::new() }, actions: path.into_actions() })
    };
    let broken = checker.discoveries().into_values().next().and_then(trace);
    Finding { states: checker.unique_state_count(), depth: checker.max_depth(), broken }
}

const NOTHING: Scope = Scope {
    reports: 2,
    cuts: 2,
    crashes: 0,
    stalls: 0,
    lost_disks: 0,
    retirements: 0,
    failovers: 0,
    lost_replies: 0,
    reads: 0,
    is_cumulative: false,
};

/// Crashes and lost answers.
const CRASHES: Scope = Scope { crashes: 2, lost_replies: 1, ..NOTHING };
/// A disk that is lost or put back, and a process that hangs.
const DISK: Scope = Scope { crashes: 1, stalls: 1, lost_disks: 1, lost_replies: 1, ..NOTHING };
/// More reports and generations, so that a flush catches up over several and shards are apart by more than one.
const BACKLOG: Scope = Scope { reports: 3, cuts: 3, crashes: 2, lost_disks: 1, lost_replies: 1, ..NOTHING };
/// A disk that is lost, then a replica that is retired, or the other way round: what was ahead once is ahead again.
const MOVED: Scope = Scope { crashes: 1, lost_disks: 1, retirements: 1, ..NOTHING };
/// A database that loses its last commits, and a process that crashes.
const FAILOVER: Scope = Scope { crashes: 1, failovers: 1, ..NOTHING };
/// The same with a disk that is lost: its recovery may be among what the database loses.
const FAILOVER_DISK: Scope = Scope { failovers: 1, lost_disks: 1, crashes: 1, ..NOTHING };
/// A disk that is lost again while the first loss is being replayed.
const TWICE: Scope = Scope { reports: 3, cuts: 3, crashes: 2, lost_disks: 2, ..NOTHING };
/// A replica that is retired while a process of it may hang.
const RETIREMENT: Scope = Scope { stalls: 1, retirements: 1, ..NOTHING };
/// A reader, and a process that crashes.
const READER: Scope = Scope { crashes: 1, reads: 1, ..NOTHING };
/// A reader, and a replica that is retired meanwhile.
const READER_RETIREMENT: Scope = Scope { retirements: 1, reads: 1, ..NOTHING };

/// The same with running totals.
const fn totals(scope: Scope) -> Scope {
    Scope { is_cumulative: true, ..scope }
}

/// The scopes that the shipped protocol passes, with their names.
pub fn shipped_scopes() -> [(&'static str, Scope); 18] {
    [
        ("crashes, deltas", CRASHES),
        ("crashes, totals", totals(CRASHES)),
        ("lost disk, stall, deltas", DISK),
        ("lost disk, stall, totals", totals(DISK)),
        ("lost disk, backlog, deltas", BACKLOG),
        ("lost disk, backlog, totals", totals(BACKLOG)),
        ("lost disk, then retired, deltas", MOVED),
        ("lost disk, then retired, totals", totals(MOVED)),
        ("disk lost twice, deltas", TWICE),
        ("disk lost twice, totals", totals(TWICE)),
        ("failover, deltas", FAILOVER),
        ("failover, totals", totals(FAILOVER)),
        ("failover and lost disk, deltas", FAILOVER_DISK),
        ("retirement, deltas", RETIREMENT),
        ("retirement, totals", totals(RETIREMENT)),
        ("reader, deltas", READER),
        ("reader, totals", totals(READER)),
        ("reader and retirement, deltas", READER_RETIREMENT),
    ]
}

/// The scope in which a defect is looked for.
pub fn scope_of(defect: Defect) -> Scope {
    match defect {
        Defect::DedupeNotDurable
        | Defect::AcknowledgeBeforeLog
        | Defect::LedgerKeyedByBucket
        | Defect::LedgerBeforeUsage
        | Defect::LedgerAfterUsage
        | Defect::CleanupBeforeCommit
        | Defect::NoWatermark
        | Defect::PrunedLedger
        | Defect::TwoHomes => CRASHES,
        Defect::ZombieFlusher
        | Defect::SealPerShard
        | Defect::FormerLifeCommits
        | Defect::FormerLifeWritesBlob
        | Defect::StrangersBlobIsKept
        | Defect::OldLogIsKept
        | Defect::LostBytesAreFolded
        | Defect::ReplaySkipsNothing => DISK,
        Defect::CleanupWithoutRetention | Defect::BlobIsNotDemanded | Defect::HomesAreNotCompared => FAILOVER,
        Defect::LogForgetsItsBeginning => FAILOVER_DISK,
        Defect::ReaderNeverReadsAgain => READER,
        Defect::ReaderMissesRetirement => READER_RETIREMENT,
    }
}

impl Finding {
    /// The row of a switch in the table.
    pub fn row_of_defect(&self, defect: Defect) -> String {
        let steps = |it: &Trace| it.actions.len() + it.quiet.len();
        let (steps, law) = self.broken.as_ref().map_or((0, "NOT FOUND"), |it| (steps(it), it.law.describe()));
        format!("{:<32} {:>8}  {steps:>5}  {law}", defect.code(), self.states)
    }

    /// The row of a scope of the shipped protocol.
    pub fn row_of_scope(&self, name: &str) -> String {
        let law = self.broken.as_ref().map_or("nothing", |it| it.law.describe());
        format!("{name:<32} {:>8}  {:>5}  {law}", self.states, self.depth)
    }
}

/// The table: each switch with what it broke, then the shipped protocol.
pub fn table() -> String {
    let mut rows = vec!["switch                             states  steps  broken".to_owned()];
    rows.extend(Defect::ALL.iter().map(|it| explore(scope_of(*it), Some(*it)).row_of_defect(*it)));
    rows.push("\nshipped protocol                   states  depth  broken".to_owned());
    rows.extend(shipped_scopes().into_iter().map(|(name, scope)| explore(scope, None).row_of_scope(name)));
    rows.join("\n") + "\n"
}
