//! Small worlds for the laws of plans: a topology, the instances in it, and the allocator that serves them.
//!
//! Everything is made from a handful of numbers, so that a failing case is small and can be read.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::draft::Move;
use super::request::find_request;
use crate::ids::{DecisionId, Generation, GroupId, InstanceId, Jurisdiction, NodeId, Revision};
use crate::master_data::{
    AccessTemplate, GroupState, InstanceStatus, Location, Mode, Node, NodeLocation, OnBroken, Order, OutboundTemplate,
    Place, Product, Region, ResourceGroup, RuntimeTemplate, Switch,
};
use crate::orchestration::{
    Ask, Frame, Health, Holder, NodeFacts, Outcome, Ownership, Parts, Stamped, State, Subject, Topology, decide, wanted,
};
use crate::time::Micros;

pub(super) fn stamped<T>(object: T) -> Stamped<T> {
    Stamped { object, revision: Revision(1), change: 1 }
}

fn group_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> BTreeSet<GroupId> {
    ids.into_iter().map(|id| GroupId::parse(id).unwrap()).collect()
}

pub(super) fn region(id: &str, jurisdiction: &str) -> Region {
    Region {
        id: id.to_owned().try_into().unwrap(),
        name: String::new(),
        jurisdiction: Some(Jurisdiction::parse(jurisdiction).unwrap()),
        state: Switch::Active,
        labels: BTreeMap::new(),
    }
}

pub(super) fn group_in(id: &str, region: &str) -> ResourceGroup {
    ResourceGroup {
        id: GroupId::parse(id).unwrap(),
        region: region.to_owned().try_into().unwrap(),
        weight: 10,
        state: GroupState::Active,
        labels: BTreeMap::new(),
    }
}

pub(super) fn node_in(id: &str, groups: &[&str], runtime: &str) -> Node {
    Node {
        id: NodeId::parse(id).unwrap(),
        groups: group_ids(groups.iter().copied()),
        runtime_template: runtime.to_owned().try_into().unwrap(),
        outbound_template: "out".to_owned().try_into().unwrap(),
        state: Switch::Active,
        endpoints: Vec::new(),
        priority: 10,
        weight: 100,
        location: NodeLocation::default(),
        labels: BTreeMap::new(),
    }
}

pub(super) fn template(id: &str, mode: Mode) -> AccessTemplate {
    AccessTemplate {
        id: id.to_owned().try_into().unwrap(),
        mode,
        order: Order::Priority,
        limit: None,
        on_broken: OnBroken::Repair,
        labels: BTreeMap::new(),
    }
}

pub(super) fn shard(groups: &[&str]) -> Mode {
    Mode::Shard { groups: group_ids(groups.iter().copied()) }
}

pub(super) fn regional(regions: &[&str]) -> Mode {
    Mode::Regional { regions: regions.iter().map(|id| (*id).to_owned().try_into().unwrap()).collect() }
}

pub(super) fn product(id: &str, template: &str) -> Product {
    Product {
        id: id.to_owned().try_into().unwrap(),
        access_template: template.to_owned().try_into().unwrap(),
        quota: None,
        limits: crate::master_data::Limits::default(),
        policies: Vec::new(),
        labels: BTreeMap::new(),
    }
}

fn runtime(id: &str, state: Switch) -> RuntimeTemplate {
    RuntimeTemplate { id: id.to_owned().try_into().unwrap(), state, body: "{}".into(), labels: BTreeMap::new() }
}

