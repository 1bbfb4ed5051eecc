//! Runs of the simulation: many seeds in the tests, more by `TENURE_SIM_SEEDS`.

use domain::orchestration::{Health, Ownership};

use crate::event::Event;
use crate::run;
use crate::world::World;
use rand::SeedableRng;
use rand::rngs::StdRng;

fn seeds() -> u64 {
    std::env::var("TENURE_SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40)
}

/// I2, I3, I6, I9 over random histories with lost commits, new leaders, flapping nodes and plans.
#[test]
fn no_history_breaks_a_law() {
    for seed in 0..seeds() {
        let run = run(seed, 120);
        assert_eq!(run.violation, None, "seed {seed}");
    }
}

/// I1: the same seed gives the same run.
#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [1, 7, 42] {
        assert_eq!(run(seed, 100), run(seed, 100));
    }
    assert_ne!(run(1, 100).fingerprint, run(2, 100).fingerprint);
}

/// I2: a node that flaps a hundred times moves each instance at most once.
#[test]
fn a_flapping_node_moves_each_instance_at_most_once() {
    let mut world = World::new(&mut StdRng::seed_from_u64(3));
    let product = world.products.iter().position(|it| it.id.as_str() == "shard").expect("there is one");
    world.happen(&Event::Arrive { count: 200, product, jurisdiction: None, weight: 1 }, 0);
    world.happen(&Event::Allocate { void_permille: 0 }, 0);
    for _ in 0..100 {
        for health in [Health::Down, Health::Up] {
            world.happen(&Event::Report { node: 0, health }, 0);
            world.happen(&Event::Allocate { void_permille: 0 }, 0);
        }
    }
    let generations =
        world.instances.iter().filter_map(|row| row.ownership.as_ref().map(|it: &Ownership| it.generation.0));
    assert!(generations.clone().all(|generation| generation <= 2), "{:?}", generations.max());
}
