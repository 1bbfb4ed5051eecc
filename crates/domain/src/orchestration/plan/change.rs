//! A change of the topology as a value: the objects that are written and those that go, and what stands in its way.
//!
//! The changed topology is built beside the old one, never in its place. All faults are found at once. Instances are
//! no part of the topology: a plan does not write them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::Revision;
use crate::master_data::{Kind, Object};
use crate::orchestration::{Parts, Stamped, Topology};

/// An object that goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Deletion {
    pub kind: Kind,
    pub id: String,
}

/// Objects that are written whole, and objects that go; all at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub puts: Vec<Object>,
    pub deletions: Vec<Deletion>,
}

impl Change {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.deletions.is_empty()
    }

    /// What it touches, in its order.
    pub fn touched(&self) -> impl Iterator<Item = (Kind, &str)> {
        let puts = self.puts.iter().map(|object| (object.kind(), object.id()));
        puts.chain(self.deletions.iter().map(|it| (it.kind, it.id.as_str())))
    }
}

/// Why a change cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum ChangeFault {
    #[error("a topology plan writes no instances; {id} is one")]
    Instance { id: String },
    #[error("{kind} {id} stands twice")]
    Twice { kind: Kind, id: String },
    #[error("{kind} {id} is to be deleted and does not exist")]
    NothingToDelete { kind: Kind, id: String },
    #[error("{kind} {id} refers to {to_kind} {to} in {field}, which does not exist")]
    MissingReference { kind: Kind, id: String, field: &'static str, to_kind: Kind, to: String },
    #[error("the groups of node {node} lie in several jurisdictions")]
    MixedJurisdictions { node: String },
}

/// The topology as it is after a change. What is written bears the next revision.
///
/// # Errors
/// All faults, in order, each once.
pub fn changed(topology: &Topology, change: &Change) -> Result<Topology, Vec<ChangeFault>> {
    let mut faults = BTreeSet::new();
    let mut touched = BTreeSet::new();
    for (kind, id) in change.touched() {
        if kind == Kind::Instance {
            faults.insert(ChangeFault::Instance { id: id.to_owned() });
        }
        if !touched.insert((kind, id)) {
            faults.insert(ChangeFault::Twice { kind, id: id.to_owned() });
        }
    }
    for Deletion { kind, id } in &change.deletions {
        if *kind != Kind::Instance && find_change(topology, *kind, id).is_none() {
            faults.insert(ChangeFault::NothingToDelete { kind: *kind, id: id.clone() });
        }
    }
    let parts = changed_parts(topology, change);
    find_missing(&parts, change, &mut faults);
    if !faults.is_empty() {
        return Err(faults.into_iter().collect());
    }
    let built = Topology::build(parts).expect("all references were checked");
    find_mixed(&built, &mut faults);
    if faults.is_empty() { Ok(built) } else { Err(faults.into_iter().collect()) }
}

/// The change that puts everything that a change touches back as it is in a topology.
pub fn revert(topology: &Topology, change: &Change) -> Change {
    let objects = objects_of(&topology.to_parts());
    let mut back = Change::default();
    for (kind, id) in change.touched() {
        match objects.get(&(kind, id.to_owned())) {
            Some(object) => back.puts.push(object.clone()),
            None => back.deletions.push(Deletion { kind, id: id.to_owned() }),
        }
    }
    // What was written last is taken back first, so that references hold at every step.
    back.deletions.reverse();
    back
}

/// The change id under which an object stands, its ETag; `None` when there is no such object.
pub(super) fn find_change(topology: &Topology, kind: Kind, id: &str) -> Option<i64> {
    macro_rules! find {
        ($list:ident) => {{
            let list = topology.$list();
            list.binary_search_by(|it| it.object.id.as_str().cmp(id)).ok().map(|at| list[at].change)
        }};
    }
    match kind {
        Kind::Region => find!(regions),
        Kind::ResourceGroup => find!(groups),
        Kind::RuntimeTemplate => find!(runtime_templates),
        Kind::OutboundTemplate => find!(outbound_templates),
        Kind::Node => find!(nodes),
        Kind::AccessTemplate => find!(access_templates),
        Kind::Product => find!(products),
        Kind::Instance => None,
    }
}

/// All objects, in the order in which references point.
pub(super) fn objects_of(parts: &Parts) -> BTreeMap<(Kind, String), Object> {
    let mut all = BTreeMap::new();
    macro_rules! take {
        ($list:ident, $variant:ident) => {
            for it in &parts.$list {
                all.insert((Kind::$variant, it.object.id.as_str().to_owned()), Object::$variant(it.object.clone()));
            }
        };
    }
    take!(regions, Region);
    take!(groups, ResourceGroup);
    take!(runtime_templates, RuntimeTemplate);
    take!(outbound_templates, OutboundTemplate);
    take!(nodes, Node);
    take!(access_templates, AccessTemplate);
    take!(products, Product);
    all
}