/// Two regions of one jurisdiction and one of another, two groups each, one node each, one product of each mode.
pub(super) fn small_parts() -> Parts {
    let groups = [("g1", "r1"), ("g2", "r1"), ("g3", "r2"), ("g4", "r2"), ("g5", "r3"), ("g6", "r3")];
    let out = OutboundTemplate {
        id: "out".to_owned().try_into().unwrap(),
        state: Switch::Active,
        body: "{}".into(),
        labels: BTreeMap::new(),
    };
    let fixed = Mode::Fixed { nodes: ["n1", "n3"].iter().map(|id| NodeId::parse(id).unwrap()).collect() };
    let merge = Mode::Merge { groups: group_ids(["g2", "g5"]) };
    Parts {
        revision: Revision(1),
        regions: [("r1", "EU"), ("r2", "EU"), ("r3", "US")].map(|(id, it)| stamped(region(id, it))).to_vec(),
        groups: groups.map(|(id, it)| stamped(group_in(id, it))).to_vec(),
        runtime_templates: vec![stamped(runtime("run", Switch::Active)), stamped(runtime("old", Switch::Active))],
        outbound_templates: vec![stamped(out)],
        nodes: (1..=6).map(|at| stamped(node_in(&format!("n{at}"), &[&format!("g{at}")], "run"))).collect(),
        access_templates: vec![
            stamped(template("ashard", shard(&["g1", "g2", "g3", "g5"]))),
            stamped(template("bregion", regional(&["r1", "r2", "r3"]))),
            stamped(template("cmerge", merge)),
            stamped(template("dfixed", fixed)),
        ],
        products: vec![
            stamped(product("basic", "ashard")),
            stamped(product("extra", "bregion")),
            stamped(product("fixed", "dfixed")),
            stamped(product("merge", "cmerge")),
        ],
        facts: Vec::new(),
    }
}

pub(super) fn small_topology() -> Topology {
    Topology::build(small_parts()).unwrap()
}

/// An instance as the tests hold it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) id: InstanceId,
    pub(super) product: crate::ids::ProductId,
    pub(super) jurisdiction: Option<Jurisdiction>,
    pub(super) status: InstanceStatus,
    pub(super) is_expired: bool,
    pub(super) weight: u32,
    pub(super) location: Option<Location>,
    pub(super) ownership: Option<Ownership>,
}

impl Held {
    pub(super) fn new(at: usize, product: &str) -> Self {
        Self {
            id: InstanceId::parse(&format!("svc-{at:07}")).unwrap(),
            product: product.to_owned().try_into().unwrap(),
            jurisdiction: None,
            status: InstanceStatus::Active,
            is_expired: false,
            weight: 1,
            location: None,
            ownership: None,
        }
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            id: &self.id,
            product: &self.product,
            jurisdiction: self.jurisdiction.as_ref(),
            status: self.status,
            is_expired: self.is_expired,
            weight: self.weight,
            location: self.location,
            ownership: self.ownership.as_ref(),
            revision: Revision(1),
        }
    }

    pub(super) fn group(&self) -> Option<&GroupId> {
        self.ownership.as_ref().and_then(Ownership::group)
    }
}

/// A topology with its instances and the allocator's state.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) topology: Topology,
    pub(super) frame: Frame,
    pub(super) state: State,
    pub(super) instances: Vec<Held>,
    /// Numbers the decisions.
    batch: u64,
}

impl World {
    pub(super) fn new(topology: Topology, instances: Vec<Held>) -> Self {
        let frame = Frame::build(&topology, &BTreeSet::new());
        let state = State::from_rows(&frame, &[], &[]);
        Self { topology, frame, state, instances, batch: 0 }
    }

