//! Owners by hand: the lightest group by one transaction for each instance; and the raw speed of the engine.
//!
//! The transaction locks the counter that it chose, which is the least that is right (`LIMIT 1 FOR UPDATE` without the
//! lock held to the end herds). The raw speed is the limit: the same two rows for each instance in bulk, nobody
//! decides, nothing is checked. The disk says how many commits a second could be on it at all.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::sqlite_options;
use crate::fleet::{group_id, instance_text, product_of};
use crate::rivals::GROUPS;

/// Clients that allocate at the same time on PostgreSQL: more only wait for the same counters.
const CLIENTS: usize = 8;

/// Rows of one bulk transaction: what Tenure commits at once.
const BULK_ROWS: usize = 5_000;

/// Rows of one SQLite statement.
const SQLITE_STATEMENT_ROWS: usize = 500;

/// How long the disk is asked to flush.
const FLUSHING: Duration = Duration::from_secs(1);

/// A page: the least that a commit writes.
const PAGE_BYTES: usize = 4096;

/// The tables, in words that both engines take.
const SCHEMA: [&str; 4] = [
    "CREATE TABLE by_hand_group (group_id TEXT NOT NULL PRIMARY KEY, owners BIGINT NOT NULL)",
    "CREATE INDEX by_hand_lightest ON by_hand_group (owners, group_id)",
    "CREATE TABLE by_hand_instance (instance_id TEXT NOT NULL PRIMARY KEY, product_id TEXT NOT NULL, status TEXT NOT NULL)",
    "CREATE TABLE by_hand_owner (instance_id TEXT NOT NULL PRIMARY KEY, group_id TEXT NOT NULL, generation BIGINT NOT NULL)",
];

const LIGHTEST: &str = "SELECT group_id FROM by_hand_group ORDER BY owners, group_id LIMIT 1";
const LIGHTEST_LOCKED: &str = "SELECT group_id FROM by_hand_group ORDER BY owners, group_id LIMIT 1 FOR UPDATE";
const ENTER: &str = "INSERT INTO by_hand_instance (instance_id, product_id, status) VALUES ($1, $2, 'active')";
const OWN: &str = "INSERT INTO by_hand_owner (instance_id, group_id, generation) VALUES ($1, $2, 1)";
const COUNT: &str = "UPDATE by_hand_group SET owners = owners + 1 WHERE group_id = $1";

/// One statement for two tables costs two; rows come as arrays.
const BULK_POSTGRES: [&str; 2] = [
    "INSERT INTO by_hand_instance SELECT id, product, 'active' FROM UNNEST($1::text[], $2::text[]) AS u (id, product)",
    "INSERT INTO by_hand_owner SELECT id, place, 1 FROM UNNEST($1::text[], $2::text[]) AS u (id, place)",
];

/// Instances per second.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// One transaction each.
    pub each: f64,
    /// Bulk, nothing decided.
    pub raw: f64,
}

/// Allocates `each` instances one by one, and writes `bulk` in bulk, on a new SQLite file.
///
/// # Errors
/// What the driver says.
pub async fn on_sqlite(path: &Path, each: usize, bulk: usize) -> Result<Rates, sqlx::Error> {
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(sqlite_options(path)).await?;
    for statement in SCHEMA {
        pool.execute(statement).await?;
    }
    for number in 0..GROUPS {
        let id = group_id(number);
        sqlx::query("INSERT INTO by_hand_group VALUES ($1, 0)").bind(id.as_str()).execute(&pool).await?;
    }
    let started = Instant::now();
    for number in 0..each {
        allocate_on_sqlite(&pool, number).await?;
    }
    let each = each as f64 / started.elapsed().as_secs_f64();
    let mut connection = pool.acquire().await?;
    let started = Instant::now();
    for begin in (bulk..2 * bulk).step_by(BULK_ROWS) {
        write_on_sqlite(&mut connection, begin, (2 * bulk).min(begin + BULK_ROWS)).await?;
    }
    let raw = bulk as f64 / started.elapsed().as_secs_f64();
    drop(connection);
    pool.close().await;
    Ok(Rates { each, raw })
}

async fn allocate_on_sqlite(pool: &SqlitePool, number: usize) -> Result<(), sqlx::Error> {
    let id = instance_text(number);
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let group: String = sqlx::query_scalar(LIGHTEST).fetch_one(&mut *tx).await?;
    sqlx::query(ENTER).bind(&id).bind(product_of(number)).execute(&mut *tx).await?;
    sqlx::query(OWN).bind(&id).bind(&group).execute(&mut *tx).await?;
    sqlx::query(COUNT).bind(&group).execute(&mut *tx).await?;
    tx.commit().await
}

