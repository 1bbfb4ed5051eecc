//! Opening a database and keeping its connections.
//!
//! SQLite has one writing connection, so writers queue here and not in the engine, and several reading ones;
//! PostgreSQL has one pool for both. Everything else of this crate gets a connection from here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ids::{ReplicaId, Revision};
use domain::time::Micros;
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Connection, Row, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::dialect::Engine;
use crate::error::{Result, StoreError, during};
use crate::migrate;

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A file; it is created when absent, its folder is not.
    Sqlite(PathBuf),
    /// A URL, `postgres://user:password@host:port/database`.
    Postgres(String),
}

/// Four readers serve a machine of many cores: views and lists are short, and the resolution path reads no database.
const SQLITE_READERS: u32 = 4;

/// Sixteen connections: writers wait for the one revision row in the end, so more of them only wait there.
const POSTGRES_CONNECTIONS: u32 = 16;

/// Writers that may stand in SQLite's queue: one writes, one is ready. All others wait for their turn before it, so
/// that the lease and the allocator wait for two writers and not for a thousand.
const SQLITE_TURNS: usize = 2;

/// Writers that may have a connection to PostgreSQL; the other four are for the lease, the allocator and readers.
const POSTGRES_TURNS: usize = 12;

/// Ten seconds: the longest queue of writers that is still worth waiting in.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

impl Location {
    /// Reads `postgres://…`, `postgresql://…`, `sqlite:PATH` or a path.
    pub fn parse(text: &str) -> Self {
        if text.starts_with("postgres:") || text.starts_with("postgresql:") {
            return Self::Postgres(text.to_owned());
        }
        let path = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")).unwrap_or(text);
        Self::Sqlite(PathBuf::from(path))
    }

    /// The engine that keeps it.
    pub fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}?mode=rwc", escape_path(path)),
            Self::Postgres(url) => url.clone(),
        }
    }
}

/// Without the password.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
                let rest = rest.rsplit_once('@').map_or(rest, |(_, after)| after);
                // What follows the question mark may hold a password too.
                write!(f, "{scheme}://{}", rest.split('?').next().unwrap_or(rest))
            }
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Escapes what a URL would read otherwise, so that any file name is one.
fn escape_path(path: &Path) -> String {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => char::from(*byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// The open database. A clone is another handle on the same connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    writer: AnyPool,
    reader: AnyPool,
    /// The places of those who write what somebody has asked for.
    turns: Arc<Semaphore>,
    /// The low bits of all change ids of this process.
    tag: i64,
    /// The last change id that was handed out.
    last_change_id: AtomicI64,
    /// The lives in which this process opened replicas.
    lives: Mutex<BTreeMap<ReplicaId, u64>>,
}

/// Where the history stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    /// The newest revision.
    pub revision: Revision,
    /// The change that made it: another one at the same revision means that the database went back in time.
    pub change: i64,
    /// How often the topology has changed.
    pub topology_version: i64,
}

/// The bits of a change id below the microseconds; what is left of 63 lasts beyond the year 2100.
const TAG_BITS: u32 = 11;

const HEAD: &str = "SELECT h.revision, h.change_id, t.version
FROM head h
CROSS JOIN topology t
WHERE h.head_id = 1 AND t.topology_id = 1";

impl Store {
    /// Opens the database and brings its schema up to this release.
    ///
    /// `writer` marks the change ids of this process; draw it at random, so that two processes seldom share one
    /// (if they do, a collision is refused and tried again).
    ///
    /// # Errors
    /// [`StoreError::Open`] or [`StoreError::NotADatabase`] when it cannot be opened, [`StoreError::NewerSchema`] when
    /// a newer release wrote it.
    pub async fn open(location: &Location, writer: u16) -> Result<Self> {
        Self::open_at_schema(location, writer, migrate::NEWEST).await
    }

    /// Opens the database and brings its schema up to `schema` and no further: a rehearsal of an upgrade.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_at_schema(location: &Location, writer: u16, schema: i64) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let engine = location.engine();
        let (writers, readers, turns) = match engine {
            Engine::Sqlite => (1, SQLITE_READERS, SQLITE_TURNS),
            Engine::Postgres => (POSTGRES_CONNECTIONS, 0, POSTGRES_TURNS),
        };
        let writer_pool = connect(location, writers, false).await?;
        migrate::migrate(engine, &writer_pool, schema).await.map_err(|error| clarify(location, error))?;
        let reader = if readers == 0 { writer_pool.clone() } else { connect(location, readers, true).await? };
        let tag = i64::from(writer) & ((1 << TAG_BITS) - 1);
        let (turns, last_change_id) = (Arc::new(Semaphore::new(turns)), AtomicI64::new(0));
        let inner = Inner { engine, writer: writer_pool, reader, turns, tag, last_change_id, lives: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Closes all connections; SQLite folds its log into the file.
    pub async fn close(&self) {
        self.inner.reader.close().await;
        self.inner.writer.close().await;
    }

    /// The engine below.
    pub fn engine(&self) -> Engine {
        self.inner.engine
    }

    /// The clock of the database; only leases live by it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn clock(&self) -> Result<Micros> {
        let mut reader = self.reader().await?;
        let rows = sqlx::query(self.engine().timed("SELECT {clock}")).fetch_one(&mut *reader).await;
        Ok(Micros(integer(&rows.map_err(during("reading the clock"))?, 0)?))
    }

