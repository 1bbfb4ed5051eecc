//! From what is wrong with a change to faults with file, line, field and a suggestion.
//!
//! The domain finds what is wrong; here it is given its place. Something that is deleted while others still refer to
//! it is not a fault of a line: it is refused with the list of who.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::master_data::{Kind, Object};
use domain::orchestration::Topology;
use domain::orchestration::plan::{Change, ChangeFault};
use store::{Needed, NeededBy};
use wire::manifest::{FAULTS_MAX, Fault, FaultCode, Parsed, did_you_mean};
use wire::problem::REFERRERS_MAX;

use super::known::Known;
use super::refusal::Refusal;

/// Faults for which a suggestion is looked for: each compares the word with every id of its kind.
const SUGGESTED_MAX: usize = 50;

/// Where each object of an input stands.
pub(super) struct Places<'a> {
    at: BTreeMap<(Kind, &'a str), (&'a Arc<str>, u32)>,
}

impl<'a> Places<'a> {
    pub(super) fn of(parsed: &'a [Parsed]) -> Self {
        let place = |it: &'a Parsed| ((it.object.kind(), it.object.id()), (&it.file, it.line));
        Self { at: parsed.iter().map(place).collect() }
    }

    /// The fault, at the place of its object.
    fn put(&self, kind: Kind, id: &str, fault: Fault) -> Fault {
        let fault = fault.of(kind, id);
        match self.at.get(&(kind, id)) {
            Some((file, line)) => fault.at(file, *line),
            None => fault,
        }
    }

    /// Why a change of the topology is refused, and what is wrong with the instances that came with it.
    pub(super) fn refusal(
        &self,
        before: &Topology,
        change: &Change,
        found: Vec<ChangeFault>,
        instances: &[&Object],
    ) -> Refusal {
        if let Some(refusal) = still_referenced(change, &found) {
            return refusal;
        }
        let names = Names::of(before, change);
        let of_instances = instance_faults(&Known::after(before, change), instances, self);
        let total = found.len() + of_instances.len();
        let mut faults: Vec<Fault> = found
            .into_iter()
            .enumerate()
            .map(|(at, fault)| self.fault(fault, (at < SUGGESTED_MAX).then_some(&names)))
            .chain(of_instances)
            .take(FAULTS_MAX)
            .collect();
        faults.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        if total > FAULTS_MAX {
            let message = format!("{} more faults are not listed", total - FAULTS_MAX);
            faults.push(Fault::new(FaultCode::MoreFaults, message));
        }
        Refusal::Faults(faults)
    }

    fn fault(&self, fault: ChangeFault, names: Option<&Names<'_>>) -> Fault {
        let message = fault.to_string();
        match fault {
            ChangeFault::MissingReference { kind, id, field, to_kind, to } => {
                let meant = names.and_then(|names| names.nearest(to_kind, &to));
                let fault = Fault::new(FaultCode::MissingReference, format!("there is no {to_kind} {to:?}"));
                self.put(kind, &id, fault.in_field(field).suggesting(meant))
            }
            ChangeFault::MixedJurisdictions { node } => {
                self.put(Kind::Node, &node, Fault::new(FaultCode::MixedJurisdictions, message).in_field("groups"))
            }
            ChangeFault::Twice { kind, id } => self.put(kind, &id, Fault::new(FaultCode::DuplicateObject, message)),
            ChangeFault::NothingToDelete { kind, id } => {
                self.put(kind, &id, Fault::new(FaultCode::MissingReference, message))
            }
            ChangeFault::Instance { id } => self.put(Kind::Instance, &id, Fault::new(FaultCode::UnknownKind, message)),
        }
    }
}

/// The first deletion to which objects that stay still refer.
fn still_referenced(change: &Change, found: &[ChangeFault]) -> Option<Refusal> {
    let gone: BTreeSet<(Kind, &str)> = change.deletions.iter().map(|it| (it.kind, it.id.as_str())).collect();
    let refers = |fault: &ChangeFault| match fault {
        ChangeFault::MissingReference { kind, id, field, to_kind, to } if gone.contains(&(*to_kind, to.as_str())) => {
            Some(((*to_kind, to.clone()), NeededBy { kind: kind.name(), id: id.clone(), field }))
        }
        _ => None,
    };
    let ((kind, id), _) = found.iter().find_map(refers)?;
    let mut by: Vec<NeededBy> =
        found.iter().filter_map(refers).filter(|(to, _)| *to == (kind, id.clone())).map(|(_, by)| by).collect();
    let total = by.len() as u64;
    by.truncate(REFERRERS_MAX);
    Some(Refusal::StillReferenced { kind, id, needed: Needed { by, total } })
}

/// The ids that could have been meant.
struct Names<'a> {
    of_kind: BTreeMap<Kind, Vec<&'a str>>,
}

impl<'a> Names<'a> {
    fn of(before: &'a Topology, change: &'a Change) -> Self {
        let mut of_kind: BTreeMap<Kind, Vec<&'a str>> = BTreeMap::new();
        macro_rules! note {
            ($($kind:ident $list:ident),+) => {
                $(of_kind.insert(Kind::$kind, before.$list().iter().map(|it| it.object.id.as_str()).collect());)+
            };
        }
        note!(Region regions, ResourceGroup groups, RuntimeTemplate runtime_templates);
        note!(OutboundTemplate outbound_templates, Node nodes, AccessTemplate access_templates, Product products);
        for object in &change.puts {
            of_kind.entry(object.kind()).or_default().push(object.id());
        }
        Self { of_kind }
    }

    fn nearest(&self, kind: Kind, word: &str) -> Option<String> {
        did_you_mean(word, self.of_kind.get(&kind)?.iter().copied())
    }
}

/// Everything that is wrong with the instances of an apply.
pub(super) fn instance_faults(known: &Known, instances: &[&Object], places: &Places<'_>) -> Vec<Fault> {
    let faults = instances.iter().filter_map(|object| match object {
        Object::Instance(instance) => Some(instance),
        _ => None,
    });
    let faults = faults.flat_map(|instance| {
        let found = known.faults(instance).into_iter();
        found.map(|fault| places.put(Kind::Instance, instance.id.as_str(), fault))
    });
    faults.take(FAULTS_MAX).collect()
}
