//! The model: the shipped protocol holds in every state of every scope, and each defect is found.
//!
//! `TENURE_MODEL_WIDE=1` adds a scope with more faults together: minutes.

use super::{Action, Broken, Defect, Scope, Unsettled, explore, scope_of, shipped_scopes};

/// The page that shows the table; an exploration gives the same numbers every time.
const GUIDE: &str = include_str!("../../../../docs/guide/counting.md");

/// Explores the shipped scopes of this name; fewer states would mean that something in them cannot happen any more.
fn holds(kind: &str, states_min: usize) {
    let mut states = 0;
    for (name, scope) in shipped_scopes().into_iter().filter(|(name, _)| name.starts_with(kind)) {
        let finding = explore(scope, None);
        assert_eq!(finding.broken, None, "{name}");
        assert!(GUIDE.contains(&finding.row_of_scope(name)), "not in the guide: {}", finding.row_of_scope(name));
        states += finding.states;
    }
    assert!(states >= states_min, "only {states} states");
}

/// I10, I11, I12: crashes at every step and lost replies of the database.
#[test]
fn the_shipped_protocol_survives_crashes() {
    holds("crashes", 8_000);
}

/// I10, I11, I12: a disk that is lost or put back, with a process that hangs and wakes later.
#[test]
fn the_shipped_protocol_survives_a_lost_disk() {
    holds("lost disk, stall", 390_000);
}

/// I10, I11, I12: more generations than one to catch up, a loss within a loss, and a retirement after it.
#[test]
fn the_shipped_protocol_survives_more_than_one_fault() {
    holds("lost disk, backlog", 330_000);
    holds("lost disk, then retired", 290_000);
    holds("disk lost twice", 30_000);
}

/// I10, I11, I12: a database that loses its last commits, homes among them, within the time that logs keep.
#[test]
fn the_shipped_protocol_survives_a_failover() {
    holds("failover, ", 500_000);
}

/// I10, I11, I12: the same with a disk that is lost, before or after.
#[test]
fn the_shipped_protocol_survives_a_failover_and_a_lost_disk() {
    holds("failover and", 600_000);
}

/// I10, I11: a replica that is retired, with a process of it that goes on.
#[test]
fn the_shipped_protocol_survives_a_retirement() {
    holds("retirement", 280_000);
}

/// I14: a reader between any two steps, crashes meanwhile.
#[test]
fn a_reader_sees_each_byte_once() {
    holds("reader, ", 70_000);
}

/// I14: a reader while its replica is retired and the reporter goes on elsewhere.
#[test]
fn a_reader_sees_each_byte_once_across_a_retirement() {
    holds("reader and", 400_000);
}

/// Each rule is needed: without it a counterexample exists, in a scope that the shipped protocol passes.
#[test]
fn every_defect_has_a_counterexample() {
    let shipped: Vec<Scope> = shipped_scopes().into_iter().map(|(_, scope)| scope).collect();
    for defect in Defect::ALL {
        let scope = scope_of(*defect);
        assert!(shipped.contains(&scope), "{} is looked for where the protocol is not", defect.code());
        let finding = explore(scope, Some(*defect));
        assert!(finding.broken.is_some(), "{} was not found", defect.code());
        assert!(
            GUIDE.contains(&finding.row_of_defect(*defect)),
            "not in the guide: {}",
            finding.row_of_defect(*defect)
        );
    }
}

/// I13: were each shard sealed at a moment of its own, a lost disk would lose what reporters kept. (That the blobs of a
/// generation never have two contents is asserted in every step of the shipped protocol.)
#[test]
fn one_cut_closes_a_generation_for_all_shards() {
    let defect = Defect::SealPerShard;
    let trace = explore(scope_of(defect), Some(defect)).broken.expect("it is found");
    assert!(matches!(trace.law, Broken::Unsettled(Unsettled::Count { .. })), "{trace:?}");
    assert!(trace.actions.iter().any(|it| matches!(it, Action::LoseDisk { .. })), "{trace:?}");
}

/// The same with running totals: what a delta shows, a total shows too.
#[test]
fn defects_are_found_with_running_totals_too() {
    let needs_no_totals = [Defect::ReaderNeverReadsAgain, Defect::ReaderMissesRetirement];
    for defect in Defect::ALL.iter().filter(|it| !needs_no_totals.contains(it)) {
        let scope = Scope { is_cumulative: true, ..scope_of(*defect) };
        assert!(explore(scope, Some(*defect)).broken.is_some(), "{} was not found", defect.code());
    }
}

/// A process that hangs, a disk that is lost and a replica that is retired in one history; millions of states.
#[test]
fn the_shipped_protocol_holds_with_those_faults_together() {
    if std::env::var_os("TENURE_MODEL_WIDE").is_none() {
        return;
    }
    for is_cumulative in [false, true] {
        let scope = Scope {
            reports: 2,
            cuts: 2,
            crashes: 0,
            stalls: 1,
            lost_disks: 1,
            retirements: 1,
            failovers: 0,
            lost_replies: 0,
            reads: 0,
            is_cumulative,
        };
        let finding = explore(scope, None);
        println!("{} states", finding.states);
        assert_eq!(finding.broken, None, "{scope:?}");
    }
}
