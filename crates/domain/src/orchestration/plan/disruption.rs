//! The disruption guard: whether a write of master data would leave too many of a boundary's owners invalid.
//!
//! More than 10 % *and* more than 100 of them, those already invalid counted; in `fixed` and `merge` an instance is
//! invalid when no node of the boundary is qualified for it. A write that invalidates nobody anew is never refused:
//! who mends a broken fleet must not be stopped for its being broken. Works on counts by class, in milliseconds.

use std::collections::{BTreeMap, BTreeSet};

use super::class::{ClassCounts, ClassKey, Representative};
use crate::ids::{AccessTemplateId, Jurisdiction};
use crate::master_data::AccessTemplate;
use crate::orchestration::{Topology, Validity, Verdict, is_allowed, standing_for_new, validate};
use crate::reason::Reason;
use crate::resolution::qualified_in_order;

/// Fewer than this a person can look after one by one.
pub const INVALID_OWNERS_MAX: u64 = 100;

/// One in ten.
pub const INVALID_SHARE_PERCENT_MAX: u64 = 10;

/// A boundary that a write disrupts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Disruption {
    pub template: AccessTemplateId,
    /// The owners of the boundary; for `fixed` and `merge`, its instances.
    pub owners: u64,
    /// Of those, how many are invalid before the write.
    pub invalid_before: u64,
    /// How many would be after it.
    pub invalid_after: u64,
}

impl Disruption {
    /// Whether it is too much.
    pub fn is_too_much(&self) -> bool {
        self.invalid_after > INVALID_OWNERS_MAX && self.invalid_after * 100 > self.owners * INVALID_SHARE_PERCENT_MAX
    }
}

/// The boundaries that a change from `old` to `new` disrupts too much, by template.
///
/// A product that changes its template is judged in the boundary it leaves as well as in the one it comes to.
pub fn disruptions(old: &Topology, new: &Topology, counts: &ClassCounts) -> Vec<Disruption> {
    let (mut before, mut after) = (Judge::new(old), Judge::new(new));
    let mut boundaries: BTreeMap<&AccessTemplateId, (Disruption, u64)> = BTreeMap::new();
    for (key, count) in counts.iter() {
        let (was, is) = (before.standing(key), after.standing(key));
        let Some(is) = came_to_own(key, new, was, is) else { continue };
        let templates: BTreeSet<&AccessTemplateId> =
            [old, new].into_iter().filter_map(|it| it.policy(&key.product)).map(|it| &it.1.object.id).collect();
        for template in templates {
            let (it, newly) = boundaries.entry(template).or_insert_with(|| {
                let (owners, invalid_before, invalid_after) = (0, 0, 0);
                (Disruption { template: template.clone(), owners, invalid_before, invalid_after }, 0)
            });
            it.owners += count;
            it.invalid_before += if was == Standing::Invalid { count } else { 0 };
            it.invalid_after += if is == Standing::Invalid { count } else { 0 };
            *newly += if is == Standing::Invalid && was != Standing::Invalid { count } else { 0 };
        }
    }
    boundaries.into_values().filter(|(it, newly)| *newly > 0 && it.is_too_much()).map(|(it, _)| it).collect()
}

/// What a class is in its boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Delivered, in a mode that owns nobody.
    Delivered,
    Valid,
    Invalid,
    /// A mode that owns, and nobody does: no owner of the boundary.
    Unowned,
    /// The product is not known.
    Unknown,
}

/// The standing after a write, with instances that were delivered and have no owner yet: they will have one if there
/// is a candidate. `None` for who is no owner of the boundary.
fn came_to_own(key: &ClassKey, new: &Topology, was: Standing, is: Standing) -> Option<Standing> {
    match (was, is) {
        (Standing::Delivered, Standing::Unowned) => {
            Some(if has_candidate(new, key) { Standing::Valid } else { Standing::Invalid })
        }
        (_, Standing::Unowned | Standing::Unknown) => None,
        (_, is) => Some(is),
    }
}

fn has_candidate(topology: &Topology, key: &ClassKey) -> bool {
    let Some((_, template)) = topology.policy(&key.product) else { return false };
    topology.boundary_groups(&template.object).into_iter().any(|group| {
        standing_for_new(topology, group) == Reason::Ok && is_allowed(topology, group, key.jurisdiction.as_ref())
    })
}

/// Judges classes in one topology.
struct Judge<'a> {
    topology: &'a Topology,
    /// Whether a `fixed` or `merge` boundary has a qualified node for a jurisdiction.
    delivers: BTreeMap<(AccessTemplateId, Option<Jurisdiction>), bool>,
}

impl<'a> Judge<'a> {
    fn new(topology: &'a Topology) -> Self {
        Self { topology, delivers: BTreeMap::new() }
    }

    fn standing(&mut self, key: &ClassKey) -> Standing {
        let representative = Representative::of(key.clone());
        let Some(verdict) = validate(self.topology, &representative.subject()) else { return Standing::Unknown };
        match verdict.validity {
            Validity::Valid { .. } => Standing::Valid,
            Validity::Broken { .. } => Standing::Invalid,
            Validity::Unowned { .. } => Standing::Unowned,
            Validity::NotApplicable if self.delivers(verdict.template, key) => Standing::Delivered,
            Validity::NotApplicable => Standing::Invalid,
        }
    }

    fn delivers(&mut self, template: &AccessTemplate, key: &ClassKey) -> bool {
        let memo = (template.id.clone(), key.jurisdiction.clone());
        if let Some(known) = self.delivers.get(&memo) {
            return *known;
        }
        let representative = Representative::of(key.clone());
        let verdict = Verdict { template, validity: Validity::NotApplicable };
        let found = !qualified_in_order(self.topology, &representative.subject(), &verdict, None).is_empty();
        self.delivers.insert(memo, found);
        found
    }
}
