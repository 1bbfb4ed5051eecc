//! The disruption guard: no write of master data leaves more than a tenth and more than a hundred of a boundary's
//! owners invalid, those already invalid counted, unless an administrator allows it. What is refused is a plan's work.
//!
//! Changes of the topology are judged class by class over one pass of the view; rows of an import one by one, against
//! what the import has done before them.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::ids::AccessTemplateId;
use domain::master_data::{Instance, InstanceStatus, Object};
use domain::orchestration::plan::{
    ClassCounts, ClassKey, Disruption, INVALID_OWNERS_MAX, INVALID_SHARE_PERCENT_MAX, disruptions,
};
use domain::orchestration::{Subject, Topology, Validity, validate};
use wire::problem::DisruptedBoundary;

use super::refusal::Refusal;
use crate::view::View;

/// Refuses a change of the topology that would disrupt too much.
///
/// # Errors
/// [`Refusal::TooDisruptive`] with every boundary that it would break.
pub fn guard_topology(view: &View, before: &Topology, after: &Topology) -> Result<(), Refusal> {
    let mut counts = ClassCounts::default();
    view.for_each(|subject| {
        if let Some(key) = ClassKey::of(subject) {
            counts.add(key);
        }
    });
    let found = disruptions(before, after, &counts);
    if found.is_empty() {
        return Ok(());
    }
    let boundary = |it: Disruption| DisruptedBoundary {
        access_template: it.template.to_string(),
        owners: it.owners,
        invalid: it.invalid_after,
        limit: limit(it.owners),
    };
    Err(Refusal::TooDisruptive(found.into_iter().map(boundary).collect()))
}

/// Refuses the instances of an apply, all of them, when together they disrupt too much.
///
/// # Errors
/// [`Refusal::TooDisruptive`] with the boundary that they would break first.
pub(super) fn refuse_instances(tolerance: &mut Tolerance, after: &Topology, objects: &[Object]) -> Result<(), Refusal> {
    for object in objects {
        let Object::Instance(instance) = object else { continue };
        if let Some(template) = tolerance.refuses(after, instance) {
            return Err(Refusal::TooDisruptive(vec![tolerance.boundary(&template)]));
        }
    }
    Ok(())
}

fn limit(owners: u64) -> u64 {
    INVALID_OWNERS_MAX.max(owners * INVALID_SHARE_PERCENT_MAX / 100)
}

/// What rows of an import, or instances of an apply, have invalidated, boundary by boundary.
#[derive(Clone)]
pub struct Tolerance {
    view: Arc<View>,
    /// Owners and how many of them are invalid, as found when the first row did harm.
    found: Option<Arc<BTreeMap<AccessTemplateId, Standing>>>,
    broken_here: BTreeMap<AccessTemplateId, u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    owners: u64,
    invalid: u64,
}

impl Tolerance {
    /// Judges by this view.
    pub fn new(view: Arc<View>) -> Self {
        Self { view, found: None, broken_here: BTreeMap::new() }
    }

    /// The boundary of which the row would make too many owners invalid; a row that is let through is counted.
    pub fn refuses(&mut self, topology: &Topology, instance: &Instance) -> Option<AccessTemplateId> {
        let template = self.breaks(topology, instance)?;
        let view = &self.view;
        let found = self.found.get_or_insert_with(|| Arc::new(standings(view, topology)));
        let Standing { owners, invalid } = found.get(&template).copied().unwrap_or_default();
        let here = self.broken_here.entry(template.clone()).or_default();
        if invalid + *here + 1 > limit(owners) {
            return Some(template);
        }
        *here += 1;
        None
    }

    /// How a boundary stands, with what was refused counted as if it had been let through.
    fn boundary(&self, template: &AccessTemplateId) -> DisruptedBoundary {
        let standing = self.found.as_ref().and_then(|found| found.get(template)).copied().unwrap_or_default();
        DisruptedBoundary {
            access_template: template.to_string(),
            owners: standing.owners,
            invalid: standing.invalid + self.broken_here.get(template).copied().unwrap_or_default() + 1,
            limit: limit(standing.owners),
        }
    }

    /// The boundary whose owner the row would make invalid, although it is valid now.
    fn breaks(&self, topology: &Topology, instance: &Instance) -> Option<AccessTemplateId> {
        if instance.status == InstanceStatus::Terminated {
            return None;
        }
        let found = self.view.find(instance.id.as_str())?;
        let before = found.subject();
        let is_same = before.product == &instance.product && before.jurisdiction == instance.jurisdiction.as_ref();
        if is_same || is_invalid(topology, &before) {
            return None;
        }
        let after = Subject { product: &instance.product, jurisdiction: instance.jurisdiction.as_ref(), ..before };
        let template = validate(topology, &after)?.template.id.clone();
        is_invalid(topology, &after).then_some(template)
    }
}

fn is_invalid(topology: &Topology, subject: &Subject<'_>) -> bool {
    validate(topology, subject).is_some_and(|it| matches!(it.validity, Validity::Broken { .. }))
}

/// How each sticky boundary stands, by one pass over the view.
fn standings(view: &View, topology: &Topology) -> BTreeMap<AccessTemplateId, Standing> {
    let mut standings: BTreeMap<AccessTemplateId, Standing> = BTreeMap::new();
    view.for_each(|subject| {
        let Some(verdict) = validate(topology, subject) else { return };
        let is_invalid = match verdict.validity {
            Validity::Valid { .. } => false,
            Validity::Broken { .. } => true,
            Validity::Unowned { .. } | Validity::NotApplicable => return,
        };
        if subject.status != InstanceStatus::Terminated {
            let standing = standings.entry(verdict.template.id.clone()).or_default();
            standing.owners += 1;
            standing.invalid += u64::from(is_invalid);
        }
    });
    standings
}
