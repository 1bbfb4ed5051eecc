//! What operators do with plans: create, read, apply, pause, resume, abort, undo.
//!
//! Creating one changes nothing but its own rows. It is worked out on one topology and the counters read after it; an
//! instance that changes meanwhile is met by the compare-and-set of its move.

use std::sync::Arc;
use std::time::Duration;

use domain::ids::{GroupId, InstanceId, PlanId, Revision};
use domain::master_data::Kind;
use domain::orchestration::plan::{
    Change as TopologyChange, Command, Deletion, DoneMove, Draft, DrainPlanner, Expectation, IllegalCommand,
    MovePlanner, PlanKind, PlanState, Planner, RATE_PER_SECOND_MAX, RebalancePlanner, RepairPlanner, TopologyPlanner,
    changed, plan_steps, reverse_moves,
};
use domain::orchestration::{Frame, State, Topology};
use store::{Intent, MoveCounts, MoveState, PlanMove, PlanRow, Store, StoreError};
use wire::problem::REFERRERS_MAX;

use super::record::{PlanRecord, STEP_WIDEN};
use crate::access;
use crate::clock;
use crate::master_data::Refusal;
use crate::tasks::Wake;
use crate::view::{TopologyView, View};

/// Moves written or read at once.
const MOVES_AT_ONCE: u32 = 10_000;

/// How long a plan waits for the view to have what the counters have.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);

/// What a plan is asked for.
#[derive(Debug, Clone)]
pub enum PlanAsk {
    Topology { change: TopologyChange },
    Repair,
    Rebalance { to_ppm: u64 },
    Drain { group: GroupId },
    Move { moves: Vec<(InstanceId, GroupId)> },
}

impl PlanAsk {
    /// Its kind.
    pub fn kind(&self) -> PlanKind {
        match self {
            Self::Topology { .. } => PlanKind::Topology,
            Self::Repair => PlanKind::Repair,
            Self::Rebalance { .. } => PlanKind::Rebalance,
            Self::Drain { .. } => PlanKind::Drain,
            Self::Move { .. } => PlanKind::Move,
        }
    }
}

