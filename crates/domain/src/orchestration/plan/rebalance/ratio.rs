//! Utilisation as an exact fraction: weight ÷ capacity, compared by cross-multiplication in u128 (I4).
//!
//! Weights stay below 2^54 and capacities, also summed over every group, below 2^53, so no product overflows. The
//! target of a plan has both multiplied by a million, which 2^128 holds as well.

use std::cmp::Ordering;

/// A fraction. Equal fractions compare as equal, however they are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ratio {
    pub(super) weight: u128,
    pub(super) capacity: u128,
}

impl Ratio {
    pub(super) fn new(weight: u64, capacity: u64) -> Self {
        Self { weight: u128::from(weight), capacity: u128::from(capacity) }
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.weight * other.capacity).cmp(&(other.weight * self.capacity))
    }
}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ratio {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ratio {}
