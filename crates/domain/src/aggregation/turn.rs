//! Whose turn it is: the check of (reporter, incarnation, sequence) by which a report is counted exactly once (I10).
//!
//! A report is one of five things and nothing else. The answer depends on numbers alone, never on a clock or on how the
//! report came: the same report by another way, or after a restart, gets the same answer.
//! A new life begins at 1, always: a hole at its beginning would be a loss that nobody can name.

use serde::{Deserialize, Serialize};

/// Where a reporter stands: which life, which message of it. Sequence 0 means nothing of this life yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    pub incarnation: u64,
    pub sequence: u64,
}

/// What a report is, compared with what is known of its reporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Turn {
    /// The message after the last: count it.
    Next,
    /// The first message of a new life: count it; what the former life did not say is lost.
    NewLife,
    /// Counted before: success, and nothing to count.
    Duplicate,
    /// Messages are missing before it: refuse, and say which is expected.
    Gap { expected: u64 },
    /// A former life speaks: refuse.
    Stale { current: u64 },
}

/// Judges a report by the largest incarnation known of its reporter and the last sequence of that life.
pub fn turn(known: Option<Position>, stated: Position) -> Turn {
    let last = match known {
        Some(known) if known.incarnation > stated.incarnation => return Turn::Stale { current: known.incarnation },
        Some(known) if known.incarnation == stated.incarnation => known.sequence,
        _ if stated.sequence == 1 => return Turn::NewLife,
        _ => return Turn::Gap { expected: 1 },
    };
    match last.checked_add(1) {
        Some(expected) if stated.sequence == expected => Turn::Next,
        Some(expected) if stated.sequence > expected => Turn::Gap { expected },
        _ => Turn::Duplicate,
    }
}
