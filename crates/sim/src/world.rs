//! A small platform: its master data, its instances, and the allocator with its rows and its book.
//!
//! The rows are what a database would hold, the book what a leader holds in memory; a new leader forgets the book and
//! reads the rows. What is decided is decided by `domain` alone.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::{
    AccessTemplateId, DecisionId, Generation, GroupId, InstanceId, Jurisdiction, NodeId, OutboundTemplateId, ProductId,
    RegionId, Revision, RuntimeTemplateId,
};
use domain::master_data::{
    AccessTemplate, GroupState, Instance, InstanceStatus, Limits, Mode, Node, NodeLocation, OnBroken, Order,
    OutboundTemplate, Product, Region, ResourceGroup, RuntimeTemplate, Switch,
};
use domain::orchestration::{
    Ask, Choice, Decided, Frame, Health, Held, Holder, LoadRow, NodeFacts, Outcome, Ownership, Parts, RampRow, Request,
    Stamped, State, Subject, Topology, choose, decide, decide_all, wanted,
};
use domain::time::Micros;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::event::Event;

/// Requests in one batch of the simulated allocator.
const BATCH: usize = 64;

/// A batch as it was stored.
#[derive(Debug, Clone)]
pub struct StoredBatch {
    pub frame: Frame,
    pub start: State,
    pub decided: Vec<Decided>,
    /// Whether the batch after it may begin where this one ends.
    pub is_clean: bool,
    pub end: State,
}

/// An instance with its ownership row.
#[derive(Debug, Clone)]
pub struct Row {
    pub instance: Instance,
    pub ownership: Option<Ownership>,
}

/// A small platform.
#[derive(Debug, Clone)]
pub struct World {
    pub regions: Vec<Region>,
    pub groups: Vec<ResourceGroup>,
    pub nodes: Vec<(Node, NodeFacts)>,
    pub products: Vec<Product>,
    templates: Vec<AccessTemplate>,
    pub instances: Vec<Row>,
    pub loads: Vec<LoadRow>,
    pub ramps: Vec<RampRow>,
    book: Option<(Frame, State)>,
    /// The last batch, for the replay.
    pub last_batch: Option<StoredBatch>,
    batches: u64,
    revision: u64,
}

fn id<T, E: std::fmt::Debug>(parse: impl Fn(&str) -> Result<T, E>, text: &str) -> T {
    parse(text).expect("the simulation writes good ids")
}

impl World {
    /// The jurisdictions of its regions.
    pub const JURISDICTIONS: &[&str] = &["EU", "US"];

    /// A few regions, groups, nodes, products of all modes, and nobody yet.
    pub fn new(rng: &mut StdRng) -> Self {
        let mut world = Self {
            regions: Vec::new(),
            groups: Vec::new(),
            nodes: Vec::new(),
            products: Vec::new(),
            templates: Vec::new(),
            instances: Vec::new(),
            loads: Vec::new(),
            ramps: Vec::new(),
            book: None,
            last_batch: None,
            batches: 0,
            revision: 1,
        };
        for at in 0..rng.random_range(2..5usize) {
            let jurisdiction = Self::JURISDICTIONS[at % Self::JURISDICTIONS.len()];
            world.regions.push(Region {
                id: id(RegionId::parse, &format!("r{at}")),
                name: String::new(),
                jurisdiction: Some(id(Jurisdiction::parse, jurisdiction)),
                state: Switch::Active,
                labels: BTreeMap::new(),
            });
            for _ in 0..rng.random_range(1..4) {
                world.add_group(at, 100);
            }
        }
        let groups: BTreeSet<GroupId> = world.groups.iter().map(|group| group.id.clone()).collect();
        let regions: BTreeSet<RegionId> = world.regions.iter().map(|region| region.id.clone()).collect();
        let modes = [
            ("shard", Mode::Shard { groups: groups.clone() }, OnBroken::Repair),
            ("regional", Mode::Regional { regions }, OnBroken::Repair),
            ("held", Mode::Shard { groups: groups.clone() }, OnBroken::Hold),
            ("merge", Mode::Merge { groups }, OnBroken::Repair),
        ];
        for (name, mode, on_broken) in modes {
            let template = id(AccessTemplateId::parse, name);
            world.products.push(Product {
                id: id(ProductId::parse, name),
                access_template: template.clone(),
                quota: None,
                limits: Limits::default(),
                policies: Vec::new(),
                labels: BTreeMap::new(),
            });
            let order = Order::default();
            world.templates.push(AccessTemplate {
                id: template,
                mode,
                order,
                limit: None,
                on_broken,
                labels: BTreeMap::new(),
            });
        }
        world
    }