    pub(super) fn subjects(&self) -> impl Iterator<Item = Subject<'_>> {
        self.instances.iter().map(Held::subject)
    }

    /// Goes on in another topology.
    pub(super) fn set_topology(
        &mut self,
        topology: Topology,
        leaving: &BTreeSet<(crate::ids::AccessTemplateId, GroupId)>,
    ) {
        let frame = Frame::build(&topology, leaving);
        self.state = self.state.carry_over(&self.frame, &frame);
        (self.topology, self.frame) = (topology, frame);
    }

    /// Does everything that the allocator wants to do.
    pub(super) fn allocate(&mut self) {
        for at in 0..self.instances.len() {
            let asked = wanted(&self.topology, &self.instances[at].subject());
            if let Some(ask) = asked {
                self.ask(at, ask);
            }
        }
    }

    /// Makes planned moves as the allocator does; returns those that it refused.
    pub(super) fn make(&mut self, moves: &[Move]) -> Vec<InstanceId> {
        let mut refused = Vec::new();
        for it in moves {
            let at = self.instances.binary_search_by(|held| held.id.cmp(&it.instance)).unwrap();
            let generation = self.instances[at].ownership.as_ref().map(|it| it.generation).unwrap_or_default();
            let to = self.frame.find_group(&it.to).unwrap();
            let has_drifted = self.instances[at].group() != it.from.as_ref() || generation != it.from_generation;
            let outcome = if has_drifted { Outcome::Void } else { self.ask(at, Ask::Move { to }) };
            if outcome != (Outcome::Owned { group: to }) {
                refused.push(it.instance.clone());
            }
        }
        refused
    }

    /// Asks for one instance and writes the outcome.
    pub(super) fn ask(&mut self, at: usize, ask: Ask) -> Outcome {
        let request = find_request(&self.frame, &self.instances[at].subject(), ask).unwrap();
        let outcome = decide(&self.frame, &mut self.state, &request);
        self.batch += 1;
        let held = &mut self.instances[at];
        let (generation, version) =
            held.ownership.as_ref().map(|it| (it.generation, it.version)).unwrap_or((Generation(0), 0));
        let counted = |group: u32, frame: &Frame| Holder::Group {
            region: frame.region_of(group).id.clone(),
            group: frame.group(group).id.clone(),
            weight: held.weight,
            product: held.product.clone(),
        };
        let (holder, generation) = match outcome {
            Outcome::Owned { group } => (counted(group, &self.frame), Generation(generation.0 + 1)),
            Outcome::Kept => (counted(request.held.unwrap().group, &self.frame), generation),
            Outcome::Nobody { why } => (Holder::Nobody { why }, generation),
            Outcome::Stays { .. } | Outcome::Void => return outcome,
        };
        let decision = DecisionId { batch: self.batch, ordinal: 0 };
        held.ownership = Some(Ownership { holder, generation, version: version + 1, decision, since: Micros(0) });
        outcome
    }
}

/// Some instance of the small products.
pub(super) fn some_instance() -> impl Strategy<Value = Held> {
    let product = prop::sample::select(vec!["basic", "basic", "extra", "extra", "fixed", "merge"]);
    let jurisdiction = prop::sample::select(vec![None, None, Some("EU"), Some("US"), Some("XX")]);
    let status = prop::sample::select(vec![
        InstanceStatus::Active,
        InstanceStatus::Active,
        InstanceStatus::Active,
        InstanceStatus::Suspended,
        InstanceStatus::Terminated,
    ]);
    (product, jurisdiction, status, 1u32..4, any::<bool>(), -80i32..80).prop_map(
        |(product, jurisdiction, status, weight, is_placed, degrees)| Held {
            jurisdiction: jurisdiction.map(|it| Jurisdiction::parse(it).unwrap()),
            status,
            weight,
            location: is_placed.then(|| Place::new(degrees * 1_000_000, degrees * 2_000_000).unwrap()),
            ..Held::new(0, product)
        },
    )
}

/// A few dozen instances, in the order of ids.
pub(super) fn some_instances() -> impl Strategy<Value = Vec<Held>> {
    prop::collection::vec(some_instance(), 1..60).prop_map(|mut all| {
        for (at, held) in all.iter_mut().enumerate() {
            held.id = InstanceId::parse(&format!("svc-{at:07}")).unwrap();
        }
        all
    })
}

