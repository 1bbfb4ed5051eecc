//! One transaction that writes, and the order in which such transactions become visible.
//!
//! Revision order is commit order: the last lock that a change takes is the one row of `head`, the last statement
//! before its commit records (revision, change id). A sequence would let revision 11 commit before 10, and a reader
//! that stands at 11 would never see 10. A lost reply of a commit is looked up, never guessed.

use std::future::Future;
use std::time::Duration;

use domain::ids::Revision;
use domain::time::Micros;
use sqlx::{Any, AnyConnection, Transaction};
use tokio::sync::OwnedSemaphorePermit;

use crate::audit::{AuditLeaf, StagedLeaf, stage_leaves};
use crate::dialect::Engine;
use crate::engine::{Store, integer, read_head, revision};
use crate::error::{Result, StoreError, during};

/// What a change is about, which decides what it locks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Regions, groups, nodes, templates, products, and instances with them: has the topology for itself.
    MasterData,
    /// Instances: shares the topology, so that what they refer to stays.
    Instances,
    /// Facts about nodes.
    Facts,
    /// Plans and their moves.
    Plans,
    /// Tokens.
    Access,
    /// Ownership: [`Store::commit_batch`] alone begins it, with the topology and its lease locked.
    Ownership,
}

/// What a change touched: where a view has to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Touched(i64);

impl Touched {
    pub(crate) const TOPOLOGY: Self = Self(1);
    pub(crate) const INSTANCES: Self = Self(2);
    pub(crate) const OWNERSHIP: Self = Self(4);
    pub(crate) const FACTS: Self = Self(8);
    pub(crate) const PLANS: Self = Self(16);
    pub(crate) const ACCESS: Self = Self(32);

    pub(crate) fn from_bits(bits: i64) -> Self {
        Self(bits)
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Regions, groups, nodes, templates or products.
    pub fn has_topology(self) -> bool {
        self.has(Self::TOPOLOGY)
    }

    /// Instances.
    pub fn has_instances(self) -> bool {
        self.has(Self::INSTANCES)
    }

    /// Owners of instances.
    pub fn has_ownership(self) -> bool {
        self.has(Self::OWNERSHIP)
    }

    /// Facts about nodes.
    pub fn has_facts(self) -> bool {
        self.has(Self::FACTS)
    }

    /// Plans.
    pub fn has_plans(self) -> bool {
        self.has(Self::PLANS)
    }
}

const TOPOLOGY_VERSION: &str = "SELECT version FROM topology WHERE topology_id = 1";

const NEXT_TOPOLOGY: &str = "UPDATE topology SET version = version + 1 WHERE topology_id = 1";

const NEXT_REVISION: &str = "UPDATE head
SET revision = revision + 1, change_id = $1
WHERE head_id = 1
RETURNING revision";

const RECORD_CHANGE: &str = "INSERT INTO change (revision, change_id, at_us, touched)
VALUES ($1, $2, $3, $4)";

const FIND_CHANGE: &str = "SELECT revision FROM change WHERE change_id = $1";

const LOCK_HEAD: &str = "SELECT revision FROM head WHERE head_id = 1";

/// One transaction that writes. Dropped without a commit, it leaves nothing behind.
pub struct Change {
    store: Store,
    tx: Transaction<'static, Any>,
    id: i64,
    now: Micros,
    actor: String,
    intent: Intent,
    topology_version: i64,
    touched: Touched,
    /// Whether rows were written that stand outside the revisions.
    has_written_aside: bool,
    leaves: Vec<StagedLeaf>,
    /// Its place among the writers; the allocator needs none.
    _turn: Option<OwnedSemaphorePermit>,
}

impl Store {
    /// Begins a change. `now` is the time it is stamped with, `actor` who is behind it.
    ///
    /// # Errors
    /// [`StoreError::Contention`] when writers before it take too long, [`StoreError::Unavailable`] when the database
    /// is gone.
    pub async fn begin(&self, intent: Intent, actor: &str, now: Micros) -> Result<Change> {
        let turn = if intent == Intent::Ownership { None } else { Some(self.turn().await?) };
        let mut tx = self.begin_write().await?;
        let lock = match intent {
            Intent::MasterData => Some(self.engine().exclude(TOPOLOGY_VERSION)),
            Intent::Instances | Intent::Ownership => Some(self.engine().share(TOPOLOGY_VERSION)),
            Intent::Facts | Intent::Plans | Intent::Access => None,
        };
        let mut topology_version = 0;
        if let Some(lock) = lock {
            let row = sqlx::query(lock).fetch_one(&mut *tx).await.map_err(during("locking the topology"))?;
            topology_version = integer(&row, 0)?;
        }
        let (id, actor, leaves) = (self.next_change_id(now), actor.to_owned(), Vec::new());
        Ok(Change {
            store: self.clone(),
            tx,
            id,
            now,
            actor,
            intent,
            topology_version,
            touched: Touched(0),
            has_written_aside: false,
            leaves,
            _turn: turn,
        })
    }

