//! The scopes of the contract, written down a second time, and how secrets are spelt.
//!
//! Who may do what on which route is tested against a started server, in `tests/it/access.rs`.
//! Cases are data; the rules stand beside the code.

use super::{Need, Scope, Scopes, Secret};

/// What each scope meets, written down a second time.
#[test]
fn a_scope_meets_what_it_is_for_and_nothing_else() {
    let needs = [Need::Resolve, Need::Read, Need::ReadUnlessLoopback, Need::Write, Need::Report, Need::Admin];
    for (scope, met) in [
        (Scope::Resolve, [true, false, false, false, false, false]),
        (Scope::Read, [true, true, true, false, false, false]),
        (Scope::Write, [false, false, false, true, false, false]),
        (Scope::Report, [false, false, false, false, true, false]),
        (Scope::Admin, [true, true, true, true, true, true]),
    ] {
        let scopes: Scopes = [scope].into_iter().collect();
        for (need, is_met) in needs.into_iter().zip(met) {
            assert_eq!(scopes.meet(need), is_met, "{scope:?} {need:?}");
        }
        assert!(!Scopes::default().meet(Need::Resolve));
        assert!(Scopes::default().meet(Need::Nothing));
        assert_eq!(Scope::from_code(scope.code()), Some(scope));
    }
}

#[test]
fn a_secret_is_spelt_in_one_way_and_shows_itself_to_nobody() {
    let secret = Secret::draw().unwrap();
    assert_eq!(Secret::parse(secret.reveal()).unwrap().hash(), secret.hash());
    assert!(!format!("{secret:?}").contains(&secret.reveal()[7..]));
    assert_ne!(Secret::draw().unwrap().hash(), secret.hash());
    for bad in ["", "tenure_", "tenure_xyz", &secret.reveal()[1..], &format!("{}0", secret.reveal())] {
        assert!(Secret::parse(bad).is_none(), "{bad}");
    }
}
