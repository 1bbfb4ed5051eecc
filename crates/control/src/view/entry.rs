//! An instance in memory: packed while it is held, unpacked when somebody asks.
//!
//! Ids of the topology are four-byte symbols, so that a million instances fit in the memory of a laptop. What decisions
//! need is here; labels are not: they are resident data, and nobody decides by them (I22).

use domain::ids::{DecisionId, Generation, InstanceId, Jurisdiction, ProductId, Revision};
use domain::master_data::{InstanceStatus, Location};
use domain::orchestration::{Holder, Ownership, Subject};
use domain::reason::Reason;
use domain::time::Micros;
use store::InstanceRow;

use super::symbols::{Numbers, Symbol, Symbols, Word, word};

/// Who holds an instance, packed.
#[derive(Debug, Clone, Copy)]
enum PackedHolder {
    /// No row yet.
    None,
    Nobody(Reason),
    Group {
        region: Symbol,
        group: Symbol,
        product: Symbol,
        weight: u32,
    },
}

/// An instance, packed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    revision: u64,
    change: i64,
    own_revision: u64,
    generation: u64,
    version: u64,
    batch: u64,
    since: i64,
    created: i64,
    ordinal: u32,
    product: Symbol,
    jurisdiction: Symbol,
    weight: u32,
    location: Option<Location>,
    holder: PackedHolder,
    status: InstanceStatus,
    is_expired: bool,
}

/// An instance, unpacked.
#[derive(Debug, Clone)]
pub struct Found {
    pub id: InstanceId,
    pub product: ProductId,
    pub jurisdiction: Option<Jurisdiction>,
    pub status: InstanceStatus,
    pub is_expired: bool,
    pub weight: u32,
    pub location: Option<Location>,
    pub ownership: Option<Ownership>,
    /// The change that wrote the instance row.
    pub change: i64,
    /// The newest revision of its rows.
    pub revision: Revision,
}

impl Found {
    /// The instance as decisions see it.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            id: &self.id,
            product: &self.product,
            jurisdiction: self.jurisdiction.as_ref(),
            status: self.status,
            is_expired: self.is_expired,
            weight: self.weight,
            location: self.location,
            ownership: self.ownership.as_ref(),
            revision: self.revision,
        }
    }
}

impl Entry {
    /// Packs a row.
    pub(super) fn of(row: &InstanceRow, numbers: &mut Numbers) -> Self {
        let (ownership, own_revision) = match &row.ownership {
            Some((ownership, revision)) => (Some(ownership), revision.0),
            None => (None, 0),
        };
        let holder = match ownership.map(|it| &it.holder) {
            None => PackedHolder::None,
            Some(Holder::Nobody { why }) => PackedHolder::Nobody(*why),
            Some(Holder::Group { region, group, weight, product }) => PackedHolder::Group {
                region: numbers.region(region),
                group: numbers.group(group),
                product: numbers.product(product),
                weight: *weight,
            },
        };
        Self {
            revision: row.revision.0,
            change: row.change,
            own_revision,
            generation: ownership.map_or(0, |it| it.generation.0),
            version: ownership.map_or(0, |it| it.version),
            batch: ownership.map_or(0, |it| it.decision.batch),
            ordinal: ownership.map_or(0, |it| it.decision.ordinal),
            since: ownership.map_or(0, |it| it.since.0),
            created: row.created.0,
            product: numbers.product(&row.product),
            jurisdiction: row.jurisdiction.as_ref().map_or(Symbol::NONE, |it| numbers.jurisdiction(it)),
            weight: row.weight,
            location: row.location,
            holder,
            status: row.status,
            is_expired: row.is_expired,
        }
    }

    /// The product of an instance and the anchor of its periods: all that counting needs to know.
    pub(super) fn terms(&self, symbols: &Symbols) -> (ProductId, Micros) {
        match word(&symbols.words(), self.product) {
            Some(Word::Product(id)) => (id.clone(), Micros(self.created)),
            _ => unreachable!("words are numbered before a row is shown"),
        }
    }

    /// Whether what is held is newer than a row that was read earlier.
    pub(super) fn is_newer_than(&self, row: &InstanceRow) -> bool {
        let own_revision = row.ownership.as_ref().map_or(0, |(_, revision)| revision.0);
        self.revision > row.revision.0 || self.own_revision > own_revision
    }

    /// Unpacks.
    pub(super) fn found(&self, id: &InstanceId, symbols: &Symbols) -> Found {
        let words = symbols.words();
        let product = |symbol| match word(&words, symbol) {
            Some(Word::Product(id)) => id.clone(),
            _ => unreachable!("words are numbered before a row is shown"),
        };
        let jurisdiction = match word(&words, self.jurisdiction) {
            Some(Word::Jurisdiction(it)) => Some(it.clone()),
            _ => None,
        };
        let holder = match self.holder {
            PackedHolder::None => None,
            PackedHolder::Nobody(why) => Some(Holder::Nobody { why }),
            PackedHolder::Group { region, group, product: counted, weight } => {
                match (word(&words, region), word(&words, group)) {
                    (Some(Word::Region(region)), Some(Word::Group(group))) => Some(Holder::Group {
                        region: region.clone(),
                        group: group.clone(),
                        weight,
                        product: product(counted),
                    }),
                    _ => unreachable!("words are numbered before a row is shown"),
                }
            }
        };
        let ownership = holder.map(|holder| Ownership {
            holder,
            generation: Generation(self.generation),
            version: self.version,
            decision: DecisionId { batch: self.batch, ordinal: self.ordinal },
            since: Micros(self.since),
        });
        Found {
            id: id.clone(),
            product: product(self.product),
            jurisdiction,
            status: self.status,
            is_expired: self.is_expired,
            weight: self.weight,
            location: self.location,
            ownership,
            change: self.change,
            revision: Revision(self.revision.max(self.own_revision)),
        }
    }
}
