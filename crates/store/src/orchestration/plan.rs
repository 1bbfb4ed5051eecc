//! The rows of plans, without their moves.
//!
//! What a state means and which follows which is decided elsewhere; here a step is a compare-and-set on the row that
//! the caller saw, so that two processes never carry out one plan in two ways.

use domain::ids::{PlanId, Revision};
use domain::orchestration::Stamped;
use domain::time::Micros;
use sqlx::any::AnyRow;

use crate::audit::AuditLeaf;
use crate::change::{Change, Touched};
use crate::engine::{Store, integer, maybe_number, maybe_text, number, parsed, revision, text};
use crate::error::{Result, StoreError, during};
use crate::master_data::PAGE_MAX;

/// A plan without its moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRow {
    pub id: PlanId,
    /// `topology`, `repair`, `rebalance`, `drain` or `move`.
    pub kind: String,
    pub state: String,
    pub created: Micros,
    pub actor: String,
    /// The revision that it was worked out on.
    pub snapshot_revision: Revision,
    /// JSON: what was asked.
    pub request: String,
    /// JSON: what it would do.
    pub summary: String,
    /// Moves a second; none: as fast as can be.
    pub rate_per_s: Option<u32>,
    /// How far a plan of several steps has come.
    pub step: u32,
    /// Why it stopped.
    pub error: Option<String>,
}

const CREATE: &str = "INSERT INTO plan (plan_id, kind, state, created_us, actor, snapshot_revision, request, summary,
  rate_per_s, step, error, change_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

const CHANGE: &str = "UPDATE plan
SET state = $1, summary = $2, rate_per_s = $3, step = $4, error = $5, change_id = $6
WHERE plan_id = $7 AND change_id = $8";

const ONE: &str = "SELECT p.plan_id, p.kind, p.state, p.created_us, p.actor, p.snapshot_revision, p.request, p.summary,
  p.rate_per_s, p.step, p.error, p.change_id, c.revision
FROM plan p
LEFT JOIN change c ON c.change_id = p.change_id
WHERE p.plan_id = $1";

const PAGE: &str =
    "SELECT p.plan_id, p.kind, p.state, p.created_us, p.actor, p.snapshot_revision, p.request, p.summary,
  p.rate_per_s, p.step, p.error, p.change_id, c.revision
FROM plan p
LEFT JOIN change c ON c.change_id = p.change_id
WHERE p.plan_id > $1
ORDER BY p.plan_id
LIMIT $2";

const RUNNING: &str =
    "SELECT p.plan_id, p.kind, p.state, p.created_us, p.actor, p.snapshot_revision, p.request, p.summary,
  p.rate_per_s, p.step, p.error, p.change_id, c.revision
FROM plan p
LEFT JOIN change c ON c.change_id = p.change_id
WHERE p.state IN ('applying', 'paused')
ORDER BY p.plan_id";

impl Change {
    /// Writes a new plan.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] when there is one with this id.
    pub async fn create_plan(&mut self, plan: &PlanRow) -> Result<()> {
        let snapshot =
            i64::try_from(plan.snapshot_revision.0).map_err(|_| StoreError::misuse("a revision has 63 bits"))?;
        let create = sqlx::query(CREATE).bind(plan.id.as_str()).bind(plan.kind.as_str()).bind(plan.state.as_str());
        let create = create.bind(plan.created.0).bind(plan.actor.as_str()).bind(snapshot);
        let create = create.bind(plan.request.as_str()).bind(plan.summary.as_str());
        let create = create.bind(plan.rate_per_s.map(i64::from)).bind(i64::from(plan.step));
        let create = create.bind(plan.error.as_deref()).bind(self.id());
        create.execute(self.parts().1).await.map_err(during("writing a plan"))?;
        self.stage_plan("create", plan);
        Ok(())
    }

    /// Writes what can change of a plan (state, summary, rate, step, error) if the row is still the one that
    /// `from_change` wrote, and says whether it was. A state alone would let a stale order undo a step.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn change_plan(&mut self, plan: &PlanRow, from_change: i64) -> Result<bool> {
        let change = sqlx::query(CHANGE).bind(plan.state.as_str()).bind(plan.summary.as_str());
        let change = change.bind(plan.rate_per_s.map(i64::from)).bind(i64::from(plan.step)).bind(plan.error.as_deref());
        let change = change.bind(self.id()).bind(plan.id.as_str()).bind(from_change);
        let done = change.execute(self.parts().1).await.map_err(during("changing a plan"))?;
        let is_changed = done.rows_affected() > 0;
        if is_changed {
            self.stage_plan("change", plan);
        }
        Ok(is_changed)
    }

    fn stage_plan(&mut self, verb: &'static str, plan: &PlanRow) {
        self.touch(Touched::PLANS);
        let detail = format!("kind={} state={} step={}", plan.kind, plan.state, plan.step);
        self.stage(AuditLeaf { verb, kind: "Plan".to_owned(), id: plan.id.to_string(), detail });
    }
}

impl Store {
    /// A plan, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn plan(&self, id: &PlanId) -> Result<Option<Stamped<PlanRow>>> {
        let rows = sqlx::query(ONE).bind(id.as_str()).fetch_all(&mut *self.reader().await?).await;
        rows.map_err(during("reading a plan"))?.first().map(read).transpose()
    }

    /// Plans after an id, by id; at most [`PAGE_MAX`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn list_plans(&self, after: Option<&PlanId>, limit: u32) -> Result<Vec<Stamped<PlanRow>>> {
        let query = sqlx::query(PAGE).bind(after.map_or("", PlanId::as_str)).bind(i64::from(limit.min(PAGE_MAX)));
        let rows = query.fetch_all(&mut *self.reader().await?).await.map_err(during("listing plans"))?;
        rows.iter().map(read).collect()
    }

    /// The plans that have begun and are not over, by id: as many as operators watch at once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn running_plans(&self) -> Result<Vec<Stamped<PlanRow>>> {
        let rows = sqlx::query(RUNNING).fetch_all(&mut *self.reader().await?).await;
        rows.map_err(during("looking for running plans"))?.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<Stamped<PlanRow>> {
    let object = PlanRow {
        id: parsed(PlanId::parse, text(row, 0)?)?,
        kind: text(row, 1)?.to_owned(),
        state: text(row, 2)?.to_owned(),
        created: Micros(integer(row, 3)?),
        actor: text(row, 4)?.to_owned(),
        snapshot_revision: revision(row, 5)?,
        request: text(row, 6)?.to_owned(),
        summary: text(row, 7)?.to_owned(),
        rate_per_s: maybe_number(row, 8)?,
        step: number(row, 9)?,
        error: maybe_text(row, 10)?.map(str::to_owned),
    };
    Ok(Stamped { object, change: integer(row, 11)?, revision: revision(row, 12)? })
}
