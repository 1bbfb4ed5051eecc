//! How a change of the topology is carried out without breaking anybody who can be moved.
//!
//! First what widens is written: new objects, and unions of the old and the new; a group that is closed becomes
//! draining. Then owners move, while what will go takes nobody. Last what narrows is written: the wanted objects as
//! they are, and deletions. Each of the two writes is all or nothing. Carried out, the topology is the wanted one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::change::{Change, Deletion, changed, find_change, objects_of};
use super::widen::Widening;
use crate::ids::{AccessTemplateId, GroupId};
use crate::master_data::{AccessTemplate, Kind, Object};
use crate::orchestration::{GroupIx, Topology, standing_for_new};
use crate::reason::Reason;

/// An object as the plan read it. A plan is refused whole if one stands otherwise when it begins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Expectation {
    pub kind: Kind,
    pub id: String,
    /// The change under which it stood; absent when there was no such object.
    pub change: Option<i64>,
}

impl Expectation {
    /// As it stands in a topology.
    pub fn of(topology: &Topology, kind: Kind, id: &str) -> Self {
        Self { kind, id: id.to_owned(), change: find_change(topology, kind, id) }
    }
}

/// What is written before, during and after the moves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// Written first, all at once.
    pub widen: Vec<Object>,
    /// From then until the end these groups take nobody in these boundaries; see [`super::super::Frame::build`].
    pub leaving: BTreeSet<(AccessTemplateId, GroupId)>,
    /// Written last, all at once.
    pub narrow: Change,
    /// What is written or deleted, as it was read.
    pub expected: Vec<Expectation>,
}

/// The steps from one topology to another, with the topology in the middle.
///
/// The middle breaks nobody: whoever is served in `old` is served there too. A group that can take somebody there, and
/// is not leaving, serves him in `new` as well.
pub fn plan_steps(old: &Topology, new: &Topology) -> (Steps, Topology) {
    let (before, after) = (objects_of(&old.to_parts()), objects_of(&new.to_parts()));
    let widening = Widening::new(old, new);
    let keys: BTreeSet<&(Kind, String)> = before.keys().chain(after.keys()).collect();
    let mut steps = Steps::default();
    let mut gone = Vec::new();
    for key @ (kind, id) in keys {
        let (was, wanted) = (before.get(key), after.get(key));
        let middle = widening.middle(was, wanted);
        let is_widened = was != Some(&middle);
        let is_narrowed = wanted != Some(&middle);
        if is_widened || is_narrowed {
            steps.expected.push(Expectation::of(old, *kind, id));
        }
        if is_narrowed {
            match wanted {
                Some(object) => steps.narrow.puts.push(object.clone()),
                None => gone.push(Deletion { kind: *kind, id: id.clone() }),
            }
        }
        if is_widened {
            steps.widen.push(middle);
        }
    }
    // References point from later kinds to earlier ones, so what refers goes before what it refers to.
    gone.reverse();
    steps.narrow.deletions = gone;
    let widen = Change { puts: steps.widen.clone(), deletions: Vec::new() };
    let middle = changed(old, &widen).expect("the middle refers to what is old or new, and both are there");
    steps.leaving = leaving(&middle, new);
    (steps, middle)
}

/// Groups that could take somebody in the middle and will not serve him in the end.
fn leaving(middle: &Topology, new: &Topology) -> BTreeSet<(AccessTemplateId, GroupId)> {
    let ends: BTreeMap<&GroupId, GroupIx> = new
        .groups()
        .iter()
        .filter_map(|group| Some((&group.object.id, new.find_group_ix(&group.object.id)?)))
        .collect();
    let mut leaving = BTreeSet::new();
    for template in middle.access_templates().iter().map(|it| &it.object).filter(|it| it.mode.is_sticky()) {
        let Some(end) = new.find_access_template(&template.id).map(|it| &it.object).filter(|it| it.mode.is_sticky())
        else {
            continue;
        };
        for group in middle.boundary_groups(template) {
            let id = &middle.group(group).object.id;
            let takes = standing_for_new(middle, group) == Reason::Ok;
            let stays = ends.get(id).is_some_and(|at| is_kept(middle, group, new, *at, end));
            if takes && !stays {
                leaving.insert((template.id.clone(), id.clone()));
            }
        }
    }
    leaving
}

/// Whether a group still takes in the end, inside the same jurisdiction.
fn is_kept(middle: &Topology, group: GroupIx, new: &Topology, at: GroupIx, end: &AccessTemplate) -> bool {
    let jurisdiction = &new.region_of(at).object.jurisdiction;
    new.is_inside(end, &new.group(at).object)
        && standing_for_new(new, at) == Reason::Ok
        && middle.region_of(group).object.jurisdiction == *jurisdiction
}
