//! The allocator: one batch at a time, decided in memory against the book, committed under the lease.
//!
//! It has no input: what is to be done is found in the view (I6). A commit that is refused changes nothing and is
//! asked again from new start values; a commit whose reply was lost ends the term, and the next one reads the truth.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::ids::{InstanceId, Revision};
use domain::orchestration::{Decided, Outcome, wanted};
use domain::time::Micros;
use store::{BATCH_MAX, BatchCommit, LeaseProof, PlanMoveOf, Store, StoreError};

use super::ahead::{Gathered, Prepared};
use super::book::Book;
use super::gather::{Look, look};
use super::pace::Pace;
use super::plans::{PlanFeed, Planned, plan_actor};
use super::{Leadership, WorkSet};
use crate::clock;
use crate::settings::Settings;
use crate::tasks::{Status, Task, TaskError, Wake};
use crate::view::View;

/// How often broken instances whose turn has not come are looked at again.
const LATER_EVERY: Duration = Duration::from_millis(250);

/// So many of them at once: a few milliseconds.
const LATER_MAX: usize = 5_000;

/// Nobody is forgotten for longer than this, whatever hint was lost.
const LOOK_AT_ALL_EVERY: Duration = Duration::from_secs(60);

/// The actor of decisions that nobody asked for by name.
const ACTOR: &str = "allocator";

/// The allocator of a process; idle while another leads.
pub struct Allocator {
    store: Store,
    view: Arc<View>,
    work: Arc<WorkSet>,
    leadership: Arc<Leadership>,
    wake: Wake,
    repair_after: Duration,
    repair_rate_permille: u32,
    pace: Pace,
    book: Option<Book>,
    feed: PlanFeed,
    /// Whether the last batch was a plan's: then the next is everybody else's, so that neither starves.
    was_plan: bool,
    /// Decided while the batch before it was committed.
    ahead: Option<Prepared>,
    later: BTreeSet<InstanceId>,
    /// Up to where `later` was looked at last: a large one is looked at piece by piece.
    later_cursor: Option<InstanceId>,
    later_looked: Instant,
    all_looked: Instant,
    /// The head that the last commit made: before the view has it, everybody looks undone.
    committed: Revision,
}

impl Allocator {
    /// An allocator that has not opened its book.
    pub fn new(
        store: Store,
        view: Arc<View>,
        work: Arc<WorkSet>,
        leadership: Arc<Leadership>,
        wake: Wake,
        settings: &Settings,
    ) -> Self {
        let now = clock::monotonic();
        Self {
            store,
            view,
            work,
            leadership,
            wake,
            repair_after: settings.repair_after,
            repair_rate_permille: settings.repair_rate_permille,
            pace: Pace::new(settings.repair_after, settings.repair_rate_permille),
            book: None,
            feed: PlanFeed::default(),
            was_plan: false,
            ahead: None,
            later: BTreeSet::new(),
            later_cursor: None,
            later_looked: now,
            all_looked: now,
            committed: Revision::default(),
        }
    }

    /// Opens the book of a new term, or turns to what has changed since the last batch.
    async fn open_book(&mut self, proof: &LeaseProof) -> Result<(), StoreError> {
        // First: whoever sees the topology that a plan wrote has been told to look at the plans.
        let topology = self.view.topology();
        let is_due = self.work.take_plans() || self.book.as_ref().is_none_or(|book| book.term != proof.term);
        if is_due && let Err(error) = self.feed.refresh(&self.store).await {
            self.work.look_at_plans();
            return Err(error);
        }
        let leaving = self.feed.leaving().clone();
        match &mut self.book {
            Some(book) if book.term == proof.term => {
                if book.turn_to(topology, leaving) {
                    self.work.look_at_all();
                }
            }
            _ => {
                self.pace = Pace::new(self.repair_after, self.repair_rate_permille);
                self.later.clear();
                let book = Book::open(&self.store, proof.term, topology, leaving).await?;
                // Assigned, not raised: after a failover the head may be smaller than what we once committed.
                self.committed = book.opened;
                self.book = Some(book);
                self.work.look_at_all();
            }
        }
        Ok(())
    }

