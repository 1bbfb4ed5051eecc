//! A resolution by hand: one indexed join over the tables that a user would keep, prepared once, rendered as JSON.
//!
//! The tables hold what Tenure's view holds and no more, with a primary key on every path that the join takes, and are
//! analysed after the fill. The join demands the whole chain, as Tenure does: an answer that leaves a check out would be
//! cheaper and wrong. Bodies and endpoints are kept as JSON text, so they are copied and not built.

use std::fmt::Write as _;
use std::path::Path;

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, ColumnIndex, Database, Decode, Executor, Row, Type};

use super::sqlite_options;
use crate::fleet::{REGIONS, Shape};

/// Readers at once: twice the cores of the machine that the figures are stated for.
const CONNECTIONS: u32 = 4;

const SCHEMA: [&str; 8] = [
    "CREATE TABLE region (region_id TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL)",
    "CREATE TABLE resource_group (group_id TEXT NOT NULL PRIMARY KEY, region_id TEXT NOT NULL, state TEXT NOT NULL)",
    "CREATE TABLE template (template_id TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL, body TEXT NOT NULL)",
    "CREATE TABLE node (node_id TEXT NOT NULL PRIMARY KEY, runtime_id TEXT NOT NULL, outbound_id TEXT NOT NULL,
      state TEXT NOT NULL, health TEXT NOT NULL, endpoints TEXT NOT NULL, priority BIGINT NOT NULL, weight BIGINT NOT NULL)",
    "CREATE TABLE node_group (group_id TEXT NOT NULL, node_id TEXT NOT NULL, PRIMARY KEY (group_id, node_id))",
    "CREATE TABLE product (product_id TEXT NOT NULL PRIMARY KEY, mode TEXT NOT NULL, ordering TEXT NOT NULL)",
    "CREATE TABLE instance (instance_id TEXT NOT NULL PRIMARY KEY, product_id TEXT NOT NULL, status TEXT NOT NULL)",
    "CREATE TABLE owner (instance_id TEXT NOT NULL PRIMARY KEY, group_id TEXT NOT NULL, generation BIGINT NOT NULL,
      decision TEXT NOT NULL, revision BIGINT NOT NULL)",
];

/// Numbers below a bound, and ids of them: the only words that the engines spell differently.
struct Spelling {
    numbers: &'static str,
    padded: fn(prefix: &str, number: &str, width: usize) -> String,
}

const SQLITE: Spelling = Spelling {
    numbers: "(WITH RECURSIVE s (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {last}) SELECT n FROM s) AS s",
    padded: |prefix, number, width| format!("printf('{prefix}%0{width}d', {number})"),
};

const POSTGRES: Spelling = Spelling {
    numbers: "generate_series(0, {last}) AS s (n)",
    padded: |prefix, number, width| format!("'{prefix}' || lpad(({number})::text, {width}, '0')"),
};

const JOIN: &str = "SELECT g.region_id, o.group_id, o.generation, o.decision, o.revision, p.mode, p.ordering,
  n.node_id, n.endpoints, n.priority, n.weight, r.template_id, r.body, t.template_id, t.body
FROM instance i
JOIN product p ON p.product_id = i.product_id
JOIN owner o ON o.instance_id = i.instance_id
JOIN resource_group g ON g.group_id = o.group_id
JOIN region e ON e.region_id = g.region_id
JOIN node_group m ON m.group_id = o.group_id
JOIN node n ON n.node_id = m.node_id
JOIN template r ON r.template_id = n.runtime_id
JOIN template t ON t.template_id = n.outbound_id
WHERE i.instance_id = $1 AND i.status = 'active' AND g.state <> 'closed' AND e.state = 'active'
  AND n.state = 'active' AND n.health IN ('unknown', 'up') AND r.state = 'active' AND t.state = 'active'
ORDER BY n.priority, n.node_id";

/// A filled database that answers resolutions.
#[derive(Clone)]
pub enum Joined {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Joined {
    /// Fills a new SQLite file.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn on_sqlite(path: &Path, shape: Shape, instances: usize) -> Result<Self, sqlx::Error> {
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(sqlite_options(path)).await?;
        for statement in fill(&SQLITE, shape, instances) {
            pool.execute(AssertSqlSafe(statement)).await?;
        }
        Ok(Self::Sqlite(pool))
    }