/// A variation of the small topology: every state, membership and order may differ.
pub(super) fn some_parts() -> impl Strategy<Value = Parts> {
    // Mostly sound, or there would be nobody to move.
    let group = (0u8..14, 1u32..4, 1u8..6);
    let node = (0u8..6, 0u8..6, prop::bool::weighted(0.85), any::<bool>(), -80i32..80, 0u8..5);
    let members = prop_oneof![Just(63u8), Just(63u8), 0u8..64];
    let templates = prop::collection::vec((members, 0u8..5, 0u32..4, any::<bool>()), 4);
    (
        prop::collection::vec(group, 6),
        prop::collection::vec(node, 9),
        templates,
        prop::collection::vec(prop::bool::weighted(0.1), 3),
        prop::collection::vec(prop_oneof![Just(None), Just(None), (0u8..4).prop_map(Some)], 4),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(groups, nodes, templates, closed, products, is_old_off)| {
            let mut parts = small_parts();
            for (region, is_closed) in parts.regions.iter_mut().zip(closed) {
                region.object.state = if is_closed { Switch::Off } else { Switch::Active };
            }
            for (group, (state, weight, region)) in parts.groups.iter_mut().zip(groups) {
                group.object.state = match state {
                    0 => GroupState::Closed,
                    1 => GroupState::Draining,
                    _ => GroupState::Active,
                };
                group.object.weight = weight * 10;
                // Only inside one jurisdiction, so that nodes may stand in several groups.
                if group.object.id.as_str() < "g5" && region < 3 {
                    group.object.region = format!("r{region}").try_into().unwrap();
                }
            }
            if is_old_off {
                parts.runtime_templates[0].object.state = Switch::Off;
            }
            parts.nodes = nodes.into_iter().enumerate().map(|(at, it)| some_node(at, it)).collect();
            parts.facts = parts
                .nodes
                .iter()
                .enumerate()
                .filter(|(at, _)| at % 4 == 3)
                .map(|(_, node)| {
                    let facts = NodeFacts { health: Health::Down, ..NodeFacts::default() };
                    (node.object.id.clone(), facts, Revision(1))
                })
                .collect();
            for (template, it) in parts.access_templates.iter_mut().zip(templates) {
                vary_template(&mut template.object, it);
            }
            let ids: Vec<_> = parts.access_templates.iter().map(|it| it.object.id.clone()).collect();
            for (product, template) in parts.products.iter_mut().zip(products) {
                if let Some(template) = template {
                    product.object.access_template = ids[template as usize].clone();
                }
            }
            parts
        })
}

/// A topology and another that differs from it in some of its kinds only.
pub(super) fn some_pair() -> impl Strategy<Value = (Parts, Parts)> {
    (some_parts(), some_parts(), prop::collection::vec(prop::bool::weighted(0.3), 7)).prop_map(|(a, b, takes)| {
        let mut other = a.clone();
        macro_rules! take {
            ($at:literal, $list:ident) => {
                if takes[$at] {
                    other.$list = b.$list.clone();
                }
            };
        }
        take!(0, regions);
        take!(1, groups);
        take!(2, runtime_templates);
        take!(3, nodes);
        take!(4, access_templates);
        take!(5, products);
        take!(6, facts);
        (a, other)
    })
}

fn some_node(at: usize, (a, b, is_on, is_old, degrees, priority): (u8, u8, bool, bool, i32, u8)) -> Stamped<Node> {
    // Groups 1 to 4 lie in one jurisdiction, 5 and 6 in another.
    let (a, b) = (a + 1, b + 1);
    let second = if (a < 5) == (b < 5) { b } else { a };
    let groups = [format!("g{a}"), format!("g{second}")];
    let mut node =
        node_in(&format!("n{}", at + 1), &groups.each_ref().map(String::as_str), if is_old { "old" } else { "run" });
    node.state = if is_on { Switch::Active } else { Switch::Off };
    node.priority = u32::from(priority);
    node.location.place = Some(Place::new(degrees * 1_000_000, degrees * 2_000_000).unwrap());
    stamped(node)
}

fn vary_template(template: &mut AccessTemplate, (members, order, limit, is_held): (u8, u8, u32, bool)) {
    let bits = |count: u8| (0..count).filter(move |bit| members & (1 << bit) != 0).map(|bit| bit + 1);
    let groups: BTreeSet<GroupId> = bits(6).map(|at| GroupId::parse(&format!("g{at}")).unwrap()).collect();
    template.mode = match &template.mode {
        Mode::Shard { .. } => Mode::Shard { groups },
        Mode::Merge { .. } => Mode::Merge { groups },
        Mode::Regional { .. } => {
            Mode::Regional { regions: bits(3).map(|at| format!("r{at}").try_into().unwrap()).collect() }
        }
        Mode::Fixed { .. } => {
            Mode::Fixed { nodes: bits(6).map(|at| NodeId::parse(&format!("n{at}")).unwrap()).collect() }
        }
    };
    template.order = Order::ALL[order as usize];
    template.limit = (limit > 0).then_some(limit);
    template.on_broken = if is_held { OnBroken::Hold } else { OnBroken::Repair };
}
