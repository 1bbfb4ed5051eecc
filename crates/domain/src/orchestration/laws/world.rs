//! Random worlds: master data in any state, and customers who want things of it.
//!
//! Everything is drawn as small numbers and picked modulo what there is, so that a failing world shrinks to a small
//! one. Only what the door refuses is left out: a node with groups in two jurisdictions, a reference to nothing.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::ids::{InstanceId, Jurisdiction, ProductId, Revision};
use crate::master_data::{
    AccessTemplate, Endpoint, GroupState, InstanceStatus, Labels, Limits, Location, Mode, Node, NodeLocation, OnBroken,
    Order, OutboundTemplate, Place, Product, Region, ResourceGroup, RuntimeTemplate, Switch,
};
use crate::orchestration::{Health, LoadBand, NodeFacts, Ownership, Parts, Stamped, Subject};
use crate::time::Micros;

/// The configuration of every law: so many cases, and no file beside the sources. A failure prints its world.
///
/// `TENURE_LAWS_TIMES=50` runs fifty times as many, for a night.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let times: u32 = std::env::var("TENURE_LAWS_TIMES").map_or(1, |it| it.parse().expect("a number of times"));
    let cases = cases.saturating_mul(times);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 4096, ..ProptestConfig::default() }
}

/// Master data and customers.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) parts: Parts,
    pub(crate) customers: Vec<Customer>,
}

/// An instance as the view would hold it, without its ownership.
#[derive(Debug, Clone)]
pub(crate) struct Customer {
    pub(crate) id: InstanceId,
    pub(crate) product: ProductId,
    pub(crate) jurisdiction: Option<Jurisdiction>,
    pub(crate) status: InstanceStatus,
    pub(crate) is_expired: bool,
    pub(crate) weight: u32,
    pub(crate) location: Option<Location>,
    pub(crate) revision: Revision,
}

impl Customer {
    pub(crate) fn subject<'a>(&'a self, ownership: Option<&'a Ownership>) -> Subject<'a> {
        Subject {
            id: &self.id,
            product: &self.product,
            jurisdiction: self.jurisdiction.as_ref(),
            status: self.status,
            is_expired: self.is_expired,
            weight: self.weight,
            location: self.location,
            ownership,
            revision: self.revision,
        }
    }
}

/// Any world: every mode, order and state, some of it broken.
pub(crate) fn any_world() -> impl Strategy<Value = World> {
    let regions = vec((0..3u8, weighted(15)), 1..5);
    let groups = vec((any::<u8>(), 1..4u32, 0..10u8), 1..9);
    let templates = (vec(weighted(15), 1..3), vec(weighted(15), 1..3));
    let node = ((any::<u8>(), vec(any::<u8>(), 0..3), any::<u8>(), any::<u8>()), weighted(10), 0..12u8, traits());
    let access = (0..4u8, any::<u16>(), 0..5usize, option::of(1..4u32), weighted(25));
    let customer = (any::<u8>(), 0..5u8, 0..10u8, weighted(10), 1..4u32, place());
    let policies = (vec(access, 1..6), vec(any::<u8>(), 1..4), vec(customer, 0..24));
    (regions, groups, templates, vec(node, 0..20), policies, vec(1..500u64, 8)).prop_map(
        |(regions, groups, (runtimes, outbounds), nodes, (access, products, customers), revisions)| {
            let mut builder = Builder { parts: Parts::default(), revisions, stamped: 0 };
            regions.into_iter().for_each(|(place, is_closed)| builder.region(jurisdiction(place), is_closed));
            groups.into_iter().for_each(|(region, weight, state)| builder.group(region, weight, group_state(state)));
            runtimes.into_iter().for_each(|is_off| builder.runtime(is_off));
            outbounds.into_iter().for_each(|is_off| builder.outbound(is_off));
            nodes.into_iter().for_each(|(links, is_off, health, traits)| builder.node(links, is_off, health, traits));
            access.into_iter().for_each(|it| builder.access(it));
            products.into_iter().for_each(|template| builder.product(template));
            let customers = customers.into_iter().map(|it| builder.customer(it)).collect();
            builder.parts.revision = Revision(1_000);
            World { parts: builder.parts, customers }
        },
    )
}