async fn write_on_sqlite(connection: &mut SqliteConnection, begin: usize, end: usize) -> Result<(), sqlx::Error> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    for begin in (begin..end).step_by(SQLITE_STATEMENT_ROWS) {
        let numbers = begin..end.min(begin + SQLITE_STATEMENT_ROWS);
        let rows = |row: &str| vec![row; numbers.len()].join(",");
        let enter = format!("INSERT INTO by_hand_instance VALUES {}", rows("(?, ?, 'active')"));
        let own = format!("INSERT INTO by_hand_owner VALUES {}", rows("(?, ?, 1)"));
        let (mut enter, mut own) = (sqlx::query(AssertSqlSafe(enter)), sqlx::query(AssertSqlSafe(own)));
        for number in numbers {
            enter = enter.bind(instance_text(number)).bind(product_of(number));
            own = own.bind(instance_text(number)).bind(group_text(number));
        }
        enter.execute(&mut *tx).await?;
        own.execute(&mut *tx).await?;
    }
    tx.commit().await
}

/// Any group: nobody decides here.
fn group_text(number: usize) -> String {
    group_id(u32::try_from(number % GROUPS as usize).unwrap_or(0)).as_str().to_owned()
}

/// As [`on_sqlite`], on a database of PostgreSQL.
///
/// # Errors
/// What the driver says.
pub async fn on_postgres(url: &str, each: usize, bulk: usize) -> Result<Rates, sqlx::Error> {
    let clients = u32::try_from(CLIENTS).unwrap_or(1);
    let pool = PgPoolOptions::new().max_connections(clients).connect(url).await?;
    for statement in SCHEMA {
        pool.execute(statement).await?;
    }
    let groups: Vec<String> = (0..GROUPS).map(|it| group_id(it).as_str().to_owned()).collect();
    let fill = "INSERT INTO by_hand_group SELECT id, 0 FROM UNNEST($1::text[]) AS u (id)";
    sqlx::query(fill).bind(groups).execute(&pool).await?;
    let started = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let pool = pool.clone();
        clients.spawn(async move {
            for number in (client..each).step_by(CLIENTS) {
                allocate_on_postgres(&pool, number).await?;
            }
            Ok::<(), sqlx::Error>(())
        });
    }
    for done in clients.join_all().await {
        done?;
    }
    let each = each as f64 / started.elapsed().as_secs_f64();
    let started = Instant::now();
    for begin in (bulk..2 * bulk).step_by(BULK_ROWS) {
        write_on_postgres(&pool, begin, (2 * bulk).min(begin + BULK_ROWS)).await?;
    }
    let raw = bulk as f64 / started.elapsed().as_secs_f64();
    pool.close().await;
    Ok(Rates { each, raw })
}

async fn allocate_on_postgres(pool: &PgPool, number: usize) -> Result<(), sqlx::Error> {
    let id = instance_text(number);
    let mut tx = pool.begin().await?;
    let group: String = sqlx::query_scalar(LIGHTEST_LOCKED).fetch_one(&mut *tx).await?;
    sqlx::query(ENTER).bind(&id).bind(product_of(number)).execute(&mut *tx).await?;
    sqlx::query(OWN).bind(&id).bind(&group).execute(&mut *tx).await?;
    sqlx::query(COUNT).bind(&group).execute(&mut *tx).await?;
    tx.commit().await
}

async fn write_on_postgres(pool: &PgPool, begin: usize, end: usize) -> Result<(), sqlx::Error> {
    let ids: Vec<String> = (begin..end).map(instance_text).collect();
    let products: Vec<&str> = (begin..end).map(product_of).collect();
    let groups: Vec<String> = (begin..end).map(group_text).collect();
    let mut tx = pool.begin().await?;
    sqlx::query(BULK_POSTGRES[0]).bind(&ids).bind(&products).execute(&mut *tx).await?;
    sqlx::query(BULK_POSTGRES[1]).bind(&ids).bind(&groups).execute(&mut *tx).await?;
    tx.commit().await
}

/// How many times a second the disk makes a page durable.
///
/// # Errors
/// What the system says.
pub fn flushes_per_s(folder: &Path) -> std::io::Result<f64> {
    let mut file = File::create(folder.join("flushed"))?;
    let page = [7_u8; PAGE_BYTES];
    let (started, mut count) = (Instant::now(), 0_u32);
    while started.elapsed() < FLUSHING {
        file.write_all(&page)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}
