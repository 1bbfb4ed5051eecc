//! Feeds the moves of running plans to the allocator, each plan at its own rate.
//!
//! A move is a compare-and-set on the generation that the plan read: a row that has drifted is skipped with its reason
//! and voids no other. What is fed and not committed stays pending and is fed again.

use std::collections::BTreeMap;
use std::time::Instant;

use domain::ids::PlanId;
use domain::orchestration::plan::{PlanState, RATE_PER_SECOND_DEFAULT};
use domain::orchestration::{Ask, Decided};
use domain::reason::Reason;
use store::{Intent, PlanMove, PlanMoveOf, Store, StoreError};

use super::record::{PlanRecord, STEP_MOVE};
use crate::clock;
use crate::orchestration::book::{Book, Leaving};
use crate::orchestration::gather::{Asked, request_of};
use crate::view::View;

/// Moves of one plan in one batch; leaves room for everybody else.
const MOVES_PER_BATCH: u64 = 2_000;

/// A plan may save up so much of its rate, in milliseconds.
const BURST_MS: u64 = 1_000;

/// The actor of skipped moves.
const ACTOR: &str = "plan";

/// A move as a request.
pub(in crate::orchestration) struct Planned {
    pub(in crate::orchestration) plan: PlanId,
    pub(in crate::orchestration) ordinal: u32,
    pub(in crate::orchestration) asked: Asked,
}

/// What a plan may move now.
#[derive(Debug)]
struct Pace {
    rate_per_s: u64,
    milli_moves: u64,
    at: Instant,
}

impl Pace {
    fn new(rate_per_s: u32, at: Instant) -> Self {
        Self { rate_per_s: u64::from(rate_per_s.max(1)), milli_moves: 1_000, at }
    }

    /// How many moves are due.
    fn due(&mut self, now: Instant) -> u64 {
        let passed_ms = u64::try_from(now.duration_since(self.at).as_millis()).unwrap_or(u64::MAX).min(BURST_MS);
        if passed_ms > 0 {
            let most = (self.rate_per_s * BURST_MS).max(1_000);
            self.milli_moves = (self.milli_moves + self.rate_per_s * passed_ms).min(most);
            self.at = now;
        }
        self.milli_moves / 1_000
    }

    fn spend(&mut self, moves: u64) {
        self.milli_moves = self.milli_moves.saturating_sub(moves * 1_000);
    }
}

/// The running plans.
#[derive(Default)]
pub(in crate::orchestration) struct PlanFeed {
    leaving: Leaving,
    moving: BTreeMap<PlanId, Pace>,
}

impl PlanFeed {
    /// Reads which plans run.
    pub(in crate::orchestration) async fn refresh(&mut self, store: &Store) -> Result<(), StoreError> {
        self.leaving.clear();
        let before = std::mem::take(&mut self.moving);
        let now = clock::monotonic();
        for stamped in store.running_plans().await? {
            let plan = PlanRecord::read(stamped.object)?;
            self.leaving.extend(plan.draft.steps.leaving.iter().cloned());
            if plan.state == PlanState::Applying && plan.row.step == STEP_MOVE {
                let rate = plan.row.rate_per_s.unwrap_or(RATE_PER_SECOND_DEFAULT);
                self.moving.insert(plan.row.id, Pace::new(rate, now));
            }
        }
        for (plan, pace) in before {
            if let Some(renewed) = self.moving.get_mut(&plan).filter(|it| it.rate_per_s == pace.rate_per_s) {
                *renewed = pace;
            }
        }
        Ok(())
    }

    /// What running plans take out of boundaries.
    pub(in crate::orchestration) fn leaving(&self) -> &Leaving {
        &self.leaving
    }

    /// The moves that are due.
    pub(in crate::orchestration) async fn next(
        &mut self,
        store: &Store,
        view: &View,
        book: &Book,
        now: Instant,
    ) -> Result<Vec<Planned>, StoreError> {
        let mut planned = Vec::new();
        for (plan, pace) in &mut self.moving {
            let due = pace.due(now).min(MOVES_PER_BATCH);
            let limit = u32::try_from(due).unwrap_or(u32::MAX);
            if limit == 0 {
                continue;
            }
            let mut skipped = Vec::new();
            for it in store.pending_moves(plan, None, limit).await? {
                match request(view, book, &it) {
                    Ok(asked) => planned.push(Planned { plan: plan.clone(), ordinal: it.ordinal, asked }),
                    Err(why) => skipped.push((it.ordinal, why)),
                }
            }
            pace.spend(skipped.len() as u64);
            if !skipped.is_empty() {
                let mut change = store.begin(Intent::Plans, ACTOR, clock::now()).await?;
                change.skip_plan_moves(plan, &skipped).await?;
                change.commit().await?;
            }
        }
        Ok(planned)
    }

    /// Counts committed moves against the rates.
    pub(in crate::orchestration) fn count(&mut self, decided: &[Decided], moves: &[PlanMoveOf]) {
        for it in moves {
            let is_there = decided.get(it.request as usize).is_some();
            if let Some(pace) = self.moving.get_mut(&it.plan).filter(|_| is_there) {
                pace.spend(1);
            }
        }
    }
}

/// The request of a move, unless its row has drifted.
fn request(view: &View, book: &Book, it: &PlanMove) -> Result<Asked, Reason> {
    let found = view.find(it.instance.as_str()).ok_or(Reason::GenerationDrifted)?;
    let ownership = found.ownership.as_ref();
    let is_as_read = ownership.map(|it| it.generation).unwrap_or_default() == it.from_generation
        && ownership.and_then(domain::orchestration::Ownership::group) == it.from.as_ref();
    if found.status == domain::master_data::InstanceStatus::Terminated {
        return Err(Reason::InstanceTerminated);
    }
    if !is_as_read {
        return Err(Reason::GenerationDrifted);
    }
    let to = book.frame.find_group(&it.to).ok_or(Reason::OutsideBoundary)?;
    request_of(book, &found, Ask::Move { to }).ok_or(Reason::GenerationDrifted)
}