/// A world without a fault: `shard` over all groups and `regional` over all regions, one product each and two more
/// on the first, `groups` capacities as given, dealt to `regions` regions in turn, and `customers` of weight 1.
pub(crate) fn sound_world(regions: usize, capacities: &[u32], customers: usize) -> World {
    let mut builder = Builder { parts: Parts::default(), revisions: vec![1], stamped: 0 };
    (0..regions).for_each(|_| builder.region(None, false));
    for (at, capacity) in capacities.iter().enumerate() {
        builder.group(small(at % regions), *capacity, GroupState::Active);
    }
    builder.runtime(false);
    builder.outbound(false);
    (0..capacities.len()).for_each(|at| builder.node((small(at), Vec::new(), 0, 0), false, 11, (0, 0, 0, None)));
    builder.access((2, u16::MAX, 0, None, false));
    builder.access((3, u16::MAX, 0, None, false));
    [0, 1, 0, 0].into_iter().for_each(|template| builder.product(template));
    let customers = (0..customers).map(|_| builder.customer((0, 9, 9, false, 1, None))).collect();
    World { parts: builder.parts, customers }
}

pub(crate) fn id<T: TryFrom<String>>(text: String) -> T
where
    T::Error: std::fmt::Debug,
{
    T::try_from(text).expect("the generator writes good ids")
}

fn small(at: usize) -> u8 {
    u8::try_from(at).expect("worlds are small")
}

fn weighted(percent: u32) -> impl Strategy<Value = bool> {
    prop::bool::weighted(f64::from(percent) / 100.0)
}

type Traits = (u32, u32, u8, Option<Place>);

fn traits() -> impl Strategy<Value = Traits> {
    (0..3u32, 0..3u32, 0..3u8, place())
}

/// One of few places, so that distances tie, or none.
fn place() -> impl Strategy<Value = Option<Place>> {
    (0..6usize).prop_map(|at| {
        let places = [(52_370_000, 4_900_000), (50_110_000, 8_680_000), (-33_870_000, 151_210_000), (0, 180_000_000)];
        places.get(at).map(|(latitude, longitude)| Place::new(*latitude, *longitude).expect("on the globe"))
    })
}

pub(crate) fn jurisdiction(at: u8) -> Option<Jurisdiction> {
    let text = match at {
        0 => "EU",
        1 => "US",
        _ => return None,
    };
    Some(Jurisdiction::parse(text).expect("a jurisdiction"))
}

fn group_state(at: u8) -> GroupState {
    match at {
        0 => GroupState::Closed,
        1 => GroupState::Draining,
        _ => GroupState::Active,
    }
}

fn switch(is_off: bool) -> Switch {
    if is_off { Switch::Off } else { Switch::Active }
}

fn pick<T>(items: &[T], at: u8) -> &T {
    &items[usize::from(at) % items.len()]
}

struct Builder {
    parts: Parts,
    revisions: Vec<u64>,
    stamped: usize,
}

impl Builder {
    fn revision(&mut self) -> Revision {
        self.stamped += 1;
        Revision(self.revisions[self.stamped % self.revisions.len()] + self.stamped as u64)
    }

    fn stamp<T>(&mut self, object: T) -> Stamped<T> {
        Stamped { object, revision: self.revision(), change: 0 }
    }

    fn region(&mut self, jurisdiction: Option<Jurisdiction>, is_closed: bool) {
        let at = self.parts.regions.len();
        let region = Region {
            id: id(format!("r{at}")),
            name: String::new(),
            jurisdiction,
            state: switch(is_closed),
            labels: Labels::new(),
        };
        let region = self.stamp(region);
        self.parts.regions.push(region);
    }

    fn group(&mut self, region: u8, weight: u32, state: GroupState) {
        let at = self.parts.groups.len();
        let region = pick(&self.parts.regions, region).object.id.clone();
        let group = ResourceGroup { id: id(format!("g{at}")), region, weight, state, labels: Labels::new() };
        let group = self.stamp(group);
        self.parts.groups.push(group);
    }

    fn runtime(&mut self, is_off: bool) {
        let at = self.parts.runtime_templates.len();
        let template = RuntimeTemplate {
            id: id(format!("rt{at}")),
            state: switch(is_off),
            body: "{}".to_owned(),
            labels: Labels::new(),
        };
        let template = self.stamp(template);
        self.parts.runtime_templates.push(template);
    }

