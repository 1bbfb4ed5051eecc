//! What can happen: what operators write, what nodes do, and what goes wrong in the middle of the allocator's work.
//!
//! Events name things by position, so that they read the same in every world and shrink by hand.

use domain::orchestration::Health;
use rand::rngs::StdRng;
use rand::{Rng, RngExt};

use crate::world::World;

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// So many instances of a product are written; `jurisdiction` by position, `None` for anywhere.
    Arrive { count: u32, product: usize, jurisdiction: Option<usize>, weight: u32 },
    /// An instance is terminated.
    Terminate { instance: usize },
    /// A terminated instance is written again.
    Return { instance: usize },
    /// An instance is written with another product and weight.
    Edit { instance: usize, product: usize, weight: u32 },
    /// A group with a node joins a region.
    AddGroup { region: usize, weight: u32 },
    /// A node joins a group.
    AddNode { group: usize },
    /// A node says how it is, or falls silent.
    Report { node: usize, health: Health },
    /// A node is switched.
    SwitchNode { node: usize, is_active: bool },
    /// A group is set active (0), draining (1) or closed (2).
    SetGroup { group: usize, state: u8 },
    /// The allocator works; in permille, how many of its commits the database does not take.
    Allocate { void_permille: u32 },
    /// The leader dies; the next one reads the rows.
    NewLeader,
    /// A plan moves an instance to a group.
    Move { instance: usize, group: usize },
}

impl Event {
    /// Draws one; the ordinary more often than the rare.
    pub fn draw(rng: &mut StdRng, world: &World) -> Self {
        let instance = |rng: &mut StdRng| rng.random_range(0..world.instances.len().max(1));
        let group = |rng: &mut StdRng| rng.random_range(0..world.groups.len());
        let node = |rng: &mut StdRng| rng.random_range(0..world.nodes.len());
        let product = |rng: &mut StdRng| rng.random_range(0..world.products.len());
        match rng.random_range(0..100) {
            0..18 => Self::Arrive {
                count: rng.random_range(1..40),
                product: product(rng),
                jurisdiction: rng.random_bool(0.5).then(|| rng.random_range(0..World::JURISDICTIONS.len())),
                weight: if rng.random_bool(0.8) { 1 } else { rng.random_range(1..6) },
            },
            18..23 => Self::Terminate { instance: instance(rng) },
            23..27 => Self::Return { instance: instance(rng) },
            27..32 => Self::Edit { instance: instance(rng), product: product(rng), weight: rng.random_range(1..4) },
            32..35 => {
                Self::AddGroup { region: rng.random_range(0..world.regions.len()), weight: rng.random_range(1..4) * 50 }
            }
            35..38 => Self::AddNode { group: group(rng) },
            38..50 => {
                let health = [Health::Up, Health::Up, Health::Down, Health::Silent][rng.random_range(0..4)];
                Self::Report { node: node(rng), health }
            }
            50..55 => Self::SwitchNode { node: node(rng), is_active: rng.random_bool(0.7) },
            55..60 => Self::SetGroup { group: group(rng), state: [0, 0, 1, 2][rng.random_range(0..4)] },
            60..90 => {
                let is_clean = rng.random_bool(0.7);
                Self::Allocate { void_permille: if is_clean { 0 } else { rng.next_u32() % 400 } }
            }
            90..94 => Self::NewLeader,
            _ => Self::Move { instance: instance(rng), group: group(rng) },
        }
    }
}
