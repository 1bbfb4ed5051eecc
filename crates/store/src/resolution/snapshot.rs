//! One state of the database, read whole: the topology and a million instances with their owners.
//!
//! Everything comes from one repeatable-read transaction with the head that it stands at, so the tail can be followed
//! from there without a gap. A row is sent as one text: packed like this a million of them arrive in a third of the
//! time that sixteen columns take.

use std::collections::BTreeMap;

use domain::ids::{DecisionId, Generation, GroupId, InstanceId, Jurisdiction, ProductId, RegionId, Revision};
use domain::master_data::{InstanceStatus, Location, Place};
use domain::orchestration::{Holder, Ownership, Parts};
use domain::reason::Reason;
use domain::time::Micros;
use sqlx::any::AnyRow;
use sqlx::{Any, Transaction};

use crate::engine::{Head, Store, read_head, text};
use crate::error::{Result, StoreError, during};
use crate::master_data::{load_parts, status_of};

/// Fifty thousand rows in one read: some ten megabytes on their way.
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

/// The packed form of a row. Fields are parted by the character 31, which no id and no number holds; an absent one is
/// empty. Both engines turn a number into its decimal text when it is joined to a text.
macro_rules! packed_row {
    () => {
        "i.instance_id || '\u{1f}' || i.product_id || '\u{1f}' || COALESCE(i.jurisdiction, '') || '\u{1f}' || i.status
  || '\u{1f}' || i.weight || '\u{1f}' || COALESCE(i.latitude_udeg || '\u{1f}' || i.longitude_udeg, '\u{1f}')
  || '\u{1f}' || i.created_us || '\u{1f}' || COALESCE(CAST(i.expires_us AS TEXT), '') || '\u{1f}' || i.is_expired
  || '\u{1f}' || i.change_id || '\u{1f}' || ic.revision || COALESCE('\u{1f}' || COALESCE(o.region_id, '')
  || '\u{1f}' || COALESCE(o.group_id, '') || '\u{1f}' || COALESCE(o.why, '')
  || '\u{1f}' || COALESCE(CAST(o.weight AS TEXT), '') || '\u{1f}' || COALESCE(o.product_id, '')
  || '\u{1f}' || o.generation || '\u{1f}' || o.version || '\u{1f}' || o.batch_id || '\u{1f}' || o.ordinal
  || '\u{1f}' || o.since_us || '\u{1f}' || oc.revision, '')"
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
    "SELECT ",
    packed_row!(),
    "
FROM instance i
",
    joined_owner!(),
    "
WHERE i.instance_id > $1
ORDER BY i.instance_id
LIMIT $2"
);

/// One state of the database, for as long as this is held. Do not hold it for long: the engine keeps what it shows.
pub struct ViewSnapshot {
    tx: Transaction<'static, Any>,
    head: Head,
    words: Words,
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
        Ok(ViewSnapshot { tx, head, words: Words::default() })
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
        let query = sqlx::query(INSTANCES).bind(after.map_or("", InstanceId::as_str)).bind(limit);
        let rows = query.fetch_all(&mut *self.tx).await.map_err(during("reading instances"))?;
        self.words.rows(&rows)
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the connection was lost; nothing is lost with it.
    pub async fn close(self) -> Result<()> {
        self.tx.rollback().await.map_err(during("ending a snapshot"))
    }
}

/// The ids that rows share, so that a million rows hold each once.
#[derive(Default)]
pub(crate) struct Words {
    products: BTreeMap<String, ProductId>,
    groups: BTreeMap<String, GroupId>,
    regions: BTreeMap<String, RegionId>,
    jurisdictions: BTreeMap<String, Jurisdiction>,
}

/// The word, from the known ones or parsed and known from now on.
fn shared<T: Clone, E: std::fmt::Display>(
    known: &mut BTreeMap<String, T>,
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
    /// Unpacks rows of [`packed_row`].
    pub(crate) fn rows(&mut self, rows: &[AnyRow]) -> Result<Vec<InstanceRow>> {
        rows.iter().map(|row| self.row(text(row, 0)?)).collect()
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
            Some(region) => Some(self.ownership(region, &mut fields)?),
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

    fn ownership(&mut self, region: &str, fields: &mut Fields<'_>) -> Result<(Ownership, Revision)> {
        let (group, why, weight, product) = (fields.text()?, fields.text()?, fields.maybe_number()?, fields.text()?);
        let holder = if group.is_empty() {
            let why = why.parse::<Reason>().map_err(|()| StoreError::corrupt(format!("{why:?} is no reason")))?;
            Holder::Nobody { why }
        } else {
            Holder::Group {
                region: shared(&mut self.regions, region, RegionId::parse)?,
                group: shared(&mut self.groups, group, GroupId::parse)?,
                weight: weight.ok_or_else(|| StoreError::corrupt("an owner without a counted weight"))?,
                product: shared(&mut self.products, product, ProductId::parse)?,
            }
        };
        let (generation, version) = (Generation(fields.number()?), fields.number()?);
        let decision = DecisionId { batch: fields.number()?, ordinal: fields.number()? };
        let (since, revision) = (Micros(fields.number()?), Revision(fields.number()?));
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
        let text = self.text()?;
        text.parse().map_err(|_| StoreError::corrupt(format!("{text:?} is not a number of its column")))
    }

    fn maybe_number<T: std::str::FromStr>(&mut self) -> Result<Option<T>> {
        match self.text()? {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| StoreError::corrupt(format!("{text:?} is not a number"))),
        }
    }
}
