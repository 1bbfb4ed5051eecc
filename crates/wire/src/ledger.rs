//! The body of `GET /v1/ledger`: the audit rows of the generations that were brought into the database.
//!
//! One row for each (replica, shard, generation). Nothing depends on their being kept: what is committed is said by the
//! watermark (I12).

use domain::time::Micros;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::instant;

/// How far a generation of a shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LedgerState {
    /// Closed, not in the database yet.
    Sealed,
    /// In the database, and still in the log.
    Committed,
    /// In the database, and gone from the log.
    Cleaned,
    /// It was in a log whose disk is lost; reporters that kept their reports send them again.
    Lost,
}

impl LedgerState {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Committed => "committed",
            Self::Cleaned => "cleaned",
            Self::Lost => "lost",
        }
    }
}

/// One generation of one shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerRow {
    pub replica: String,
    pub shard: u32,
    pub generation: u64,
    /// The first bucket that it counts.
    #[serde(with = "instant")]
    #[schema(value_type = String, format = DateTime)]
    pub bucket_from: Micros,
    /// The end of the last one.
    #[serde(with = "instant")]
    #[schema(value_type = String, format = DateTime)]
    pub bucket_to: Micros,
    /// Rows of usage that it added to.
    pub rows: u64,
    pub up: u64,
    pub down: u64,
    pub state: LedgerState,
    /// When it came into this state.
    #[serde(with = "instant")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Micros,
    /// The process that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A page of them, newest generation first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerPage {
    pub rows: Vec<LedgerRow>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_written_as_the_contract_says() {
        let row = LedgerRow {
            replica: "a".into(),
            shard: 3,
            generation: 9,
            bucket_from: Micros(0),
            bucket_to: Micros(60_000_000),
            rows: 2,
            up: 5,
            down: 7,
            state: LedgerState::Committed,
            at: Micros(61_000_000),
            by: None,
        };
        let text = r#"{"rows":[{"replica":"a","shard":3,"generation":9,"bucket_from":"1970-01-01T00:00:00Z","bucket_to":"1970-01-01T00:01:00Z","rows":2,"up":5,"down":7,"state":"committed","at":"1970-01-01T00:01:01Z"}]}"#;
        let page = LedgerPage { rows: vec![row], next: None };
        assert_eq!(serde_json::to_string(&page).unwrap(), text);
        assert_eq!(serde_json::from_str::<LedgerPage>(text).unwrap(), page);
        for state in [LedgerState::Sealed, LedgerState::Committed, LedgerState::Cleaned, LedgerState::Lost] {
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("{:?}", state.name()));
        }
    }
}
