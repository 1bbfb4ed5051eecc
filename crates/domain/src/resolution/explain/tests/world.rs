//! Small worlds for the laws of explanation: a topology of every state, and the decisions that led to an ownership.
//!
//! Everything is drawn from one strategy, so that a failing case shrinks to a world of a few lines.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::ids::*;
use crate::master_data::*;
use crate::orchestration::*;
use crate::reason::Reason;
use crate::resolution::explain::{Action, DecisionRecord};
use crate::time::Micros;

/// A group: region, weight, state, and its nodes.
#[derive(Debug, Clone)]
pub(super) struct GroupSketch {
    pub(super) region: u8,
    pub(super) weight: u32,
    pub(super) state: GroupState,
    pub(super) nodes: Vec<NodeSketch>,
}

/// A node: state, health, and whether it uses the templates that are disabled.
#[derive(Debug, Clone, Copy)]
pub(super) struct NodeSketch {
    pub(super) is_active: bool,
    pub(super) health: Health,
    pub(super) is_runtime_active: bool,
    pub(super) is_outbound_active: bool,
}

pub(super) const HEALTHY: NodeSketch =
    NodeSketch { is_active: true, health: Health::Up, is_runtime_active: true, is_outbound_active: true };

/// Everything but the instance.
#[derive(Debug, Clone)]
pub(super) struct WorldSketch {
    pub(super) regions: Vec<(Option<&'static str>, bool)>,
    pub(super) groups: Vec<GroupSketch>,
    /// Bit by bit, which groups `shard` and `merge` name; `regional` names their regions, `fixed` their nodes.
    pub(super) boundary: u8,
    pub(super) limit: Option<u32>,
    pub(super) on_broken: OnBroken,
}

fn switch(is_active: bool) -> Switch {
    if is_active { Switch::Active } else { Switch::Off }
}

pub(super) fn stamped<T>(object: T, revision: u64) -> Stamped<T> {
    Stamped { object, revision: Revision(revision), change: 1 }
}

pub(super) fn group_id(at: usize) -> GroupId {
    GroupId::parse(&format!("g{at}")).unwrap()
}

impl WorldSketch {
    fn named(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.groups.len()).filter(|at| self.boundary & (1 << at) != 0)
    }

    fn nodes(&self, parts: &mut Parts) -> BTreeSet<NodeId> {
        let mut named = BTreeSet::new();
        for (at, group) in self.groups.iter().enumerate() {
            for (nth, sketch) in group.nodes.iter().enumerate() {
                let id = NodeId::parse(&format!("n{at}-{nth}")).unwrap();
                let template = |is_active: bool| if is_active { "on" } else { "off" };
                let node = Node {
                    id: id.clone(),
                    groups: BTreeSet::from([group_id(at)]),
                    runtime_template: RuntimeTemplateId::parse(template(sketch.is_runtime_active)).unwrap(),
                    outbound_template: OutboundTemplateId::parse(template(sketch.is_outbound_active)).unwrap(),
                    state: switch(sketch.is_active),
                    endpoints: Vec::new(),
                    priority: 10,
                    weight: 100,
                    location: NodeLocation::default(),
                    labels: BTreeMap::new(),
                };
                parts.nodes.push(stamped(node, 4));
                let facts = NodeFacts { health: sketch.health, ..NodeFacts::default() };
                parts.facts.push((id.clone(), facts, Revision(7)));
                if self.boundary & (1 << at) != 0 {
                    named.insert(id);
                }
            }
        }
        named
    }

    /// Does what an explanation says that an operator can do.
    pub(super) fn perform(&mut self, act: &Action) {
        let place = |id: &str| id[1..].split('-').map(|part| part.parse::<usize>().unwrap()).collect::<Vec<_>>();
        let nodes = |groups: &mut Vec<GroupSketch>, change: fn(&mut NodeSketch)| {
            groups.iter_mut().flat_map(|group| &mut group.nodes).for_each(change);
        };
        match act {
            Action::Set { kind: Kind::Region, id, .. } => self.regions[place(id)[0]].1 = true,
            Action::Set { kind: Kind::ResourceGroup, id, .. } => self.groups[place(id)[0]].state = GroupState::Active,
            Action::Set { kind: Kind::Node, id, .. } => self.groups[place(id)[0]].nodes[place(id)[1]].is_active = true,
            Action::Set { kind: Kind::RuntimeTemplate, .. } => {
                nodes(&mut self.groups, |it| it.is_runtime_active = true)
            }
            Action::Set { kind: Kind::OutboundTemplate, .. } => {
                nodes(&mut self.groups, |it| it.is_outbound_active = true);
            }
            Action::MendNode { node } => {
                let place = place(node.as_str());
                self.groups[place[0]].nodes[place[1]].health = Health::Up;
            }
            Action::AddNode { group } => self.groups[place(group.as_str())[0]].nodes.push(HEALTHY),
            other => panic!("no act of this world: {other:?}"),
        }
    }

