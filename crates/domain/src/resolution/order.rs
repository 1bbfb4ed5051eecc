//! The orders of delivery. Each is a sort by a key whose last word is the id, so equal keys cannot differ (I1).
//!
//! The stable shuffle hashes with XXH3-64, pinned by test vectors: clients keep what they were delivered longer than
//! the build that shuffled it. Proximity falls to priority when no place is known.

use xxhash_rust::xxh3::xxh3_64;

use super::distance::{Direction, chord};
use super::resolve::Delivered;
use crate::ids::{ID_LENGTH_MAX, InstanceId, NodeId};
use crate::master_data::{Location, Order};
use crate::orchestration::{Subject, Topology};

/// The place of a node in the stable shuffle of an instance: XXH3-64 of `instance \0 node`.
pub fn shuffle_key(instance: &InstanceId, node: &NodeId) -> u64 {
    let (instance, node) = (instance.as_str().as_bytes(), node.as_str().as_bytes());
    // In one piece: setting up a hasher for each pair costs several times the hash itself.
    let mut pair = [0u8; 2 * ID_LENGTH_MAX + 1];
    let end = instance.len() + 1 + node.len();
    pair[..instance.len()].copy_from_slice(instance);
    pair[instance.len() + 1..end].copy_from_slice(node);
    xxh3_64(&pair[..end])
}

/// Sorts in the order of a template. Proximity falls to priority when no place is known.
pub(super) fn sort_nodes(
    topology: &Topology,
    order: Order,
    subject: &Subject<'_>,
    near: Option<Location>,
    nodes: &mut [Delivered],
) {
    let node = |it: &Delivered| &topology.node(it.node).object;
    match (order, near.or(subject.location)) {
        (Order::Weight, _) => nodes.sort_unstable_by_key(|it| (std::cmp::Reverse(node(it).weight), it.node)),
        (Order::Load, _) => nodes.sort_unstable_by_key(|it| (topology.facts(it.node).0.band, it.node)),
        (Order::StableShuffle, _) => nodes.sort_by_cached_key(|it| (shuffle_key(subject.id, &node(it).id), it.node)),
        (Order::Proximity, Some(from)) => {
            let from = Direction::of(from);
            nodes.sort_by_cached_key(|it| {
                let distance = node(it).location.place.map(|place| chord(from, Direction::of(place)));
                (distance.is_none(), distance, it.node)
            });
        }
        (Order::Priority | Order::Proximity, _) => nodes.sort_unstable_by_key(|it| (node(it).priority, it.node)),
    }
}
