//! Feeds the moves of running plans to the allocator, each plan at its own rate.
//!
//! A move is a compare-and-set on the generation that the plan read: a row that has drifted is skipped with its reason
//! and voids no other. What is fed and not committed stays pending and is fed again.

use std::collections::BTreeMap;
use std::time::Instant;

use domain::ids::{PlanId, Revision};
use domain::orchestration::plan::{PlanState, RATE_PER_SECOND_DEFAULT};
use domain::orchestration::{Ask, Decided};
use domain::reason::Reason;
use store::{Intent, PlanMove, PlanMoveOf, Store, StoreError};

use super::plan_actor;
use super::record::{PlanRecord, STEP_MOVE};
use crate::clock;
use crate::orchestration::book::{Book, Leaving};
use crate::orchestration::gather::{Asked, request_of};
use crate::view::View;

/// Moves of a plan in one batch: some 25 ms, after which everybody else has a turn.
const MOVES_PER_BATCH: u64 = 2_000;

/// A plan may save up so much of its rate, in milliseconds.
const BURST_MS: u64 = 1_000;

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

/// A plan whose owners move.
#[derive(Debug)]
struct Moving {
    pace: Pace,
    /// The revision at which it came to move: an older view does not show what it wrote.
    since: Revision,
}

/// The running plans.
#[derive(Default)]
pub(in crate::orchestration) struct PlanFeed {
    leaving: Leaving,
    moving: BTreeMap<PlanId, Moving>,
    /// The plan that was fed last: the next call begins behind it, so that none starves.
    last: Option<PlanId>,
}

impl PlanFeed {
    /// Reads which plans run.
    pub(in crate::orchestration) async fn refresh(&mut self, store: &Store) -> Result<(), StoreError> {
        // Read first: a database that is away must not make us forget what leaves.
        let running = store.running_plans().await?;
        let mut before = std::mem::take(&mut self.moving);
        self.leaving.clear();
        let now = clock::monotonic();
        for stamped in running {
            let plan = match PlanRecord::read(stamped) {
                Ok(plan) => plan,
                Err(error) => {
                    tracing::error!(%error, "a plan cannot be read and is passed over");
                    continue;
                }
            };
            self.leaving.extend(plan.draft.steps.leaving.iter().cloned());
            if plan.state == PlanState::Applying && plan.row.step == STEP_MOVE {
                let rate = plan.row.rate_per_s.unwrap_or(RATE_PER_SECOND_DEFAULT);
                let kept = before.remove(&plan.row.id).filter(|it| it.pace.rate_per_s == u64::from(rate));
                let pace = kept.map_or_else(|| Pace::new(rate, now), |it| it.pace);
                self.moving.insert(plan.row.id, Moving { pace, since: plan.revision });
            }
        }
        Ok(())
    }

    /// Whether no plan moves anybody now.
    pub(in crate::orchestration) fn is_idle(&self) -> bool {
        self.moving.is_empty()
    }

    /// What running plans take out of boundaries.
    pub(in crate::orchestration) fn leaving(&self) -> &Leaving {
        &self.leaving
    }

    /// The moves that are due, of one plan: they share a batch, and a batch has one actor.
    pub(in crate::orchestration) async fn next(
        &mut self,
        store: &Store,
        view: &View,
        book: &Book,
        now: Instant,
    ) -> Result<Vec<Planned>, StoreError> {
        let mut planned = Vec::new();
        for plan in self.in_turn() {
            let Some(Moving { pace, since }) = self.moving.get_mut(&plan) else { continue };
            let due = pace.due(now).min(MOVES_PER_BATCH);
            let limit = u32::try_from(due).unwrap_or(u32::MAX);
            if limit == 0 || view.revision() < *since {
                continue;
            }
            self.last = Some(plan.clone());
            let plan = &plan;
            let mut skipped = Vec::new();
            for it in store.pending_moves(plan, None, limit).await? {
                match request(view, book, &it) {
                    Ok(asked) => planned.push(Planned { plan: plan.clone(), ordinal: it.ordinal, asked }),
                    Err(why) => skipped.push((it.ordinal, why)),
                }
            }
            pace.spend(skipped.len() as u64);
            if !skipped.is_empty() {
                let mut change = store.begin(Intent::Plans, &plan_actor(plan), clock::now()).await?;
                change.skip_plan_moves(plan, &skipped).await?;
                change.commit().await?;
            }
            if !planned.is_empty() {
                break;
            }
        }
        Ok(planned)
    }

    /// The plans, beginning behind the one that was fed last.
    fn in_turn(&self) -> Vec<PlanId> {
        let (mut before, mut behind): (Vec<PlanId>, Vec<PlanId>) =
            self.moving.keys().cloned().partition(|plan| self.last.as_ref().is_some_and(|last| plan <= last));
        behind.append(&mut before);
        behind
    }

    /// Counts committed moves against the rates.
    pub(in crate::orchestration) fn count(&mut self, decided: &[Decided], moves: &[PlanMoveOf]) {
        for it in moves {
            let is_there = decided.get(it.request as usize).is_some();
            if let Some(moving) = self.moving.get_mut(&it.plan).filter(|_| is_there) {
                moving.pace.spend(1);
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