    fn add_group(&mut self, region: usize, weight: u32) {
        let group = ResourceGroup {
            id: id(GroupId::parse, &format!("g{:03}", self.groups.len())),
            region: self.regions[region].id.clone(),
            weight,
            state: GroupState::Active,
            labels: BTreeMap::new(),
        };
        self.groups.push(group);
        self.add_node(self.groups.len() - 1);
    }

    fn add_node(&mut self, group: usize) {
        let node = Node {
            id: id(NodeId::parse, &format!("n{:03}", self.nodes.len())),
            groups: BTreeSet::from([self.groups[group].id.clone()]),
            runtime_template: id(RuntimeTemplateId::parse, "run"),
            outbound_template: id(OutboundTemplateId::parse, "out"),
            state: Switch::Active,
            endpoints: Vec::new(),
            priority: 10,
            weight: 100,
            location: NodeLocation::default(),
            labels: BTreeMap::new(),
        };
        self.nodes.push((node, NodeFacts::default()));
    }

    /// The topology as it is now.
    pub fn topology(&self) -> Topology {
        fn stamp<T: Clone>(list: &[T], revision: u64) -> Vec<Stamped<T>> {
            list.iter().map(|it| Stamped { object: it.clone(), revision: Revision(revision), change: 1 }).collect()
        }
        let runtime = RuntimeTemplate {
            id: id(RuntimeTemplateId::parse, "run"),
            state: Switch::Active,
            body: "{}".to_owned(),
            labels: BTreeMap::new(),
        };
        let outbound = OutboundTemplate {
            id: id(OutboundTemplateId::parse, "out"),
            state: Switch::Active,
            body: "{}".to_owned(),
            labels: BTreeMap::new(),
        };
        let nodes: Vec<Node> = self.nodes.iter().map(|(node, _)| node.clone()).collect();
        let parts = Parts {
            revision: Revision(self.revision),
            regions: stamp(&self.regions, 1),
            groups: stamp(&self.groups, 1),
            runtime_templates: stamp(&[runtime], 1),
            outbound_templates: stamp(&[outbound], 1),
            nodes: stamp(&nodes, 1),
            access_templates: stamp(&self.templates, 1),
            products: stamp(&self.products, 1),
            facts: self.nodes.iter().map(|(node, facts)| (node.id.clone(), *facts, Revision(1))).collect(),
        };
        Topology::build(parts).expect("every reference of the simulation leads somewhere")
    }

    /// Who owns whom, for the fingerprint.
    pub fn owners(&self) -> Vec<(&str, Option<&str>, u64)> {
        let owner =
            |row: &Row| row.ownership.as_ref().and_then(|it| it.group().map(GroupId::as_str).map(str::to_owned));
        self.instances
            .iter()
            .map(|row| {
                let generation = row.ownership.as_ref().map_or(0, |it| it.generation.0);
                let group = row.ownership.as_ref().and_then(Ownership::group).map(GroupId::as_str);
                debug_assert_eq!(owner(row).as_deref(), group);
                (row.instance.id.as_str(), group, generation)
            })
            .collect()
    }

