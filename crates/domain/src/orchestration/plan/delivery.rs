//! What is delivered to a class of instances, and how it differs between two topologies.
//!
//! The set of delivered nodes is one for a whole class, unless a limit cuts an order that depends on the instance
//! (`stable_shuffle`, `proximity`). Only then, and only where what is cut differs, is each instance resolved by itself.
//! All of it goes through the functions of [`crate::resolution`]; nothing here knows an order of its own (I8).

use super::class::Representative;
use crate::master_data::{AccessTemplate, InstanceStatus, Order};
use crate::orchestration::{NodeIx, Subject, Topology, Validity, Verdict, validate};
use crate::resolution::{Delivered, Status, qualified_in_order, status_of};

/// Nodes of both topologies under one numbering: those of the old by position, new ones behind them.
pub(super) struct NodeNumbers {
    /// Parallel to the nodes of the new topology.
    of_new: Vec<u32>,
}

impl NodeNumbers {
    pub(super) fn new(old: &Topology, new: &Topology) -> Self {
        let mut next = u32::try_from(old.nodes().len()).expect("a u32 holds every fleet");
        let number = |node: &crate::orchestration::Stamped<crate::master_data::Node>| {
            old.find_node_ix(&node.object.id).map_or_else(
                || {
                    next += 1;
                    next - 1
                },
                |at| at.0,
            )
        };
        Self { of_new: new.nodes().iter().map(number).collect() }
    }
}

/// One of the two topologies, with the numbering of its nodes.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) topology: &'a Topology,
    numbers: Option<&'a NodeNumbers>,
}

impl<'a> Side<'a> {
    pub(super) fn old(topology: &'a Topology) -> Self {
        Self { topology, numbers: None }
    }

    pub(super) fn new(topology: &'a Topology, numbers: &'a NodeNumbers) -> Self {
        Self { topology, numbers: Some(numbers) }
    }

    fn number(&self, node: NodeIx) -> u32 {
        self.numbers.map_or(node.0, |numbers| numbers.of_new[node.index()])
    }

    fn sorted(&self, nodes: &[Delivered]) -> Vec<u32> {
        let mut numbers: Vec<u32> = nodes.iter().map(|it| self.number(it.node)).collect();
        numbers.sort_unstable();
        numbers
    }
}

/// What a class is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delivery {
    /// These nodes, whoever it is. Sorted.
    Same(Vec<u32>),
    /// Some of these nodes, depending on who it is.
    Depends { nodes: Vec<u32>, limit: u32, order: Order, template: u32, validity: Validity },
}

/// The delivery to an active instance of a class. A class of an unknown product is delivered nothing.
pub(super) fn deliver(side: Side<'_>, representative: &Representative) -> Delivery {
    let subject = representative.subject();
    let Some(verdict) = validate(side.topology, &subject) else { return Delivery::Same(Vec::new()) };
    if status_of(&subject, &verdict).0 != Status::Deliverable {
        return Delivery::Same(Vec::new());
    }
    let mut nodes = qualified_in_order(side.topology, &subject, &verdict, None);
    let template = verdict.template;
    let limit = template.limit.unwrap_or(u32::MAX);
    let depends = matches!(template.order, Order::StableShuffle | Order::Proximity);
    if nodes.len() <= limit as usize || !depends {
        nodes.truncate(limit as usize);
        return Delivery::Same(side.sorted(&nodes));
    }
    Delivery::Depends {
        nodes: side.sorted(&nodes),
        limit,
        order: template.order,
        template: position_of(side.topology, template),
        validity: verdict.validity,
    }
}

fn position_of(topology: &Topology, template: &AccessTemplate) -> u32 {
    let at = topology.access_templates().binary_search_by(|it| it.object.id.cmp(&template.id));
    u32::try_from(at.expect("the verdict names a template of the topology")).expect("a u32 holds every template")
}

/// The nodes that one instance is delivered: sorted, and none when it is not active.
fn deliver_to(side: Side<'_>, delivery: &Delivery, subject: &Subject<'_>) -> Vec<u32> {
    match delivery {
        Delivery::Same(nodes) => nodes.clone(),
        Delivery::Depends { limit, template, validity, .. } => {
            let template = &side.topology.access_templates()[*template as usize].object;
            let verdict = Verdict { template, validity: *validity };
            let mut nodes = qualified_in_order(side.topology, subject, &verdict, None);
            nodes.truncate(*limit as usize);
            side.sorted(&nodes)
        }
    }
}

/// How two deliveries differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Difference {
    /// So many nodes come and go for each instance.
    Same { added: u64, removed: u64 },
    /// That depends on the instance.
    Depends,
}

/// Compares what a class is delivered before and after.
pub(super) fn compare(old: (Side<'_>, &Delivery), new: (Side<'_>, &Delivery)) -> Difference {
    match (old.1, new.1) {
        (Delivery::Same(before), Delivery::Same(after)) => count(before, after),
        (
            Delivery::Depends { nodes: before, limit: from, order: was, .. },
            Delivery::Depends { nodes: after, limit: to, order: is, .. },
        ) if before == after
            && from == to
            && was == is
            && is_placed_alike(old.0.topology, new.0.topology, *is, old.1) =>
        {
            Difference::Same { added: 0, removed: 0 }
        }
        _ => Difference::Depends,
    }
}

/// Compares what one instance is delivered before and after.
pub(super) fn compare_for(old: (Side<'_>, &Delivery), new: (Side<'_>, &Delivery), subject: &Subject<'_>) -> (u64, u64) {
    if subject.status != InstanceStatus::Active || subject.is_expired {
        return (0, 0);
    }
    match count(&deliver_to(old.0, old.1, subject), &deliver_to(new.0, new.1, subject)) {
        Difference::Same { added, removed } => (added, removed),
        Difference::Depends => unreachable!("two lists are compared node by node"),
    }
}

/// Whether an order that depends on the instance sorts the nodes alike in both topologies.
fn is_placed_alike(old: &Topology, new: &Topology, order: Order, delivery: &Delivery) -> bool {
    let Delivery::Depends { nodes, .. } = delivery else { return true };
    // The shuffle hashes ids alone. Proximity falls to priority where an instance has no place.
    order == Order::StableShuffle
        || nodes.iter().all(|number| {
            let was = &old.node(NodeIx(*number)).object;
            new.find_node(&was.id)
                .is_some_and(|is| is.object.location.place == was.location.place && is.object.priority == was.priority)
        })
}

/// How many numbers of two sorted lists are only in the second, and only in the first.
fn count(before: &[u32], after: &[u32]) -> Difference {
    let (mut a, mut b, mut kept) = (0, 0, 0u64);
    while a < before.len() && b < after.len() {
        match before[a].cmp(&after[b]) {
            std::cmp::Ordering::Less => a += 1,
            std::cmp::Ordering::Greater => b += 1,
            std::cmp::Ordering::Equal => (a, b, kept) = (a + 1, b + 1, kept + 1),
        }
    }
    Difference::Same { added: after.len() as u64 - kept, removed: before.len() as u64 - kept }
}
