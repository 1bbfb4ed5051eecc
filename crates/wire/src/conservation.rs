//! The body of `GET /v1/conservation`: every byte that was received is durable, pending, parked or rejected (I11).
//!
//! `received` was counted at the parser and kept beside the other terms, so a line that balances is no tautology. A line
//! says by itself whether it does. With `deep` the rows are counted again, and the first difference is named.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The terms of one line, in bytes of both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Figures {
    /// Counted at the parser.
    pub received: u64,
    /// In the database, with what retention has removed since.
    pub durable: u64,
    /// Logged, not in the database yet.
    pub pending: u64,
    /// Of unknown instances, or waiting for an operator.
    pub parked: u64,
    pub rejected: u64,
}

impl Figures {
    /// Whether what was received is what became of it.
    pub fn is_balanced(&self) -> bool {
        let became = [self.durable, self.pending, self.parked, self.rejected];
        u128::from(self.received) == became.into_iter().map(u128::from).sum::<u128>()
    }

    /// The sum of two lines; saturates.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            received: self.received.saturating_add(other.received),
            durable: self.durable.saturating_add(other.durable),
            pending: self.pending.saturating_add(other.pending),
            parked: self.parked.saturating_add(other.parked),
            rejected: self.rejected.saturating_add(other.rejected),
        }
    }
}

/// One shard of one intake replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShardLine {
    pub shard: u32,
    pub replica: String,
    #[serde(flatten)]
    pub figures: Figures,
    pub balanced: bool,
}

impl ShardLine {
    /// A line that says whether it balances.
    pub fn new(replica: impl Into<String>, shard: u32, figures: Figures) -> Self {
        Self { shard, replica: replica.into(), figures, balanced: figures.is_balanced() }
    }
}

/// One reporter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReporterLine {
    pub reporter: String,
    #[serde(flatten)]
    pub figures: Figures,
    pub balanced: bool,
}

impl ReporterLine {
    /// A line that says whether it balances.
    pub fn new(reporter: impl Into<String>, figures: Figures) -> Self {
        Self { reporter: reporter.into(), figures, balanced: figures.is_balanced() }
    }
}

/// What counting again has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deep {
    /// Rows that were counted again.
    pub usage_rows: u64,
    pub ledger_rows: u64,
    pub log_records: u64,
    /// The first difference; absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}

/// Two records of the same bytes that differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Which two, for example `ledger and usage rows`.
    pub between: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// By the first of the two.
    pub expected: u64,
    /// By the second.
    pub found: u64,
    /// In words.
    pub detail: String,
}

/// Whether every byte is where it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conservation {
    /// Every line balances, and counting again found no difference.
    pub balanced: bool,
    /// False: a replica could not be read, so lines are missing.
    pub complete: bool,
    pub shards: Vec<ShardLine>,
    pub reporters: Vec<ReporterLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deep: Option<Deep>,
}

impl Conservation {
    /// The lines, with the verdict on all of them.
    pub fn new(shards: Vec<ShardLine>, reporters: Vec<ReporterLine>, complete: bool, deep: Option<Deep>) -> Self {
        let balanced = shards.iter().all(|line| line.balanced)
            && reporters.iter().all(|line| line.balanced)
            && deep.as_ref().is_none_or(|deep| deep.difference.is_none());
        Self { balanced, complete, shards, reporters, deep }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Figures = Figures { received: 10, durable: 4, pending: 3, parked: 2, rejected: 1 };

    #[test]
    fn one_line_that_does_not_balance_is_enough() {
        let bad = Figures { received: 11, ..GOOD };
        let shards = |figures| vec![ShardLine::new("a", 0, GOOD), ShardLine::new("a", 1, figures)];
        let reporters = |figures| vec![ReporterLine::new("n", figures)];
        let deep = |difference| Some(Deep { usage_rows: 1, ledger_rows: 1, log_records: 1, difference });
        let difference = Difference {
            between: "ledger and usage rows".into(),
            replica: None,
            shard: None,
            generation: None,
            instance: None,
            expected: 1,
            found: 2,
            detail: String::new(),
        };
        assert!(Conservation::new(shards(GOOD), reporters(GOOD), true, deep(None)).balanced);
        assert!(!Conservation::new(shards(bad), reporters(GOOD), true, None).balanced);
        assert!(!Conservation::new(shards(GOOD), reporters(bad), true, None).balanced);
        assert!(!Conservation::new(shards(GOOD), reporters(GOOD), true, deep(Some(difference))).balanced);
    }

    #[test]
    fn a_sum_that_overflows_does_not_balance() {
        let wrapped = Figures { received: 0, durable: u64::MAX, pending: 1, parked: 0, rejected: 0 };
        assert!(!wrapped.is_balanced());
    }

    #[test]
    fn a_line_is_written_flat() {
        let body =
            Conservation::new(vec![ShardLine::new("a", 5, GOOD)], vec![ReporterLine::new("n", GOOD)], true, None);
        let text = r#"{"balanced":true,"complete":true,"shards":[{"shard":5,"replica":"a","received":10,"durable":4,"pending":3,"parked":2,"rejected":1,"balanced":true}],"reporters":[{"reporter":"n","received":10,"durable":4,"pending":3,"parked":2,"rejected":1,"balanced":true}]}"#;
        assert_eq!(serde_json::to_string(&body).unwrap(), text);
        assert_eq!(serde_json::from_str::<Conservation>(text).unwrap(), body);
    }
}