    /// Where the history stands.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn head(&self) -> Result<Head> {
        read_head(&mut *self.reader().await?).await
    }

    /// A connection for single statements that read.
    pub(crate) async fn reader(&self) -> Result<PoolConnection<Any>> {
        self.inner.reader.acquire().await.map_err(during("waiting for a connection"))
    }

    /// A connection for single statements that write.
    pub(crate) async fn writer(&self) -> Result<PoolConnection<Any>> {
        self.inner.writer.acquire().await.map_err(|error| self.queue_error(error))
    }

    /// Begins a transaction that sees one state.
    pub(crate) async fn begin_read(&self) -> Result<Transaction<'static, Any>> {
        begin(&self.inner.reader, self.engine().begin_read()).await.map_err(during("beginning to read"))
    }

    /// Begins a transaction that writes.
    pub(crate) async fn begin_write(&self) -> Result<Transaction<'static, Any>> {
        begin(&self.inner.writer, self.engine().begin_write()).await.map_err(|error| self.queue_error(error))
    }

    /// The turn of a writer who may wait: it is over when the permit is dropped.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        let turn = tokio::time::timeout(ACQUIRE_TIMEOUT, Arc::clone(&self.inner.turns).acquire_owned()).await;
        turn.ok().and_then(|turn| turn.ok()).ok_or_else(|| self.queue_error(sqlx::Error::PoolTimedOut))
    }

    /// On SQLite a connection that is not free in time means that other writers took too long.
    fn queue_error(&self, source: sqlx::Error) -> StoreError {
        let during = "waiting to write";
        match (&source, self.engine()) {
            (sqlx::Error::PoolTimedOut, Engine::Sqlite) => StoreError::Contention { during, source },
            _ => StoreError::from_driver(during, source),
        }
    }

    /// Remembers in which life this process opened a replica.
    pub(crate) fn remember_life(&self, replica: &ReplicaId, life: u64) {
        let mut lives = self.inner.lives.lock().unwrap_or_else(PoisonError::into_inner);
        lives.insert(replica.clone(), life);
    }

    /// The life in which this process opened a replica; it may write in its name only then.
    pub(crate) fn life_of(&self, replica: &ReplicaId) -> Result<u64> {
        let lives = self.inner.lives.lock().unwrap_or_else(PoisonError::into_inner);
        let life = lives.get(replica).copied();
        life.ok_or_else(|| StoreError::misuse(format!("this process has not opened the replica {replica}")))
    }

    /// A change id: larger than all before it from this process, different from those of others by the tag.
    pub(crate) fn next_change_id(&self, now: Micros) -> i64 {
        let last = &self.inner.last_change_id;
        let next = |last: i64| ((now.0.max(1) << TAG_BITS) | self.inner.tag).max(last + (1 << TAG_BITS));
        let before = last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        next(before.expect("the update always has a value"))
    }
}

