//! Brings the schema forward, one numbered file after another. It never goes back.
//!
//! A file never changes after its release: its hash is recorded, and another hash is refused. So is a schema that a
//! newer release wrote. Two processes that start at once wait for each other on one row.

use sha2::{Digest, Sha256};
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe};

use crate::dialect::Engine;
use crate::engine::{integer, text};
use crate::error::{Result, StoreError, during};

struct Migration {
    version: i64,
    name: &'static str,
    text: &'static str,
}

const MIGRATIONS: [Migration; 3] = [
    Migration { version: 1, name: "the first schema", text: include_str!("../migrations/0001_the_first_schema.sql") },
    Migration { version: 2, name: "plans", text: include_str!("../migrations/0002_plans.sql") },
    Migration { version: 3, name: "counting", text: include_str!("../migrations/0003_counting.sql") },
];

/// The texts of all migrations, oldest first.
#[cfg(test)]
pub(crate) fn texts() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().map(|it| it.text)
}

/// The schema of this release.
pub const NEWEST: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS schema_version (
  version INTEGER NOT NULL PRIMARY KEY, -- the number of the migration; 0 is the row that migrating processes lock
  name TEXT NOT NULL, -- what it brought
  hash TEXT NOT NULL, -- SHA-256 of its text
  applied_us INTEGER NOT NULL -- when, by the clock of the database
) STRICT;";

const LOCK_ROW: &str = "INSERT INTO schema_version (version, name, hash, applied_us)
VALUES (0, 'lock', '', 0)
ON CONFLICT (version) DO NOTHING";

const LOCK: &str = "SELECT version FROM schema_version WHERE version = 0";

const APPLIED: &str = "SELECT version, hash
FROM schema_version
WHERE version > 0
ORDER BY version";

const RECORD: &str = "INSERT INTO schema_version (version, name, hash, applied_us)
VALUES ($1, $2, $3, {clock})";

/// Tries of the first statement: two processes that create the table at once may collide in PostgreSQL's catalogue.
const CREATE_TRIES: u32 = 3;

pub(crate) async fn migrate(engine: Engine, pool: &AnyPool, newest: i64) -> Result<()> {
    create_table(engine, pool).await?;
    let begun = pool.begin_with(engine.begin_write()).await;
    let mut tx = begun.map_err(during("beginning to migrate"))?;
    sqlx::query(LOCK_ROW).execute(&mut *tx).await.map_err(during("preparing to migrate"))?;
    sqlx::query(engine.exclude(LOCK)).fetch_all(&mut *tx).await.map_err(during("waiting to migrate"))?;
    let applied = applied(&mut tx).await?;
    for migration in MIGRATIONS.iter().filter(|it| it.version > applied && it.version <= newest) {
        apply(engine, &mut tx, migration).await?;
        tracing::info!(version = migration.version, name = migration.name, "schema brought forward");
    }
    tx.commit().await.map_err(during("committing the migration"))
}

async fn create_table(engine: Engine, pool: &AnyPool) -> Result<()> {
    let mut tried = 1;
    loop {
        let created = sqlx::raw_sql(AssertSqlSafe(engine.ddl(CREATE))).execute(pool).await;
        match created.map_err(during("creating the schema table")) {
            Err(StoreError::Constraint { .. } | StoreError::Contention { .. }) if tried < CREATE_TRIES => tried += 1,
            other => return other.map(|_| ()),
        }
    }
}

/// The newest schema that is there, after a look at what it was made from.
async fn applied(connection: &mut AnyConnection) -> Result<i64> {
    let rows = sqlx::query(APPLIED).fetch_all(connection).await.map_err(during("reading the schema"))?;
    let newest = rows.last().map_or(Ok(0), |row| integer(row, 0))?;
    if newest > NEWEST {
        return Err(StoreError::NewerSchema { found: newest, known: NEWEST });
    }
    for row in &rows {
        let found = integer(row, 0)?;
        let migration = MIGRATIONS.iter().find(|it| it.version == found);
        let migration = migration.ok_or_else(|| StoreError::corrupt(format!("there is no migration {found}")))?;
        if text(row, 1)? != hash(migration) {
            let what =
                format!("migration {found} ({}) was made from another text than this release has", migration.name);
            return Err(StoreError::corrupt(what));
        }
    }
    Ok(newest)
}

async fn apply(engine: Engine, connection: &mut AnyConnection, migration: &Migration) -> Result<()> {
    let text = AssertSqlSafe(engine.ddl(migration.text));
    sqlx::raw_sql(text).execute(&mut *connection).await.map_err(during("migrating the schema"))?;
    let record = sqlx::query(engine.timed(RECORD)).bind(migration.version).bind(migration.name).bind(hash(migration));
    record.execute(connection).await.map_err(during("recording the migration"))?;
    Ok(())
}

fn hash(migration: &Migration) -> String {
    Sha256::digest(migration.text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
