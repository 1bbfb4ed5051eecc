//! From reports to facts about nodes: load bands with hysteresis, and the silence rule with its region guard.
//!
//! Pure: the home of a node measures silence on its own monotonic clock and hands the results in. A centre that was
//! away has heard nobody and accuses nobody; when more than half of a region is silent at once the fault is more
//! likely on our side, and the region stays as it was (an upgrade of the centre must not move the world).

use std::collections::BTreeSet;

use crate::ids::{NodeId, RegionId};
use crate::orchestration::{Health, LoadBand, NodeFacts};
use crate::time::Micros;

/// How far beyond its edge a load must go before the band changes, in permille.
const BAND_HYSTERESIS_PERMILLE: u32 = 20;

/// The width of a load band, in permille.
const BAND_WIDTH_PERMILLE: u32 = 100;

/// At least one in so many of the nodes that were healthy must still report.
pub const SILENCE_GUARD_DENOMINATOR: usize = 2;

/// What a report says of its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeReport {
    /// Absent: no word about it, which is a sign of life.
    pub is_up: Option<bool>,
    pub load_permille: Option<u32>,
}

/// The band of a load, given the band it was in: it changes only 20 permille past its edge.
pub fn load_band(current: LoadBand, permille: u32) -> LoadBand {
    let lower = u32::from(current.0) * BAND_WIDTH_PERMILLE;
    let upper = lower + BAND_WIDTH_PERMILLE;
    let stays = permille + BAND_HYSTERESIS_PERMILLE >= lower && permille < upper + BAND_HYSTERESIS_PERMILLE;
    if stays { current } else { LoadBand(u8::try_from(permille / BAND_WIDTH_PERMILLE).unwrap_or(u8::MAX)) }
}

/// The facts after a report; equal to `before` when nothing changed.
pub fn report_facts(before: NodeFacts, report: NodeReport, now: Micros) -> NodeFacts {
    let health = match report.is_up {
        Some(true) => Health::Up,
        Some(false) => Health::Down,
        // Any report is a sign of life: it ends silence and says nothing against a node that said it was down.
        None if before.health == Health::Down => Health::Down,
        None => Health::Up,
    };
    let band = report.load_permille.map_or(before.band, |permille| load_band(before.band, permille));
    let since = if health == before.health { before.since } else { now };
    NodeFacts { health, band, since }
}

/// A node as its home sees it.
#[derive(Debug, Clone)]
pub struct Watch<'a> {
    pub node: &'a NodeId,
    /// The regions of its groups.
    pub regions: BTreeSet<&'a RegionId>,
    pub is_active: bool,
    pub health: Health,
    /// Whether it has reported within the time to live, or its home has not been listening for that long.
    pub is_heard: bool,
}

/// Which nodes fell silent, and the regions that are held because too many did at once.
///
/// A node in several regions is held if one of them is. Nodes that are down or silent already do not count.
pub fn silent_nodes<'a>(watched: &[Watch<'a>]) -> (Vec<&'a NodeId>, BTreeSet<&'a RegionId>) {
    let mut held = BTreeSet::new();
    let judged: Vec<&Watch<'a>> = watched.iter().filter(|it| it.is_active && it.health == Health::Up).collect();
    let regions: BTreeSet<&'a RegionId> = judged.iter().flat_map(|it| it.regions.iter().copied()).collect();
    for region in regions {
        let inside = || judged.iter().filter(|it| it.regions.contains(region));
        let (all, heard) = (inside().count(), inside().filter(|it| it.is_heard).count());
        if heard * SILENCE_GUARD_DENOMINATOR < all {
            held.insert(region);
        }
    }
    let silent = judged.iter().filter(|it| !it.is_heard && it.regions.is_disjoint(&held)).map(|it| it.node).collect();
    (silent, held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_changes_only_past_its_edge() {
        let band = LoadBand(3);
        for (permille, expected) in [(280, 3), (279, 2), (300, 3), (419, 3), (420, 4), (950, 9), (0, 0)] {
            assert_eq!(load_band(band, permille), LoadBand(expected), "{permille}");
        }
    }

    fn watch<'a>(node: &'a NodeId, regions: &[&'a RegionId], is_heard: bool) -> Watch<'a> {
        Watch { node, regions: regions.iter().copied().collect(), is_active: true, health: Health::Up, is_heard }
    }

    #[test]
    fn a_region_that_falls_silent_at_once_is_held() {
        let nodes: Vec<NodeId> = (0..5).map(|n| NodeId::parse(&format!("n{n}")).expect("an id")).collect();
        let (east, west) = (RegionId::parse("east").expect("an id"), RegionId::parse("west").expect("an id"));
        let watched = [
            watch(&nodes[0], &[&east], false),
            watch(&nodes[1], &[&east], false),
            watch(&nodes[2], &[&east, &west], false),
            watch(&nodes[3], &[&west], true),
            watch(&nodes[4], &[&west], true),
        ];
        let (silent, held) = silent_nodes(&watched);
        assert_eq!(held, BTreeSet::from([&east]));
        assert!(silent.is_empty(), "the node that stands in a held region too is held");
        let (silent, held) = silent_nodes(&watched[2..]);
        assert!(held.contains(&east), "alone in its region and silent: the region is silent");
        assert!(silent.is_empty());
        let (silent, _) = silent_nodes(&[watch(&nodes[0], &[&west], false), watched[3].clone(), watched[4].clone()]);
        assert_eq!(silent, vec![&nodes[0]]);
    }
}
