//! I1 in resolution: the orders of delivery, and the hashes they rest on, which are pinned for ever.

use std::cmp::Reverse;

use proptest::prelude::*;

use crate::ids::{InstanceId, NodeId};
use crate::master_data::{Location, Node, Order, Place};
use crate::orchestration::laws::run::Run;
use crate::orchestration::laws::world::{World, any_world, cases, id};
use crate::orchestration::{LoadBand, Parts};
use crate::resolution::{Direction, chord, resolve, shuffle_key};

/// From the reference implementation of XXH3-64 (xxHash 0.8.3), seed 0. A change of any of them would reorder every
/// customer's nodes or send his rows to another shard.
#[test]
fn the_stable_shuffle_is_pinned() {
    let longest = ("i".repeat(128), "n".repeat(128));
    for (instance, node, key) in [
        ("svc-1", "ams-01", 0x98b1_7a30_7779_d4e7),
        ("svc-1", "fra-02", 0xf2bf_7b42_dbd5_a303),
        ("a", "b", 0xd5a0_6cd0_7812_5351),
        (&longest.0, &longest.1, 0xc466_749e_3343_31b8),
    ] {
        let (instance, node): (InstanceId, NodeId) = (id(instance.to_owned()), id(node.to_owned()));
        assert_eq!(shuffle_key(&instance, &node), key, "{instance} {node}");
    }
}

fn band(parts: &Parts, node: &Node) -> LoadBand {
    parts.facts.iter().find(|it| it.0 == node.id).map_or(LoadBand(0), |it| it.1.band)
}

/// The key of a node in an order, as text is compared: (first, second), ties to the id. Absent places stand last.
fn key(parts: &Parts, order: Order, instance: &InstanceId, from: Option<Location>, node: &Node) -> (u64, Reverse<u32>) {
    let none = Reverse(0);
    match (order, from) {
        (Order::Weight, _) => (0, Reverse(node.weight)),
        (Order::Load, _) => (u64::from(band(parts, node).0), none),
        (Order::StableShuffle, _) => (shuffle_key(instance, &node.id), none),
        (Order::Proximity, Some(from)) => {
            let away = |place: Place| chord(Direction::of(from), Direction::of(place));
            (node.location.place.map_or(u64::MAX, away), none)
        }
        (Order::Priority | Order::Proximity, _) => (u64::from(node.priority), none),
    }
}

fn anywhere() -> impl Strategy<Value = Option<Location>> {
    let place = (-90_000_000..=90_000_000i32, -180_000_000..=180_000_000i32);
    prop::option::of(place.prop_map(|(latitude, longitude)| Place::new(latitude, longitude).expect("on the globe")))
}

proptest! {
    #![proptest_config(cases(128))]

    /// I1: nodes come in the order of the template, ties by id; `near` goes before the instance's own location, and
    /// proximity without either falls to priority.
    #[test]
    fn nodes_come_in_the_order_of_the_template(world in any_world(), near in anywhere()) {
        let run = Run::filled(&world);
        for customer in &world.customers {
            let subject = customer.subject(run.owners.get(&customer.id));
            let resolution = resolve(&run.topology, &subject, near).expect("known");
            let from = near.or(customer.location);
            let nodes: Vec<&Node> = resolution.nodes.iter().map(|it| &run.topology.node(it.node).object).collect();
            for pair in nodes.windows(2) {
                let of = |node: &Node| {
                    (key(&world.parts, resolution.template.order, &customer.id, from, node), node.id.clone())
                };
                prop_assert!(of(pair[0]) < of(pair[1]), "{:?}", resolution.template.order);
            }
        }
    }

    /// I1: the order in which rows were read changes no byte of an answer.
    #[test]
    fn the_order_in_which_rows_are_read_changes_no_answer(world in any_world(), near in anywhere()) {
        let mut parts = world.parts.clone();
        parts.regions.reverse();
        parts.groups.reverse();
        parts.runtime_templates.reverse();
        parts.outbound_templates.reverse();
        parts.nodes.reverse();
        parts.access_templates.reverse();
        parts.products.reverse();
        parts.facts.reverse();
        let other = World { parts, customers: world.customers.clone() };
        let (one, two) = (Run::filled(&world), Run::filled(&other));
        for customer in &world.customers {
            let answer = |run: &Run| {
                let subject = customer.subject(run.owners.get(&customer.id));
                format!("{:?}", resolve(&run.topology, &subject, near))
            };
            prop_assert_eq!(answer(&one), answer(&two));
        }
    }

    /// I1: the shuffle of an instance is its own: another node changes the order of no two others.
    #[test]
    fn a_stable_shuffle_is_stable(instance in "[a-z][a-z0-9]{0,20}", nodes in prop::collection::btree_set("[a-z][a-z0-9]{0,9}", 2..12)) {
        let instance: InstanceId = id(instance);
        let nodes: Vec<NodeId> = nodes.into_iter().map(id).collect();
        let sorted = |nodes: &[NodeId]| {
            let mut nodes = nodes.to_vec();
            nodes.sort_by_key(|node| (shuffle_key(&instance, node), node.clone()));
            nodes
        };
        let without_first: Vec<NodeId> = sorted(&nodes).into_iter().filter(|it| *it != nodes[0]).collect();
        prop_assert_eq!(without_first, sorted(&nodes[1..]));
    }

    /// I1: distance is symmetric, zero for the same place, and the same across the date line.
    #[test]
    fn distance_is_one_number(one in anywhere(), two in anywhere()) {
        if let (Some(one), Some(two)) = (one, two) {
            let (one, two) = (Direction::of(one), Direction::of(two));
            prop_assert_eq!(chord(one, two), chord(two, one));
            prop_assert_eq!(chord(one, one), 0);
            prop_assert!(chord(one, two) <= (1 << 62) + (1 << 33), "no two places are further than the diameter");
        }
    }
}