/// Why a plan was not made, or did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("the plan cannot be made: {}", faults.join("; "))]
    Faults { faults: Vec<String> },
    #[error("there is no plan {id}")]
    NotFound { id: PlanId },
    #[error(transparent)]
    Illegal(#[from] IllegalCommand),
    #[error("a rate is 1 to {RATE_PER_SECOND_MAX} moves a second")]
    Rate,
    #[error("only a plan that is over can be undone; this one is {}: abort it first", state.code())]
    NothingToUndo { state: PlanState },
    #[error("the view is behind; try again")]
    Behind,
    #[error("somebody else told the plan something at the same time; look at it and try again")]
    Raced,
    #[error("the plan could not be worked out")]
    Panicked,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the store did not take part")]
    Store(#[from] StoreError),
}

/// A plan with how far it has come.
#[derive(Debug, Clone)]
pub struct PlanView {
    pub record: PlanRecord,
    pub revision: Revision,
    pub counts: MoveCounts,
}

/// Plans, for those who give orders.
pub struct Plans {
    store: Store,
    view: Arc<View>,
    wake: Wake,
}

/// What planners read.
struct Ground {
    topology: Arc<TopologyView>,
    frame: Frame,
    state: State,
    revision: Revision,
}

impl Plans {
    /// The service.
    pub fn new(store: Store, view: Arc<View>, wake: Wake) -> Self {
        Self { store, view, wake }
    }

    /// Works out a plan and keeps it as a draft. `body` is the request as it came.
    ///
    /// # Errors
    /// [`PlanError::Faults`] names everything that cannot be.
    pub async fn create(&self, ask: PlanAsk, body: serde_json::Value, actor: &str) -> Result<PlanView, PlanError> {
        if let PlanAsk::Topology { change } = &ask {
            self.refuse_products_in_use(change).await?;
        }
        let ground = self.ground().await?;
        let (revision, kind, view) = (ground.revision, ask.kind(), Arc::clone(&self.view));
        let draft = tokio::task::spawn_blocking(move || draft(&ground, &view, &ask));
        let draft = draft.await.map_err(|_| PlanError::Panicked)??;
        self.keep(kind, draft, body, None, revision, actor).await
    }

    /// A plan of the reverse: the moves that were made, and the objects as they were.
    ///
    /// # Errors
    /// [`PlanError::NothingToUndo`] for a plan that is not over: its reverse moves would meet its own.
    pub async fn undo(&self, id: &PlanId, actor: &str) -> Result<PlanView, PlanError> {
        let undone = self.get(id).await?.record;
        if !undone.state.is_over() {
            return Err(PlanError::NothingToUndo { state: undone.state });
        }
        let ground = self.ground().await?;
        let topology = &ground.topology.topology;
        let mut draft = Draft { moves: reverse_moves(self.done_moves(id).await?), ..Draft::default() };
        if undone.widened.is_some() {
            let (back, left_alone) = still_ours(topology, &undone);
            let reverted = changed(topology, &back).map_err(faults)?;
            draft.steps = plan_steps(topology, &reverted).0;
            draft.revert = domain::orchestration::plan::revert(topology, &back);
            draft.left_alone = left_alone;
        }
        draft.summary.moves = draft.moves.len() as u64;
        draft.summary.stay = (self.view.len() as u64).saturating_sub(draft.summary.moves);
        (draft.before_ppm, draft.after_ppm) = (undone.draft.after_ppm, undone.draft.before_ppm);
        draft.groups = undone.draft.groups.iter().map(reversed).collect();
        let body = serde_json::json!({"kind": "undo", "plan": id.as_str()});
        self.keep(PlanKind::Undo, draft, body, Some(id), ground.revision, actor).await
    }

    /// A plan.
    ///
    /// # Errors
    /// [`PlanError::NotFound`].
    pub async fn get(&self, id: &PlanId) -> Result<PlanView, PlanError> {
        let found = self.store.plan(id).await?.ok_or_else(|| PlanError::NotFound { id: id.clone() })?;
        let counts = self.store.move_counts(id).await?;
        let record = PlanRecord::read(found)?;
        Ok(PlanView { revision: record.revision, record, counts })
    }

    /// Plans after `after`, by id.
    ///
    /// # Errors
    /// [`PlanError::Store`].
    pub async fn list(&self, after: Option<&PlanId>, limit: u32) -> Result<Vec<PlanView>, PlanError> {
        let mut plans = Vec::new();
        for found in self.store.list_plans(after, limit).await? {
            let counts = self.store.move_counts(&found.object.id).await?;
            let record = PlanRecord::read(found)?;
            plans.push(PlanView { revision: record.revision, record, counts });
        }
        Ok(plans)
    }

    /// Moves of a plan, in order.
    ///
    /// # Errors
    /// [`PlanError::NotFound`].
    pub async fn moves(&self, id: &PlanId, after: Option<u32>, limit: u32) -> Result<Vec<PlanMove>, PlanError> {
        self.store.plan(id).await?.ok_or_else(|| PlanError::NotFound { id: id.clone() })?;
        Ok(self.store.plan_moves(id, after, limit).await?)
    }

    /// Tells a plan something. A rate may be given with apply and resume.
    ///
    /// # Errors
    /// [`PlanError::Illegal`] when it does not fit the state.
    pub async fn tell(
        &self,
        id: &PlanId,
        command: Command,
        rate: Option<u32>,
        actor: &str,
    ) -> Result<PlanView, PlanError> {
        if rate.is_some_and(|rate| !(1..=RATE_PER_SECOND_MAX).contains(&rate)) {
            return Err(PlanError::Rate);
        }
        let plan = self.get(id).await?.record;
        let state = plan.state.after(command)?;
        let row = plan.row_in(state, plan.row.step, plan.row.error.clone());
        let row = PlanRow { rate_per_s: rate.or(plan.row.rate_per_s), ..row };
        if row != plan.row {
            let mut change = self.store.begin(Intent::Plans, actor, clock::now()).await?;
            if !change.change_plan(&row, plan.change).await? {
                return Err(PlanError::Raced);
            }
            change.commit().await?;
            self.wake.follow();
        }
        self.get(id).await
    }

    /// A plan writes no instances, so one that deletes what they refer to could never come to its end.
    async fn refuse_products_in_use(&self, change: &TopologyChange) -> Result<(), PlanError> {
        let limit = u32::try_from(REFERRERS_MAX).unwrap_or(u32::MAX);
        for Deletion { kind, id } in change.deletions.iter().filter(|it| it.kind == Kind::Product) {
            let needed = self.store.references_to(*kind, id, limit).await?;
            if needed.total > 0 {
                return Err(Refusal::StillReferenced { kind: *kind, id: id.clone(), needed }.into());
            }
        }
        Ok(())
    }

    /// One topology, and the counters that go with it.
    async fn ground(&self) -> Result<Ground, PlanError> {
        let books = self.store.load_books().await?;
        if !self.view.wait_for_revision(books.head.revision, CATCH_UP_MAX).await {
            return Err(PlanError::Behind);
        }
        let mut leaving = std::collections::BTreeSet::new();
        for running in self.store.running_plans().await? {
            leaving.extend(PlanRecord::read(running)?.draft.steps.leaving);
        }
        let topology = self.view.topology();
        let frame = Frame::build(&topology.topology, &leaving);
        let state = State::from_rows(&frame, &books.loads, &books.ramps);
        Ok(Ground { topology, frame, state, revision: books.head.revision })
    }

    /// Writes the moves, then the plan: a crash between leaves moves of no plan, which nobody reads.
    async fn keep(
        &self,
        kind: PlanKind,
        mut draft: Draft,
        body: serde_json::Value,
        undo_of: Option<&PlanId>,
        snapshot_revision: Revision,
        actor: &str,
    ) -> Result<PlanView, PlanError> {
        let now = clock::now();
        let drawn = access::random_id("plan").map_err(|_| PlanError::Panicked)?;
        let id = PlanId::parse(&drawn).map_err(|error| PlanError::Faults { faults: vec![error.to_string()] })?;
        let moves: Vec<PlanMove> = (0u32..).zip(std::mem::take(&mut draft.moves)).map(pending).collect();
        for chunk in moves.chunks(MOVES_AT_ONCE as usize) {
            let mut change = self.store.begin(Intent::Plans, actor, now).await?;
            change.add_plan_moves(&id, chunk).await?;
            change.commit().await?;
        }
        let (request, summary) = PlanRecord::texts(&body, undo_of, &draft);
        let row = PlanRow {
            id: id.clone(),
            kind: kind.code().to_owned(),
            state: PlanState::Draft.code().to_owned(),
            created: now,
            actor: actor.to_owned(),
            snapshot_revision,
            request,
            summary,
            rate_per_s: None,
            step: STEP_WIDEN,
            error: None,
        };
        let mut change = self.store.begin(Intent::Plans, actor, now).await?;
        change.create_plan(&row).await?;
        change.commit().await?;
        self.wake.follow();
        self.get(&id).await
    }

    /// The moves that a plan has made.
    async fn done_moves(&self, id: &PlanId) -> Result<Vec<DoneMove>, PlanError> {
        let mut done = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.plan_moves(id, after, MOVES_AT_ONCE).await?;
            let Some(last) = page.last() else { return Ok(done) };
            after = Some(last.ordinal);
            done.extend(page.into_iter().filter(|it| it.state == MoveState::Done).map(|it| DoneMove {
                instance: it.instance,
                from: it.from,
                to: it.to,
                generation: domain::ids::Generation(it.from_generation.0 + 1),
            }));
        }
    }
}

