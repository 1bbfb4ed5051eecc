//! Ownership as it is told: who owns an instance, or why nobody does; and every change of it.
//!
//! Two shapes, told apart by `group`: `{region, group, generation, decision, since}`, or `{group: null, reason}`.
//! The owner is the row as it stands, broken or not: whether it delivers is resolution's answer.

use domain::orchestration::{Holder, Ownership, Subject, Topology};
use domain::reason::Reason;
use domain::resolution::explain::{HistoryRow, history_rows};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::instant;

/// Who owns an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum OwnershipBody {
    Owned(OwnedBody),
    Nobody(NobodyBody),
}

/// A group owns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnedBody {
    pub region: String,
    pub group: String,
    pub generation: u64,
    /// BATCH.ORDINAL.
    pub decision: String,
    /// RFC 3339.
    pub since: String,
}

/// Nobody owns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NobodyBody {
    /// Always null.
    #[schema(value_type = Option<String>)]
    pub group: (),
    /// A reason code.
    pub reason: String,
}

/// The ownership of a subject. A mode that owns nobody says so, once its former owner is released.
pub fn ownership_body(topology: &Topology, subject: &Subject<'_>) -> OwnershipBody {
    let why = match subject.ownership.map(|ownership| &ownership.holder) {
        Some(Holder::Group { .. }) => Reason::Ok,
        Some(Holder::Nobody { why }) => *why,
        None => Reason::Pending,
    };
    match (subject.ownership, topology.policy(subject.product)) {
        (Some(ownership), _) if why == Reason::Ok => of_row(ownership),
        (_, None) => nobody(Reason::ProductUnknown),
        (_, Some((_, template))) if !template.object.mode.is_sticky() => nobody(Reason::NotApplicable),
        _ => nobody(why),
    }
}

/// An ownership row as it stands.
pub fn of_row(ownership: &Ownership) -> OwnershipBody {
    match &ownership.holder {
        Holder::Nobody { why } => nobody(*why),
        Holder::Group { region, group, .. } => OwnershipBody::Owned(OwnedBody {
            region: region.to_string(),
            group: group.to_string(),
            generation: ownership.generation.0,
            decision: ownership.decision.to_string(),
            since: instant::format(ownership.since),
        }),
    }
}

/// Nobody, for a reason.
pub fn nobody(why: Reason) -> OwnershipBody {
    OwnershipBody::Nobody(NobodyBody { group: (), reason: why.code().to_owned() })
}

/// Every change of an ownership, oldest first; the last row is the one of today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryBody {
    pub instance: String,
    pub rows: Vec<HistoryRowBody>,
}

/// One change of an ownership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryRowBody {
    /// RFC 3339.
    pub at: String,
    pub generation: u64,
    /// The owner from then on; null: nobody.
    pub region: Option<String>,
    pub group: Option<String>,
    /// Why nobody owned it, or that it was counted anew; null where a group became the owner.
    pub reason: Option<String>,
    /// BATCH.ORDINAL.
    pub decision: String,
}

impl From<&HistoryRow> for HistoryRowBody {
    fn from(row: &HistoryRow) -> Self {
        Self {
            at: instant::format(row.at),
            generation: row.generation.0,
            region: row.region.as_ref().map(ToString::to_string),
            group: row.group.as_ref().map(ToString::to_string),
            reason: row.reason.map(|reason| reason.code().to_owned()),
            decision: row.decision.to_string(),
        }
    }
}

/// The history of a subject. `former` are its earlier rows, oldest first, without the one of today.
pub fn history_body(subject: &Subject<'_>, former: &[Ownership]) -> HistoryBody {
    let rows = history_rows(former, subject.ownership);
    HistoryBody { instance: subject.id.to_string(), rows: rows.iter().map(HistoryRowBody::from).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::{DecisionId, Generation, GroupId, ProductId, RegionId};
    use domain::time::Micros;

    #[test]
    fn both_shapes_are_told_apart_by_the_group() {
        let holder = Holder::Group {
            region: RegionId::parse("eu-west").unwrap(),
            group: GroupId::parse("eu-west-a").unwrap(),
            weight: 1,
            product: ProductId::parse("basic").unwrap(),
        };
        let row = Ownership {
            holder,
            generation: Generation(2),
            version: 3,
            decision: DecisionId { batch: 812, ordinal: 47 },
            since: Micros(0),
        };
        for (body, text) in [
            (
                of_row(&row),
                r#"{"region":"eu-west","group":"eu-west-a","generation":2,"decision":"812.47","since":"1970-01-01T00:00:00Z"}"#,
            ),
            (nobody(Reason::Pending), r#"{"group":null,"reason":"pending"}"#),
        ] {
            assert_eq!(serde_json::to_string(&body).unwrap(), text);
            assert_eq!(serde_json::from_str::<OwnershipBody>(text).unwrap(), body);
        }
    }
}
