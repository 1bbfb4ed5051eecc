//! The body of `GET /v1/instances/{id}/usage`: what an instance used, and how much of that is safe in the database.
//!
//! `visible` is `durable` and `pending`, read so that no byte is in both (I14); rows are sums of what is visible. When a
//! replica cannot be read, `complete` is false and the figures are a lower bound.

use std::fmt;
use std::str::FromStr;

use domain::time::Micros;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::instant;

/// Rows of one answer: the hours of more than a year.
pub const USAGE_ROWS_MAX: usize = 10_000;

/// Bytes in both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpDown {
    pub up: u64,
    pub down: u64,
}

/// What a row of usage covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageBy {
    #[default]
    Hour,
    /// Days are UTC.
    Day,
    /// From one reset to the next.
    Period,
}

impl UsageBy {
    /// All of them, as they are written.
    pub const ALL: &[Self] = &[Self::Hour, Self::Day, Self::Period];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Period => "period",
        }
    }
}

impl fmt::Display for UsageBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for UsageBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|it| it.name() == text);
        found.ok_or_else(|| format!("expected hour, day or period, found {text:?}"))
    }
}

/// What an instance used in `[from, to)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// In the database.
    pub durable: UpDown,
    /// Acknowledged and logged, not in the database yet.
    pub pending: UpDown,
    /// The sum of both.
    pub visible: UpDown,
    /// False: a replica could not be read, so there may be more.
    pub complete: bool,
    /// Sums of what is visible, by `start`; times without usage have no row.
    pub rows: Vec<UsageRow>,
    pub by: UsageBy,
    #[serde(with = "instant")]
    #[schema(value_type = String, format = DateTime)]
    pub from: Micros,
    /// Absent: without an end.
    #[serde(default, with = "instant::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<Micros>,
}

/// What was used in an hour, a day or a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageRow {
    /// When it begins.
    #[serde(with = "instant")]
    #[schema(value_type = String, format = DateTime)]
    pub start: Micros,
    pub up: u64,
    pub down: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_written_as_the_contract_says() {
        let usage = Usage {
            durable: UpDown { up: 1, down: 2 },
            pending: UpDown { up: 3, down: 4 },
            visible: UpDown { up: 4, down: 6 },
            complete: true,
            rows: vec![UsageRow { start: Micros(3_600_000_000), up: 4, down: 6 }],
            by: UsageBy::Hour,
            from: Micros(0),
            to: None,
        };
        let text = r#"{"durable":{"up":1,"down":2},"pending":{"up":3,"down":4},"visible":{"up":4,"down":6},"complete":true,"rows":[{"start":"1970-01-01T01:00:00Z","up":4,"down":6}],"by":"hour","from":"1970-01-01T00:00:00Z"}"#;
        assert_eq!(serde_json::to_string(&usage).unwrap(), text);
        assert_eq!(serde_json::from_str::<Usage>(text).unwrap(), usage);
        for by in UsageBy::ALL {
            assert_eq!(by.to_string().parse(), Ok(*by));
        }
        assert!("week".parse::<UsageBy>().is_err());
    }
}
