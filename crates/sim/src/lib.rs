//! What can go wrong: a world from one seed, with faults, and the laws checked after each step.
//!
//! It drives the pure core the way the shell does, one event at a time, and never sleeps or draws an unseeded number.
//! A failing run prints its seed and the step; the same seed gives the same run, byte for byte.
//! Counting is explored another way, in every order within a small scope: [`counting`].

pub mod counting;

mod check;
mod event;
mod world;

#[cfg(test)]
mod tests;

pub use check::Violation;
pub use event::Event;
pub use world::World;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How a run went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub seed: u64,
    pub steps: u32,
    /// XXH3-64 over what every step did: equal seeds, equal fingerprints.
    pub fingerprint: u64,
    /// The first law that was broken, with the step that broke it.
    pub violation: Option<(u32, Event, Violation)>,
}

/// Runs a world for so many steps, or until a law is broken.
pub fn run(seed: u64, steps: u32) -> Run {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = World::new(&mut rng);
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    for step in 0..steps {
        let event = Event::draw(&mut rng, &world);
        let before = world.clone();
        world.happen(&event, rng.next_u64());
        hash.update(format!("{event:?}{:?}", world.owners()).as_bytes());
        if let Some(violation) = check::first_violation(&before, &event, &world) {
            return Run {
                seed,
                steps: step + 1,
                fingerprint: hash.digest(),
                violation: Some((step, event, violation)),
            };
        }
    }
    Run { seed, steps, fingerprint: hash.digest(), violation: None }
}