/// Begins a transaction on a connection of a pool.
///
/// A full disk makes SQLite roll back by itself; the driver's own rollback then finds no transaction, and the driver
/// believes for ever that it is inside one. Such a connection is closed, and another one opened in its place: without
/// this a server whose disk was full once writes nothing until it is started anew.
async fn begin(pool: &AnyPool, statement: &'static str) -> std::result::Result<Transaction<'static, Any>, sqlx::Error> {
    match pool.begin_with(statement).await {
        Err(sqlx::Error::InvalidSavePointStatement) => {
            pool.acquire().await?.close().await?;
            pool.begin_with(statement).await
        }
        begun => begun,
    }
}

pub(crate) async fn read_head(connection: &mut AnyConnection) -> Result<Head> {
    let row = sqlx::query(HEAD).fetch_one(connection).await.map_err(during("reading the head"))?;
    Ok(Head { revision: revision(&row, 0)?, change: integer(&row, 1)?, topology_version: integer(&row, 2)? })
}

async fn connect(location: &Location, connections: u32, is_reader: bool) -> Result<AnyPool> {
    let engine = location.engine();
    // A pool tries until its time is up and then says only that; one connection says at once what is wrong.
    greet(location).await.map_err(|source| clarify_driver(location, source))?;
    let options = AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A file does not go away between two statements; a server does.
        .test_before_acquire(engine == Engine::Postgres)
        .after_connect(move |connection, _| {
            Box::pin(async move { sqlx::raw_sql(engine.session(is_reader)).execute(connection).await.map(|_| ()) })
        });
    options.connect(&location.url()).await.map_err(|source| clarify_driver(location, source))
}

/// Opens one connection and closes it again.
async fn greet(location: &Location) -> std::result::Result<(), sqlx::Error> {
    let mut connection = AnyConnection::connect(&location.url()).await?;
    sqlx::raw_sql(location.engine().session(false)).execute(&mut connection).await?;
    connection.close().await
}

/// SQLite's word for a file of another kind.
const SQLITE_NOT_A_DATABASE: &str = "26";

/// What an error at opening means to the person who named the location.
fn clarify_driver(location: &Location, source: sqlx::Error) -> StoreError {
    let code = source.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
    if let (Location::Sqlite(path), Some(SQLITE_NOT_A_DATABASE)) = (location, code.as_deref()) {
        return StoreError::NotADatabase { path: path.clone(), source };
    }
    match StoreError::from_driver("opening", source) {
        StoreError::Unavailable { source, .. }
        | StoreError::Driver { source, .. }
        | StoreError::Constraint { source, .. } => StoreError::Open { location: location.to_string(), source },
        other => clarify(location, other),
    }
}

fn clarify(location: &Location, error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt { what } => StoreError::Corrupt { what: format!("{location}: {what}") },
        other => other,
    }
}

/// The integer in a column.
pub(crate) fn integer(row: &AnyRow, at: usize) -> Result<i64> {
    row.try_get(at).map_err(during("reading an integer"))
}

/// The integer or null in a column.
pub(crate) fn maybe_integer(row: &AnyRow, at: usize) -> Result<Option<i64>> {
    row.try_get(at).map_err(during("reading an integer"))
}

/// The number in a column, which must be one of type `T`.
pub(crate) fn number<T: TryFrom<i64>>(row: &AnyRow, at: usize) -> Result<T> {
    let found = integer(row, at)?;
    T::try_from(found).map_err(|_| StoreError::corrupt(format!("the number {found} is out of range")))
}

/// The number or null in a column.
pub(crate) fn maybe_number<T: TryFrom<i64>>(row: &AnyRow, at: usize) -> Result<Option<T>> {
    maybe_integer(row, at)?.map(|_| number(row, at)).transpose()
}

/// The text in a column.
pub(crate) fn text(row: &AnyRow, at: usize) -> Result<&str> {
    row.try_get(at).map_err(during("reading a text"))
}

/// The text or null in a column.
pub(crate) fn maybe_text(row: &AnyRow, at: usize) -> Result<Option<&str>> {
    row.try_get(at).map_err(during("reading a text"))
}

/// The bytes in a column.
pub(crate) fn blob(row: &AnyRow, at: usize) -> Result<&[u8]> {
    row.try_get(at).map_err(during("reading bytes"))
}

/// The revision in a column; null reads as 0, which is a row that is not committed yet.
pub(crate) fn revision(row: &AnyRow, at: usize) -> Result<Revision> {
    Ok(Revision(maybe_number(row, at)?.unwrap_or_default()))
}

/// What a text parses to; a row that does not parse is damaged.
pub(crate) fn parsed<T, E: fmt::Display>(
    parse: impl FnOnce(&str) -> std::result::Result<T, E>,
    text: &str,
) -> Result<T> {
    parse(text).map_err(|error| StoreError::corrupt(format!("{text:?}: {error}")))
}

/// What a hash column holds.
pub(crate) fn hash(row: &AnyRow, at: usize) -> Result<[u8; 32]> {
    blob(row, at)?.try_into().map_err(|_| StoreError::corrupt("a hash has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_shown_without_its_password() {
        let location = Location::parse("postgres://me:secret@db.example:5432/tenure?sslmode=require&password=secret");
        assert_eq!(location.to_string(), "postgres://db.example:5432/tenure");
        assert_eq!(Location::parse("sqlite:a b.db"), Location::Sqlite("a b.db".into()));
        assert_eq!(Location::parse("sqlite:///a/b.db"), Location::Sqlite("/a/b.db".into()));
    }

    #[test]
    fn a_file_name_may_hold_anything() {
        assert_eq!(escape_path(Path::new("/tmp/a b?c#d%.db")), "/tmp/a%20b%3Fc%23d%25.db");
    }
}
