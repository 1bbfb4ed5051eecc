//! The recorded side of an explanation: the decision, its table as it was, and the rows before it.
//!
//! The table is rebuilt from the frame and the state that the decision saw (I9). What the rules would have chosen and
//! what the record says are compared here: a difference is said aloud rather than smoothed over.

use super::model::{CandidateRow, CandidateVerdict, HistoryRow, TieBreak};
use crate::ids::{DecisionId, Revision};
use crate::orchestration::{
    Ask, Batch, Decided, Frame, Holder, Outcome, Ownership, Request, State, candidate_table, replay_state,
};
use crate::reason::Reason;
use crate::time::Micros;

/// A decision with everything that it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRecord {
    pub id: DecisionId,
    pub at: Micros,
    /// Who asked: the allocator, or the token that made the plan.
    pub actor: String,
    pub revision: Revision,
    pub rules: u32,
    /// The hash of the batch, in hex.
    pub hash: String,
    pub frame: Frame,
    /// The state before the decision.
    pub state_before: State,
    pub request: Request,
    pub outcome: Outcome,
}

impl DecisionRecord {
    /// The decision at `id.ordinal` of its batch, by running the batch up to it. `None` when the batch is shorter.
    ///
    /// `batch.start` is the state before the first decision of that batch, not of its base.
    pub fn from_batch(id: DecisionId, at: Micros, actor: String, hash: String, batch: Batch) -> Option<Self> {
        let Batch { frame, start: mut state_before, decided } = batch;
        let ordinal = id.ordinal as usize;
        let Decided { request, outcome } = decided.get(ordinal)?.clone();
        replay_state(&frame, &mut state_before, &decided[..ordinal]);
        let (revision, rules) = (frame.revision, frame.rules);
        Some(Self { id, at, actor, revision, rules, hash, frame, state_before, request, outcome })
    }

    /// The group that the record names as the owner, by its position in the frame.
    pub fn chosen(&self) -> Option<u32> {
        let held = self.request.held.map(|held| held.group);
        match (self.outcome, self.request.ask) {
            (Outcome::Owned { group }, _) => Some(group),
            (Outcome::Kept, _) | (Outcome::Stays { why: Reason::KeptValid }, Ask::Repair) => held,
            _ => None,
        }
    }
}

/// The decision that chose the owner of today: later ones counted it anew and compared nothing.
///
/// `former` are the rows before, oldest first. The batch of this decision is what [`super::explain`] wants.
pub fn choosing_decision(ownership: &Ownership, former: &[Ownership]) -> DecisionId {
    let is_same = |row: &&Ownership| {
        ownership.group().is_some() && row.group() == ownership.group() && row.generation == ownership.generation
    };
    former.iter().rev().take_while(is_same).last().map_or(ownership.decision, |row| row.decision)
}

/// The life of an ownership, oldest first.
pub fn history_rows(former: &[Ownership], current: Option<&Ownership>) -> Vec<HistoryRow> {
    let mut rows: Vec<HistoryRow> = Vec::new();
    for ownership in former.iter().chain(current) {
        let (region, group, why) = match &ownership.holder {
            Holder::Group { region, group, .. } => (Some(region.clone()), Some(group.clone()), None),
            Holder::Nobody { why } => (None, None, Some(*why)),
        };
        let is_same = rows
            .last()
            .is_some_and(|last| group.is_some() && last.group == group && last.generation == ownership.generation);
        rows.push(HistoryRow {
            at: ownership.since,
            generation: ownership.generation,
            region,
            group,
            reason: why.or(is_same.then_some(Reason::CountedAnew)),
            decision: ownership.decision,
        });
    }
    rows
}

/// The table of a recorded decision.
pub(super) struct RecordedTable {
    pub(super) rows: Vec<CandidateRow>,
    pub(super) tie_break: Option<TieBreak>,
    /// Whether the rules of today choose otherwise than the record says.
    pub(super) is_differing: bool,
}

/// Rebuilds the table. Its chosen row is the recorded outcome, or the difference is told.
pub(super) fn recorded_table(record: &DecisionRecord) -> RecordedTable {
    let table = candidate_table(&record.frame, &record.state_before, &record.request);
    let mut rows: Vec<CandidateRow> = table.candidates.into_iter().map(CandidateRow::of).collect();
    let is_chosen = |row: &CandidateRow| row.verdict == CandidateVerdict::Chosen;
    let ruled = rows.iter().find(|row| is_chosen(row)).map(|row| row.group.clone());
    let recorded = record.chosen().map(|at| record.frame.group(at).id.clone());
    // An owner that is counted anew after it left the boundary has no row to be marked.
    let has_row = rows.iter().any(|row| Some(&row.group) == recorded.as_ref());
    let is_differing = ruled != recorded.clone().filter(|_| has_row);
    if is_differing {
        for row in rows.iter_mut().filter(|row| is_chosen(row) || Some(&row.group) == recorded.as_ref()) {
            let is_recorded = Some(&row.group) == recorded.as_ref();
            row.verdict = if is_recorded { CandidateVerdict::Chosen } else { CandidateVerdict::Eligible };
        }
    }
    let tie_break = recorded.map(|winner| {
        let runner_up = rows.iter().find(|row| row.is_eligible() && row.group != winner).map(|row| row.group.clone());
        TieBreak { reason: table.tie_break, winner, runner_up }
    });
    RecordedTable { rows, tie_break, is_differing }
}
