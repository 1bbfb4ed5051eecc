//! A fleet to test with, and a leader that allocates in it as the real one does, with none of its tasks.
//!
//! Regions `r0…`, groups `r0-g0…` of a region, a node in each group, one `shard` and one `regional` template with a
//! product each. Instances are `svc-0000000…`.

#![allow(clippy::unwrap_used, reason = "what stands here is right or the test fails")]
#![allow(dead_code, reason = "the measuring example uses less of this than the tests")]

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::*;
use domain::master_data::*;
use domain::orchestration::*;
use domain::reason::Reason;
use domain::time::Micros;
use store::{
    Base, BatchCommit, BatchCommitted, InstanceRow, InstanceWrite, Intent, Lease, PlanMoveOf, Result, Seen, Store,
};

pub const LEASE: &str = "allocator";

/// A lease that no test outlives.
pub const LEASE_TTL_US: i64 = 600_000_000;

pub fn region(id: &str) -> Region {
    let jurisdiction = Some(Jurisdiction::parse("EU").unwrap());
    Region {
        id: RegionId::parse(id).unwrap(),
        name: id.to_uppercase(),
        jurisdiction,
        state: Switch::Active,
        labels: Labels::new(),
    }
}

pub fn group(region: &str, id: &str, weight: u32) -> ResourceGroup {
    let (id, region) = (GroupId::parse(id).unwrap(), RegionId::parse(region).unwrap());
    ResourceGroup { id, region, weight, state: GroupState::Active, labels: Labels::new() }
}

pub fn runtime_template(id: &str) -> RuntimeTemplate {
    let body = r#"{"engine":"envoy"}"#.to_owned();
    RuntimeTemplate { id: RuntimeTemplateId::parse(id).unwrap(), state: Switch::Active, body, labels: Labels::new() }
}

pub fn outbound_template(id: &str) -> OutboundTemplate {
    let body = "{}".to_owned();
    OutboundTemplate { id: OutboundTemplateId::parse(id).unwrap(), state: Switch::Active, body, labels: Labels::new() }
}

pub fn node(id: &str, groups: &[&str]) -> Node {
    Node {
        id: NodeId::parse(id).unwrap(),
        groups: groups.iter().map(|it| GroupId::parse(it).unwrap()).collect(),
        runtime_template: RuntimeTemplateId::parse("edge").unwrap(),
        outbound_template: OutboundTemplateId::parse("direct").unwrap(),
        state: Switch::Active,
        endpoints: vec![Endpoint { address: "198.51.100.10".to_owned(), port: 443, protocol: "tcp".to_owned() }],
        priority: 10,
        weight: 100,
        location: NodeLocation {
            city: Some("Köln".to_owned()),
            country: None,
            place: Place::new(50_940_000, 6_960_000).ok(),
        },
        labels: Labels::from([("rack".to_owned(), "a\"7\\".to_owned())]),
    }
}

pub fn access_template(id: &str, mode: Mode) -> AccessTemplate {
    let id = AccessTemplateId::parse(id).unwrap();
    AccessTemplate {
        id,
        mode,
        order: Order::Priority,
        limit: Some(8),
        on_broken: OnBroken::Repair,
        labels: Labels::new(),
    }
}

pub fn product(id: &str, template: &str) -> Product {
    let (id, access_template) = (ProductId::parse(id).unwrap(), AccessTemplateId::parse(template).unwrap());
    let reset = Reset { every: Every::Days(30), anchor: Anchor::Day(15), timezone: "Europe/Berlin".to_owned() };
    let policies = vec![Policy { trigger: Trigger::AtPermille(800), action: Action::Notify }];
    let quota = Some(Quota { bytes: 107_374_182_400, reset });
    Product { id, access_template, quota, limits: Limits { devices: Some(5) }, policies, labels: Labels::new() }
}

pub fn instance(id: &str, product: &str) -> Instance {
    Instance {
        id: InstanceId::parse(id).unwrap(),
        product: ProductId::parse(product).unwrap(),
        jurisdiction: None,
        status: InstanceStatus::Active,
        weight: 1,
        location: None,
        created: Micros(1_700_000_000_000_000),
        expires: None,
        labels: Labels::new(),
    }
}

pub fn instance_id(number: usize) -> String {
    format!("svc-{number:07}")
}

/// The objects of a fleet: references first.
pub fn fleet(regions: usize, groups: usize) -> Vec<Object> {
    let mut objects: Vec<Object> = (0..regions).map(|r| Object::Region(region(&format!("r{r}")))).collect();
    let names: Vec<(String, String)> =
        (0..regions).flat_map(|r| (0..groups).map(move |g| (format!("r{r}"), format!("r{r}-g{g}")))).collect();
    objects.extend(names.iter().map(|(region, id)| Object::ResourceGroup(group(region, id, 100))));
    objects.push(Object::RuntimeTemplate(runtime_template("edge")));
    objects.push(Object::OutboundTemplate(outbound_template("direct")));
    objects.extend(names.iter().map(|(_, id)| Object::Node(node(&format!("{id}-n0"), &[id]))));
    let groups = names.iter().map(|(_, id)| GroupId::parse(id).unwrap()).collect();
    let regions = (0..regions).map(|r| RegionId::parse(&format!("r{r}")).unwrap()).collect();
    objects.push(Object::AccessTemplate(access_template("by-group", Mode::Shard { groups })));
    objects.push(Object::AccessTemplate(access_template("by-region", Mode::Regional { regions })));
    objects.push(Object::Product(product("basic", "by-group")));
    objects.push(Object::Product(product("roaming", "by-region")));
    objects
}

/// Writes objects in one change.
pub async fn put_all(store: &Store, objects: &[Object], now: Micros) -> Revision {
    let mut change = store.begin(Intent::MasterData, "test", now).await.unwrap();
    change.put_all(objects).await.unwrap();
    change.commit().await.unwrap()
}

