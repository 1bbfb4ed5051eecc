//! One batch ahead: while a batch is being committed the next one is gathered and decided from the end it should have.
//!
//! A commit waits for the disk and a decision for the processor, so neither need wait for the other. Nothing rests on
//! the guess: if the commit left another state than was expected, or the topology moved, the batch is thrown away and
//! its instances are looked at again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use domain::ids::{InstanceId, PlanId};
use domain::orchestration::{Decided, State, decide_all};
use store::{PlanMoveOf, Seen};

use super::book::Book;
use super::gather::{Asked, Look, look};
use crate::view::View;

/// What a batch is made of.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) requests: Vec<domain::orchestration::Request>,
    pub(super) seen: Vec<Seen>,
    pub(super) plan_moves: Vec<PlanMoveOf>,
}

impl Gathered {
    pub(super) fn push(&mut self, asked: Asked) {
        self.requests.push(asked.request);
        self.seen.push(asked.seen);
    }
}

/// A batch that is decided and not committed.
pub(super) struct Prepared {
    /// What it was decided against.
    book: Book,
    pub(super) decided: Vec<Decided>,
    pub(super) seen: Vec<Seen>,
    pub(super) plan_moves: Vec<PlanMoveOf>,
    /// The state after all of it.
    end: Arc<State>,
    /// Whose turn has not come.
    pub(super) later: Vec<InstanceId>,
}

impl Prepared {
    /// Decides what was gathered.
    pub(super) fn decide(book: Book, gathered: Gathered, later: Vec<InstanceId>) -> Self {
        let Gathered { requests, seen, plan_moves } = gathered;
        let mut end = State::clone(&book.state);
        let decided = decide_all(&book.frame, &mut end, requests);
        Self { book, decided, seen, plan_moves, end: Arc::new(end), later }
    }

    /// Gathers and decides what comes after a batch that is being committed.
    ///
    /// Instances of that batch wait for what it does to them; so does whoever must wait for a turn.
    pub(super) fn ahead(
        book: Book,
        view: &View,
        ids: Vec<InstanceId>,
        under_way: &BTreeSet<InstanceId>,
        now: Instant,
    ) -> Self {
        let (mut gathered, mut later) = (Gathered::default(), Vec::new());
        for id in ids {
            if under_way.contains(&id) {
                later.push(id);
                continue;
            }
            match look(&book, None, view, &id, now) {
                Look::Nothing => {}
                Look::Later => later.push(id),
                Look::Ask(asked) => gathered.push(*asked),
            }
        }
        Self::decide(book, gathered, later)
    }

    /// The plan whose moves it holds. A batch has one actor, so that a decision is explained by the plan that made it.
    pub(super) fn find_plan(&self) -> Option<&PlanId> {
        self.plan_moves.first().map(|it| &it.plan)
    }

    /// The book as the batch will leave it.
    pub(super) fn book_after(&self) -> Book {
        let mut book = self.book.clone();
        book.state = Arc::clone(&self.end);
        book
    }

    /// Whether it was decided against what stands now.
    pub(super) fn fits(&self, book: &Book) -> bool {
        self.book.is_same_ground(book) && (Arc::ptr_eq(&self.book.state, &book.state) || self.book.state == book.state)
    }

    /// Everybody in it.
    pub(super) fn instances(&self) -> impl Iterator<Item = InstanceId> + '_ {
        self.decided.iter().map(|it| it.request.instance.clone())
    }
}