    /// Whether a change was committed, and as which revision. The answer is final: a commit that is still under way
    /// holds the last lock, and this waits for it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone: ask again.
    pub async fn outcome_of(&self, change_id: i64) -> Result<Option<Revision>> {
        let mut tx = self.begin_write().await?;
        let lock = sqlx::query(self.engine().exclude(LOCK_HEAD)).fetch_all(&mut *tx).await;
        lock.map_err(during("waiting for a commit"))?;
        let rows = sqlx::query(FIND_CHANGE).bind(change_id).fetch_all(&mut *tx).await;
        let rows = rows.map_err(during("looking for a change"))?;
        tx.rollback().await.map_err(during("looking for a change"))?;
        rows.first().map(|row| revision(row, 0)).transpose()
    }
}

impl Change {
    /// Its id: the stamp on all rows that it writes.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Its time.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// Who is behind it.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The version of the topology that it has locked; 0 when its intent locks none.
    pub fn topology_version(&self) -> i64 {
        self.topology_version
    }

    /// Counts the topology on though no row of it changes: whoever has decided on it decides again.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] for a change of another intent.
    pub fn move_topology(&mut self) -> Result<()> {
        self.require(&[Intent::MasterData], "moving the topology on")?;
        self.touch(Touched::TOPOLOGY);
        Ok(())
    }

    /// Stages a leaf of the audit log. It is written with this change, or not at all.
    pub fn stage(&mut self, leaf: AuditLeaf) {
        self.leaves.push(StagedLeaf { at: self.now, actor: self.actor.clone(), leaf });
    }

    /// Commits. A change that wrote nothing that views follow makes no revision; the head's is returned.
    ///
    /// # Errors
    /// [`StoreError::CommitUnknown`] when the reply was lost and the database cannot be asked. After any other error
    /// nothing was written.
    pub async fn commit(mut self) -> Result<Revision> {
        if self.touched == Touched(0) {
            let head = read_head(&mut self.tx).await?;
            let ended = if self.has_written_aside { self.tx.commit().await } else { self.tx.rollback().await };
            return ended.map(|()| head.revision).map_err(during("ending a change without a revision"));
        }
        let revision = self.seal().await?;
        let Self { store, tx, id, .. } = self;
        match tx.commit().await.map_err(during("committing")) {
            Ok(()) => Ok(revision),
            Err(lost @ StoreError::Unavailable { .. }) => match store.outcome_of(id).await {
                Ok(Some(revision)) => Ok(revision),
                Ok(None) => Err(lost),
                Err(source) => Err(StoreError::CommitUnknown { change_id: id, source: Box::new(source) }),
            },
            Err(other) => Err(other),
        }
    }

    /// Writes what every commit writes last, in the order of the locks.
    async fn seal(&mut self) -> Result<Revision> {
        if self.touched.has_topology() {
            let moved = sqlx::query(NEXT_TOPOLOGY).execute(&mut *self.tx).await;
            moved.map_err(during("counting the topology on"))?;
        }
        stage_leaves(self.store.engine(), &mut self.tx, self.id, &self.leaves).await?;
        let next = sqlx::query(NEXT_REVISION).bind(self.id).fetch_all(&mut *self.tx).await;
        let next = next.map_err(during("taking a revision"))?;
        let row = next.first().ok_or_else(|| StoreError::corrupt("the table head has lost its row"))?;
        let revision = revision(row, 0)?;
        let record =
            sqlx::query(RECORD_CHANGE).bind(integer(row, 0)?).bind(self.id).bind(self.now.0).bind(self.touched.0);
        record.execute(&mut *self.tx).await.map_err(during("recording a change"))?;
        Ok(revision)
    }

    /// Ends the transaction without a trace.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the connection was lost, which leaves no trace either.
    pub async fn rollback(self) -> Result<()> {
        self.tx.rollback().await.map_err(during("rolling back"))
    }

    /// The connection and its engine, for the statements of the other rooms.
    pub(crate) fn parts(&mut self) -> (Engine, &mut AnyConnection) {
        (self.store.engine(), &mut self.tx)
    }

    /// Marks what was touched.
    pub(crate) fn touch(&mut self, what: Touched) {
        self.touched = Touched(self.touched.0 | what.0);
    }

    /// Marks that rows outside the revisions were written.
    pub(crate) fn write_aside(&mut self) {
        self.has_written_aside = true;
    }

    /// Refuses work that the locks of this change do not cover.
    pub(crate) fn require(&self, intents: &[Intent], what: &str) -> Result<()> {
        if intents.contains(&self.intent) {
            return Ok(());
        }
        Err(StoreError::misuse(format!("{what} needs a change of another intent than {:?}", self.intent)))
    }
}

/// Eight tries: with the pauses between them a second, longer than any transaction of ours holds its locks.
pub const RETRIES_MAX: u32 = 8;

/// The pause before the second try; it doubles with each.
const PAUSE_MS: u64 = 5;

/// Does the work again while other transactions are in its way.
///
/// # Errors
/// The error of the last try.
pub async fn retry<T, F, Fut>(mut attempt: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let mut tries = 1;
    loop {
        match attempt().await {
            Err(error) if error.is_contention() && tries < RETRIES_MAX => {
                tokio::time::sleep(Duration::from_millis(PAUSE_MS << tries)).await;
                tries += 1;
            }
            outcome => return outcome,
        }
    }
}
