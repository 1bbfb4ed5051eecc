//! The raw upsert: the same rows with the native driver and nothing of ours.
//!
//! It is the upper bound that a flush is measured against: sorted rows, native arrays or the largest statements that
//! gain anything, one transaction for each shard, a table of the same columns and the same key, the same durability.

use std::path::Path;

use domain::aggregation::ShardIndex;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use store::UsageAdd;

use super::flush::Rows;
use crate::by_hand::sqlite_options;

/// A table of the columns and the key of usage.
const SQLITE_TABLE: &str = "\
CREATE TABLE raw (shard INTEGER, instance TEXT, period INTEGER, hour INTEGER, up INTEGER, down INTEGER,
  PRIMARY KEY (shard, instance, period, hour)) STRICT, WITHOUT ROWID";

/// The same; wide columns first, as PostgreSQL likes them.
const POSTGRES_TABLE: &str = "\
CREATE TABLE raw (shard BIGINT, period BIGINT, hour BIGINT, up BIGINT, down BIGINT,
  instance TEXT COLLATE \"C\", PRIMARY KEY (shard, instance, period, hour))";

const POSTGRES_UPSERT: &str = "\
INSERT INTO raw (shard, instance, period, hour, up, down)
SELECT $1, * FROM UNNEST($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
ON CONFLICT (shard, instance, period, hour) DO UPDATE SET up = raw.up + excluded.up, down = raw.down + excluded.down";

/// Rows of one SQLite statement: more gain nothing.
const SQLITE_ROWS: usize = 512;

/// Who upserts.
pub enum Rival {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Rival {
    /// On a new file.
    ///
    /// # Errors
    /// [`sqlx::Error`].
    pub async fn on_sqlite(file: &Path) -> Result<Self, sqlx::Error> {
        let mut connection = SqliteConnection::connect_with(&sqlite_options(file)).await?;
        connection.execute(SQLITE_TABLE).await?;
        Ok(Self::Sqlite(connection))
    }

    /// In an empty database.
    ///
    /// # Errors
    /// [`sqlx::Error`].
    pub async fn on_postgres(url: &str) -> Result<Self, sqlx::Error> {
        let mut connection = PgConnection::connect(url).await?;
        connection.execute(POSTGRES_TABLE).await?;
        Ok(Self::Postgres(connection))
    }

    /// Adds the rows of all shards, one transaction for each.
    ///
    /// # Errors
    /// [`sqlx::Error`].
    pub async fn upsert(&mut self, shards: &Rows) -> Result<(), sqlx::Error> {
        for (shard, rows) in shards {
            match self {
                Self::Sqlite(connection) => sqlite(connection, *shard, rows).await?,
                Self::Postgres(connection) => postgres(connection, *shard, rows).await?,
            }
        }
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`sqlx::Error`].
    pub async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        }
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).expect("the traffic of the bench is small")
}

async fn sqlite(connection: &mut SqliteConnection, shard: ShardIndex, rows: &[UsageAdd]) -> Result<(), sqlx::Error> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    for part in rows.chunks(SQLITE_ROWS) {
        let values = vec!["(?,?,?,?,?,?)"; part.len()].join(",");
        let text = format!(
            "INSERT INTO raw VALUES {values} ON CONFLICT DO UPDATE SET up = up + excluded.up, down = down + excluded.down"
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for it in part {
            query = query.bind(i64::from(shard.get())).bind(it.instance.as_str()).bind(it.period.0);
            query = query.bind(it.hour.start().0).bind(signed(it.traffic.up)).bind(signed(it.traffic.down));
        }
        query.execute(&mut *tx).await?;
    }
    tx.commit().await
}

async fn postgres(connection: &mut PgConnection, shard: ShardIndex, rows: &[UsageAdd]) -> Result<(), sqlx::Error> {
    let mut tx = connection.begin().await?;
    let instances: Vec<&str> = rows.iter().map(|it| it.instance.as_str()).collect();
    let column = |of: fn(&UsageAdd) -> i64| rows.iter().map(of).collect::<Vec<i64>>();
    let query = sqlx::query(POSTGRES_UPSERT).bind(i64::from(shard.get())).bind(instances);
    let query = query.bind(column(|it| it.period.0)).bind(column(|it| it.hour.start().0));
    let query = query.bind(column(|it| signed(it.traffic.up))).bind(column(|it| signed(it.traffic.down)));
    query.execute(&mut *tx).await?;
    tx.commit().await
}