    /// An instance as decisions see it.
    pub fn subject<'a>(&self, row: &'a Row) -> Subject<'a> {
        Subject {
            id: &row.instance.id,
            product: &row.instance.product,
            jurisdiction: row.instance.jurisdiction.as_ref(),
            status: row.instance.status,
            is_expired: false,
            weight: row.instance.weight,
            location: None,
            ownership: row.ownership.as_ref(),
            revision: Revision(1),
        }
    }

    /// Lets an event happen. `seed` feeds what the event itself draws.
    pub fn happen(&mut self, event: &Event, seed: u64) {
        self.revision += 1;
        match *event {
            Event::Arrive { count, product, jurisdiction, weight } => self.arrive(count, product, jurisdiction, weight),
            Event::Terminate { instance } => self.edit(instance, |it| it.status = InstanceStatus::Terminated),
            Event::Return { instance } => self.edit(instance, |it| it.status = InstanceStatus::Active),
            Event::Edit { instance, product, weight } => {
                let product = self.products[product].id.clone();
                self.edit(instance, |it| (it.product, it.weight) = (product, weight));
            }
            Event::AddGroup { region, weight } => {
                self.add_group(region, weight);
                let added = self.groups[self.groups.len() - 1].id.clone();
                for template in &mut self.templates {
                    if let Mode::Shard { groups } | Mode::Merge { groups } = &mut template.mode {
                        groups.insert(added.clone());
                    }
                }
            }
            Event::AddNode { group } => self.add_node(group),
            Event::Report { node, health } => self.nodes[node].1.health = health,
            Event::SwitchNode { node, is_active } => {
                self.nodes[node].0.state = if is_active { Switch::Active } else { Switch::Off };
            }
            Event::SetGroup { group, state } => {
                self.groups[group].state =
                    [GroupState::Active, GroupState::Draining, GroupState::Closed][usize::from(state)];
            }
            Event::Allocate { void_permille } => self.allocate(void_permille, seed),
            Event::NewLeader => self.book = None,
            Event::Move { instance, group } => self.plan_move(instance, group),
        }
    }

    fn arrive(&mut self, count: u32, product: usize, jurisdiction: Option<usize>, weight: u32) {
        for _ in 0..count {
            let instance = Instance {
                id: id(InstanceId::parse, &format!("i{:05}", self.instances.len())),
                product: self.products[product].id.clone(),
                jurisdiction: jurisdiction.map(|at| id(Jurisdiction::parse, Self::JURISDICTIONS[at])),
                status: InstanceStatus::Active,
                weight,
                location: None,
                created: Micros(0),
                expires: None,
                labels: BTreeMap::new(),
            };
            self.instances.push(Row { instance, ownership: None });
        }
    }

    fn edit(&mut self, instance: usize, edit: impl FnOnce(&mut Instance)) {
        if let Some(row) = self.instances.get_mut(instance) {
            edit(&mut row.instance);
        }
    }

    /// The book of the leader, opened from rows or carried over to the topology of now.
    fn open_book(&self, topology: &Topology) -> (Frame, State) {
        let frame = Frame::build(topology, &BTreeSet::new());
        match &self.book {
            Some((known, state)) if known.is_equivalent(&frame) => (known.clone(), state.clone()),
            Some((known, state)) => {
                let state = state.carry_over(known, &frame);
                (frame, state)
            }
            None => {
                let state = State::from_rows(&frame, &self.loads, &self.ramps);
                (frame, state)
            }
        }
    }

    /// The allocator works until nothing is left to do, batch by batch.
    fn allocate(&mut self, void_permille: u32, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let topology = self.topology();
        loop {
            let (frame, state) = self.open_book(&topology);
            let asks = self.instances.iter().enumerate().filter_map(|(at, row)| {
                let ask = wanted(&topology, &self.subject(row))?;
                let request = self.request(&frame, row, ask)?;
                let is_worth = match ask {
                    Ask::Allocate | Ask::Repair => matches!(choose(&frame, &state, &request), Choice::Group(_)),
                    _ => true,
                };
                is_worth.then_some((at, request))
            });
            let (at, requests): (Vec<usize>, Vec<Request>) = asks.take(BATCH).unzip();
            if requests.is_empty() {
                self.book = Some((frame, state));
                return;
            }
            let mut run = state.clone();
            let decided = decide_all(&frame, &mut run, requests);
            self.commit(frame, state, decided, &at, &mut rng, void_permille);
        }
    }

    /// Commits a batch; the database does not take some of it.
    fn commit(
        &mut self,
        frame: Frame,
        start: State,
        mut decided: Vec<Decided>,
        at: &[usize],
        rng: &mut StdRng,
        void_permille: u32,
    ) {
        self.batches += 1;
        let mut end = start.clone();
        for (ordinal, it) in (0u32..).zip(&mut decided) {
            if rng.next_u32() % 1_000 < void_permille {
                it.outcome = Outcome::Void;
                continue;
            }
            let taken = Decided { request: it.request.clone(), outcome: it.outcome };
            domain::orchestration::replay_state(&frame, &mut end, std::slice::from_ref(&taken));
            let decision = DecisionId { batch: self.batches, ordinal };
            write(&mut self.instances[at[ordinal as usize]], &frame, it, decision);
        }
        let is_clean = decided.iter().all(|it| it.outcome != Outcome::Void);
        self.loads = end.load_rows(&frame);
        self.ramps = end.ramp_rows(&frame);
        self.book = Some((frame.clone(), end.clone()));
        self.last_batch = Some(StoredBatch { frame, start, decided, is_clean, end });
    }

    fn plan_move(&mut self, instance: usize, group: usize) {
        let topology = self.topology();
        let (frame, state) = self.open_book(&topology);
        let Some(row) = self.instances.get(instance) else { return };
        if row.instance.status == InstanceStatus::Terminated {
            return;
        }
        let Some(to) = frame.find_group(&self.groups[group].id) else { return };
        let Some(request) = self.request(&frame, row, Ask::Move { to }) else { return };
        let mut run = state.clone();
        let outcome = decide(&frame, &mut run, &request);
        let mut rng = StdRng::seed_from_u64(0);
        self.commit(frame, state, vec![Decided { request, outcome }], &[instance], &mut rng, 0);
    }

    fn request(&self, frame: &Frame, row: &Row, ask: Ask) -> Option<Request> {
        let product = frame.find_product(&row.instance.product)?;
        let held = match row.ownership.as_ref().map(|it| &it.holder) {
            Some(Holder::Group { group, weight, product, .. }) => {
                Some(Held { group: frame.find_group(group)?, weight: *weight, product: frame.find_product(product)? })
            }
            _ => None,
        };
        Some(Request {
            instance: row.instance.id.clone(),
            product,
            template: frame.products[product as usize].1,
            jurisdiction: row.instance.jurisdiction.clone(),
            weight: row.instance.weight,
            ask,
            held,
        })
    }

    /// The health of a node that is shown as healthy.
    pub fn is_healthy(health: Health) -> bool {
        matches!(health, Health::Unknown | Health::Up)
    }
}

/// Writes the ownership row of a decision, as the store does.
fn write(row: &mut Row, frame: &Frame, decided: &Decided, decision: DecisionId) {
    let (generation, version) = row.ownership.as_ref().map_or((0, 0), |it| (it.generation.0, it.version));
    let weight = decided.request.weight;
    let product = frame.products[decided.request.product as usize].0.clone();
    let in_group = |group: u32| Holder::Group {
        region: frame.region_of(group).id.clone(),
        group: frame.group(group).id.clone(),
        weight,
        product: product.clone(),
    };
    let (holder, generation) = match decided.outcome {
        Outcome::Owned { group } => (in_group(group), generation + 1),
        Outcome::Kept => match decided.request.held {
            Some(held) => (in_group(held.group), generation),
            None => return,
        },
        Outcome::Nobody { why } => (Holder::Nobody { why }, generation),
        Outcome::Stays { .. } | Outcome::Void => return,
    };
    let (generation, version) = (Generation(generation), version + 1);
    row.ownership = Some(Ownership { holder, generation, version, decision, since: Micros(0) });
}
