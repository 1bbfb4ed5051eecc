//! One state of the database, read whole: the topology and a million instances with their owners.
//!
//! Everything comes from one repeatable-read transaction with the head that it stands at, so the tail can be followed
//! from there without a gap. Many rows come as one text: a million rows of twenty columns cost more on their way
//! through the driver than in the database.

use std::collections::HashMap;

use domain::ids::{DecisionId, Generation, GroupId, InstanceId, Jurisdiction, ProductId, RegionId, Revision};
use domain::master_data::{InstanceStatus, Location, Place};
use domain::orchestration::{Holder, Ownership, Parts};
use domain::reason::Reason;
use domain::time::Micros;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Transaction};

use crate::engine::{Head, Store, maybe_text, read_head};
use crate::error::{Result, StoreError, during};
use crate::master_data::{load_parts, status_of};

/// Fifty thousand rows in one read: some seven megabytes of text.
pub const INSTANCES_PER_READ_MAX: u32 = 50_000;

/// An instance as a view needs it: without its labels, which are resident and decide nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    pub id: InstanceId,
    pub product: ProductId,
    pub jurisdiction: Option<Jurisdiction>,
    pub status: InstanceStatus,
    pub weight: u32,
    pub location: Option<Location>,
    pub created: Micros,
    pub expires: Option<Micros>,
    pub is_expired: bool,
    /// The revision that wrote the instance.
    pub revision: Revision,
    /// The change that wrote it: its ETag, and what the allocator compares.
    pub change: i64,
    /// Its owner, with the revision that wrote it; none when it was never decided on.
    pub ownership: Option<(Ownership, Revision)>,
}

/// A row as one text, its fields parted by the character 31, which no id and no number holds. Both engines know the
/// function, and with both it leaves out what is null: an instance without an ownership ends early, and so does one
/// that nobody owns, after the reason.
macro_rules! packed_row {
    () => {
        "concat_ws('\u{1f}', i.instance_id, i.product_id, COALESCE(i.jurisdiction, ''), i.status, i.weight,
  COALESCE(i.latitude_udeg || '\u{1f}' || i.longitude_udeg, '\u{1f}'), i.created_us,
  COALESCE(CAST(i.expires_us AS TEXT), ''), i.is_expired, i.change_id, ic.revision, o.generation, o.version, o.batch_id,
  o.ordinal, o.since_us, oc.revision, COALESCE(o.group_id, o.why), o.region_id, o.weight, o.product_id)"
    };
}

/// Joins the owner and both revisions to instances.
macro_rules! joined_owner {
    () => {
        "JOIN change ic ON ic.change_id = i.change_id
LEFT JOIN ownership o ON o.instance_id = i.instance_id
LEFT JOIN change oc ON oc.change_id = o.change_id"
    };
}

pub(super) use {joined_owner, packed_row};

const INSTANCES: &str = concat!(
    "SELECT string_agg(packed, '\u{1e}')
FROM (
  SELECT ",
    packed_row!(),
    " AS packed
  FROM instance i
  ",
    joined_owner!(),
    "
  WHERE i.instance_id > $1
  ORDER BY i.instance_id
  LIMIT $2) AS page"
);

/// One state of the database, for as long as this is held. Do not hold it for long: the engine keeps what it shows.
pub struct ViewSnapshot {
    tx: Transaction<'static, Any>,
    head: Head,
    words: Words,
    /// The page after the one that was read last, which the engine gathered while that was unpacked.
    ahead: Option<Page>,
}

/// A page on its way.
struct Page {
    after: String,
    limit: i64,
    texts: Vec<AnyRow>,
}

impl Store {
    /// Begins to read one state.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn snapshot(&self) -> Result<ViewSnapshot> {
        let mut tx = self.begin_read().await?;
        if let Some(patience) = self.engine().patience() {
            sqlx::query(patience).execute(&mut *tx).await.map_err(during("asking for patience"))?;
        }
        let head = read_head(&mut tx).await?;
        Ok(ViewSnapshot { tx, head, words: Words::default(), ahead: None })
    }
}

impl ViewSnapshot {
    /// Where the history stands in this state.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The topology with its facts.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the connection is lost, [`StoreError::Corrupt`] when a row is damaged.
    pub async fn topology(&mut self) -> Result<Parts> {
        load_parts(&mut self.tx).await
    }

