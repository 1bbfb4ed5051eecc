//! Explores the model and prints what it found: for each switch the shortest trace, for the shipped protocol the number
//! of states in which nothing was found.
//!
//! Each defect is looked for in one of the scopes that the shipped protocol passes whole, breadth first on one thread,
//! so the first trace is a shortest one.

use std::fmt::Write as _;

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
    lost_replies: 0,
    reads: 0,
    is_cumulative: false,
};

/// Crashes and lost answers.
const CRASHES: Scope = Scope { crashes: 2, lost_replies: 1, ..NOTHING };
/// A disk that is lost or put back, and a process that hangs.
const DISK: Scope = Scope { crashes: 1, stalls: 1, lost_disks: 1, lost_replies: 1, ..NOTHING };
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
pub fn shipped_scopes() -> [(&'static str, Scope); 10] {
    [
        ("crashes, deltas", CRASHES),
        ("crashes, totals", totals(CRASHES)),
        ("lost disk, deltas", DISK),
        ("lost disk, totals", totals(DISK)),
        ("retirement, deltas", RETIREMENT),
        ("retirement, totals", totals(RETIREMENT)),
        ("reader, deltas", READER),
        ("reader, totals", totals(READER)),
        ("reader and retirement, deltas", READER_RETIREMENT),
        ("reader and retirement, totals", totals(READER_RETIREMENT)),
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
        Defect::ReaderNeverReadsAgain => READER,
        Defect::ReaderMissesRetirement => READER_RETIREMENT,
    }
}

/// The table: each switch with what it broke, then the shipped protocol.
pub fn table() -> String {
    let mut text = String::from("switch                         states  steps  broken\n");
    for defect in Defect::ALL {
        let finding = explore(scope_of(*defect), Some(*defect));
        let steps = |it: &Trace| it.actions.len() + it.quiet.len();
        let (steps, law) = finding.broken.as_ref().map_or((0, "NOT FOUND"), |it| (steps(it), it.law.describe()));
        let _ = writeln!(text, "{:<28} {:>8}  {steps:>5}  {law}", defect.code(), finding.states);
    }
    text.push_str("\nshipped protocol               states  depth  broken\n");
    for (name, scope) in shipped_scopes() {
        let finding = explore(scope, None);
        let law = finding.broken.as_ref().map_or("nothing", |it| it.law.describe());
        let _ = writeln!(text, "{name:<28} {:>8}  {:>5}  {law}", finding.states, finding.depth);
    }
    text
}
