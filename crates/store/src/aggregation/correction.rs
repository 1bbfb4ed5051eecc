//! Corrections: signed entries beside what was counted, never an edit of it.
//!
//! An entry comes with a plan, is never changed, and is undone by its opposite. Usage that is read has them in it; the
//! account of bytes received does not, since nothing was received: their sum stands beside it.

use domain::aggregation::{Hour, ShardIndex};
use domain::ids::{InstanceId, PlanId};
use domain::time::Micros;
use sqlx::any::AnyRow;

use crate::audit::AuditLeaf;
use crate::change::{Change, Intent, Touched};
use crate::engine::{Store, integer, maybe_text, parsed, text};
use crate::error::{Result, StoreError, during};
use crate::master_data::PAGE_MAX;

/// A correction of the usage of an instance in an hour of a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// The entry; the same one is written once.
    pub id: String,
    pub instance: InstanceId,
    /// The start of the period; 0 without a reset.
    pub period: Micros,
    pub hour: Hour,
    /// Bytes, signed.
    pub up: i64,
    /// Bytes, signed.
    pub down: i64,
    /// Why, for people.
    pub reason: String,
    /// The plan that brings it.
    pub plan: Option<PlanId>,
}

/// A correction that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrectionRow {
    pub correction: Correction,
    pub at: Micros,
    pub actor: String,
}

/// A thousand corrections in one call: they are written by people, one by one.
pub const CORRECTIONS_PER_CALL_MAX: usize = 1_000;

const FIND: &str = "SELECT 1 FROM usage_correction WHERE correction_id = $1";

const COUNTED: &str = "SELECT up, down
FROM usage_hour
WHERE shard = $1 AND instance_id = $2 AND period_us = $3 AND hour_us = $4";

const CORRECTED: &str = "SELECT CAST(COALESCE(SUM(up), 0) AS BIGINT), CAST(COALESCE(SUM(down), 0) AS BIGINT)
FROM usage_correction
WHERE instance_id = $1 AND period_us = $2 AND hour_us = $3";

const PUT: &str =
    "INSERT INTO usage_correction (correction_id, shard, instance_id, period_us, hour_us, up, down, reason,
  plan_id, actor, at_us, change_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

const LIST: &str = "SELECT correction_id, instance_id, period_us, hour_us, up, down, reason, plan_id, at_us, actor
FROM usage_correction
WHERE correction_id > $1 AND ($2 = '' OR instance_id = $3)
ORDER BY correction_id
LIMIT $4";

impl Change {
    /// Writes corrections that do not stand yet, and says how many.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] when an hour would fall below zero, when the change has another intent than plans, or
    /// above [`CORRECTIONS_PER_CALL_MAX`].
    pub async fn put_corrections(&mut self, corrections: &[Correction]) -> Result<u64> {
        self.require(&[Intent::Plans], "correcting usage")?;
        if corrections.len() > CORRECTIONS_PER_CALL_MAX {
            return Err(StoreError::misuse(format!("at most {CORRECTIONS_PER_CALL_MAX} corrections in one call")));
        }
        let mut written = 0;
        for it in corrections {
            let find = sqlx::query(FIND).bind(it.id.as_str()).fetch_all(self.parts().1).await;
            if !find.map_err(during("finding a correction"))?.is_empty() {
                continue;
            }
            self.check_correction(it).await?;
            self.put_correction(it).await?;
            written += 1;
        }
        Ok(written)
    }

    /// Refuses what would leave an hour below zero. The row is locked, so that two corrections are judged in turn.
    async fn check_correction(&mut self, it: &Correction) -> Result<()> {
        let (engine, connection) = self.parts();
        let counted = sqlx::query(engine.exclude(COUNTED)).bind(i64::from(ShardIndex::of(&it.instance).get()));
        let counted = counted.bind(it.instance.as_str()).bind(it.period.0).bind(it.hour.start().0);
        let counted = counted.fetch_all(&mut *connection).await.map_err(during("reading what is corrected"))?;
        let corrected = sqlx::query(CORRECTED).bind(it.instance.as_str()).bind(it.period.0).bind(it.hour.start().0);
        let corrected = corrected.fetch_one(connection).await.map_err(during("reading corrections"))?;
        for (at, by) in [(0, it.up), (1, it.down)] {
            let counted = counted.first().map_or(Ok(0), |row| integer(row, at))?;
            let sum = i128::from(counted) + i128::from(integer(&corrected, at)?) + i128::from(by);
            if sum < 0 {
                let hour = it.hour.start().0;
                let what = format!("{} would have used {sum} bytes in the hour {hour} µs", it.instance);
                return Err(StoreError::misuse(what));
            }
        }
        Ok(())
    }

    async fn put_correction(&mut self, it: &Correction) -> Result<()> {
        let (now, id, actor) = (self.now(), self.id(), self.actor().to_owned());
        let put = sqlx::query(PUT).bind(it.id.as_str()).bind(i64::from(ShardIndex::of(&it.instance).get()));
        let put = put.bind(it.instance.as_str()).bind(it.period.0).bind(it.hour.start().0).bind(it.up).bind(it.down);
        let put = put.bind(it.reason.as_str()).bind(it.plan.as_ref().map(PlanId::as_str)).bind(actor);
        let put = put.bind(now.0).bind(id).execute(self.parts().1).await;
        put.map_err(during("writing a correction"))?;
        self.touch(Touched::PLANS);
        self.stage(AuditLeaf {
            verb: "correct",
            kind: "Usage".to_owned(),
            id: it.instance.as_str().to_owned(),
            detail: format!("{} hour={} up={:+} down={:+}", it.id, it.hour.start().0, it.up, it.down),
        });
        Ok(())
    }
}

impl Store {
    /// Corrections after an id, of one instance or of all, by id; at most [`PAGE_MAX`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn list_corrections(
        &self,
        instance: Option<&InstanceId>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<CorrectionRow>> {
        let instance = instance.map_or("", InstanceId::as_str);
        let list = sqlx::query(LIST).bind(after.unwrap_or("")).bind(instance).bind(instance);
        let list = list.bind(i64::from(limit.min(PAGE_MAX)));
        let rows = list.fetch_all(&mut *self.reader().await?).await.map_err(during("listing corrections"))?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<CorrectionRow> {
    let correction = Correction {
        id: text(row, 0)?.to_owned(),
        instance: parsed(InstanceId::parse, text(row, 1)?)?,
        period: Micros(integer(row, 2)?),
        hour: Hour::of(Micros(integer(row, 3)?)),
        up: integer(row, 4)?,
        down: integer(row, 5)?,
        reason: text(row, 6)?.to_owned(),
        plan: maybe_text(row, 7)?.map(|plan| parsed(PlanId::parse, plan)).transpose()?,
    };
    Ok(CorrectionRow { correction, at: Micros(integer(row, 8)?), actor: text(row, 9)?.to_owned() })
}