/// What puts back the objects that stand as the plan left them, and the names of those that do not.
fn still_ours(topology: &Topology, plan: &PlanRecord) -> (TopologyChange, Vec<(Kind, String)>) {
    let steps = &plan.draft.steps;
    // What narrows is written in the change that ends the plan.
    let narrowed = (plan.state == PlanState::Done).then_some(plan.change);
    let is_deleted = |kind: Kind, id: &str| {
        narrowed.is_some() && steps.narrow.deletions.iter().any(|it| it.kind == kind && it.id == id)
    };
    let mut left_alone = Vec::new();
    let mut is_ours = |kind: Kind, id: &str| {
        // What was asked for and stood so before was not written.
        let Some(read) = steps.expected.iter().find(|it| it.kind == kind && it.id == id) else { return false };
        let found = Expectation::of(topology, kind, id).change;
        let is_ours = match found {
            Some(_) => found == read.change || found == plan.widened || found == narrowed,
            None => is_deleted(kind, id),
        };
        // What the plan made and somebody has deleted is as it was.
        let is_as_it_was = found.is_none() && read.change.is_none();
        if !is_ours && !is_as_it_was {
            left_alone.push((kind, id.to_owned()));
        }
        is_ours
    };
    let mut back = plan.draft.revert.clone();
    back.puts.retain(|it| is_ours(it.kind(), it.id()));
    back.deletions.retain(|it| is_ours(it.kind, &it.id));
    (back, left_alone)
}

fn pending((ordinal, it): (u32, domain::orchestration::plan::Move)) -> PlanMove {
    PlanMove {
        ordinal,
        instance: it.instance,
        from: it.from,
        from_generation: it.from_generation,
        to: it.to,
        state: MoveState::Pending,
        reason: None,
        decision: None,
    }
}

fn reversed(flow: &domain::orchestration::plan::GroupFlow) -> domain::orchestration::plan::GroupFlow {
    domain::orchestration::plan::GroupFlow { group: flow.group.clone(), arriving: flow.leaving, leaving: flow.arriving }
}

fn faults<T: ToString>(faults: Vec<T>) -> PlanError {
    PlanError::Faults { faults: faults.iter().map(ToString::to_string).collect() }
}

/// Works out a draft over every instance.
fn draft(ground: &Ground, view: &View, ask: &PlanAsk) -> Result<Draft, PlanError> {
    let Ground { topology, frame, state, .. } = ground;
    let topology = &topology.topology;
    match ask {
        PlanAsk::Topology { change } => {
            Ok(over(view, TopologyPlanner::new(topology, frame, state, change).map_err(faults)?))
        }
        PlanAsk::Repair => Ok(over(view, RepairPlanner::new(topology, frame, state))),
        PlanAsk::Rebalance { to_ppm } => Ok(over(view, RebalancePlanner::new(frame, state, *to_ppm))),
        PlanAsk::Drain { group } => match DrainPlanner::new(topology, frame, state, group) {
            Some(planner) => Ok(over(view, planner)),
            None => Err(PlanError::Faults { faults: vec![format!("there is no group {group}")] }),
        },
        PlanAsk::Move { moves } => Ok(over(view, MovePlanner::new(topology, frame, state, moves).map_err(faults)?)),
    }
}

fn over(view: &View, mut planner: impl Planner) -> Draft {
    view.for_each(|subject| planner.see(subject));
    planner.finish()
}