    /// Looks at everybody when that was asked for and the view has caught up with our own commits.
    async fn look_at_all(&mut self, now: Instant) {
        if now.duration_since(self.all_looked) >= LOOK_AT_ALL_EVERY {
            self.work.look_at_all();
        }
        if self.view.revision() < self.committed || !self.work.take_all() {
            return;
        }
        self.all_looked = now;
        let view = Arc::clone(&self.view);
        let found = tokio::task::spawn_blocking(move || {
            let topology = view.topology();
            let mut ids = Vec::new();
            view.for_each(|subject| {
                if wanted(&topology.topology, subject).is_some() {
                    ids.push(subject.id.clone());
                }
            });
            ids
        });
        if let Ok(ids) = found.await {
            self.work.look_at(ids.into_iter());
        }
    }

    /// The next batch: the moves of one plan, or what everybody else needs; in turn, when there is both.
    async fn gather(&mut self, now: Instant) -> Result<Gathered, StoreError> {
        let mut gathered = Gathered::default();
        for is_plan in [!self.was_plan, self.was_plan] {
            gathered = if is_plan { self.gather_moves(now).await? } else { self.gather_work(now) };
            if !gathered.requests.is_empty() {
                self.was_plan = is_plan;
                break;
            }
        }
        Ok(gathered)
    }

    /// The moves of the plan whose turn it is.
    async fn gather_moves(&mut self, now: Instant) -> Result<Gathered, StoreError> {
        let mut gathered = Gathered::default();
        let mut taken = BTreeSet::new();
        let Some(book) = &self.book else { return Ok(gathered) };
        for planned in self.feed.next(&self.store, &self.view, book, now).await? {
            let Planned { plan, ordinal, asked } = planned;
            if taken.insert(asked.request.instance.clone()) {
                let request = u32::try_from(gathered.requests.len()).unwrap_or(u32::MAX);
                gathered.plan_moves.push(PlanMoveOf { plan, ordinal, request });
                gathered.push(asked);
            }
        }
        Ok(gathered)
    }

    /// What the instances need that are worth a look.
    fn gather_work(&mut self, now: Instant) -> Gathered {
        let mut gathered = Gathered::default();
        let mut taken = BTreeSet::new();
        let Some(book) = &self.book else { return gathered };
        self.pace.observe(&book.topology.topology, now);
        let mut ids = self.work.take(BATCH_MAX);
        if now.duration_since(self.later_looked) >= LATER_EVERY {
            self.later_looked = now;
            ids.extend(take_later(&mut self.later, &mut self.later_cursor));
        }
        let mut ids = ids.into_iter();
        for id in ids.by_ref() {
            // One that was waiting may have been hinted at as well.
            if taken.contains(&id) {
                continue;
            }
            match look(book, Some(&mut self.pace), &self.view, &id, now) {
                Look::Nothing => {}
                Look::Later => {
                    self.later.insert(id);
                }
                Look::Ask(asked) => {
                    taken.insert(id);
                    gathered.push(*asked);
                    if gathered.requests.len() == BATCH_MAX {
                        break;
                    }
                }
            }
        }
        self.later.extend(ids);
        gathered
    }

    /// The next batch, decided: the one that was decided ahead if it still fits, else a new one.
    async fn prepare(&mut self, now: Instant) -> Result<Option<Prepared>, StoreError> {
        let Some(book) = self.book.clone() else { return Ok(None) };
        if let Some(ahead) = self.ahead.take() {
            if ahead.fits(&book) {
                return Ok(Some(ahead));
            }
            self.work.look_at(ahead.instances());
        }
        let gathered = self.gather(now).await?;
        if gathered.requests.is_empty() {
            return Ok(None);
        }
        run(move || Prepared::decide(book, gathered, Vec::new())).await.map(Some)
    }

    /// Commits a batch and decides the next one meanwhile.
    async fn commit(&mut self, proof: &LeaseProof, batch: Prepared, now: Micros) -> Result<u64, StoreError> {
        let Some(book) = self.book.clone() else { return Ok(0) };
        let next = self.next_ahead(&batch);
        let actor = batch.find_plan().map_or_else(|| ACTOR.to_owned(), plan_actor);
        let Prepared { decided, seen, plan_moves, .. } = batch;
        let commit = self.store.commit_batch(BatchCommit {
            lease: proof,
            topology_version: book.topology.version,
            now,
            actor: &actor,
            base: book.base,
            frame: &book.frame,
            start: &book.state,
            decided,
            seen: &seen,
            plan_moves: &plan_moves,
        });
        let (committed, ahead) = futures::join!(commit, next);
        self.keep_ahead(ahead?);
        let committed = committed?;
        if let Some(book) = &mut self.book {
            book.advance(committed.end, committed.next_base);
        }
        self.committed = committed.revision;
        self.wake.follow();
        // What was not taken has changed meanwhile: it is looked at again when the view has had time to show it.
        self.later.extend(again(&committed.decided));
        self.feed.count(&committed.decided, &plan_moves);
        Ok(committed.decided.len() as u64)
    }

