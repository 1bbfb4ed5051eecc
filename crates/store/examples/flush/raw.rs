//! The raw upsert: the same rows with the native driver and nothing of ours.
//!
//! It is the upper bound that a flush is measured against: sorted rows, the largest statements that gain anything, one
//! transaction for each shard, a table of the same columns and the same key.

use std::collections::BTreeMap;
use std::path::Path;

use domain::aggregation::ShardIndex;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use store::{Location, UsageAdd};

pub enum Rival {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Rows in one statement: on SQLite 512 gain all there is, on PostgreSQL 20,000.
const SQLITE_ROWS: usize = 512;

impl Rival {
    pub async fn open(location: &Location, file: &Path) -> Self {
        match location {
            Location::Sqlite(_) => {
                let url = format!("sqlite://{}?mode=rwc", file.display());
                let mut connection = SqliteConnection::connect(&url).await.expect("a file");
                let setup = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768;
PRAGMA wal_autocheckpoint = 8000;
CREATE TABLE raw (shard INTEGER, instance TEXT, period INTEGER, hour INTEGER, up INTEGER, down INTEGER,
  PRIMARY KEY (shard, instance, period, hour)) STRICT, WITHOUT ROWID";
                connection.execute(sqlx::raw_sql(setup)).await.expect("a table");
                Self::Sqlite(connection)
            }
            Location::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.expect("a server");
                let setup = "CREATE TABLE raw (shard BIGINT, period BIGINT, hour BIGINT, up BIGINT, down BIGINT,
  instance TEXT COLLATE \"C\", PRIMARY KEY (shard, instance, period, hour))";
                connection.execute(sqlx::raw_sql(setup)).await.expect("a table");
                Self::Postgres(connection)
            }
        }
    }

    pub async fn upsert(&mut self, shards: &BTreeMap<ShardIndex, Vec<UsageAdd>>) {
        for (shard, rows) in shards {
            match self {
                Self::Sqlite(connection) => sqlite(connection, *shard, rows).await,
                Self::Postgres(connection) => postgres(connection, *shard, rows).await,
            }
        }
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).expect("63 bits")
}

async fn sqlite(connection: &mut SqliteConnection, shard: ShardIndex, rows: &[UsageAdd]) {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.expect("a transaction");
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
        query.execute(&mut *tx).await.expect("an upsert");
    }
    tx.commit().await.expect("a commit");
}

async fn postgres(connection: &mut PgConnection, shard: ShardIndex, rows: &[UsageAdd]) {
    let mut tx = connection.begin().await.expect("a transaction");
    let instances: Vec<&str> = rows.iter().map(|it| it.instance.as_str()).collect();
    let column = |of: fn(&UsageAdd) -> i64| rows.iter().map(of).collect::<Vec<i64>>();
    let text = "INSERT INTO raw (shard, instance, period, hour, up, down)
SELECT $1, * FROM UNNEST($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
ON CONFLICT (shard, instance, period, hour) DO UPDATE SET up = raw.up + excluded.up, down = raw.down + excluded.down";
    let query = sqlx::query(text).bind(i64::from(shard.get())).bind(instances);
    let query = query.bind(column(|it| it.period.0)).bind(column(|it| it.hour.start().0));
    let query = query.bind(column(|it| signed(it.traffic.up))).bind(column(|it| signed(it.traffic.down)));
    query.execute(&mut *tx).await.expect("an upsert");
    tx.commit().await.expect("a commit");
}
