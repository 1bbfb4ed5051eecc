//! Bands keep still at their edges, silence is a fact about a node and never about a region that fell silent at once.

use proptest::prelude::*;

use super::*;

#[test]
fn a_band_changes_only_past_its_edge() {
    let band = LoadBand(3);
    for (permille, expected) in [(280, 3), (279, 2), (300, 3), (419, 3), (420, 4), (950, 9), (0, 0), (u32::MAX, 255)] {
        assert_eq!(load_band(band, permille), LoadBand(expected), "{permille}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Contract: a load band is permille ÷ 100 and changes 20 past its edge.
    #[test]
    fn a_band_is_never_further_from_its_load_than_the_hysteresis(loads in prop::collection::vec(0..1500u32, 1..20)) {
        let mut band = LoadBand(u8::try_from(loads[0] / 100).expect("small"));
        for load in loads {
            let next = load_band(band, load);
            let lower = u32::from(next.0) * 100;
            prop_assert!(load + 20 >= lower && load < lower + 120, "{load} in band {}", next.0);
            prop_assert!(next == band || u32::from(next.0) == load / 100, "it changes to the band of the load");
            prop_assert_eq!(load_band(next, load), next, "the same load again changes nothing");
            band = next;
        }
    }
}

const TTL_US: i64 = 90_000_000;

fn facts(health: Health, since_us: i64) -> NodeFacts {
    NodeFacts { health, band: LoadBand(0), since: Micros(since_us) }
}

#[test]
fn reports_become_facts() {
    let says = |is_up, load_permille| NodeReport { is_up, load_permille };
    let up = facts(Health::Up, 5);
    for (before, report, health, band, since) in [
        (facts(Health::Unknown, 0), says(Some(true), Some(110)), Health::Up, 1, 9),
        (facts(Health::Unknown, 0), says(None, None), Health::Up, 0, 9),
        (up, says(Some(true), Some(110)), Health::Up, 0, 5),
        (up, says(Some(false), None), Health::Down, 0, 9),
        (facts(Health::Down, 5), says(None, None), Health::Down, 0, 5),
        (facts(Health::Down, 5), says(Some(true), None), Health::Up, 0, 9),
        (facts(Health::Silent, 5), says(None, None), Health::Up, 0, 9),
        (facts(Health::Silent, 5), says(Some(false), None), Health::Down, 0, 9),
    ] {
        let after = NodeFacts { health, band: LoadBand(band), since: Micros(since) };
        assert_eq!(report_facts(before, report, Micros(9)), after, "{before:?} {report:?}");
    }
}

fn watch<'a>(node: &'a NodeId, regions: &[&'a RegionId], is_heard: bool) -> Watch<'a> {
    let regions = regions.iter().copied().collect();
    Watch { node, regions, is_active: true, health: Health::Up, was_healthy: true, is_heard }
}

fn nodes(count: u32) -> Vec<NodeId> {
    (0..count).map(|n| NodeId::parse(&format!("n{n}")).expect("an id")).collect()
}

fn region(name: &str) -> RegionId {
    RegionId::parse(name).expect("an id")
}

#[test]
fn a_region_that_falls_silent_at_once_is_held() {
    let nodes = nodes(5);
    let (east, west) = (region("east"), region("west"));
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

/// The nodes of a region report in turn, one each second; then a cut takes them all. Their times run out one by one,
/// and after half of them the guard must hold the rest, however often it is asked.
#[test]
fn a_region_that_falls_silent_node_by_node_is_held_at_half() {
    let (nodes, east) = (nodes(10), region("east"));
    let second_us = 1_000_000;
    let mut known: Vec<NodeFacts> = nodes.iter().map(|_| facts(Health::Up, -10 * TTL_US)).collect();
    for now_s in 0..200i64 {
        let now = Micros(now_s * second_us);
        let watched: Vec<Watch<'_>> = (0i64..)
            .zip(nodes.iter().zip(&known))
            .map(|(last_report_s, (node, facts))| Watch {
                health: facts.health,
                was_healthy: was_healthy(*facts, now, TTL_US),
                ..watch(node, &[&east], (now_s - last_report_s) * second_us < TTL_US)
            })
            .collect();
        let (silent, _) = silent_nodes(&watched);
        let silent: Vec<usize> = silent.iter().map(|it| nodes.iter().position(|n| n == *it).expect("known")).collect();
        for at in silent {
            known[at] = facts(Health::Silent, now.0);
        }
    }
    let up = known.iter().filter(|it| it.health == Health::Up).count();
    assert_eq!(up, 5, "half may be found silent, then the region is held");
}

#[test]
fn nodes_that_are_down_disabled_or_never_reported_accuse_nobody() {
    let (nodes, east) = (nodes(6), region("east"));
    let mut watched: Vec<Watch<'_>> = nodes.iter().map(|node| watch(node, &[&east], false)).collect();
    watched[0].health = Health::Down;
    watched[0].was_healthy = was_healthy(facts(Health::Down, 0), Micros(10 * TTL_US), TTL_US);
    watched[1].is_active = false;
    watched[2].health = Health::Unknown;
    watched[2].was_healthy = was_healthy(facts(Health::Unknown, 0), Micros(10 * TTL_US), TTL_US);
    watched[3].health = Health::Silent;
    watched[3].was_healthy = was_healthy(facts(Health::Silent, 0), Micros(10 * TTL_US), TTL_US);
    watched[4].is_heard = true;
    let (silent, held) = silent_nodes(&watched);
    assert_eq!(silent, vec![&nodes[5]], "one of two that were healthy still reports");
    assert!(held.is_empty());
}
