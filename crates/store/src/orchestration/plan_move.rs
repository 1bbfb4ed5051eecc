//! The moves of plans: written with the plan, settled in the commit of the batch that carries them out.
//!
//! So a crash between deciding and settling cannot happen: a move is pending, or its outcome is on record with its
//! decision. A move whose request was void stays pending and is asked again.

use domain::ids::{DecisionId, Generation, GroupId, InstanceId, PlanId};
use domain::orchestration::{Decided, Outcome};
use domain::reason::Reason;
use sqlx::any::AnyRow;

use super::ownership::{count, reason};
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::change::{Change, Touched};
use crate::engine::{Store, maybe_number, maybe_text, number, parsed, text};
use crate::error::{Result, StoreError, during};
use crate::master_data::{PAGE_MAX, find_code};

/// Where a move stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MoveState {
    Pending,
    Done,
    Skipped,
}

impl MoveState {
    /// The spelling in tables and answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Skipped => "skipped",
        }
    }
}

/// A move of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanMove {
    /// From 0.
    pub ordinal: u32,
    pub instance: InstanceId,
    /// The owner that the plan saw.
    pub from: Option<GroupId>,
    /// The generation that the plan saw.
    pub from_generation: Generation,
    pub to: GroupId,
    pub state: MoveState,
    /// Why it was skipped.
    pub reason: Option<Reason>,
    /// The decision that carried it out, or refused to.
    pub decision: Option<DecisionId>,
}

/// Which move of which plan a request of a batch carries out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanMoveOf {
    pub plan: PlanId,
    pub ordinal: u32,
    /// The place of the request in the batch.
    pub request: u32,
}

/// How many moves of a plan stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MoveCounts {
    pub pending: u64,
    pub done: u64,
    pub skipped: u64,
}

/// Ten thousand moves in one call, as with instances.
pub const MOVES_PER_CALL_MAX: usize = 10_000;

const ADD: Bulk = Bulk {
    during: "writing moves",
    sql: "WITH source (ordinal, instance_id, from_group, from_generation, to_group, state, reason) AS ({source})
INSERT INTO plan_move (plan_id, ordinal, instance_id, from_group, from_generation, to_group, state, reason)
SELECT $1, ordinal, instance_id, from_group, from_generation, to_group, state, reason
FROM source",
    columns: &[
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Text,
    ],
};

const SETTLE: Bulk = Bulk {
    during: "settling moves",
    sql: "WITH source (plan_id, ordinal, state, reason, decision_ordinal) AS ({source})
UPDATE plan_move
SET state = s.state, reason = s.reason, batch_id = $1, decision_ordinal = s.decision_ordinal
FROM source s
WHERE plan_move.plan_id = s.plan_id AND plan_move.ordinal = s.ordinal AND plan_move.state = 'pending'",
    columns: &[ColumnType::Text, ColumnType::Integer, ColumnType::Text, ColumnType::Text, ColumnType::Integer],
};

const SKIP: Bulk = Bulk {
    during: "skipping moves",
    sql: "WITH source (ordinal, reason) AS ({source})
UPDATE plan_move
SET state = 'skipped', reason = s.reason
FROM source s
WHERE plan_move.plan_id = $1 AND plan_move.ordinal = s.ordinal AND plan_move.state = 'pending'",
    columns: &[ColumnType::Integer, ColumnType::Text],
};

const PAGE: &str = "SELECT ordinal, instance_id, from_group, from_generation, to_group, state, reason, batch_id,
  decision_ordinal
FROM plan_move
WHERE plan_id = $1 AND ordinal > $2
ORDER BY ordinal
LIMIT $3";

const PENDING: &str = "SELECT ordinal, instance_id, from_group, from_generation, to_group, state, reason, batch_id,
  decision_ordinal
FROM plan_move
WHERE plan_id = $1 AND ordinal > $2 AND state = 'pending'
ORDER BY ordinal
LIMIT $3";

const COUNTS: &str = "SELECT state, COUNT(*) FROM plan_move WHERE plan_id = $1 GROUP BY state";

/// Settles the moves that requests of a batch carried out: done when it owns now, skipped with the reason when it
/// stays, and left pending when the request was void, so that it is asked again.
pub(super) async fn settle_moves(
    change: &mut Change,
    batch: u64,
    moves: &[PlanMoveOf],
    recorded: &[Decided],
) -> Result<()> {
    let mut cells: Vec<Cell<'_>> = Vec::with_capacity(moves.len() * SETTLE.columns.len());
    for it in moves {
        let (state, reason) = match recorded[it.request as usize].outcome {
            Outcome::Void => continue,
            Outcome::Owned { .. } | Outcome::Kept => (MoveState::Done, None),
            Outcome::Stays { why } | Outcome::Nobody { why } => (MoveState::Skipped, Some(why.code())),
        };
        cells.extend([Cell::from(it.plan.as_str()), it.ordinal.into(), state.code().into(), reason.into()]);
        cells.push(it.request.into());
    }
    if cells.is_empty() {
        return Ok(());
    }
    let (engine, connection) = change.parts();
    SETTLE.execute(engine, connection, &cells, &[count(batch)?]).await?;
    change.touch(Touched::PLANS);
    Ok(())
}

