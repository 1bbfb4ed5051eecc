//! The small tasks: following, keeping the lease, expiry, the audit chain, the recount, forgotten answers.
//!
//! Each is one call of the store, bounded by a constant that is named here. Those that must run once in the whole
//! installation are idle where another process leads.

use std::sync::Arc;

use domain::time::Micros;
use store::{ANSWERS_FORGOTTEN_MAX, AUDIT_APPEND_MAX, Intent, Store};
use tokio::sync::Notify;

use super::driver::{Status, Task, TaskError};
use crate::orchestration::Leadership;
use crate::view::Follower;

/// Instances that expire in one run; a few milliseconds of writing.
const EXPIRE_MAX: u32 = 5_000;

/// Idempotent answers are kept for a day, as long as a client may reasonably retry.
const ANSWERS_KEPT_S: i64 = 24 * 3600;

/// The actor of what no operator asked for.
const ACTOR: &str = "tenure";

/// Wakes those who follow the store after a local commit.
#[derive(Clone, Default)]
pub struct Wake {
    committed: Arc<Notify>,
}

impl Wake {
    /// Something was committed by this process.
    pub fn follow(&self) {
        self.committed.notify_one();
    }

    async fn committed(&self) {
        self.committed.notified().await;
    }
}

/// Keeps the view current.
pub struct Follow {
    pub follower: Follower,
    pub wake: Wake,
}

impl Task for Follow {
    fn name(&self) -> &'static str {
        "follow"
    }

    async fn run_once(&mut self, _now: Micros) -> Result<Status, TaskError> {
        let is_more = self.follower.step().await?;
        Ok(Status { done: u64::from(is_more), is_more, ..Status::idle() })
    }

    async fn activated(&self) {
        self.wake.committed().await;
    }
}

/// Takes and renews the lease of the allocator.
pub struct KeepLease {
    pub leadership: Arc<Leadership>,
}

impl Task for KeepLease {
    fn name(&self) -> &'static str {
        "lease"
    }

    async fn run_once(&mut self, _now: Micros) -> Result<Status, TaskError> {
        self.leadership.keep().await?;
        let detail = match self.leadership.term() {
            Some(term) => format!("leads in term {term}"),
            None => "another process leads".to_owned(),
        };
        Ok(Status { detail, ..Status::idle() })
    }
}

/// Writes down that instances have expired: a fact, so that no reader needs a clock.
pub struct Expire {
    pub store: Store,
    pub leadership: Arc<Leadership>,
    pub wake: Wake,
}

impl Task for Expire {
    fn name(&self) -> &'static str {
        "expire"
    }

    async fn run_once(&mut self, now: Micros) -> Result<Status, TaskError> {
        if !self.leadership.is_leading() {
            return Ok(Status::idle());
        }
        let mut change = self.store.begin(Intent::Instances, ACTOR, now).await?;
        let done = change.expire_due(EXPIRE_MAX).await?;
        if done == 0 {
            change.rollback().await?;
            return Ok(Status::idle());
        }
        change.commit().await?;
        self.wake.follow();
        Ok(Status { done, is_more: done == u64::from(EXPIRE_MAX), ..Status::idle() })
    }
}

/// Chains staged audit leaves in commit order. There is one appender: the leader's (I24).
pub struct AppendAudit {
    pub store: Store,
    pub leadership: Arc<Leadership>,
}

impl Task for AppendAudit {
    fn name(&self) -> &'static str {
        "audit"
    }

    async fn run_once(&mut self, _now: Micros) -> Result<Status, TaskError> {
        if !self.leadership.is_leading() {
            return Ok(Status::idle());
        }
        let done = self.store.append_audit(AUDIT_APPEND_MAX).await?;
        Ok(Status { done, is_more: done >= u64::from(AUDIT_APPEND_MAX), ..Status::idle() })
    }
}

/// Compares the counters with a recount (I6). A difference is a defect: it is named, corrected and stays on the board.
pub struct Recount {
    pub store: Store,
    pub leadership: Arc<Leadership>,
}

impl Task for Recount {
    fn name(&self) -> &'static str {
        "recount"
    }

    async fn run_once(&mut self, now: Micros) -> Result<Status, TaskError> {
        let Some(proof) = self.leadership.proof() else {
            return Ok(Status::idle());
        };
        let recount = self.store.recount().await?;
        let Some(first) = recount.differences.first() else {
            let detail = format!("{} owners in {} counters agree", recount.owners, recount.rows);
            return Ok(Status { done: recount.rows, detail, ..Status::idle() });
        };
        let what = format!(
            "{} counters differ from a recount and were corrected; the first: group {} product {} counted {} recorded {}",
            recount.differences.len(),
            first.counted.group,
            first.counted.product,
            first.counted.owners,
            first.recorded.owners,
        );
        self.store.correct_loads(&proof, ACTOR, now).await?;
        // The book of the allocator rests on the wrong counters: the next term reads the right ones.
        self.leadership.resign().await?;
        Err(TaskError::Found { what })
    }
}

/// Forgets the answers to idempotent requests after a day.
pub struct ForgetAnswers {
    pub store: Store,
    pub leadership: Arc<Leadership>,
}

impl Task for ForgetAnswers {
    fn name(&self) -> &'static str {
        "forget-answers"
    }

    async fn run_once(&mut self, now: Micros) -> Result<Status, TaskError> {
        if !self.leadership.is_leading() {
            return Ok(Status::idle());
        }
        let done = self.store.forget_answers(now.plus_seconds(-ANSWERS_KEPT_S), ANSWERS_FORGOTTEN_MAX).await?;
        Ok(Status { done, is_more: done >= u64::from(ANSWERS_FORGOTTEN_MAX), ..Status::idle() })
    }
}