/// Writes instances in one change.
pub async fn put_instances(store: &Store, instances: &[Instance], now: Micros) -> Revision {
    let writes: Vec<InstanceWrite> =
        instances.iter().map(|it| InstanceWrite { instance: it.clone(), is_expired: false }).collect();
    let mut change = store.begin(Intent::Instances, "test", now).await.unwrap();
    change.put_instances(&writes).await.unwrap();
    change.commit().await.unwrap()
}

/// The rows of all instances, by id.
pub async fn all_rows(store: &Store) -> Vec<InstanceRow> {
    let mut snapshot = store.snapshot().await.unwrap();
    let mut rows: Vec<InstanceRow> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.id.clone());
        let mut page = snapshot.instances(after.as_ref(), 50_000).await.unwrap();
        if page.is_empty() {
            return rows;
        }
        rows.append(&mut page);
    }
}

/// An allocator leader without its loop.
pub struct Leader {
    pub store: Store,
    pub lease: Lease,
    pub topology_version: i64,
    pub frame: Frame,
    pub state: State,
    pub base: Option<Base>,
}

impl Leader {
    /// Takes the lease and loads the books after it.
    pub async fn begin(store: &Store, holder: &str, ttl_us: i64) -> Self {
        let lease = store.acquire_lease(LEASE, holder, ttl_us).await.unwrap().expect("the lease is free");
        let mut leader = Self {
            store: store.clone(),
            lease,
            topology_version: 0,
            frame: Frame::build(&Topology::default(), &BTreeSet::new()),
            state: State::default(),
            base: None,
        };
        leader.load().await;
        leader
    }

    /// Loads topology and books anew.
    pub async fn load(&mut self) {
        let mut snapshot = self.store.snapshot().await.unwrap();
        self.topology_version = snapshot.head().topology_version;
        let topology = Topology::build(snapshot.topology().await.unwrap()).unwrap();
        snapshot.close().await.unwrap();
        let books = self.store.load_books().await.unwrap();
        self.frame = Frame::build(&topology, &BTreeSet::new());
        self.state = State::from_rows(&self.frame, &books.loads, &books.ramps);
        self.base = None;
    }

    /// A request for an instance as its row stands.
    pub fn request(&self, row: &InstanceRow, ask: Ask) -> Request {
        let product = self.frame.find_product(&row.product).unwrap();
        let held = row.ownership.as_ref().and_then(|(ownership, _)| match &ownership.holder {
            Holder::Nobody { .. } => None,
            Holder::Group { group, weight, product, .. } => Some(Held {
                group: self.frame.find_group(group).unwrap(),
                weight: *weight,
                product: self.frame.find_product(product).unwrap(),
            }),
        });
        Request {
            instance: row.id.clone(),
            product,
            template: self.frame.products[product as usize].1,
            jurisdiction: row.jurisdiction.clone(),
            weight: row.weight,
            ask,
            held,
        }
    }

    /// Decides and commits, and goes on from the end of the batch.
    pub async fn commit(&mut self, asked: &[(&InstanceRow, Ask)], moves: &[PlanMoveOf]) -> Result<BatchCommitted> {
        let decided = self.decide(asked);
        self.commit_decided(asked, decided, moves).await
    }

    /// Decides in memory.
    pub fn decide(&self, asked: &[(&InstanceRow, Ask)]) -> Vec<Decided> {
        let requests = asked.iter().map(|(row, ask)| self.request(row, *ask)).collect();
        decide_all(&self.frame, &mut self.state.clone(), requests)
    }

    pub async fn commit_decided(
        &mut self,
        asked: &[(&InstanceRow, Ask)],
        decided: Vec<Decided>,
        plan_moves: &[PlanMoveOf],
    ) -> Result<BatchCommitted> {
        let seen: Vec<Seen> = asked.iter().map(|(row, _)| seen(row)).collect();
        let lease = self.lease.proof();
        let batch = BatchCommit {
            lease: &lease,
            topology_version: self.topology_version,
            now: Micros(1_795_219_200_000_000),
            actor: "leader",
            base: self.base,
            frame: &self.frame,
            start: &self.state,
            decided,
            seen: &seen,
            plan_moves,
        };
        let committed = self.store.commit_batch(batch).await?;
        self.state = committed.end.clone();
        self.base = committed.next_base;
        Ok(committed)
    }

    /// Allocates everything that has no owner yet, in batches.
    pub async fn allocate_all(&mut self, batch_size: usize) -> u64 {
        let rows = all_rows(&self.store).await;
        let unowned: Vec<(&InstanceRow, Ask)> =
            rows.iter().filter(|row| row.ownership.is_none()).map(|row| (row, Ask::Allocate)).collect();
        for part in unowned.chunks(batch_size) {
            self.commit(part, &[]).await.unwrap();
        }
        unowned.len() as u64
    }
}

/// What a decision on a row rests on.
pub fn seen(row: &InstanceRow) -> Seen {
    match &row.ownership {
        Some((ownership, _)) => {
            Seen { change: row.change, version: ownership.version, generation: ownership.generation }
        }
        None => Seen { change: row.change, version: 0, generation: Generation(0) },
    }
}

/// How many instances each group owns, from the rows.
pub fn owners(rows: &[InstanceRow]) -> BTreeMap<String, u64> {
    let mut owners = BTreeMap::new();
    for group in rows.iter().filter_map(|row| row.ownership.as_ref()?.0.group()) {
        *owners.entry(group.to_string()).or_default() += 1;
    }
    owners
}

/// Asks for the end of an ownership.
pub const RELEASE: Ask = Ask::Release { why: Reason::InstanceTerminated };
