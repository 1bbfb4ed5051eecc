//! The law read aloud along a run: what each ask should come to, and what the ramp rows should be afterwards.

use std::collections::BTreeMap;

use super::oracle::{Counted, Oracle, Ramps, Want, taker};
use super::run::Run;
use super::world::Customer;
use crate::ids::{GroupId, InstanceId};
use crate::orchestration::{Ask, Outcome, Ownership, Parts};
use crate::reason::Reason;

/// Follows a run step by step.
pub(crate) struct Reading {
    pub(crate) ramps: Ramps,
}

impl Reading {
    pub(crate) fn new(parts: &Parts) -> Self {
        let mut reading = Self { ramps: Ramps::default() };
        reading.turn_to(parts, &BTreeMap::new());
        reading
    }

    /// The master data changed.
    pub(crate) fn turn_to(&mut self, parts: &Parts, owners: &BTreeMap<InstanceId, Ownership>) {
        self.ramps.turn_to(Oracle { parts }, &Counted(owners));
    }

    /// Asks the run and the law, and returns what each says of who takes: a group, or nobody. An ask that chooses
    /// nobody is answered alike by both.
    pub(crate) fn ask(&mut self, run: &mut Run, parts: &Parts, customer: &Customer, ask: Ask) -> Said {
        let owners = run.owners.clone();
        let outcome = run.ask(customer, ask);
        self.judge(run, parts, &owners, customer, ask, outcome)
    }

    /// The same for an ask that the run has answered. `owners` are those before it.
    pub(crate) fn judge(
        &mut self,
        run: &Run,
        parts: &Parts,
        owners: &BTreeMap<InstanceId, Ownership>,
        customer: &Customer,
        ask: Ask,
        outcome: Outcome,
    ) -> Said {
        let (oracle, counted) = (Oracle { parts }, Counted(owners));
        let template = oracle.template_of(&customer.product);
        if !template.mode.is_sticky() {
            return (None, None);
        }
        self.ramps.leave(oracle, &counted, template);
        let owner = owners.get(&customer.id).and_then(|it| it.group());
        let repaired = match ask {
            Ask::Allocate => None,
            Ask::Repair => owner,
            Ask::Recount | Ask::Release { .. } | Ask::Move { .. } => return (None, None),
        };
        let jurisdiction = customer.jurisdiction.as_ref();
        let want = Want { product: &customer.product, jurisdiction, weight: customer.weight, repaired };
        let named = taker(oracle, &counted, &self.ramps, template, want);
        let went = match outcome {
            Outcome::Owned { group } => Some(run.frame.group(group).id.clone()),
            Outcome::Stays { why: Reason::KeptValid } => owner.cloned(),
            _ => None,
        };
        if let (Some(named), Outcome::Owned { .. }) = (named, outcome) {
            self.ramps.arrive(oracle, template, want, named);
        }
        (went, named.cloned())
    }
}

/// Who took, and whom the law names.
pub(crate) type Said = (Option<GroupId>, Option<GroupId>);
