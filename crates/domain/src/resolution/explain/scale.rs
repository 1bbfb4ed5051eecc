//! What happened to the boundary between the decision and today: who joined, left, opened, closed, grew or shrank.
//!
//! A difference of two candidate tables, the recorded one and the one of today, so it speaks of candidates of *this*
//! instance. None of these events moved it (I2); they are told because people ask about them.

use super::model::{CandidateRow, ScaleEvent, ScaleEventKind};
use super::record::DecisionRecord;
use super::today::Today;
use crate::ids::{GroupId, Revision};
use crate::orchestration::Topology;

/// The events, by group. `then` is the table of the decision; a release has none, so nothing can be compared with it.
pub(super) fn scale_events(
    topology: &Topology,
    record: &DecisionRecord,
    then: &[CandidateRow],
    today: &Today,
) -> Vec<ScaleEvent> {
    let Some(template) = record.request.template.filter(|_| !then.is_empty()) else {
        return Vec::new();
    };
    let mut events = Vec::new();
    let was = &record.frame.templates[template as usize].id;
    let product = &record.frame.products[record.request.product as usize].0;
    let is = topology.policy(product).map(|(_, template)| template);
    if is.is_none_or(|is| is.object.id != *was) {
        events.push(ScaleEvent {
            kind: ScaleEventKind::TemplateChanged,
            group: None,
            was: Some(was.to_string()),
            is: is.map(|is| is.object.id.to_string()),
            revision: topology.find_product(product).map(|product| product.revision).unwrap_or_default(),
        });
    }
    let boundary_revision = is.map(|is| is.revision).unwrap_or_default();
    for (group, then, now) in paired(then, &today.rows) {
        let revision = match topology.find_group_ix(group) {
            Some(at) => topology.standing(at).revision,
            None => boundary_revision,
        };
        events.extend(events_of(group, then, now, revision, boundary_revision));
    }
    events
}

/// A group with its rows then and now.
type Pair<'a> = (&'a GroupId, Option<&'a CandidateRow>, Option<&'a CandidateRow>);

/// The rows of two tables by group, one pass over both sorted.
fn paired<'a>(then: &'a [CandidateRow], now: &'a [CandidateRow]) -> Vec<Pair<'a>> {
    let by_group = |rows: &'a [CandidateRow]| {
        let mut sorted: Vec<&CandidateRow> = rows.iter().collect();
        sorted.sort_unstable_by(|a, b| a.group.cmp(&b.group));
        sorted.into_iter().peekable()
    };
    let (mut then, mut now) = (by_group(then), by_group(now));
    let mut pairs = Vec::new();
    while let Some(group) = then.peek().into_iter().chain(now.peek()).map(|row| &row.group).min() {
        let was = then.next_if(|row| row.group == *group);
        let is = now.next_if(|row| row.group == *group);
        pairs.push((group, was, is));
    }
    pairs
}

/// What happened to one group.
fn events_of(
    group: &GroupId,
    then: Option<&CandidateRow>,
    now: Option<&CandidateRow>,
    revision: Revision,
    boundary_revision: Revision,
) -> Vec<ScaleEvent> {
    let event = |kind, was: Option<String>, is: Option<String>, revision| ScaleEvent {
        kind,
        group: Some(group.clone()),
        was,
        is,
        revision,
    };
    let (then, now) = match (then, now) {
        (Some(then), Some(now)) => (then, now),
        (None, Some(now)) => {
            let is = standing(now);
            return vec![event(ScaleEventKind::Joined, None, Some(is), revision.max(boundary_revision))];
        }
        (Some(then), None) => {
            let was = standing(then);
            return vec![event(ScaleEventKind::Left, Some(was), None, revision.max(boundary_revision))];
        }
        (None, None) => return Vec::new(),
    };
    let mut events = Vec::new();
    let kind = match (then.is_eligible(), now.is_eligible()) {
        (false, true) => Some(ScaleEventKind::BecameCandidate),
        (true, false) => Some(ScaleEventKind::CeasedCandidate),
        _ => None,
    };
    events.extend(kind.map(|kind| event(kind, Some(standing(then)), Some(standing(now)), revision)));
    if then.score.capacity != now.score.capacity {
        let (was, is) = (then.score.capacity.to_string(), now.score.capacity.to_string());
        events.push(event(ScaleEventKind::CapacityChanged, Some(was), Some(is), revision));
    }
    if then.region != now.region {
        let (was, is) = (then.region.to_string(), now.region.to_string());
        events.push(event(ScaleEventKind::RegionChanged, Some(was), Some(is), revision));
    }
    events
}

/// `candidate`, or the code of why it was none.
fn standing(row: &CandidateRow) -> String {
    if row.is_eligible() { "candidate".to_owned() } else { row.reason.code().to_owned() }
}