    /// Fills a new database of PostgreSQL.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn on_postgres(url: &str, shape: Shape, instances: usize) -> Result<Self, sqlx::Error> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await?;
        for statement in fill(&POSTGRES, shape, instances) {
            pool.execute(AssertSqlSafe(statement)).await?;
        }
        Ok(Self::Postgres(pool))
    }

    /// The JSON of a resolution; `None` for an instance that delivers nothing.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn resolve(&self, instance: &str) -> Result<Option<String>, sqlx::Error> {
        match self {
            Self::Sqlite(pool) => render(instance, &sqlx::query(JOIN).bind(instance).fetch_all(pool).await?),
            Self::Postgres(pool) => render(instance, &sqlx::query(JOIN).bind(instance).fetch_all(pool).await?),
        }
    }

    /// Lets go of its connections.
    pub async fn close(self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// All statements that make and fill the tables.
fn fill(spelling: &Spelling, shape: Shape, instances: usize) -> Vec<String> {
    let Shape { groups, nodes_per_group } = shape;
    let numbers = |count: usize| spelling.numbers.replace("{last}", &(count - 1).to_string());
    let id = spelling.padded;
    let (nodes, each) = ((groups * nodes_per_group) as usize, nodes_per_group);
    let node = format!("{} || {}", id("n", &format!("n / {each}"), 4), id("-", &format!("n % {each}"), 2));
    let group_of_node = id("g", &format!("n / {each}"), 4);
    let endpoints = r#"'[{"address":"10.' || (n / 256) || '.' || (n % 256) || '.1","port":443,"protocol":"tcp"}]'"#;
    let mut statements = SCHEMA.map(str::to_owned).to_vec();
    statements.extend([
        format!("INSERT INTO region SELECT 'r' || n, 'active' FROM {}", numbers(REGIONS as usize)),
        format!(
            "INSERT INTO resource_group SELECT {}, 'r' || (n % {REGIONS}), 'active' FROM {}",
            id("g", "n", 4),
            numbers(groups as usize)
        ),
        "INSERT INTO template VALUES ('edge-v3', 'active', '{\"engine\":\"envoy\",\"version\":\"1.31\",\"workers\":4}')".to_owned(),
        "INSERT INTO template VALUES ('direct', 'active', '{}')".to_owned(),
        format!(
            "INSERT INTO node SELECT {node}, 'edge-v3', 'direct', 'active', 'unknown', {endpoints}, 10 + n % {each} % 3, 100 FROM {}",
            numbers(nodes)
        ),
        format!("INSERT INTO node_group SELECT {group_of_node}, {node} FROM {}", numbers(nodes)),
        "INSERT INTO product VALUES ('basic', 'shard', 'priority')".to_owned(),
        "INSERT INTO product VALUES ('roaming', 'regional', 'priority')".to_owned(),
        format!(
            "INSERT INTO instance SELECT {}, CASE n % 2 WHEN 0 THEN 'basic' ELSE 'roaming' END, 'active' FROM {}",
            id("svc-", "n", 8),
            numbers(instances)
        ),
        format!(
            "INSERT INTO owner SELECT {}, {}, 1, (n / 5000) || '.' || (n % 5000), n / 5000 FROM {}",
            id("svc-", "n", 8),
            id("g", &format!("n % {groups}"), 4),
            numbers(instances)
        ),
        "ANALYZE".to_owned(),
    ]);
    statements
}

/// Renders rows as the JSON that Tenure answers with.
fn render<R>(instance: &str, rows: &[R]) -> Result<Option<String>, sqlx::Error>
where
    R: Row,
    usize: ColumnIndex<R>,
    for<'r> &'r str: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    R::Database: Database,
{
    let Some(first) = rows.first() else { return Ok(None) };
    let text = |row: &R, at: usize| row.try_get::<&str, usize>(at).map(str::to_owned);
    let mut out = String::with_capacity(512 + rows.len() * 256);
    let (generation, revision): (i64, i64) = (first.try_get(2)?, first.try_get(4)?);
    let (mode, order) = (text(first, 5)?, text(first, 6)?);
    let (region, group, decision) = (text(first, 0)?, text(first, 1)?, text(first, 3)?);
    // Writing to a string succeeds.
    let _ = write!(
        out,
        "{{\"instance\":\"{instance}\",\"status\":\"deliverable\",\"revision\":{revision},\"mode\":\"{mode}\",\
         \"order\":\"{order}\",\"ownership\":{{\"region\":\"{region}\",\"group\":\"{group}\",\
         \"generation\":{generation},\"decision\":\"{decision}\"}},\"nodes\":["
    );
    for (place, row) in rows.iter().enumerate() {
        let field = |at: usize| row.try_get::<&str, usize>(at);
        let (priority, weight): (i64, i64) = (row.try_get(9)?, row.try_get(10)?);
        let _ = write!(
            out,
            "{}{{\"id\":\"{}\",\"group\":\"{group}\",\"region\":\"{region}\",\"endpoints\":{},\"priority\":{priority},\
             \"weight\":{weight},\"runtime\":{{\"template\":\"{}\",\"body\":{}}},\"outbound\":{{\"template\":\"{}\",\
             \"body\":{}}}}}",
            if place > 0 { "," } else { "" },
            field(7)?,
            field(8)?,
            field(11)?,
            field(12)?,
            field(13)?,
            field(14)?
        );
    }
    out.push_str("]}");
    Ok(Some(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[tokio::test]
    async fn the_join_delivers_what_tenure_would() {
        let folder = tempfile::tempdir().unwrap();
        let shape = Shape { groups: 20, nodes_per_group: 3 };
        let joined = Joined::on_sqlite(&folder.path().join("join.db"), shape, 100).await.unwrap();
        let answer: Value = serde_json::from_str(&joined.resolve("svc-00000041").await.unwrap().unwrap()).unwrap();
        let body: wire::resolution::ResolutionBody = serde_json::from_value(answer).unwrap();
        assert_eq!((body.mode.as_str(), body.nodes.len()), ("regional", 3));
        assert_eq!(body.ownership.unwrap().group, "g0001");
        assert_eq!(body.nodes[0].id, "n0001-00");
        assert_eq!(joined.resolve("svc-00000100").await.unwrap(), None);
        joined.close().await;
    }
}
