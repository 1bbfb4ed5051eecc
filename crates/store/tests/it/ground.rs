//! A database of its own for each test, on each engine, gone afterwards whatever happens.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};

use domain::time::Micros;
use futures::FutureExt;
use sqlx::{AssertSqlSafe, Connection, Executor};
use store::{Location, Store};
use tempfile::TempDir;

/// The time at which tests begin: 2026-11-21T00:00:00Z.
pub const NOW: Micros = Micros(1_795_219_200_000_000);

/// The tag of the writer in tests that have but one.
pub const WRITER: u16 = 7;

/// A database for one test.
pub struct Ground {
    pub location: Location,
    /// Its folder; absent on PostgreSQL.
    folder: Option<TempDir>,
}

impl Ground {
    /// Opens the database as a process would.
    pub async fn open(&self) -> Store {
        self.open_as(WRITER).await
    }

    /// Opens it as another process.
    pub async fn open_as(&self, writer: u16) -> Store {
        Store::open(&self.location, writer).await.unwrap()
    }

    /// A connection past the store, to look and to break things.
    pub async fn raw(&self) -> sqlx::AnyConnection {
        sqlx::any::install_default_drivers();
        sqlx::AnyConnection::connect(&self.url()).await.unwrap()
    }

    pub fn url(&self) -> String {
        match &self.location {
            Location::Sqlite(path) => format!("sqlite://{}?mode=rwc", path.display()),
            Location::Postgres(url) => url.clone(),
        }
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.as_ref().expect("only SQLite has a folder").path()
    }

    pub fn is_sqlite(&self) -> bool {
        self.folder.is_some()
    }
}

/// Runs a test on a new SQLite file.
pub fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Ground) -> F) {
    let folder = TempDir::new().unwrap();
    let location = Location::Sqlite(folder.path().join("tenure.db"));
    run(test(Ground { location, folder: Some(folder) }));
}

/// Runs a test on a new PostgreSQL database.
pub fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(Ground) -> F) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Some(admin) = postgres() else { return };
    let name = format!("tenure_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let url = with_database(&admin, &name);
    run(async move {
        execute(&admin, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        execute(&admin, &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")).await;
        let outcome =
            AssertUnwindSafe(test(Ground { location: Location::Postgres(url), folder: None })).catch_unwind().await;
        execute(&admin, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
}

/// The server, or nothing where the tests are told to do without one. They never do without unasked: a passing test
/// shows nothing, so nobody would know. An unattended run skips nothing at all.
fn postgres() -> Option<String> {
    let url = std::env::var("TENURE_TEST_POSTGRES").unwrap_or_default();
    let advice = "run `cargo xtask test`, or set TENURE_TEST_POSTGRES to the URL of a PostgreSQL server, or to `skip`";
    assert!(!url.is_empty(), "no PostgreSQL to test on: {advice}");
    if url != "skip" {
        return Some(url);
    }
    assert!(std::env::var_os("CI").is_none(), "with CI set nothing is skipped: {advice}");
    eprintln!("SKIPPED ON POSTGRESQL, as TENURE_TEST_POSTGRES says");
    None
}

/// The URL of another database of the same server.
fn with_database(admin: &str, name: &str) -> String {
    let (url, parameters) = admin.split_once('?').map_or((admin, None), |(url, rest)| (url, Some(rest)));
    let (server, _) = url.rsplit_once('/').expect("a URL with a database");
    parameters.map_or_else(|| format!("{server}/{name}"), |rest| format!("{server}/{name}?{rest}"))
}

async fn execute(url: &str, statement: &str) {
    sqlx::any::install_default_drivers();
    let mut connection = sqlx::AnyConnection::connect(url).await.unwrap();
    connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    connection.close().await.unwrap();
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test);
}

/// Makes two tests of each function: one on SQLite, one on PostgreSQL.
macro_rules! on_both_engines {
    ($($name:ident,)*) => {
        $(
            mod $name {
                #[test]
                fn sqlite() {
                    crate::ground::on_sqlite(super::$name);
                }

                #[test]
                fn postgres() {
                    crate::ground::on_postgres(super::$name);
                }
            }
        )*
    };
}

pub(crate) use on_both_engines;
