//! The last word about a thing: a register in which the greatest of (hybrid time, writer, value) stands.
//!
//! A hybrid time is the physical time of the writer, raised where it would fall behind what the writer has seen, and a
//! counter for what falls together (Kulkarni and others, 2014). Two writes may still bear the same time; then the writer
//! decides, and for one writer the value: a total order leaves no two replicas with different last words (I18).

use serde::{Deserialize, Serialize};

use crate::ids::ReplicaId;
use crate::time::Micros;

/// A time that never goes back and follows what was seen. Fields are compared from top to bottom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HybridTime {
    pub physical: Micros,
    pub logical: u32,
}

impl HybridTime {
    /// The time of an event here: greater than every time before it.
    #[must_use]
    pub fn tick(self, now: Micros) -> Self {
        if now > self.physical { Self { physical: now, logical: 0 } } else { self.after() }
    }

    /// The time at which something stamped `remote` was taken in: greater than both.
    #[must_use]
    pub fn receive(self, remote: Self, now: Micros) -> Self {
        let seen = self.max(remote);
        if now > seen.physical { Self { physical: now, logical: 0 } } else { seen.after() }
    }

    /// The next time; when the counter is full the physical part takes one microsecond.
    fn after(self) -> Self {
        match self.logical.checked_add(1) {
            Some(logical) => Self { logical, ..self },
            None => Self { physical: Micros(self.physical.0.saturating_add(1)), logical: 0 },
        }
    }
}

/// A value with the time and the writer of its last write. Fields are compared from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Register<T: Ord> {
    pub at: HybridTime,
    pub writer: ReplicaId,
    pub value: T,
}

impl<T: Ord + Clone> Register<T> {
    /// Takes the other's word if it is the greater. Commutative, associative, idempotent.
    pub fn join(&mut self, other: &Self) {
        if *other > *self {
            *self = other.clone();
        }
    }
}
