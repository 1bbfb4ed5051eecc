//! What the machines of the sample fleet carry: bytes and devices of the customers that they serve.
//!
//! A group's customers are shared out among its machines; who they are is looked up every now and then, so traffic
//! follows a customer that is moved. Amounts are drawn from one seed. Sends nothing itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use control::view::View;
use domain::orchestration::Holder;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use wire::report::{OnlineItem, TrafficItem};

/// How often it is looked up who serves whom: soon enough that a repair is seen, seldom enough to cost nothing.
pub const LOOK_EVERY_S: u64 = 30;

/// Customers of one report: a few hundred machines stay below a few thousand items a second, however large the fleet.
const CUSTOMERS_MAX: usize = 100;

/// So many of a hundred customers do something between two reports.
const ACTIVE_PERCENT: u32 = 60;

/// Bytes that a customer sends between two reports.
const UP: std::ops::Range<u64> = 2_000..200_000;

/// So many times as much comes back.
const DOWN_TIMES: std::ops::Range<u64> = 3..15;

/// Devices of a customer; the product allows five.
const DEVICES: u64 = 3;

/// A machine's place in each of its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    group: Arc<str>,
    /// Of so many machines of the group, this one.
    at: usize,
    of: usize,
}

/// Who is served where, and how much.
pub struct Traffic {
    random: StdRng,
    /// The places of each machine, as the manifests order them.
    places: Vec<Vec<Place>>,
    customers: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// How many reports were filled: large groups are gone through in turns.
    turn: usize,
}

impl Traffic {
    /// The traffic of machines, in the order of their manifests.
    pub fn new(seed: u64, nodes: &[&Value]) -> Self {
        let groups = |node: &Value| -> Vec<Arc<str>> {
            node["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).map(Arc::from).collect()
        };
        let mut sizes: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        let mut places: Vec<Vec<Place>> = Vec::new();
        for node in nodes {
            let mut place = |group: Arc<str>| {
                let size = sizes.entry(group.clone()).or_default();
                *size += 1;
                Place { group, at: *size - 1, of: 0 }
            };
            places.push(groups(node).into_iter().map(&mut place).collect());
        }
        for place in places.iter_mut().flatten() {
            place.of = sizes.get(&place.group).copied().unwrap_or(1);
        }
        Self { random: StdRng::seed_from_u64(seed), places, customers: BTreeMap::new(), turn: 0 }
    }

    /// Looks up who is served where.
    pub fn look(&mut self, view: &View) {
        let mut customers: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
        view.for_each(|subject| {
            let Some(Holder::Group { group, .. }) = subject.ownership.map(|it| &it.holder) else { return };
            let id = Arc::from(subject.id.as_str());
            match customers.get_mut(group.as_str()) {
                Some(ids) => ids.push(id),
                None => drop(customers.insert(Arc::from(group.as_str()), vec![id])),
            }
        });
        customers.values_mut().for_each(|ids| ids.sort_unstable());
        self.customers = customers;
    }

    /// What the machine at this place of the manifests has carried since its last report.
    pub fn carried(&mut self, node: usize) -> (Vec<TrafficItem>, Vec<OnlineItem>) {
        self.turn += 1;
        let Self { random, places, customers, turn } = self;
        let (mut traffic, mut online) = (Vec::new(), Vec::new());
        for place in places.get(node).into_iter().flatten() {
            let Some(ids) = customers.get(&place.group) else { continue };
            let mine = ids.iter().skip(place.at).step_by(place.of);
            let count = mine.len();
            // A share that does not fit one report begins at another customer each time.
            let from = if count > CUSTOMERS_MAX { *turn * CUSTOMERS_MAX % count } else { 0 };
            for id in mine.cycle().skip(from).take(count.min(CUSTOMERS_MAX)) {
                if random.random_range(0..100) >= ACTIVE_PERCENT {
                    continue;
                }
                let up = random.random_range(UP);
                let down = up * random.random_range(DOWN_TIMES);
                let device = random.random_range(1..=DEVICES);
                traffic.push(TrafficItem { instance: id.to_string(), up, down, lease: None });
                online.push(OnlineItem { instance: id.to_string(), device: format!("device-{device}") });
            }
        }
        (traffic, online)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn traffic(customers: usize) -> Traffic {
        let nodes = [json!({"groups": ["a"]}), json!({"groups": ["a", "b"]}), json!({"groups": ["b"]})];
        let mut traffic = Traffic::new(1, &nodes.iter().collect::<Vec<_>>());
        for group in ["a", "b", "c"] {
            let ids = (0..customers).map(|at| Arc::from(format!("{group}-{at:04}").as_str()));
            traffic.customers.insert(Arc::from(group), ids.collect());
        }
        traffic
    }

    fn served(traffic: &mut Traffic, node: usize, reports: usize) -> BTreeSet<String> {
        (0..reports).flat_map(|_| traffic.carried(node).0).map(|it| it.instance).collect()
    }

    #[test]
    fn a_group_is_shared_out_among_its_machines_and_nobody_is_served_twice() {
        let mut traffic = traffic(20);
        let served: Vec<_> = (0..3).map(|node| served(&mut traffic, node, 30)).collect();
        assert_eq!(served.iter().map(BTreeSet::len).collect::<Vec<_>>(), [10, 20, 10]);
        let all: BTreeSet<_> = served.iter().flatten().collect();
        assert_eq!(all.len(), 40, "all of a and b, none of c");
    }

    #[test]
    fn a_large_group_is_gone_through_in_turns_of_bounded_reports() {
        let mut traffic = traffic(2_000);
        let (carried, online) = traffic.carried(0);
        assert!(carried.len() <= CUSTOMERS_MAX && carried.len() == online.len(), "{}", carried.len());
        assert!(carried.iter().all(|it| UP.contains(&it.up) && it.down >= it.up));
        assert_eq!(served(&mut traffic, 0, 100).len(), 1_000);
    }
}