    /// The topology, with one product for each mode, named as the mode.
    pub(super) fn topology(&self) -> Topology {
        let mut parts = Parts { revision: Revision(9), ..Parts::default() };
        let region_id = |at: u8| RegionId::parse(&format!("r{}", usize::from(at) % self.regions.len())).unwrap();
        for (at, (jurisdiction, is_active)) in (0u8..).zip(&self.regions) {
            let region = Region {
                id: region_id(at),
                name: String::new(),
                jurisdiction: jurisdiction.map(|it| Jurisdiction::parse(it).unwrap()),
                state: switch(*is_active),
                labels: BTreeMap::new(),
            };
            parts.regions.push(stamped(region, 1));
        }
        for (at, group) in self.groups.iter().enumerate() {
            let object = ResourceGroup {
                id: group_id(at),
                region: region_id(group.region),
                weight: group.weight,
                state: group.state,
                labels: BTreeMap::new(),
            };
            parts.groups.push(stamped(object, 2));
        }
        for (id, is_active) in [("on", true), ("off", false)] {
            let (state, body, labels) = (switch(is_active), "{}".to_owned(), BTreeMap::new());
            let (runtime, outbound) = (RuntimeTemplateId::parse(id).unwrap(), OutboundTemplateId::parse(id).unwrap());
            parts
                .runtime_templates
                .push(stamped(RuntimeTemplate { id: runtime, state, body: body.clone(), labels: labels.clone() }, 3));
            parts.outbound_templates.push(stamped(OutboundTemplate { id: outbound, state, body, labels }, 3));
        }
        let nodes = self.nodes(&mut parts);
        let groups: BTreeSet<GroupId> = self.named().map(group_id).collect();
        let regions = self.named().map(|at| region_id(self.groups[at].region)).collect();
        let modes = [
            Mode::Fixed { nodes },
            Mode::Merge { groups: groups.clone() },
            Mode::Shard { groups },
            Mode::Regional { regions },
        ];
        for mode in modes {
            let id = AccessTemplateId::parse(mode.code()).unwrap();
            let product = Product {
                id: ProductId::parse(mode.code()).unwrap(),
                access_template: id.clone(),
                quota: None,
                limits: Limits::default(),
                policies: Vec::new(),
                labels: BTreeMap::new(),
            };
            let (limit, on_broken) = (self.limit, self.on_broken);
            let template =
                AccessTemplate { id, mode, order: Order::Priority, limit, on_broken, labels: BTreeMap::new() };
            parts.access_templates.push(stamped(template, 5));
            parts.products.push(stamped(product, 6));
        }
        Topology::build(parts).unwrap()
    }
}

/// An instance as the laws draw it.
#[derive(Debug, Clone)]
pub(super) struct InstanceSketch {
    pub(super) product: &'static str,
    pub(super) jurisdiction: Option<&'static str>,
    pub(super) status: InstanceStatus,
    pub(super) is_expired: bool,
    /// Absent: no row. `Some(None)`: nobody. A group beyond those there are is one that was deleted.
    pub(super) owner: Option<Option<u8>>,
}

/// An instance with the values that a subject borrows.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    pub(super) id: InstanceId,
    pub(super) product: ProductId,
    pub(super) jurisdiction: Option<Jurisdiction>,
    pub(super) status: InstanceStatus,
    pub(super) is_expired: bool,
    pub(super) ownership: Option<Ownership>,
}

impl Drawn {
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            id: &self.id,
            product: &self.product,
            jurisdiction: self.jurisdiction.as_ref(),
            status: self.status,
            is_expired: self.is_expired,
            weight: 1,
            location: None,
            ownership: self.ownership.as_ref(),
            revision: Revision(8),
        }
    }
}

pub(super) fn ownership(holder: Holder, decision: DecisionId) -> Ownership {
    Ownership { holder, generation: Generation(1), version: 1, decision, since: Micros(1_000_000) }
}

