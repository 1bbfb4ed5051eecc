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
    // Far beyond the last band; so the sums below cannot overflow, whatever a node says.
    let permille = permille.min(u32::from(u8::MAX) * BAND_WIDTH_PERMILLE);
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
    // A node that never reported has no band to stay in.
    let of_load = |permille: u32| match before.health {
        Health::Unknown => LoadBand(u8::try_from(permille / BAND_WIDTH_PERMILLE).unwrap_or(u8::MAX)),
        _ => load_band(before.band, permille),
    };
    let band = report.load_permille.map_or(before.band, of_load);
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
    /// See [`was_healthy`]; those that fell silent since are among them.
    pub was_healthy: bool,
    /// Whether it has reported within the time to live, or its home has not been listening for that long.
    pub is_heard: bool,
}

/// Whether a node that reports was healthy one time to live ago.
///
/// A node is only ever found silent while it is up, so one that is silent for less than that was up before. Nodes
/// fall silent one by one, as each one's time runs out, even when one cut took them all: a guard that forgot those
/// already found silent would never see more than the next one.
pub fn was_healthy(facts: NodeFacts, now: Micros, health_ttl_us: i64) -> bool {
    let is_older = now.since_us(facts.since) >= health_ttl_us;
    match facts.health {
        Health::Up => is_older,
        Health::Silent => !is_older,
        Health::Down | Health::Unknown => false,
    }
}

/// Which nodes fell silent, and the regions that are held because too many did at once.
///
/// Of a region's active nodes that were healthy one time to live ago at least half must still report, else those that
/// are up stay up. A node in several regions is held if one of them is.
pub fn silent_nodes<'a>(watched: &[Watch<'a>]) -> (Vec<&'a NodeId>, BTreeSet<&'a RegionId>) {
    let mut held = BTreeSet::new();
    let counted: Vec<&Watch<'a>> = watched.iter().filter(|it| it.is_active && it.was_healthy).collect();
    let regions: BTreeSet<&'a RegionId> = counted.iter().flat_map(|it| it.regions.iter().copied()).collect();
    for region in regions {
        let inside = || counted.iter().filter(|it| it.regions.contains(region));
        let (all, heard) = (inside().count(), inside().filter(|it| it.is_heard).count());
        if heard * SILENCE_GUARD_DENOMINATOR < all {
            held.insert(region);
        }
    }
    let has_fallen = |it: &&Watch<'a>| it.is_active && it.health == Health::Up && !it.is_heard;
    let silent = watched.iter().filter(|it| has_fallen(it) && it.regions.is_disjoint(&held)).map(|it| it.node);
    (silent.collect(), held)
}

#[cfg(test)]
mod tests;
