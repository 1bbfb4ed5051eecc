//! Forgets what nobody can ask for any more: old changes that no row bears, old batches of decisions that none cites.
//!
//! A row takes its revision from the change that it bears, so such a change stays for ever, and so does a batch that an
//! owner, present or former, was decided in, with every batch from its base on (I9). What is old is never cited anew:
//! an owner that is replaced takes its own into the history in one transaction. So what is cited is read without a
//! lock, and the rest is deleted by name. Audit entries are append-only and stay (I24).

use std::collections::BTreeSet;

use domain::ids::Revision;
use domain::time::Micros;
use sqlx::AnyConnection;

use crate::bulk::{Bulk, Cell, ColumnType};
use crate::engine::{Store, integer, revision};
use crate::error::{Result, during};

/// Twenty thousand changes or batches are looked at in one call: some 50 ms of reading.
pub const LOOKED_AT_MAX: u32 = 20_000;

/// What a look has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgotten<K> {
    pub deleted: u64,
    /// Where the next look begins; none when everything that is old was looked at.
    pub next: Option<K>,
}

/// Changes in order, without the newest: every view stands on that one, or comes to.
const CHANGES: &str = "SELECT revision, change_id, at_us
FROM change
WHERE revision > $1 AND revision < (SELECT revision FROM head WHERE head_id = 1)
ORDER BY revision
LIMIT $2";

/// The changes that rows bear, from `$1` to `$2`; every table that shows revisions, or waits to, stands here.
const BORNE: [&str; 15] = [
    "SELECT DISTINCT change_id FROM region WHERE change_id >= $1 AND change_id <= $2",
    "SELECT DISTINCT change_id FROM resource_group WHERE change_id >= $1 AND change_id <= $2",
    "SELECT DISTINCT change_id FROM runtime_template WHERE change_id >= $1 AND change_id <= $2",
    "SELECT DISTINCT change_id FROM outbound_template WHERE change_id >= $1 AND change_id <= $2",
    "SELECT DISTINCT change_id FROM node WHERE change_id >= $1 AND change_id <= $2",
    "SELECT DISTINCT change_id FROM access_template WHERE change_id >= $1 AND change_id <= $2",
    "SELECT DISTINCT change_id FROM product WHERE change_id >= $1 AND change_id <= $2",
    "SELECT DISTINCT change_id FROM instance WHERE change_id >= $1 AND change_id <= $2",
    OWNED,
    FORMERLY_OWNED,
    "SELECT DISTINCT change_id FROM node_health WHERE change_id >= $1 AND change_id <= $2",
    "SELECT DISTINCT change_id FROM plan WHERE change_id >= $1 AND change_id <= $2",
    "SELECT DISTINCT change_id FROM token WHERE change_id >= $1 AND change_id <= $2",
    "SELECT DISTINCT change_id FROM usage_correction WHERE change_id >= $1 AND change_id <= $2",
    "SELECT DISTINCT change_id FROM audit_stage WHERE change_id >= $1 AND change_id <= $2",
];

const OWNED: &str = "SELECT DISTINCT change_id FROM ownership WHERE change_id >= $1 AND change_id <= $2";

const FORMERLY_OWNED: &str =
    "SELECT DISTINCT change_id FROM ownership_history WHERE change_id >= $1 AND change_id <= $2";

const DELETE_CHANGES: Bulk = Bulk {
    during: "forgetting changes",
    sql: "WITH source (revision) AS ({source})
DELETE FROM change
WHERE revision IN (SELECT revision FROM source)",
    columns: &[ColumnType::Integer],
};

const BATCHES: &str = "SELECT batch_id, COALESCE(base_id, batch_id), change_id, at_us
FROM decision_batch
WHERE batch_id > $1
ORDER BY batch_id
LIMIT $2";

/// The chain that the leader may be about to go on with.
const LAST_CHAIN: &str = "SELECT COALESCE(base_id, batch_id)
FROM decision_batch
ORDER BY batch_id DESC
LIMIT 1";

const OF_RUNNING_PLANS: &str = "SELECT DISTINCT m.batch_id
FROM plan p
JOIN plan_move m ON m.plan_id = p.plan_id
WHERE p.state IN ('applying', 'paused') AND m.batch_id IS NOT NULL";

const DELETE_BATCHES: Bulk = Bulk {
    during: "forgetting batches",
    sql: "WITH source (batch_id) AS ({source})
DELETE FROM decision_batch
WHERE batch_id IN (SELECT batch_id FROM source)",
    columns: &[ColumnType::Integer],
};

