//! Carries plans from step to step: first what widens, then the moves, last what narrows. The leader's task.
//!
//! Each write of objects happens in the transaction that moves the plan on, so that a crash repeats neither. A plan
//! whose objects stand otherwise than it read them fails as a whole before it has written anything.

use std::sync::Arc;

use domain::master_data::Object;
use domain::orchestration::plan::{Change as TopologyChange, Command, PlanState, changed};
use domain::time::Micros;
use store::{Change, Intent, Store, StoreError};

use super::plan_actor;
use super::record::{PlanRecord, STEP_MOVE, STEP_NARROW, STEP_WIDEN};
use crate::master_data::{Refusal, guard_topology};
use crate::orchestration::Leadership;
use crate::tasks::{Status, Task, TaskError, Wake};
use crate::view::View;
use crate::wiring::Parts;

/// The task that carries plans on.
pub struct PlanRunner {
    store: Store,
    view: Arc<View>,
    leadership: Arc<Leadership>,
    wake: Wake,
}

impl PlanRunner {
    /// A runner; idle while another process leads.
    pub fn new(parts: &Parts) -> Self {
        Self {
            store: parts.store.clone(),
            view: Arc::clone(&parts.view),
            leadership: Arc::clone(&parts.leadership),
            wake: parts.wake.clone(),
        }
    }

    /// Carries one plan on by at most one step; true when it did.
    async fn carry_on(&self, plan: &PlanRecord, now: Micros) -> Result<bool, StoreError> {
        match plan.row.step {
            STEP_WIDEN => self.widen(plan, now).await,
            STEP_MOVE => self.end_moves(plan, now).await,
            _ => self.narrow(plan, now).await,
        }
    }

    /// Writes what widens, if everything still stands as the plan read it.
    async fn widen(&self, plan: &PlanRecord, now: Micros) -> Result<bool, StoreError> {
        let steps = &plan.draft.steps;
        let mut change = self.store.begin(Intent::MasterData, &plan_actor(&plan.row.id), now).await?;
        if let Some(drifted) = find_drift(&mut change, plan).await? {
            change.rollback().await?;
            return self
                .fail(plan, format!("{drifted} was changed after the plan was made; make a new plan"), now)
                .await;
        }
        change.put_all(&steps.widen).await?;
        if !steps.leaving.is_empty() {
            // A batch that was decided before may have chosen a group that leaves from here on: it decides again.
            change.move_topology()?;
        }
        let row = plan.row_widened(change.id());
        self.commit(change, plan, &row).await
    }

    /// When no move is left, the narrowing is next.
    async fn end_moves(&self, plan: &PlanRecord, now: Micros) -> Result<bool, StoreError> {
        if self.store.move_counts(&plan.row.id).await?.pending > 0 {
            return Ok(false);
        }
        let change = self.store.begin(Intent::Plans, &plan_actor(&plan.row.id), now).await?;
        let row = plan.row_in(PlanState::Applying, STEP_NARROW, None);
        self.commit(change, plan, &row).await
    }

    /// Writes what narrows, once those who had to leave have left.
    async fn narrow(&self, plan: &PlanRecord, now: Micros) -> Result<bool, StoreError> {
        if let Some(left) = self.left_behind(plan).await? {
            return self.fail(plan, left, now).await;
        }
        let mut change = self.store.begin(Intent::MasterData, &plan_actor(&plan.row.id), now).await?;
        if let Some(drifted) = find_drift(&mut change, plan).await? {
            change.rollback().await?;
            return self.fail(plan, format!("{drifted} was changed while the plan was applied"), now).await;
        }
        if let Err(refusal) = self.guard(plan) {
            change.rollback().await?;
            return self.fail(plan, format!("{refusal}; make a new plan"), now).await;
        }
        let TopologyChange { puts, deletions } = &plan.draft.steps.narrow;
        change.put_all(puts).await?;
        for it in deletions {
            let needed = change.references_to(it.kind, &it.id, 1).await?;
            if let Some(by) = needed.by.first() {
                let text =
                    format!("{} {} is still needed by {} {} ({} in all)", it.kind, it.id, by.kind, by.id, needed.total);
                change.rollback().await?;
                return self.fail(plan, text, now).await;
            }
            change.delete(it.kind, &it.id).await?;
        }
        let row = plan.row_in(PlanState::Done, STEP_NARROW, None);
        self.commit(change, plan, &row).await
    }

