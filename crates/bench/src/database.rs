//! Where the measured server keeps its truth: a directory on a real disk, or a database of its own on PostgreSQL.
//!
//! `/tmp` may be memory, where a commit costs nothing; `/var/tmp` is meant to outlive a restart. Databases that are
//! made here are dropped when the measurement is over.

use std::path::{Path, PathBuf};

use sqlx::Executor;
use sqlx::postgres::PgPool;
use tempfile::TempDir;

/// Where `cargo xtask bench` says which PostgreSQL to measure on, as its superuser.
pub const POSTGRES_VARIABLE: &str = "TENURE_BENCH_POSTGRES";

/// A folder that is a disk.
const DISK: &str = "/var/tmp";

/// The two engines, as rows name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// The name in a row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// Those that can be measured here.
    pub fn available() -> Vec<Self> {
        let postgres = std::env::var_os(POSTGRES_VARIABLE).map(|_| Self::Postgres);
        std::iter::once(Self::Sqlite).chain(postgres).collect()
    }
}

/// A temporary folder on a disk.
///
/// # Errors
/// When it cannot be made.
pub fn folder_on_disk() -> std::io::Result<TempDir> {
    let disk = Path::new(DISK);
    if disk.is_dir() { TempDir::with_prefix_in("tenure-bench-", disk) } else { TempDir::with_prefix("tenure-bench-") }
}

/// A place for one measurement; gone when it is over.
pub struct Place {
    folder: TempDir,
    /// On PostgreSQL: the server's URL, the URL of the database, and its name.
    postgres: Option<(String, String, String)>,
}

impl Place {
    /// A new place; `name` tells it from others of the same run.
    ///
    /// # Errors
    /// When the folder or the database cannot be made.
    pub async fn new(engine: Engine, name: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let folder = folder_on_disk()?;
        let postgres = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => {
                let server = std::env::var(POSTGRES_VARIABLE)?;
                let database = format!("tenure_bench_{}_{name}", std::process::id());
                let pool = PgPool::connect(&server).await?;
                pool.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {database}"))).await?;
                pool.close().await;
                Some((server.clone(), with_database(&server, &database), database))
            }
        };
        Ok(Self { folder, postgres })
    }

    /// The data directory of a server.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A file beside it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The URL of the database; `None` for the embedded one.
    pub fn url(&self) -> Option<&str> {
        self.postgres.as_ref().map(|(_, url, _)| url.as_str())
    }

    /// Ends it; the folder goes with it.
    ///
    /// # Errors
    /// When the database cannot be dropped.
    pub async fn remove(self) -> Result<(), sqlx::Error> {
        let Some((server, _, database)) = &self.postgres else { return Ok(()) };
        let pool = PgPool::connect(server).await?;
        pool.execute(sqlx::AssertSqlSafe(format!("DROP DATABASE {database} WITH (FORCE)"))).await?;
        pool.close().await;
        Ok(())
    }
}

/// The URL with another database.
fn with_database(url: &str, database: &str) -> String {
    let (before, query) = url.split_once('?').map_or((url, String::new()), |(it, query)| (it, format!("?{query}")));
    let authority = before.find("://").map_or(0, |at| at + 3);
    let end = before[authority..].find('/').map_or(before.len(), |at| authority + at);
    format!("{}/{database}{query}", &before[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_pointed_at_another_database() {
        let at = |url| with_database(url, "mine");
        assert_eq!(at("postgres://me@127.0.0.1:5432/postgres"), "postgres://me@127.0.0.1:5432/mine");
        assert_eq!(at("postgres://me@127.0.0.1:5432"), "postgres://me@127.0.0.1:5432/mine");
        assert_eq!(at("postgres://h/postgres?sslmode=disable"), "postgres://h/mine?sslmode=disable");
    }
}