/// A batch as the retention sees it.
#[derive(Debug, Clone, Copy)]
struct BatchLine {
    batch: i64,
    /// The batch with the snapshot.
    base: i64,
    change: i64,
    at: Micros,
}

impl Store {
    /// Forgets changes from before a time that no row bears, from behind a revision on, looking at `limit` of them.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn forget_changes(&self, before: Micros, after: Revision, limit: u32) -> Result<Forgotten<Revision>> {
        let (from, limit) = (i64::try_from(after.0).unwrap_or(i64::MAX), limit.min(LOOKED_AT_MAX));
        let mut tx = self.begin_read().await?;
        let rows = sqlx::query(CHANGES).bind(from).bind(i64::from(limit)).fetch_all(&mut *tx).await;
        let rows = rows.map_err(during("looking for old changes"))?;
        let mut old = Vec::new();
        let mut is_end = rows.len() < limit as usize;
        for row in &rows {
            if Micros(integer(row, 2)?) >= before {
                is_end = true;
                break;
            }
            old.push((integer(row, 0)?, integer(row, 1)?));
        }
        let borne = cited(&mut tx, &BORNE, old.iter().map(|(_, change)| *change)).await?;
        tx.rollback().await.map_err(during("ending a read"))?;
        let next = if is_end { None } else { rows.last().map(|row| revision(row, 0)).transpose()? };
        let gone: Vec<i64> = old.iter().filter(|it| !borne.contains(&it.1)).map(|it| it.0).collect();
        Ok(Forgotten { deleted: self.delete_keys(&DELETE_CHANGES, &gone).await?, next })
    }

    /// Forgets batches from before a time that nothing cites, from behind a batch on, looking at `limit` of them.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn forget_batches(&self, before: Micros, after: u64, limit: u32) -> Result<Forgotten<u64>> {
        let (from, limit) = (i64::try_from(after).unwrap_or(i64::MAX), limit.min(LOOKED_AT_MAX));
        let mut tx = self.begin_read().await?;
        let last = sqlx::query(LAST_CHAIN).fetch_all(&mut *tx).await.map_err(during("reading the last batch"))?;
        let Some(last) = last.first().map(|row| integer(row, 0)).transpose()? else {
            return Ok(Forgotten { deleted: 0, next: None });
        };
        let rows = sqlx::query(BATCHES).bind(from).bind(i64::from(limit)).fetch_all(&mut *tx).await;
        let mut lines = Vec::new();
        for row in rows.map_err(during("looking for old batches"))? {
            let (batch, base, change) = (integer(&row, 0)?, integer(&row, 1)?, integer(&row, 2)?);
            lines.push(BatchLine { batch, base, change, at: Micros(integer(&row, 3)?) });
        }
        let whole = whole_chains(&lines, last, before);
        let mut kept = cited(&mut tx, &[OWNED, FORMERLY_OWNED], whole.iter().map(|it| it.change)).await?;
        let moves = sqlx::query(OF_RUNNING_PLANS).fetch_all(&mut *tx).await;
        let moves = moves.map_err(during("looking for batches of running plans"))?;
        let moves: BTreeSet<i64> = moves.iter().map(|row| integer(row, 0)).collect::<Result<_>>()?;
        kept.extend(whole.iter().filter(|it| moves.contains(&it.batch)).map(|it| it.change));
        tx.rollback().await.map_err(during("ending a read"))?;
        let is_end = whole.len() == lines.len() || lines[whole.len()].base == last || lines[whole.len()].at >= before;
        let next = whole.last().filter(|_| !is_end).map(|it| it.batch.unsigned_abs());
        let gone = uncited(whole, &kept);
        Ok(Forgotten { deleted: self.delete_keys(&DELETE_BATCHES, &gone).await?, next })
    }

    async fn delete_keys(&self, delete: &Bulk, keys: &[i64]) -> Result<u64> {
        if keys.is_empty() {
            return Ok(0);
        }
        let cells: Vec<Cell<'_>> = keys.iter().map(|key| (*key).into()).collect();
        let _turn = self.turn().await?;
        let mut tx = self.begin_write().await?;
        let deleted = delete.execute(self.engine(), &mut tx, &cells, &[]).await?;
        tx.commit().await.map_err(during(delete.during))?;
        Ok(deleted)
    }
}

