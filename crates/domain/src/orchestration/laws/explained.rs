//! I9: every decision is rebuilt from its batch, and its table says what happened.

use proptest::prelude::*;

use super::oracle::Oracle;
use super::walk::{Step, Walk, any_walk};
use super::world::{any_world, cases};
use crate::orchestration::{
    Ask, Batch, Candidate, CandidateTable, Decided, Outcome, Request, candidate_table, replay_state, verify,
};
use crate::reason::Reason;

/// Everything else that could have been recorded instead, but for a void, which records that nothing was.
fn forgeries(batch: &Batch, honest: Outcome) -> Vec<Outcome> {
    let groups = u32::try_from(batch.frame.groups.len()).expect("small");
    let mut all: Vec<Outcome> = (0..groups).map(|group| Outcome::Owned { group }).collect();
    all.push(Outcome::Kept);
    for why in [Reason::NoCandidate, Reason::JurisdictionMismatch, Reason::KeptValid, Reason::InstanceTerminated] {
        all.extend([Outcome::Nobody { why }, Outcome::Stays { why }]);
    }
    all.retain(|it| *it != honest);
    all
}

/// The rule that separates two rows, read from their scores alone.
fn rule_between(first: &Candidate, second: &Candidate) -> Reason {
    let utilisation = |it: &Candidate, other: &Candidate| {
        (u128::from(it.score.active_weight) + u128::from(it.score.own_weight)) * u128::from(other.score.capacity)
    };
    if utilisation(first, second) != utilisation(second, first) {
        assert!(utilisation(first, second) < utilisation(second, first));
        Reason::LeastUtilised
    } else if first.score.same_product != second.score.same_product {
        assert!(first.score.same_product < second.score.same_product);
        Reason::FewestOfProduct
    } else {
        assert!(first.group < second.group);
        Reason::SmallestId
    }
}

proptest! {
    #![proptest_config(cases(64))]

    /// I9: the record, run to any ordinal, gives the state that the decision saw; void requests are counted as the
    /// run counted them.
    #[test]
    fn a_batch_replays_to_every_ordinal((world, steps) in any_walk(60)) {
        let mut walk = Walk::new(&world);
        let (mut seen, mut number) = (vec![walk.run.state.clone()], walk.run.batches);
        for (at, step) in steps.iter().enumerate() {
            walk.take(step);
            if walk.run.batches != number {
                (seen, number) = (vec![walk.run.start.clone()], walk.run.batches);
            }
            let batch = walk.run.batch();
            if batch.decided.len() == seen.len() {
                seen.push(walk.run.state.clone());
            }
            let is_next_another = !matches!(steps.get(at + 1), Some(Step::Look(_) | Step::Move(..) | Step::Repair(_)));
            if is_next_another {
                let mut state = batch.start.clone();
                for (ordinal, expected) in seen.iter().enumerate() {
                    prop_assert_eq!(&state, expected, "before ordinal {}", ordinal);
                    replay_state(&batch.frame, &mut state, batch.decided.get(ordinal..=ordinal).unwrap_or_default());
                }
                prop_assert_eq!(&state, &walk.run.state);
            }
        }
    }

    /// I9: an honest batch verifies, ends in the state of the run, and no outcome of it can be changed unnoticed.
    #[test]
    fn a_batch_verifies_and_no_forgery_does((world, steps) in any_walk(40)) {
        let mut walk = Walk::new(&world);
        let is_edit = |step: &&Step| matches!(step, Step::Edit(_) | Step::Commit);
        steps.iter().filter(|step| !is_edit(step)).for_each(|step| drop(walk.take(step)));
        let batch = walk.run.batch();
        let mut end = batch.start.clone();
        prop_assert_eq!(verify(&batch.frame, &mut end, &batch.decided), Ok(()));
        prop_assert_eq!(&end, &walk.run.state);
        let mut before = batch.start.clone();
        for decided in &batch.decided {
            let forgeries = if decided.outcome == Outcome::Void { vec![] } else { forgeries(&batch, decided.outcome) };
            for forged in forgeries {
                let record = [Decided { outcome: forged, ..decided.clone() }];
                let error = verify(&batch.frame, &mut before.clone(), &record).expect_err("a forgery");
                prop_assert_eq!((error.ordinal, error.recorded, error.replayed), (0, forged, decided.outcome));
            }
            replay_state(&batch.frame, &mut before, std::slice::from_ref(decided));
        }
        if let Some(last) = batch.decided.iter().rposition(|it| it.outcome != Outcome::Void) {
            let mut record = batch.decided.clone();
            record[last].outcome = forgeries(&batch, record[last].outcome)[0];
            let error = verify(&batch.frame, &mut batch.start.clone(), &record).expect_err("a forgery");
            prop_assert_eq!(error.ordinal, last, "the error names the decision");
        }
    }

    /// I9: the table has every group of the boundary once; the eligible are ranked without a gap from the best, each
    /// of the others has the reason that the master data gives.
    #[test]
    fn the_table_is_whole_and_ranked((world, steps) in any_walk(60)) {
        let mut walk = Walk::new(&world);
        for step in &steps {
            let Some(taken) = walk.take(step) else { continue };
            let table = candidate_table(&walk.run.frame, &taken.before, &taken.request);
            let product = &walk.run.frame.products[taken.request.product as usize].0;
            let oracle = Oracle { parts: &walk.parts };
            let template = oracle.template_of(product);
            if matches!(taken.request.ask, Ask::Release { .. }) || !template.mode.is_sticky() {
                prop_assert!(table.candidates.is_empty(), "nobody was looked at");
                continue;
            }
            let mut listed: Vec<_> = table.candidates.iter().map(|it| it.group.clone()).collect();
            listed.sort();
            let all = walk.parts.groups.iter().map(|it| &it.object);
            let mut inside: Vec<_> = all.filter(|it| oracle.is_inside(template, it)).map(|it| it.id.clone()).collect();
            inside.sort();
            prop_assert_eq!(listed, inside);
            let ranks: Vec<_> = table.candidates.iter().filter_map(|it| it.rank).collect();
            let mut sorted = ranks.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (1..=u32::try_from(ranks.len()).expect("small")).collect::<Vec<_>>());
            for row in &table.candidates {
                let group = oracle.group(&row.group);
                let is_candidate =
                    oracle.takes(group) && oracle.is_allowed(group, taken.request.jurisdiction.as_ref());
                prop_assert_eq!((row.is_eligible, row.rank.is_some()), (is_candidate, is_candidate));
                prop_assert_eq!(&row.region, &group.region);
                prop_assert!(!row.is_chosen || row.margin_ppm == 0);
                prop_assert_ne!(row.reason, Reason::Ok);
            }
            check_order(&taken.request, &table)?;
        }
    }

    /// I9: a refusal says whether it was the jurisdiction.
    #[test]
    fn a_refusal_names_what_is_missing(world in any_world()) {
        let mut walk = Walk::new(&world);
        for customer in &world.customers {
            let oracle = Oracle { parts: &world.parts };
            let template = oracle.template_of(&customer.product);
            let Outcome::Nobody { why } = walk.run.ask(customer, Ask::Allocate) else { continue };
            let inside: Vec<_> =
                world.parts.groups.iter().map(|it| &it.object).filter(|it| oracle.is_inside(template, it)).collect();
            let expected = if !template.mode.is_sticky() {
                Reason::NotApplicable
            } else if inside.is_empty() {
                Reason::EmptyBoundary
            } else if inside.iter().all(|it| !oracle.is_allowed(it, customer.jurisdiction.as_ref())) {
                Reason::JurisdictionMismatch
            } else {
                Reason::NoCandidate
            };
            prop_assert_eq!(why, expected);
        }
    }
}

