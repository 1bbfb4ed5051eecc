//! What the rows of all kinds have in common: the range that is read, states, labels and other JSON texts.
//!
//! One statement for each kind serves a single look-up, a page and the whole: it reads a range of ids. That an unknown
//! spelling is damage and not a default is decided here, once.

use domain::ids::Revision;
use domain::master_data::{InstanceStatus, Switch};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use crate::engine::{integer, revision, text};
use crate::error::{Result, StoreError, during};

/// Ids from `from` to `to`, both included, at most `limit` of them.
pub(crate) struct IdRange {
    from: String,
    to: String,
    limit: i64,
}

/// Comes after every character of an id.
const AFTER_ALL: &str = "~";

/// Comes before every character of an id, so `ID` with this behind it is the next possible id.
const BEFORE_ALL: &str = "\u{1}";

impl IdRange {
    pub(crate) fn one(id: &str) -> Self {
        Self { from: id.to_owned(), to: id.to_owned(), limit: 1 }
    }

    pub(crate) fn all() -> Self {
        Self { from: String::new(), to: AFTER_ALL.to_owned(), limit: i64::from(u32::MAX) }
    }

    pub(crate) fn after(id: Option<&str>, limit: u32) -> Self {
        let from = id.map_or_else(String::new, |id| format!("{id}{BEFORE_ALL}"));
        Self { from, to: AFTER_ALL.to_owned(), limit: i64::from(limit) }
    }

    /// The range from the first to the last of some sorted ids.
    pub(super) fn spanning(first: &str, last: &str) -> Self {
        Self { from: first.to_owned(), to: last.to_owned(), limit: i64::from(u32::MAX) }
    }

    /// Runs a statement whose parameters are the three of a range.
    pub(super) async fn rows(
        &self,
        connection: &mut AnyConnection,
        what: &'static str,
        sql: &'static str,
    ) -> Result<Vec<AnyRow>> {
        let query = sqlx::query(sql).bind(self.from.as_str()).bind(self.to.as_str()).bind(self.limit);
        query.fetch_all(connection).await.map_err(during(what))
    }
}

/// The stamp in the last two columns: the change, then its revision.
pub(super) fn stamp(row: &AnyRow) -> Result<(i64, Revision)> {
    let columns = row.len();
    Ok((integer(row, columns - 2)?, revision(row, columns - 1)?))
}

/// The JSON of a value.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain structs with text keys always have a JSON text")
}

/// The value of a JSON text.
pub(super) fn from_json<T: DeserializeOwned>(row: &AnyRow, at: usize) -> Result<T> {
    let text = text(row, at)?;
    serde_json::from_str(text).map_err(|error| StoreError::corrupt(format!("a JSON column: {error}")))
}

/// The spelling of a switch: `active`, or the word of the kind for what does not take part.
pub(super) fn switch_text(state: Switch, off: &'static str) -> &'static str {
    if state.is_active() { "active" } else { off }
}

/// The switch of its spelling.
pub(super) fn switch_of(text: &str, off: &'static str) -> Result<Switch> {
    match text {
        "active" => Ok(Switch::Active),
        other if other == off => Ok(Switch::Off),
        other => Err(StoreError::corrupt(format!("{other:?} is no state"))),
    }
}

/// The status of its spelling.
pub(crate) fn status_of(text: &str) -> Result<InstanceStatus> {
    let all = [InstanceStatus::Active, InstanceStatus::Suspended, InstanceStatus::Terminated];
    find_code(&all, InstanceStatus::code, text)
}

/// The value whose code this is.
pub(crate) fn find_code<T: Copy>(all: &[T], code: impl Fn(T) -> &'static str, text: &str) -> Result<T> {
    let found = all.iter().copied().find(|it| code(*it) == text);
    found.ok_or_else(|| StoreError::corrupt(format!("{text:?} is none of the codes of its column")))
}

/// The members that belong to `owner`, taken off the front of members sorted by owner.
pub(super) fn take_members(
    members: &mut std::iter::Peekable<std::vec::IntoIter<(String, String)>>,
    owner: &str,
) -> Vec<String> {
    let mut found = Vec::new();
    while let Some((of, member)) = members.next_if(|(of, _)| of.as_str() <= owner) {
        if of == owner {
            found.push(member);
        }
    }
    found
}

/// Pairs of (owner, member) as a statement returns them.
pub(super) fn pairs(rows: &[AnyRow]) -> Result<std::iter::Peekable<std::vec::IntoIter<(String, String)>>> {
    let pairs: Result<Vec<_>> =
        rows.iter().map(|row| Ok((text(row, 0)?.to_owned(), text(row, 1)?.to_owned()))).collect();
    Ok(pairs?.into_iter().peekable())
}
