//! What a user would otherwise pick: seven ways to place an instance by hashing, each as its paper states it.
//!
//! All are handed the same pre-hashed instance ids and the same groups, and draw what else they need from seeded
//! XXH3, so a run repeats bit for bit. None of them remembers anybody: who moves in a growth is whoever hashes
//! elsewhere afterwards. They exist to be measured and are used by nothing that Tenure decides.

mod anchor_hash;
mod bounded_loads;
mod jump;
mod maglev;
mod modulo;
mod rendezvous;
mod ring;

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::balance::{Contender, Growth, Load, moved};

/// The groups of a growth before it: enough that the fullest of them shows.
pub const GROUPS: u32 = 1000;

/// The groups that join.
pub const JOINING: u32 = 10;

/// The share that must move for the joining groups to hold their part at once.
pub const MINIMUM_MOVED_SHARE: f64 = JOINING as f64 / (GROUPS + JOINING) as f64;

/// Arrivals are followed until the fleet has doubled; who is not balanced by then has no use for waiting.
const ARRIVALS_PER_INSTANCE_MAX: usize = 1;

/// Arrivals placed at a time: few enough to stop early, enough to keep the tables in the cache.
const ARRIVALS_CHUNK: usize = 10_000;

/// A way to place instances on groups `0..groups()`.
pub trait Rival {
    /// What it is called in a row.
    fn name(&self) -> &'static str;

    /// How many groups it places on.
    fn groups(&self) -> u32;

    /// Adds groups behind the existing ones, which keep their numbers.
    fn grow(&mut self, joining: u32);

    /// The group of each instance, in the order given.
    ///
    /// `standing` is how many owners each group has before the first of them; only a rival that looks at load reads it.
    fn place(&self, instances: &[u64], standing: &[u64]) -> Vec<u32>;
}

/// Every rival on so many groups.
pub fn all(groups: u32, seed: u64) -> Vec<Box<dyn Rival>> {
    vec![
        Box::new(jump::Jump::new(groups)),
        Box::new(rendezvous::Rendezvous::new(groups, seed)),
        Box::new(anchor_hash::AnchorHash::new(groups, seed)),
        Box::new(maglev::Maglev::new(groups, seed)),
        Box::new(ring::Ring::new(groups, seed)),
        Box::new(bounded_loads::BoundedLoads::new(groups, bounded_loads::LOOSE, seed)),
        Box::new(bounded_loads::BoundedLoads::new(groups, bounded_loads::TIGHT, seed)),
        Box::new(modulo::Modulo::new(groups)),
    ]
}

/// The hashed ids of instances; every rival starts from these, so none pays for strings.
pub fn instances(numbers: Range<usize>, seed: u64) -> Vec<u64> {
    numbers.map(|number| xxh3_64_with_seed(format!("instance-{number}").as_bytes(), seed)).collect()
}

/// Measures every rival at a size: the median of `samples` runs, each with a seed of its own.
pub fn measure_all(size: usize, samples: usize) -> Vec<Contender> {
    let mut growths: Vec<(&'static str, Vec<Growth>)> = Vec::new();
    for seed in 0..samples as u64 {
        for (index, mut rival) in all(GROUPS, seed).into_iter().enumerate() {
            let growth = measure(rival.as_mut(), size, seed);
            match growths.get_mut(index) {
                Some((_, samples)) => samples.push(growth),
                None => growths.push((rival.name(), vec![growth])),
            }
        }
    }
    let contender = |(name, samples): (&str, Vec<Growth>)| {
        let growth = Growth::median(&samples);
        Contender { name: name.to_owned(), growth }
    };
    growths.into_iter().map(contender).collect()
}

/// Fills the rival's groups with instances, lets [`JOINING`] groups join, and follows the arrivals after it.
pub fn measure(rival: &mut dyn Rival, size: usize, seed: u64) -> Growth {
    let present = instances(0..size, seed);
    let nobody = |groups: u32| vec![0; groups as usize];
    let before = rival.place(&present, &nobody(rival.groups()));
    let load_before = Load::new(rival.groups(), &before);
    rival.grow(JOINING);
    let after = rival.place(&present, &nobody(rival.groups()));
    let load_after = Load::new(rival.groups(), &after);
    Growth {
        moved_share: moved(&before, &after) as f64 / size as f64,
        max_over_mean_before: load_before.max_over_mean(),
        max_over_mean_after: load_after.max_over_mean(),
        max_minus_min_before: load_before.max_minus_min() as f64,
        max_minus_min_after: load_after.max_minus_min() as f64,
        arrivals_until_balanced: arrivals_until_balanced(rival, load_after, size, seed),
    }
}

/// How many instances arrive until the load is balanced; `None` if it is not by the time that the fleet has doubled.
fn arrivals_until_balanced(rival: &dyn Rival, mut load: Load, size: usize, seed: u64) -> Option<f64> {
    if load.is_balanced() {
        return Some(0.0);
    }
    let end = size + size * ARRIVALS_PER_INSTANCE_MAX;
    let mut arrived = 0_u32;
    for start in (size..end).step_by(ARRIVALS_CHUNK) {
        let arriving = instances(start..end.min(start + ARRIVALS_CHUNK), seed);
        for group in rival.place(&arriving, load.owners()) {
            load.add(group);
            arrived += 1;
            if load.is_balanced() {
                return Some(f64::from(arrived));
            }
        }
    }
    None
}

/// A hash of two words: the halves of their 128-bit product folded together, as in wyhash.
///
/// One multiplication, because rendezvous takes a thousand of these for each instance.
fn mix(word: u64, seed: u64) -> u64 {
    let product = u128::from(word ^ 0xa076_1d64_78bd_642f) * u128::from(seed ^ 0xe703_7ed1_a0b4_28db);
    (product as u64) ^ ((product >> 64) as u64)
}

/// A seed for each number, from XXH3.
fn seeds(numbers: Range<u32>, seed: u64) -> impl Iterator<Item = u64> {
    numbers.map(move |number| xxh3_64_with_seed(&number.to_le_bytes(), seed))
}

#[cfg(test)]
mod tests;