/// Which of these changes the statements name.
async fn cited(
    connection: &mut AnyConnection,
    statements: &[&'static str],
    changes: impl Iterator<Item = i64>,
) -> Result<BTreeSet<i64>> {
    let changes: BTreeSet<i64> = changes.collect();
    let (Some(first), Some(last)) = (changes.first(), changes.last()) else { return Ok(changes) };
    let mut cited = BTreeSet::new();
    for statement in statements {
        let rows = sqlx::query(*statement).bind(*first).bind(*last).fetch_all(&mut *connection).await;
        for row in rows.map_err(during("looking for what is cited"))? {
            cited.insert(integer(&row, 0)?);
        }
    }
    Ok(cited)
}

/// The chains at the beginning that are old as a whole, without the last one and without one that may go on beyond.
fn whole_chains(lines: &[BatchLine], last: i64, before: Micros) -> &[BatchLine] {
    let is_over = |it: &BatchLine| it.base == last || it.at >= before;
    let old = lines.iter().position(is_over).unwrap_or(lines.len());
    let cut = match lines.get(old) {
        // The chain of the first that stays, stays as a whole; of the last that was read, more may follow.
        Some(it) => it.base,
        None => lines.last().map_or(0, |it| it.base),
    };
    let end = lines[..old].iter().position(|it| it.base == cut).unwrap_or(old);
    &lines[..end]
}

/// The batches that no cited one stands on: in each chain those behind its last cited one.
fn uncited(lines: &[BatchLine], kept: &BTreeSet<i64>) -> Vec<i64> {
    let chains = lines.chunk_by(|a, b| a.base == b.base);
    let free = |chain: &[BatchLine]| chain.iter().rposition(|it| kept.contains(&it.change)).map_or(0, |at| at + 1);
    chains.flat_map(|chain| chain[free(chain)..].iter().map(|it| it.batch)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of chains, each by the number of its first batch; the change of a batch is ten times its number.
    fn lines(bases: &[i64]) -> Vec<BatchLine> {
        let line = |(batch, base): (i64, &i64)| BatchLine { batch, base: *base, change: batch * 10, at: Micros(batch) };
        (1..).zip(bases).map(line).collect()
    }

    fn numbers(lines: &[BatchLine]) -> Vec<i64> {
        lines.iter().map(|it| it.batch).collect()
    }

    /// A table that shows revisions and is not asked would lose them.
    #[test]
    fn every_table_that_bears_changes_is_asked() {
        let tables = crate::migrate::texts().flat_map(|text| text.split("CREATE TABLE ").skip(1));
        let mut bearing = 0;
        for table in tables.filter(|it| it.split("STRICT").next().unwrap().contains("\n  change_id INTEGER")) {
            let name = table.split(' ').next().unwrap();
            // The head has the newest; the record of a batch is found by its number.
            let is_asked = BORNE.iter().any(|it| it.contains(&format!(" FROM {name} WHERE")));
            assert!(is_asked || ["head", "change", "decision_batch"].contains(&name), "{name}");
            bearing += u32::from(is_asked);
        }
        assert_eq!(bearing as usize, BORNE.len());
    }

    #[test]
    fn only_whole_old_chains_are_judged() {
        let read = lines(&[1, 1, 3, 3, 5, 6, 6]);
        let judged = |last, before| numbers(whole_chains(&read, last, Micros(before)));
        assert_eq!(judged(6, 100), [1, 2, 3, 4, 5], "the last chain may be gone on with");
        assert_eq!(judged(9, 100), [1, 2, 3, 4, 5], "the last that was read may have more");
        assert_eq!(judged(6, 4), [1, 2], "a chain whose end is young stays whole");
        assert_eq!(judged(6, 3), [1, 2]);
        assert_eq!(judged(1, 100), [0; 0]);
    }

    #[test]
    fn what_a_cited_batch_stands_on_is_kept() {
        let read = lines(&[1, 1, 1, 4, 4, 6]);
        let kept = |changes: &[i64]| uncited(&read, &changes.iter().copied().collect());
        assert_eq!(kept(&[]), [1, 2, 3, 4, 5, 6]);
        assert_eq!(kept(&[20]), [3, 4, 5, 6]);
        assert_eq!(kept(&[30, 40]), [5, 6]);
        assert_eq!(kept(&[60]), [1, 2, 3, 4, 5]);
    }
}
