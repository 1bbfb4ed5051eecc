//! A random walk: customers come, change and go, the fleet changes under them, commits fail.

use proptest::collection::vec;
use proptest::prelude::*;

use super::run::Run;
use super::world::{Customer, World, any_world, jurisdiction, sound_world};
use crate::master_data::{GroupState, InstanceStatus, ResourceGroup, Switch};
use crate::orchestration::{Ask, Decided, Health, LoadBand, NodeFacts, Outcome, Parts, Request, Stamped, State};
use crate::time::Micros;

/// One step. Numbers are picked modulo what there is.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Ask what is wanted for a customer.
    Look(u8),
    /// The same, but the commit does not take it.
    LookInVain(u8),
    Status(u8, InstanceStatus),
    Weight(u8, u32),
    Product(u8, u8),
    Jurisdiction(u8, u8),
    Move(u8, u8),
    /// A repair that nobody wanted.
    Repair(u8),
    /// The batch is committed, and the next begins.
    Commit,
    Edit(Edit),
}

/// A change of the fleet.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Group(u8, GroupState),
    Capacity(u8, u32),
    Region(u8, bool),
    Node(u8, bool),
    Health(u8, Health),
    Runtime(u8, bool),
}

pub(crate) fn any_edit() -> impl Strategy<Value = Edit> {
    let state =
        prop_oneof![1 => Just(GroupState::Closed), 1 => Just(GroupState::Draining), 3 => Just(GroupState::Active)];
    let health = prop_oneof![1 => Just(Health::Down), 1 => Just(Health::Silent), 2 => Just(Health::Up)];
    prop_oneof![
        (any::<u8>(), state).prop_map(|(at, state)| Edit::Group(at, state)),
        (any::<u8>(), 1..5u32).prop_map(|(at, capacity)| Edit::Capacity(at, capacity)),
        (any::<u8>(), any::<bool>()).prop_map(|(at, is_off)| Edit::Region(at, is_off)),
        (any::<u8>(), any::<bool>()).prop_map(|(at, is_off)| Edit::Node(at, is_off)),
        (any::<u8>(), health).prop_map(|(at, health)| Edit::Health(at, health)),
        (any::<u8>(), any::<bool>()).prop_map(|(at, is_off)| Edit::Runtime(at, is_off)),
    ]
}

/// A walk through any world, or through one that is crowded enough for late groups to ramp.
pub(crate) fn any_walk(length_max: usize) -> impl Strategy<Value = (World, Vec<Step>)> {
    prop_oneof![2 => (any_world(), any_steps(length_max)), 1 => crowded_walk(length_max)]
}

/// Eight owners and more for each group, then some groups open, then any steps.
pub(crate) fn crowded_walk(length_max: usize) -> impl Strategy<Value = (World, Vec<Step>)> {
    let customers = vec((any::<u8>(), 1..4u32), 60..80);
    (1..4usize, vec(1..4u32, 2..6), 1..5usize, customers, any_steps(length_max)).prop_map(
        |(regions, capacities, late, customers, steps)| {
            let mut world = sound_world(regions, &capacities, customers.len());
            let products: Vec<_> = world.parts.products.iter().map(|it| it.object.id.clone()).collect();
            for (customer, (product, weight)) in world.customers.iter_mut().zip(&customers) {
                customer.product = products[usize::from(*product) % products.len()].clone();
                customer.weight = *weight;
            }
            let late = capacities.len() - late.min(capacities.len() - 1)..capacities.len();
            for group in &mut world.parts.groups[late.clone()] {
                group.object.state = GroupState::Closed;
            }
            let number = |at: usize| u8::try_from(at).expect("worlds are small");
            let fill = (0..50).map(|at| Step::Look(number(at)));
            let open = late.map(|at| Step::Edit(Edit::Group(number(at), GroupState::Active)));
            (world, fill.chain(open).chain(steps).collect())
        },
    )
}

fn any_steps(length_max: usize) -> impl Strategy<Value = Vec<Step>> {
    let status = prop_oneof![
        1 => Just(InstanceStatus::Terminated),
        1 => Just(InstanceStatus::Suspended),
        2 => Just(InstanceStatus::Active)
    ];
    let step = prop_oneof![
        12 => any::<u8>().prop_map(Step::Look),
        1 => any::<u8>().prop_map(Step::LookInVain),
        2 => (any::<u8>(), status).prop_map(|(at, status)| Step::Status(at, status)),
        1 => (any::<u8>(), 1..5u32).prop_map(|(at, weight)| Step::Weight(at, weight)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(at, product)| Step::Product(at, product)),
        1 => (any::<u8>(), 0..3u8).prop_map(|(at, place)| Step::Jurisdiction(at, place)),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(at, to)| Step::Move(at, to)),
        1 => any::<u8>().prop_map(Step::Repair),
        1 => Just(Step::Commit),
        2 => any_edit().prop_map(Step::Edit),
    ];
    vec(step, 1..length_max)
}

/// Walks on while the master data and the customers change.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    pub(crate) run: Run,
    pub(crate) parts: Parts,
    pub(crate) customers: Vec<Customer>,
}

/// A decision of the walk.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    /// The state before it.
    pub(crate) before: State,
    pub(crate) request: Request,
    pub(crate) outcome: Outcome,
}

