//! Explains an answer: why an instance is where it is, why not elsewhere, and what would change it (I9).
//!
//! Pure: plain values in, an [`Explanation`] out. It asks the functions that decide and resolve (I8) and adds no
//! judgement of its own, so it cannot disagree with them; nothing is sampled. It holds codes and parameters, and
//! [`prose`] is the one place that makes sentences of them.

mod checks;
mod model;
pub mod prose;
mod record;
mod remedies;
mod scale;
mod stay;
mod today;
mod why_not;

#[cfg(test)]
mod tests;

pub use checks::CHECK_CODES;
pub use model::{
    Action, CandidateRow, CandidateVerdict, CheckRow, DecisionKind, DecisionPart, Explanation, HistoryRow, Missing,
    Needed, Remedy, Replay, ScaleEvent, ScaleEventKind, SubjectPart, TieBreak, VerdictNow, WhyNot, WhyNotMoved,
};
pub use record::{DecisionRecord, choosing_decision, history_rows};
pub use remedies::REMEDIES_MAX;

use crate::ids::GroupId;
use crate::orchestration::{Frame, Holder, Ownership, State, Subject, Topology};

use today::Today;

/// What an explanation is made from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    pub topology: &'a Topology,
    /// The frame of the same topology.
    pub frame: &'a Frame,
    /// The counters of today in the positions of `frame`; without them nothing is said of today's utilisation.
    pub state: Option<&'a State>,
    pub subject: Subject<'a>,
    /// The decision that [`choosing_decision`] names, if its batch could be loaded.
    pub decision: Option<&'a DecisionRecord>,
    /// Former ownership rows, oldest first, without the one of today.
    pub former: &'a [Ownership],
    pub why_not: Option<&'a GroupId>,
    /// Whether the batch of the decision came out again, if it was run again.
    pub verified: Option<bool>,
}

/// Explains the answer that [`crate::resolution::resolve`] gives for the same topology and subject.
pub fn explain(inputs: &Inputs<'_>) -> Explanation {
    let Inputs { topology, subject, decision: record, .. } = *inputs;
    let verdict_now = checks::verdict_now(topology, &subject);
    let subject_part = subject_part(inputs);
    let today = Today::of(inputs);
    let table = record.map(record::recorded_table);
    let is_record_differing = table.as_ref().is_some_and(|table| table.is_differing);
    let (candidates, tie_break) = match (table, &today) {
        (Some(table), _) => (table.rows, table.tie_break),
        // Nothing was decided yet: what would be decided now is the best that can be told.
        (None, Some(today)) if verdict_now.is_undecided(&subject) => (today.unchosen_rows(), None),
        (None, _) => (Vec::new(), None),
    };
    let why_not = inputs.why_not.map(|group| why_not::why_not(inputs, today.as_ref(), &candidates, group));
    let why_not_moved = stay::why_not_moved(topology, &subject, today.as_ref());
    let (what_would_change_it, is_cut) = remedies::remedies(inputs, &verdict_now, why_not_moved.as_ref());
    let scale_events_since = match (record, &today) {
        (Some(record), Some(today)) => scale::scale_events(topology, record, &candidates, today),
        _ => Vec::new(),
    };
    let mut missing = missing(inputs, today.is_some());
    missing.extend(is_record_differing.then_some(Missing::RecordDiffers));
    missing.extend(is_cut.then_some(Missing::MoreRemedies));
    Explanation {
        subject: subject_part,
        verdict_now,
        decision: decision_part(inputs),
        candidates,
        tie_break,
        why_not,
        why_not_moved,
        what_would_change_it,
        history: history_rows(inputs.former, subject.ownership),
        scale_events_since,
        missing,
        replay: Replay {
            hash: record.map(|record| record.hash.clone()),
            rules: record.map(|record| record.rules),
            verified: record.and(inputs.verified),
        },
    }
}

impl VerdictNow {
    /// Whether an owner is due and no decision about it was taken.
    fn is_undecided(&self, subject: &Subject<'_>) -> bool {
        self.status.is_some() && subject.ownership.is_none()
    }
}

fn subject_part(inputs: &Inputs<'_>) -> SubjectPart {
    let Inputs { topology, subject, .. } = inputs;
    let template = topology.policy(subject.product).map(|(_, template)| &template.object);
    let resolution = crate::resolution::resolve(topology, subject, None);
    let (region, group) = match subject.ownership.map(|ownership| &ownership.holder) {
        Some(Holder::Group { region, group, .. }) => (Some(region.clone()), Some(group.clone())),
        _ => (None, None),
    };
    SubjectPart {
        instance: subject.id.clone(),
        product: subject.product.clone(),
        access_template: template.map(|template| template.id.clone()),
        mode: template.map(|template| template.mode.code()),
        jurisdiction: subject.jurisdiction.cloned(),
        status: subject.status,
        is_expired: subject.is_expired,
        weight: subject.weight,
        region,
        group,
        generation: subject.ownership.map(|ownership| ownership.generation),
        since: subject.ownership.map(|ownership| ownership.since),
        revision: resolution.map_or(subject.revision, |resolution| resolution.revision),
    }
}

/// The decision, or what the ownership row alone knows of it.
fn decision_part(inputs: &Inputs<'_>) -> Option<DecisionPart> {
    if let Some(record) = inputs.decision {
        return Some(DecisionPart {
            id: record.id,
            at: record.at,
            kind: Some(DecisionKind::of(&record.request.ask)),
            actor: Some(record.actor.clone()),
            revision: Some(record.revision),
            rules: Some(record.rules),
        });
    }
    let ownership = inputs.subject.ownership?;
    let id = choosing_decision(ownership, inputs.former);
    let chosen = inputs.former.iter().find(|row| row.decision == id).unwrap_or(ownership);
    Some(DecisionPart { id, at: chosen.since, kind: None, actor: None, revision: None, rules: None })
}

/// What cannot be told, and why.
fn missing(inputs: &Inputs<'_>, is_today_known: bool) -> Vec<Missing> {
    let Inputs { topology, subject, .. } = inputs;
    let Some((_, template)) = topology.policy(subject.product) else {
        return vec![Missing::ProductUnknown];
    };
    let mut missing = Vec::new();
    match (inputs.decision, subject.ownership) {
        (None, Some(_)) => missing.push(Missing::BatchGone),
        (None, None) if template.object.mode.is_sticky() => missing.push(Missing::NoDecisionYet),
        (None, None) => missing.push(Missing::NoDecisionNeeded),
        (Some(_), _) => {}
    }
    if template.object.mode.is_sticky() && !is_today_known {
        missing.push(Missing::CountersUnknown);
    }
    let owner = subject.ownership.and_then(Ownership::group);
    if owner.is_some_and(|group| topology.find_group(group).is_none()) {
        missing.push(Missing::OwnerGone);
    }
    missing
}