impl InstanceSketch {
    pub(super) fn held(&self) -> Drawn {
        let product = ProductId::parse(self.product).unwrap();
        let holder = |owner: Option<u8>| match owner {
            None => Holder::Nobody { why: Reason::NoCandidate },
            Some(at) => Holder::Group {
                region: RegionId::parse("r0").unwrap(),
                group: group_id(usize::from(at)),
                weight: 1,
                product: product.clone(),
            },
        };
        Drawn {
            id: InstanceId::parse("svc-1").unwrap(),
            jurisdiction: self.jurisdiction.map(|it| Jurisdiction::parse(it).unwrap()),
            status: self.status,
            is_expired: self.is_expired,
            ownership: self.owner.map(|owner| ownership(holder(owner), DecisionId { batch: 3, ordinal: 0 })),
            product: product.clone(),
        }
    }
}

/// Fills a boundary with `filled` instances and records the decision about one more.
pub(super) fn decided(topology: &Topology, held: &Drawn, filled: u32, ask: Option<Ask>) -> Option<DecisionRecord> {
    let frame = Frame::build(topology, &BTreeSet::new());
    let product = frame.find_product(&held.product)?;
    let template = frame.products[product as usize].1;
    template?;
    let start = State::from_rows(&frame, &[], &[]);
    let request = |name: String, ask: Ask| Request {
        instance: InstanceId::parse(&name).unwrap(),
        product,
        template,
        jurisdiction: held.jurisdiction.clone(),
        weight: 1,
        ask,
        held: None,
    };
    let mut requests: Vec<Request> = (0..filled).map(|at| request(format!("other-{at}"), Ask::Allocate)).collect();
    requests.push(request("svc-1".to_owned(), ask.unwrap_or(Ask::Allocate)));
    let mut state = start.clone();
    let decided = decide_all(&frame, &mut state, requests);
    let id = DecisionId { batch: 3, ordinal: filled };
    DecisionRecord::from_batch(
        id,
        Micros(1_000_000),
        "allocator".to_owned(),
        "ab12".to_owned(),
        Batch { frame, start, decided },
    )
}

fn health() -> impl Strategy<Value = Health> {
    prop_oneof![3 => Just(Health::Up), 2 => Just(Health::Unknown), 1 => Just(Health::Down), 1 => Just(Health::Silent)]
}

fn node() -> impl Strategy<Value = NodeSketch> {
    (prop::bool::weighted(0.8), health(), prop::bool::weighted(0.9), prop::bool::weighted(0.9)).prop_map(
        |(is_active, health, is_runtime_active, is_outbound_active)| NodeSketch {
            is_active,
            health,
            is_runtime_active,
            is_outbound_active,
        },
    )
}

fn group() -> impl Strategy<Value = GroupSketch> {
    let state =
        prop_oneof![4 => Just(GroupState::Active), 1 => Just(GroupState::Draining), 1 => Just(GroupState::Closed)];
    (0u8..3, 1u32..5, state, prop::collection::vec(node(), 0..4))
        .prop_map(|(region, weight, state, nodes)| GroupSketch { region, weight, state, nodes })
}

fn jurisdiction() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![2 => Just(None), 2 => Just(Some("EU")), 1 => Just(Some("US"))]
}

pub(super) fn world() -> impl Strategy<Value = WorldSketch> {
    let regions = prop::collection::vec((jurisdiction(), prop::bool::weighted(0.85)), 1..4);
    let on_broken = prop_oneof![Just(OnBroken::Repair), Just(OnBroken::Hold)];
    (regions, prop::collection::vec(group(), 1..6), any::<u8>(), prop::option::of(1u32..4), on_broken).prop_map(
        |(regions, groups, boundary, limit, on_broken)| WorldSketch { regions, groups, boundary, limit, on_broken },
    )
}

pub(super) fn instance() -> impl Strategy<Value = InstanceSketch> {
    let product = prop_oneof![
        1 => Just("fixed"), 1 => Just("merge"), 4 => Just("shard"), 4 => Just("regional"), 1 => Just("gone")
    ];
    let status = prop_oneof![
        6 => Just(InstanceStatus::Active), 1 => Just(InstanceStatus::Suspended), 1 => Just(InstanceStatus::Terminated)
    ];
    let owner = prop_oneof![1 => Just(None), 1 => Just(Some(None)), 5 => (0u8..7).prop_map(|at| Some(Some(at)))];
    (product, jurisdiction(), status, prop::bool::weighted(0.1), owner).prop_map(
        |(product, jurisdiction, status, is_expired, owner)| InstanceSketch {
            product,
            jurisdiction,
            status,
            is_expired,
            owner,
        },
    )
}