    fn outbound(&mut self, is_off: bool) {
        let at = self.parts.outbound_templates.len();
        let template = OutboundTemplate {
            id: id(format!("ot{at}")),
            state: switch(is_off),
            body: "{}".to_owned(),
            labels: Labels::new(),
        };
        let template = self.stamp(template);
        self.parts.outbound_templates.push(template);
    }

    fn node(&mut self, links: (u8, Vec<u8>, u8, u8), is_off: bool, health: u8, traits: Traits) {
        let (first, more, runtime, outbound) = links;
        let at = self.parts.nodes.len();
        let lies_in = |group: &ResourceGroup| {
            let region = self.parts.regions.iter().find(|it| it.object.id == group.region).expect("it was picked");
            region.object.jurisdiction.clone()
        };
        let home = lies_in(&pick(&self.parts.groups, first).object);
        let picked = std::iter::once(first).chain(more).map(|at| &pick(&self.parts.groups, at).object);
        let groups: BTreeSet<_> = picked.filter(|it| lies_in(it) == home).map(|it| it.id.clone()).collect();
        let (priority, weight, band, place) = traits;
        let node = Node {
            id: id(format!("n{at}")),
            groups,
            runtime_template: pick(&self.parts.runtime_templates, runtime).object.id.clone(),
            outbound_template: pick(&self.parts.outbound_templates, outbound).object.id.clone(),
            state: switch(is_off),
            endpoints: vec![Endpoint { address: format!("192.0.2.{at}"), port: 443, protocol: "tcp".to_owned() }],
            priority,
            weight,
            location: NodeLocation { city: None, country: None, place },
            labels: Labels::new(),
        };
        let health = [Health::Down, Health::Silent, Health::Up, Health::Up].get(usize::from(health)).copied();
        if let Some(health) = health {
            let facts = NodeFacts { health, band: LoadBand(band), since: Micros(0) };
            let revision = self.revision();
            self.parts.facts.push((node.id.clone(), facts, revision));
        }
        let node = self.stamp(node);
        self.parts.nodes.push(node);
    }

    fn access(&mut self, (mode, subset, order, limit, is_held): (u8, u16, usize, Option<u32>, bool)) {
        let at = self.parts.access_templates.len();
        let is_in = |at: &usize| subset >> (at % 16) & 1 == 1;
        let groups = || {
            let groups = self.parts.groups.iter().enumerate().filter(|(at, _)| is_in(at));
            groups.map(|(_, it)| it.object.id.clone()).collect()
        };
        let mode = match mode {
            0 => {
                let nodes = self.parts.nodes.iter().enumerate().filter(|(at, _)| is_in(at));
                Mode::Fixed { nodes: nodes.map(|(_, it)| it.object.id.clone()).collect() }
            }
            1 => Mode::Merge { groups: groups() },
            2 => Mode::Shard { groups: groups() },
            _ => {
                let regions = self.parts.regions.iter().enumerate().filter(|(at, _)| is_in(at));
                Mode::Regional { regions: regions.map(|(_, it)| it.object.id.clone()).collect() }
            }
        };
        let template = AccessTemplate {
            id: id(format!("t{at}")),
            mode,
            order: Order::ALL[order],
            limit,
            on_broken: if is_held { OnBroken::Hold } else { OnBroken::Repair },
            labels: Labels::new(),
        };
        let template = self.stamp(template);
        self.parts.access_templates.push(template);
    }

    fn product(&mut self, template: u8) {
        let at = self.parts.products.len();
        let access_template = pick(&self.parts.access_templates, template).object.id.clone();
        let product = Product {
            id: id(format!("p{at}")),
            access_template,
            quota: None,
            limits: Limits::default(),
            policies: Vec::new(),
            labels: Labels::new(),
        };
        let product = self.stamp(product);
        self.parts.products.push(product);
    }

    fn customer(
        &mut self,
        (product, place, status, is_expired, weight, location): (u8, u8, u8, bool, u32, Option<Place>),
    ) -> Customer {
        let revision = self.revision();
        Customer {
            id: id(format!("i{}", self.stamped)),
            product: pick(&self.parts.products, product).object.id.clone(),
            jurisdiction: jurisdiction(place),
            status: match status {
                0 => InstanceStatus::Terminated,
                1 => InstanceStatus::Suspended,
                _ => InstanceStatus::Active,
            },
            is_expired,
            weight,
            location,
            revision,
        }
    }
}