impl Change {
    /// Writes moves of a new plan; their decisions are not written, since they have none.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] for more than [`MOVES_PER_CALL_MAX`].
    pub async fn add_plan_moves(&mut self, plan: &PlanId, moves: &[PlanMove]) -> Result<()> {
        if moves.len() > MOVES_PER_CALL_MAX {
            return Err(StoreError::misuse(format!("at most {MOVES_PER_CALL_MAX} moves in one call")));
        }
        let mut cells: Vec<Cell<'_>> = Vec::with_capacity(moves.len() * ADD.columns.len());
        for it in moves {
            cells.extend([Cell::from(it.ordinal), it.instance.as_str().into()]);
            cells.extend([Cell::from(it.from.as_ref().map(GroupId::as_str)), count(it.from_generation.0)?]);
            cells.extend([Cell::from(it.to.as_str()), it.state.code().into(), it.reason.map(Reason::code).into()]);
        }
        let (engine, connection) = self.parts();
        ADD.execute(engine, connection, &cells, &[plan.as_str().into()]).await?;
        self.touch(Touched::PLANS);
        Ok(())
    }

    /// Skips pending moves of a plan, each with its reason, and says how many were pending.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn skip_plan_moves(&mut self, plan: &PlanId, moves: &[(u32, Reason)]) -> Result<u64> {
        let cells: Vec<Cell<'_>> =
            moves.iter().flat_map(|(ordinal, reason)| [Cell::from(*ordinal), reason.code().into()]).collect();
        let (engine, connection) = self.parts();
        let skipped = SKIP.execute(engine, connection, &cells, &[plan.as_str().into()]).await?;
        if skipped > 0 {
            self.touch(Touched::PLANS);
        }
        Ok(skipped)
    }
}

impl Store {
    /// Moves of a plan after an ordinal, in order; at most [`PAGE_MAX`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn plan_moves(&self, plan: &PlanId, after: Option<u32>, limit: u32) -> Result<Vec<PlanMove>> {
        self.page_of_moves(PAGE, plan, after, limit.min(PAGE_MAX)).await
    }

    /// The next pending moves of a plan, in order, after an ordinal; at most [`MOVES_PER_CALL_MAX`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn pending_moves(&self, plan: &PlanId, after: Option<u32>, limit: u32) -> Result<Vec<PlanMove>> {
        let most = u32::try_from(MOVES_PER_CALL_MAX).unwrap_or(u32::MAX);
        self.page_of_moves(PENDING, plan, after, limit.min(most)).await
    }

    async fn page_of_moves(
        &self,
        sql: &'static str,
        plan: &PlanId,
        after: Option<u32>,
        limit: u32,
    ) -> Result<Vec<PlanMove>> {
        let query = sqlx::query(sql).bind(plan.as_str()).bind(after.map_or(-1, i64::from)).bind(i64::from(limit));
        let rows = query.fetch_all(&mut *self.reader().await?).await.map_err(during("reading moves"))?;
        rows.iter().map(read).collect()
    }

    /// How many moves of a plan stand where.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn move_counts(&self, plan: &PlanId) -> Result<MoveCounts> {
        let rows = sqlx::query(COUNTS).bind(plan.as_str()).fetch_all(&mut *self.reader().await?).await;
        let mut counts = MoveCounts::default();
        for row in rows.map_err(during("counting moves"))? {
            let place = match state(text(&row, 0)?)? {
                MoveState::Pending => &mut counts.pending,
                MoveState::Done => &mut counts.done,
                MoveState::Skipped => &mut counts.skipped,
            };
            *place = number(&row, 1)?;
        }
        Ok(counts)
    }
}

fn state(code: &str) -> Result<MoveState> {
    find_code(&[MoveState::Pending, MoveState::Done, MoveState::Skipped], MoveState::code, code)
}

fn read(row: &AnyRow) -> Result<PlanMove> {
    let decision = match (maybe_number(row, 7)?, maybe_number(row, 8)?) {
        (Some(batch), Some(ordinal)) => Some(DecisionId { batch, ordinal }),
        _ => None,
    };
    Ok(PlanMove {
        ordinal: number(row, 0)?,
        instance: parsed(InstanceId::parse, text(row, 1)?)?,
        from: maybe_text(row, 2)?.map(|it| parsed(GroupId::parse, it)).transpose()?,
        from_generation: Generation(number(row, 3)?),
        to: parsed(GroupId::parse, text(row, 4)?)?,
        state: state(text(row, 5)?)?,
        reason: maybe_text(row, 6)?.map(reason).transpose()?,
        decision,
    })
}