impl Walk {
    pub(crate) fn new(world: &World) -> Self {
        Self { run: Run::new(world), parts: world.parts.clone(), customers: world.customers.clone() }
    }

    /// What a step would ask, and of whom, after what it changes has changed. A void is nobody's decision.
    pub(crate) fn prepare(&mut self, step: &Step) -> Option<(Customer, Ask)> {
        if let Step::Edit(edit) = step {
            apply(&mut self.parts, edit);
            self.run.commit();
            self.run.turn_to(self.parts.clone());
            return None;
        }
        if let Step::Commit = step {
            self.run.commit();
            return None;
        }
        self.begin_batch_for(step);
        let products: Vec<_> = self.run.frame.products.iter().map(|it| it.0.clone()).collect();
        let groups = self.run.frame.groups.len();
        let (run, customers) = (&self.run, &self.customers);
        let customer = |at: u8| if customers.is_empty() { None } else { Some(usize::from(at) % customers.len()) };
        match step {
            Step::Look(at) => {
                let it = &customers[customer(*at)?];
                run.wanted(it).map(|ask| (it.clone(), ask))
            }
            Step::LookInVain(at) => {
                let it = customers[customer(*at)?].clone();
                if let Some(ask) = run.wanted(&it) {
                    self.run.ask_in_vain(&it, ask);
                }
                None
            }
            Step::Move(at, to) => {
                let it = &customers[customer(*at)?];
                let to = u32::try_from(usize::from(*to) % groups).expect("small");
                (it.status != InstanceStatus::Terminated).then(|| (it.clone(), Ask::Move { to }))
            }
            Step::Repair(at) => {
                let it = &customers[customer(*at)?];
                let is_owned = run.owners.get(&it.id).is_some_and(|row| row.group().is_some());
                (it.status != InstanceStatus::Terminated && is_owned).then(|| (it.clone(), Ask::Repair))
            }
            Step::Status(at, status) => {
                let at = customer(*at)?;
                self.customers[at].status = *status;
                None
            }
            Step::Weight(at, weight) => {
                let at = customer(*at)?;
                self.customers[at].weight = *weight;
                None
            }
            Step::Product(at, product) => {
                let at = customer(*at)?;
                self.customers[at].product = products[usize::from(*product) % products.len()].clone();
                None
            }
            Step::Jurisdiction(at, place) => {
                let at = customer(*at)?;
                self.customers[at].jurisdiction = jurisdiction(*place);
                None
            }
            Step::Commit | Step::Edit(_) => None,
        }
    }

    /// Nobody stands in a batch again after a request of his that will not be taken: the commit that refuses it ends
    /// the batch.
    fn begin_batch_for(&mut self, step: &Step) {
        let (Step::Look(at) | Step::LookInVain(at) | Step::Move(at, _) | Step::Repair(at)) = step else { return };
        let Some(customer) = self.customers.get(usize::from(*at) % self.customers.len().max(1)) else { return };
        let is_refused = |it: &Decided| it.outcome == Outcome::Void && it.request.instance == customer.id;
        if self.run.decided.iter().any(is_refused) {
            self.run.commit();
        }
    }

    /// Takes a step; what was decided, if anything was.
    pub(crate) fn take(&mut self, step: &Step) -> Option<Taken> {
        let (customer, ask) = self.prepare(step)?;
        let (before, request) = (self.run.state.clone(), self.run.request(&customer, ask));
        let outcome = self.run.ask(&customer, ask);
        Some(Taken { before, request, outcome })
    }
}

/// An object by its place in the order of ids, so that an edit means the same however the rows were read.
fn at<T, K: Ord>(items: &mut [Stamped<T>], at: u8, id: impl Fn(&T) -> K) -> Option<&mut T> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|it| id(&items[*it].object));
    let found = *order.get(usize::from(at) % items.len().max(1))?;
    Some(&mut items[found].object)
}

fn switch(is_off: bool) -> Switch {
    if is_off { Switch::Off } else { Switch::Active }
}

pub(crate) fn apply(parts: &mut Parts, edit: &Edit) {
    let group = |parts: &'_ mut Parts, index: u8, change: &dyn Fn(&mut ResourceGroup)| {
        at(&mut parts.groups, index, |it| it.id.clone()).into_iter().for_each(change);
    };
    match edit {
        Edit::Group(index, state) => group(parts, *index, &|it| it.state = *state),
        Edit::Capacity(index, weight) => group(parts, *index, &|it| it.weight = *weight),
        Edit::Region(index, is_off) => {
            at(&mut parts.regions, *index, |it| it.id.clone()).into_iter().for_each(|it| it.state = switch(*is_off));
        }
        Edit::Node(index, is_off) => {
            at(&mut parts.nodes, *index, |it| it.id.clone()).into_iter().for_each(|it| it.state = switch(*is_off));
        }
        Edit::Runtime(index, is_off) => {
            let template = at(&mut parts.runtime_templates, *index, |it| it.id.clone());
            template.into_iter().for_each(|it| it.state = switch(*is_off));
        }
        Edit::Health(index, health) => {
            if let Some(node) = at(&mut parts.nodes, *index, |it| it.id.clone()).map(|it| it.id.clone()) {
                let facts = NodeFacts { health: *health, band: LoadBand(0), since: Micros(0) };
                parts.facts.retain(|it| it.0 != node);
                parts.facts.push((node, facts, parts.revision));
            }
        }
    }
}