    /// Decides what comes after a batch, unless a plan or somebody whose turn may have come goes first.
    fn next_ahead(&self, batch: &Prepared) -> impl Future<Output = Result<Option<Prepared>, StoreError>> + use<> {
        let is_later_due = !self.later.is_empty() && self.later_looked.elapsed() >= LATER_EVERY;
        let ids = if is_later_due || !self.feed.is_idle() { Vec::new() } else { self.work.take(BATCH_MAX) };
        let under_way: BTreeSet<InstanceId> = batch.instances().collect();
        let (book, view, now) = (batch.book_after(), Arc::clone(&self.view), clock::monotonic());
        async move {
            match ids.is_empty() {
                true => Ok(None),
                false => run(move || Prepared::ahead(book, &view, ids, &under_way, now)).await.map(Some),
            }
        }
    }

    fn keep_ahead(&mut self, ahead: Option<Prepared>) {
        let Some(mut ahead) = ahead else { return };
        self.later.extend(std::mem::take(&mut ahead.later));
        self.ahead = Some(ahead).filter(|it| !it.decided.is_empty());
    }

    /// What a failed commit means for the term.
    async fn recover(&mut self, error: &StoreError) {
        match error {
            // Another change came first: the follower brings it, and the batch is gathered anew.
            StoreError::TopologyMoved { .. } | StoreError::Contention { .. } => self.work.look_at_all(),
            StoreError::LeaseLost { .. } => {
                self.leadership.step_down();
                self.book = None;
            }
            _ => {
                self.book = None;
                // Fails when the database is away; then the lease runs out by itself.
                if let Err(error) = self.leadership.resign().await {
                    tracing::debug!(%error, "the lease could not be given back");
                }
            }
        }
    }
}

/// Runs what takes the processor for long, away from those who wait for answers.
async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Corrupt {
        what: "the decision of a batch panicked; the next term recounts".to_owned(),
    })
}

/// The next of those whose turn had not come, round and round.
fn take_later(later: &mut BTreeSet<InstanceId>, cursor: &mut Option<InstanceId>) -> Vec<InstanceId> {
    use std::ops::Bound;
    let from = cursor.take().map_or(Bound::Unbounded, Bound::Excluded);
    let ids: Vec<InstanceId> = later.range((from, Bound::Unbounded)).take(LATER_MAX).cloned().collect();
    // At the end the next call begins anew.
    *cursor = ids.last().filter(|_| ids.len() == LATER_MAX).cloned();
    for id in &ids {
        later.remove(id);
    }
    ids
}

/// Those that the commit did not take are looked at again.
fn again(decided: &[Decided]) -> impl Iterator<Item = InstanceId> + '_ {
    decided.iter().filter(|it| it.outcome == Outcome::Void).map(|it| it.request.instance.clone())
}

impl Task for Allocator {
    fn name(&self) -> &'static str {
        "allocate"
    }

    async fn activated(&self) {
        self.work.activated().await;
    }

    async fn run_once(&mut self, now: Micros) -> Result<Status, TaskError> {
        let Some(proof) = self.leadership.proof() else {
            self.book = None;
            return Ok(Status::idle());
        };
        if self.work.take_reset() {
            self.book = None;
        }
        let started = clock::monotonic();
        self.open_book(&proof).await?;
        let opened = self.book.as_ref().map(|book| book.opened).unwrap_or_default();
        if self.view.revision() < opened {
            // The book was read after the view: wait until the view shows as much.
            return Ok(Status::idle());
        }
        self.look_at_all(started).await;
        let Some(batch) = self.prepare(started).await? else {
            let waiting = self.later.len() as u64;
            return Ok(Status { done: 0, backlog: waiting, is_more: !self.work.is_empty(), detail: String::new() });
        };
        match self.commit(&proof, batch, now).await {
            Ok(done) => {
                let backlog = (self.work.len() + self.later.len()) as u64;
                Ok(Status { done, backlog, is_more: true, detail: format!("term {}", proof.term) })
            }
            Err(error) => {
                self.recover(&error).await;
                Err(error.into())
            }
        }
    }
}