    /// Instances after an id, by id, at most [`INSTANCES_PER_READ_MAX`]; none when there are no more.
    /// Equal ids of products, groups and regions share one text.
    ///
    /// # Errors
    /// As [`ViewSnapshot::topology`].
    pub async fn instances(&mut self, after: Option<&InstanceId>, limit: u32) -> Result<Vec<InstanceRow>> {
        let limit = i64::from(limit.min(INSTANCES_PER_READ_MAX));
        let after = after.map_or("", InstanceId::as_str);
        let texts = match self.ahead.take() {
            Some(page) if page.after == after && page.limit == limit => page.texts,
            _ => read_page(&mut self.tx, after, limit).await?,
        };
        let Some(last) = last_id(&texts)? else {
            return Ok(Vec::new());
        };
        let (tx, words) = (&mut self.tx, &mut self.words);
        let (ahead, rows) = futures::join!(read_page(tx, &last, limit), async { words.rows(&texts) });
        self.ahead = Some(Page { after: last, limit, texts: ahead? });
        let mut rows = rows?;
        // Neither engine promises the order of what it gathers, though both keep it: this looks and moves nothing.
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(rows)
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the connection was lost; nothing is lost with it.
    pub async fn close(self) -> Result<()> {
        self.tx.rollback().await.map_err(during("ending a snapshot"))
    }
}

async fn read_page(connection: &mut AnyConnection, after: &str, limit: i64) -> Result<Vec<AnyRow>> {
    let query = sqlx::query(INSTANCES).bind(after).bind(limit);
    query.fetch_all(connection).await.map_err(during("reading instances"))
}

/// The largest id of a page. The ids are the first fields of rows in any order, so all are looked at.
fn last_id(texts: &[AnyRow]) -> Result<Option<String>> {
    let Some(row) = texts.first() else {
        return Ok(None);
    };
    let ids = maybe_text(row, 0)?.unwrap_or_default().split('\u{1e}').filter_map(|row| row.split('\u{1f}').next());
    Ok(ids.filter(|id| !id.is_empty()).max().map(str::to_owned))
}

/// The ids that rows share, so that a million rows hold each once.
#[derive(Default)]
pub(crate) struct Words {
    products: HashMap<String, ProductId>,
    groups: HashMap<String, GroupId>,
    regions: HashMap<String, RegionId>,
    jurisdictions: HashMap<String, Jurisdiction>,
}

/// The word, from the known ones or parsed and known from now on.
fn shared<T: Clone, E: std::fmt::Display>(
    known: &mut HashMap<String, T>,
    text: &str,
    parse: impl FnOnce(&str) -> std::result::Result<T, E>,
) -> Result<T> {
    if let Some(word) = known.get(text) {
        return Ok(word.clone());
    }
    let word = crate::engine::parsed(parse, text)?;
    known.insert(text.to_owned(), word.clone());
    Ok(word)
}

impl Words {
    /// Unpacks texts of [`packed_row`], parted by the character 30.
    pub(crate) fn rows(&mut self, texts: &[AnyRow]) -> Result<Vec<InstanceRow>> {
        let mut rows = Vec::new();
        for row in texts {
            let packed = maybe_text(row, 0)?.unwrap_or_default();
            for packed in packed.split('\u{1e}').filter(|it| !it.is_empty()) {
                rows.push(self.row(packed)?);
            }
        }
        Ok(rows)
    }

    fn row(&mut self, packed: &str) -> Result<InstanceRow> {
        let mut fields = Fields(packed.split('\u{1f}'));
        let id = crate::engine::parsed(InstanceId::parse, fields.text()?)?;
        let product = shared(&mut self.products, fields.text()?, ProductId::parse)?;
        let jurisdiction = match fields.text()? {
            "" => None,
            text => Some(shared(&mut self.jurisdictions, text, Jurisdiction::parse)?),
        };
        let status = status_of(fields.text()?)?;
        let weight = fields.number()?;
        let location = match (fields.maybe_number()?, fields.maybe_number()?) {
            (Some(latitude), Some(longitude)) => Some(Place::new(latitude, longitude).map_err(StoreError::corrupt)?),
            _ => None,
        };
        let created = Micros(fields.number()?);
        let expires = fields.maybe_number()?.map(Micros);
        let is_expired = fields.number::<u8>()? != 0;
        let (change, revision) = (fields.number()?, Revision(fields.number()?));
        let ownership = match fields.0.next() {
            None => None,
            Some(generation) => Some(self.ownership(generation, &mut fields)?),
        };
        Ok(InstanceRow {
            id,
            product,
            jurisdiction,
            status,
            weight,
            location,
            created,
            expires,
            is_expired,
            revision,
            change,
            ownership,
        })
    }

    fn ownership(&mut self, generation: &str, fields: &mut Fields<'_>) -> Result<(Ownership, Revision)> {
        let generation = Generation(number(generation)?);
        let version = fields.number()?;
        let decision = DecisionId { batch: fields.number()?, ordinal: fields.number()? };
        let (since, revision) = (Micros(fields.number()?), Revision(fields.number()?));
        let group_or_why = fields.text()?;
        let holder = match fields.0.next() {
            Some(region) => Holder::Group {
                region: shared(&mut self.regions, region, RegionId::parse)?,
                group: shared(&mut self.groups, group_or_why, GroupId::parse)?,
                weight: fields.number()?,
                product: shared(&mut self.products, fields.text()?, ProductId::parse)?,
            },
            None => Holder::Nobody {
                why: group_or_why
                    .parse::<Reason>()
                    .map_err(|()| StoreError::corrupt(format!("{group_or_why:?} is no reason")))?,
            },
        };
        Ok((Ownership { holder, generation, version, decision, since }, revision))
    }
}

/// The fields of a packed row, one after another.
struct Fields<'a>(std::str::Split<'a, char>);

impl<'a> Fields<'a> {
    fn text(&mut self) -> Result<&'a str> {
        self.0.next().ok_or_else(|| StoreError::corrupt("an instance row that ends early"))
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T> {
        number(self.text()?)
    }

    fn maybe_number<T: std::str::FromStr>(&mut self) -> Result<Option<T>> {
        match self.text()? {
            "" => Ok(None),
            text => number(text).map(Some),
        }
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| StoreError::corrupt(format!("{text:?} is not a number of its column")))
}
