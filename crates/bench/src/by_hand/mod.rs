//! What a user would otherwise write: plain SQL on the same engine with the same durability, by its native driver.
//!
//! `owners` allocates one instance for each transaction, and says what the disk and the engine give at most; `join`
//! answers a resolution from indexed tables. Each is written as well as we know how, and prepared once.

pub mod join;
pub mod owners;

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

/// How a careful user opens SQLite: a write-ahead log, every commit on disk, a cache that holds the indexes.
pub fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-65536")
        .pragma("temp_store", "memory")
}
