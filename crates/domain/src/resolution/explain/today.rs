//! The same question asked today: which group would take the instance if it had no owner.
//!
//! The instance's own weight is taken out of the counters first, so that its owner is not made heavier by it.
//! This is the decision function itself on today's frame and state; nothing is counted and nothing is written (I7).

use super::Inputs;
use super::model::{CandidateRow, CandidateVerdict};
use crate::ids::GroupId;
use crate::orchestration::{Ask, Frame, Held, Holder, Ownership, Request, State, Validity, candidate_table, validate};

/// The table of today.
pub(super) struct Today {
    pub(super) rows: Vec<CandidateRow>,
}

impl Today {
    /// `None` when the mode owns nobody, or the counters are not known.
    pub(super) fn of(inputs: &Inputs<'_>) -> Option<Self> {
        let Inputs { topology, frame, subject, .. } = *inputs;
        let product = frame.find_product(subject.product)?;
        let template = frame.products[product as usize].1?;
        let state = without_own(inputs.state?, frame, subject.ownership);
        let is_broken = matches!(validate(topology, &subject)?.validity, Validity::Broken { .. });
        let request = Request {
            instance: subject.id.clone(),
            product,
            template: Some(template),
            jurisdiction: subject.jurisdiction.cloned(),
            weight: subject.weight,
            // A repair keeps the region where it can, so a broken ownership is asked about as what it will be.
            ask: if is_broken { Ask::Repair } else { Ask::Allocate },
            held: subject.ownership.and_then(|ownership| held(frame, ownership)),
        };
        let table = candidate_table(frame, &state, &request);
        Some(Self { rows: table.candidates.into_iter().map(CandidateRow::of).collect() })
    }

    /// The group that would be chosen.
    pub(super) fn lightest(&self) -> Option<&CandidateRow> {
        self.rows.iter().find(|row| row.verdict == CandidateVerdict::Chosen)
    }

    pub(super) fn find(&self, group: &GroupId) -> Option<&CandidateRow> {
        self.rows.iter().find(|row| row.group == *group)
    }

    /// The table as one in which nothing was chosen yet.
    pub(super) fn unchosen_rows(&self) -> Vec<CandidateRow> {
        let mut rows = self.rows.clone();
        for row in rows.iter_mut().filter(|row| row.is_eligible()) {
            row.verdict = CandidateVerdict::Eligible;
        }
        rows
    }
}

/// How the instance is counted, in the positions of the frame.
fn held(frame: &Frame, ownership: &Ownership) -> Option<Held> {
    match &ownership.holder {
        Holder::Group { group, weight, product, .. } => {
            Some(Held { group: frame.find_group(group)?, weight: *weight, product: frame.find_product(product)? })
        }
        Holder::Nobody { .. } => None,
    }
}

/// The counters without the instance itself.
///
/// Counters and ownership may be a moment apart; where the one does not hold the other yet, nothing is taken out.
fn without_own(state: &State, frame: &Frame, ownership: Option<&Ownership>) -> State {
    let mut state = state.clone();
    if let Some(held) = ownership.and_then(|ownership| held(frame, ownership)) {
        let load = &mut state.loads[held.group as usize];
        let weight = u64::from(held.weight);
        let is_counted = load.products.get(&held.product).is_some_and(|part| part.owners > 0 && part.weight >= weight);
        if is_counted {
            load.remove(held.product, weight);
        }
    }
    state
}