fn changed_parts(topology: &Topology, change: &Change) -> Parts {
    let mut parts = topology.to_parts();
    let revision = Revision(topology.revision().0 + 1);
    macro_rules! put {
        ($list:ident, $it:ident) => {{
            let stamped = Stamped { object: $it.clone(), revision, change: 0 };
            // The old objects stand in the order of ids, before those that were added.
            match topology.$list().binary_search_by(|known| known.object.id.cmp(&$it.id)) {
                Ok(at) => parts.$list[at] = stamped,
                Err(_) => parts.$list.push(stamped),
            }
        }};
    }
    for object in &change.puts {
        match object {
            Object::Region(it) => put!(regions, it),
            Object::ResourceGroup(it) => put!(groups, it),
            Object::RuntimeTemplate(it) => put!(runtime_templates, it),
            Object::OutboundTemplate(it) => put!(outbound_templates, it),
            Object::Node(it) => put!(nodes, it),
            Object::AccessTemplate(it) => put!(access_templates, it),
            Object::Product(it) => put!(products, it),
            Object::Instance(_) => {}
        }
    }
    let gone: BTreeSet<(Kind, &str)> = change.deletions.iter().map(|it| (it.kind, it.id.as_str())).collect();
    macro_rules! drop_gone {
        ($list:ident, $kind:ident) => {
            parts.$list.retain(|it| !gone.contains(&(Kind::$kind, it.object.id.as_str())))
        };
    }
    drop_gone!(regions, Region);
    drop_gone!(groups, ResourceGroup);
    drop_gone!(runtime_templates, RuntimeTemplate);
    drop_gone!(outbound_templates, OutboundTemplate);
    drop_gone!(nodes, Node);
    drop_gone!(access_templates, AccessTemplate);
    drop_gone!(products, Product);
    parts.revision = revision;
    parts
}

/// References that lead nowhere: of what is written, and of what refers to what goes.
fn find_missing(parts: &Parts, change: &Change, faults: &mut BTreeSet<ChangeFault>) {
    let objects = objects_of(parts);
    let written: BTreeSet<(Kind, &str)> = change.puts.iter().map(|it| (it.kind(), it.id())).collect();
    let suspects =
        objects.values().filter(|it| !change.deletions.is_empty() || written.contains(&(it.kind(), it.id())));
    for object in suspects {
        for reference in object.references() {
            if !objects.contains_key(&(reference.kind, reference.id.clone())) {
                faults.insert(ChangeFault::MissingReference {
                    kind: object.kind(),
                    id: object.id().to_owned(),
                    field: reference.field,
                    to_kind: reference.kind,
                    to: reference.id,
                });
            }
        }
    }
}

/// All groups of a node lie in one jurisdiction (I22).
fn find_mixed(topology: &Topology, faults: &mut BTreeSet<ChangeFault>) {
    for node in topology.nodes() {
        let groups = node.object.groups.iter().filter_map(|group| topology.find_group_ix(group));
        let jurisdictions: BTreeSet<_> =
            groups.map(|group| topology.region_of(group).object.jurisdiction.as_ref()).collect();
        if jurisdictions.len() > 1 {
            faults.insert(ChangeFault::MixedJurisdictions { node: node.object.id.to_string() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::{group_in, small_topology};
    use super::*;

    fn faults(change: &Change) -> Vec<String> {
        let faults = changed(&small_topology(), change).err().unwrap_or_default();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_faults_are_found_at_once() {
        let change = Change {
            puts: vec![Object::ResourceGroup(group_in("new", "nowhere")), Object::ResourceGroup(group_in("new", "r1"))],
            deletions: vec![
                Deletion { kind: Kind::Region, id: "r1".into() },
                Deletion { kind: Kind::Node, id: "nobody".into() },
                Deletion { kind: Kind::Instance, id: "svc".into() },
            ],
        };
        let found = faults(&change);
        assert!(found.contains(&"ResourceGroup new stands twice".to_owned()), "{found:?}");
        assert!(found.contains(&"Node nobody is to be deleted and does not exist".to_owned()), "{found:?}");
        assert!(found.contains(&"a topology plan writes no instances; svc is one".to_owned()), "{found:?}");
        assert!(
            found.contains(&"ResourceGroup g1 refers to Region r1 in region, which does not exist".to_owned()),
            "{found:?}"
        );
    }

    #[test]
    fn a_revert_gives_the_old_topology_back() {
        let old = small_topology();
        let change = Change {
            puts: vec![Object::ResourceGroup(group_in("new", "r1"))],
            deletions: vec![Deletion { kind: Kind::Product, id: "basic".into() }],
        };
        let new = changed(&old, &change).unwrap();
        let back = changed(&new, &revert(&old, &change)).unwrap();
        assert_eq!(objects_of(&back.to_parts()), objects_of(&old.to_parts()));
        assert_ne!(objects_of(&new.to_parts()), objects_of(&old.to_parts()));
    }
}
