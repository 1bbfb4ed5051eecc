//! A plan as it stands in its row: the request as it was asked, and the draft without its moves, which are rows.
//!
//! The step says how far it has come: what widens is written, owners move, what narrows is written. The change that
//! wrote the first is kept, since the objects of the plan stand under it from then on.

use domain::ids::{PlanId, Revision};
use domain::orchestration::Stamped;
use domain::orchestration::plan::{Draft, PlanKind, PlanState};
use serde::{Deserialize, Serialize};
use store::{PlanRow, StoreError};

/// The step in which nothing is written yet.
pub const STEP_WIDEN: u32 = 0;
/// The step in which owners move.
pub const STEP_MOVE: u32 = 1;
/// The step in which only what narrows is left.
pub const STEP_NARROW: u32 = 2;

/// What was asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Asked {
    /// The body of the request.
    ask: serde_json::Value,
    undo_of: Option<PlanId>,
}

/// What it would do, and what it has written.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    draft: Draft,
    /// The change that wrote what widens.
    widened: Option<i64>,
}

/// A plan, read from its row.
#[derive(Debug, Clone)]
pub struct PlanRecord {
    pub row: PlanRow,
    /// The change that wrote the row; whoever moves the plan on compares with it.
    pub change: i64,
    pub revision: Revision,
    pub kind: PlanKind,
    pub state: PlanState,
    pub ask: serde_json::Value,
    pub undo_of: Option<PlanId>,
    /// Without its moves.
    pub draft: Draft,
    pub widened: Option<i64>,
}

impl PlanRecord {
    /// Reads a row.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it does not hold a plan.
    pub fn read(stamped: Stamped<PlanRow>) -> Result<Self, StoreError> {
        let Stamped { object: row, change, revision } = stamped;
        let damaged = |what: String| StoreError::Corrupt { what: format!("plan {}: {what}", row.id) };
        let asked: Asked = serde_json::from_str(&row.request).map_err(|error| damaged(error.to_string()))?;
        let kept: Kept = serde_json::from_str(&row.summary).map_err(|error| damaged(error.to_string()))?;
        let kind = PlanKind::from_code(&row.kind).ok_or_else(|| damaged(format!("kind {:?}", row.kind)))?;
        let state = PlanState::from_code(&row.state).ok_or_else(|| damaged(format!("state {:?}", row.state)))?;
        let (ask, undo_of) = (asked.ask, asked.undo_of);
        Ok(Self { row, change, revision, kind, state, ask, undo_of, draft: kept.draft, widened: kept.widened })
    }

    /// The texts of a row: the request and the summary.
    pub(super) fn texts(ask: &serde_json::Value, undo_of: Option<&PlanId>, draft: &Draft) -> (String, String) {
        let asked = Asked { ask: ask.clone(), undo_of: undo_of.cloned() };
        let kept = Kept { draft: draft.clone(), widened: None };
        let text = |value: Result<String, serde_json::Error>| value.expect("plain structs have a JSON text");
        (text(serde_json::to_string(&asked)), text(serde_json::to_string(&kept)))
    }

    /// The row in another state, at another step.
    pub(super) fn row_in(&self, state: PlanState, step: u32, error: Option<String>) -> PlanRow {
        PlanRow { state: state.code().to_owned(), step, error, ..self.row.clone() }
    }

    /// The row after what widens was written by a change.
    pub(super) fn row_widened(&self, change: i64) -> PlanRow {
        let kept = Kept { draft: self.draft.clone(), widened: Some(change) };
        let summary = serde_json::to_string(&kept).expect("plain structs have a JSON text");
        PlanRow { summary, step: STEP_MOVE, ..self.row.clone() }
    }
}