/// What the weight decided is in the order of the rules, and each loser is told by which rule it lost.
fn check_order(request: &Request, table: &CandidateTable) -> Result<(), TestCaseError> {
    let is_by_weight = !matches!(table.tie_break, Reason::ChosenByPlan | Reason::CountedAnew | Reason::KeptValid);
    let eligible: Vec<_> = table.candidates.iter().filter(|it| it.is_eligible).collect();
    let Some((first, rest)) = eligible.split_first() else { return Ok(()) };
    if !is_by_weight {
        let others = table.candidates.iter().filter(|it| it.is_eligible && !it.is_chosen);
        for row in others {
            prop_assert!(!matches!(row.reason, Reason::MoreUtilised | Reason::RampCapped), "{:?}", request.ask);
        }
        return Ok(());
    }
    prop_assert!(first.is_chosen && first.rank == Some(1));
    let competed: Vec<_> = rest
        .iter()
        .filter(|it| matches!(it.reason, Reason::MoreUtilised | Reason::MoreOfProduct | Reason::LargerId))
        .collect();
    for row in &competed {
        let expected = match rule_between(first, row) {
            Reason::LeastUtilised => Reason::MoreUtilised,
            Reason::FewestOfProduct => Reason::MoreOfProduct,
            _ => Reason::LargerId,
        };
        prop_assert_eq!(row.reason, expected);
        prop_assert!(row.margin_ppm >= 0);
    }
    for pair in competed.windows(2) {
        rule_between(pair[0], pair[1]);
        prop_assert!(pair[0].rank < pair[1].rank);
    }
    if let Some(second) = competed.first() {
        prop_assert_eq!(table.tie_break, rule_between(first, second));
    } else if rest.iter().all(|it| it.reason != Reason::RegionNotChosen) {
        prop_assert_eq!(table.tie_break, Reason::Ok, "nobody competed with the first");
    }
    let is_reasoned = |it: &&Candidate| {
        matches!(
            it.reason,
            Reason::MoreUtilised
                | Reason::MoreOfProduct
                | Reason::LargerId
                | Reason::RampCapped
                | Reason::RegionNotChosen
        )
    };
    prop_assert!(rest.iter().all(is_reasoned));
    Ok(())
}

/// A record is a value: it can be kept, copied and compared.
#[test]
fn a_decided_request_is_a_value() {
    fn is_value<T: Clone + PartialEq + serde::Serialize + serde::de::DeserializeOwned>() {}
    is_value::<Decided>();
}
