//! The model: the shipped protocol holds in every state of every scope, and each defect is found.
//!
//! `TENURE_MODEL_WIDE=1` adds scopes with all faults at once: minutes, for a night.

use super::{Defect, Scope, explore, scope_of, shipped_scopes};

/// Fewer states than this would mean that something in a scope cannot happen any more.
const SHIPPED_STATES_MIN: usize = 500_000;

/// I10, I11, I12, I14: nothing is found in the protocol that is shipped.
#[test]
fn the_shipped_protocol_holds_in_every_state() {
    let mut states = 0;
    for (name, scope) in shipped_scopes() {
        let finding = explore(scope, None);
        assert_eq!(finding.broken, None, "{name}");
        states += finding.states;
    }
    assert!(states >= SHIPPED_STATES_MIN, "only {states} states");
}

/// Each rule is needed: without it a counterexample exists, in a scope that the shipped protocol passes.
#[test]
fn every_defect_has_a_counterexample() {
    let shipped: Vec<Scope> = shipped_scopes().into_iter().map(|(_, scope)| scope).collect();
    for defect in Defect::ALL {
        let scope = scope_of(*defect);
        assert!(shipped.contains(&scope), "{} is looked for where the protocol is not", defect.code());
        assert!(explore(scope, Some(*defect)).broken.is_some(), "{} was not found", defect.code());
    }
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

/// All faults at once; millions of states.
#[test]
fn the_shipped_protocol_holds_with_all_faults_at_once() {
    if std::env::var_os("TENURE_MODEL_WIDE").is_none() {
        return;
    }
    let all = Scope {
        reports: 2,
        cuts: 2,
        crashes: 1,
        stalls: 1,
        lost_disks: 1,
        retirements: 1,
        lost_replies: 1,
        reads: 0,
        is_cumulative: false,
    };
    for scope in [all, Scope { is_cumulative: true, ..all }] {
        assert_eq!(explore(scope, None).broken, None, "{scope:?}");
    }
}