    /// Whoever came into the boundary after the plan was made must not be broken by its last step.
    fn guard(&self, plan: &PlanRecord) -> Result<(), Refusal> {
        let before = self.view.topology();
        let before = &before.topology;
        match changed(before, &plan.draft.steps.narrow) {
            Ok(after) => guard_topology(&self.view, before, &after),
            // What it refers to is gone: the drift of its objects says so better.
            Err(_) => Ok(()),
        }
    }

    /// Why nothing may be narrowed yet: owners that could not be moved out of a group that goes.
    async fn left_behind(&self, plan: &PlanRecord) -> Result<Option<String>, StoreError> {
        let narrows_group = |group: &domain::ids::GroupId| {
            let puts = plan.draft.steps.narrow.puts.iter();
            let is_closed = |it: &Object| matches!(it, Object::ResourceGroup(it) if it.id == *group && it.state == domain::master_data::GroupState::Closed);
            let mut deleted = plan.draft.steps.narrow.deletions.iter();
            puts.into_iter().any(is_closed)
                || deleted.any(|it| it.kind == domain::master_data::Kind::ResourceGroup && it.id == group.as_str())
        };
        let books = self.store.load_books().await?;
        let mut left = 0;
        let mut first = None;
        for row in books.loads.iter().filter(|row| row.owners > 0 && narrows_group(&row.group)) {
            left += row.owners;
            first = first.or(Some(&row.group));
        }
        Ok(first.map(|group| format!("{left} owners could not leave, the first of them from {group}: it stays draining; move them, then make a new plan")))
    }

    async fn fail(&self, plan: &PlanRecord, error: String, now: Micros) -> Result<bool, StoreError> {
        tracing::warn!(plan = %plan.row.id, error, "a plan has failed");
        let change = self.store.begin(Intent::Plans, &plan_actor(&plan.row.id), now).await?;
        let state = plan.state.after(Command::Fail).unwrap_or(PlanState::Failed);
        let row = plan.row_in(state, plan.row.step, Some(error));
        self.commit(change, plan, &row).await
    }

    /// Moves the plan on and commits; nothing when somebody told it something else meanwhile.
    async fn commit(&self, mut change: Change, plan: &PlanRecord, row: &store::PlanRow) -> Result<bool, StoreError> {
        if !change.change_plan(row, plan.change).await? {
            change.rollback().await?;
            return Ok(false);
        }
        change.commit().await?;
        self.wake.follow();
        Ok(true)
    }
}

/// The first object that stands otherwise than the plan read it or wrote it.
async fn find_drift(change: &mut Change, plan: &PlanRecord) -> Result<Option<String>, StoreError> {
    for expected in &plan.draft.steps.expected {
        let found = change.get(expected.kind, &expected.id).await?.map(|it| it.change);
        let is_ours = found.is_some() && found == plan.widened;
        if found != expected.change && !is_ours {
            return Ok(Some(format!("{} {}", expected.kind, expected.id)));
        }
    }
    Ok(None)
}

impl Task for PlanRunner {
    fn name(&self) -> &'static str {
        "plans"
    }

    async fn run_once(&mut self, now: Micros) -> Result<Status, TaskError> {
        if !self.leadership.is_leading() {
            return Ok(Status::idle());
        }
        let mut status = Status::idle();
        for running in self.store.running_plans().await? {
            status.backlog += 1;
            let plan = match PlanRecord::read(running) {
                Ok(plan) => plan,
                // One damaged row must not hold up everybody else's plans.
                Err(error) => {
                    tracing::error!(%error, "a plan cannot be read and is passed over");
                    continue;
                }
            };
            if plan.state == PlanState::Applying && self.carry_on(&plan, now).await? {
                status.done += 1;
                status.is_more = true;
            }
        }
        Ok(status)
    }
}
