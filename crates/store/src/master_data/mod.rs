//! Master data: reading, writing, listing and deleting objects of every kind.
//!
//! An object that is equal to its row is not written again, so that applying twice changes nothing. References are
//! checked by the caller inside the same change; `references.rs` says who needs what.

mod access_template;
mod instance;
mod node;
mod product;
mod references;
mod region;
mod rows;
mod sets;
mod template;

pub use instance::{INSTANCES_PER_CALL_MAX, InstanceWrite};
pub use references::{Needed, NeededBy};
pub(crate) use rows::{IdRange, find_code, status_of};

use std::collections::BTreeMap;

use domain::master_data::{Kind, Object};
use domain::orchestration::{Parts, Stamped};
use sqlx::AnyConnection;

use crate::audit::AuditLeaf;
use crate::change::{Change, Intent, Touched};
use crate::dialect::Engine;
use crate::engine::Store;
use crate::error::{Result, StoreError, during};
use crate::resolution::list_facts;

/// The longest page of a list: the thousand rows that callers may ask for, and the one behind them that tells them
/// whether there is a next page.
pub const PAGE_MAX: u32 = 1_001;

/// Up to so many objects of a kind are looked up one by one; for more the whole kind is read at once.
const LOOK_UPS_MAX: usize = 16;

/// What a put did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    Created,
    Updated,
    Unchanged,
}

impl Action {
    /// The spelling in answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

impl Store {
    /// The object, if there is one; its `change` is its ETag.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone, [`StoreError::Corrupt`] when the row is damaged.
    pub async fn get(&self, kind: Kind, id: &str) -> Result<Option<Stamped<Object>>> {
        let mut tx = self.begin_read().await?;
        Ok(load(&mut tx, kind, &IdRange::one(id)).await?.pop())
    }

    /// Objects of a kind after an id, by id; at most [`PAGE_MAX`].
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn list(&self, kind: Kind, after: Option<&str>, limit: u32) -> Result<Vec<Stamped<Object>>> {
        let mut tx = self.begin_read().await?;
        load(&mut tx, kind, &IdRange::after(after, limit.min(PAGE_MAX))).await
    }
}

impl Change {
    /// The object as this change sees it.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn get(&mut self, kind: Kind, id: &str) -> Result<Option<Stamped<Object>>> {
        Ok(load(self.parts().1, kind, &IdRange::one(id)).await?.pop())
    }

    /// The whole topology as this change sees it; its own writes have revision 0.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn load_parts(&mut self) -> Result<Parts> {
        load_parts(self.parts().1).await
    }

    /// Writes one object. `is_expired` matters for instances only.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] when the intent of the change does not cover it, else the errors of the database.
    pub async fn put(&mut self, object: &Object, is_expired: bool) -> Result<Action> {
        if let Object::Instance(instance) = object {
            let write = InstanceWrite { instance: instance.clone(), is_expired };
            return Ok(self.put_instances(&[write]).await?[0]);
        }
        Ok(self.put_topology(object.kind(), &[object]).await?[0])
    }

    /// Writes many objects, references first, and says what became of each, in the order given. An instance whose time
    /// has run out at the time of the change is written as expired. Of two objects with one id the later wins.
    ///
    /// # Errors
    /// As [`Change::put`].
    pub async fn put_all(&mut self, objects: &[Object]) -> Result<Vec<Action>> {
        let mut actions = vec![Action::Unchanged; objects.len()];
        for kind in Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Instance) {
            let places: Vec<usize> = (0..objects.len()).filter(|at| objects[*at].kind() == kind).collect();
            let these: Vec<&Object> = places.iter().map(|at| &objects[*at]).collect();
            for (at, action) in places.into_iter().zip(self.put_topology(kind, &these).await?) {
                actions[at] = action;
            }
        }
        let now = self.now();
        let instances = objects.iter().enumerate().filter_map(|(at, object)| match object {
            Object::Instance(it) => {
                let is_expired = it.expires.is_some_and(|expires| expires <= now);
                Some((at, InstanceWrite { instance: it.clone(), is_expired }))
            }
            _ => None,
        });
        let (places, writes): (Vec<usize>, Vec<InstanceWrite>) = instances.unzip();
        for (places, writes) in places.chunks(INSTANCES_PER_CALL_MAX).zip(writes.chunks(INSTANCES_PER_CALL_MAX)) {
            for (at, action) in places.iter().zip(self.put_instances(writes).await?) {
                actions[*at] = action;
            }
        }
        Ok(actions)
    }

    /// Writes what differs from its row.
    async fn put_topology(&mut self, kind: Kind, objects: &[&Object]) -> Result<Vec<Action>> {
        if objects.is_empty() {
            return Ok(Vec::new());
        }
        self.require(&[Intent::MasterData], "writing the topology")?;
        let before = self.present(kind, objects).await?;
        let wanted: BTreeMap<&str, &Object> = objects.iter().map(|object| (object.id(), *object)).collect();
        let mut changed = Vec::new();
        for (id, object) in &wanted {
            let verb = match before.get(*id) {
                None => "create",
                Some(former) if former != *object => "update",
                Some(_) => continue,
            };
            changed.push(*object);
            self.stage(leaf(verb, kind, id));
        }
        if !changed.is_empty() {
            let id = self.id();
            let (engine, connection) = self.parts();
            write(engine, connection, kind, &changed, id).await?;
            self.touch(Touched::TOPOLOGY);
        }
        let action = |object: &&Object| match before.get(object.id()) {
            None => Action::Created,
            Some(former) if former != wanted[object.id()] => Action::Updated,
            Some(_) => Action::Unchanged,
        };
        Ok(objects.iter().map(action).collect())
    }

    /// Those of the objects that have a row.
    async fn present(&mut self, kind: Kind, objects: &[&Object]) -> Result<BTreeMap<String, Object>> {
        let connection = self.parts().1;
        let mut rows = Vec::new();
        if objects.len() <= LOOK_UPS_MAX {
            for object in objects {
                rows.append(&mut load(&mut *connection, kind, &IdRange::one(object.id())).await?);
            }
        } else {
            rows = load(&mut *connection, kind, &IdRange::all()).await?;
        }
        Ok(rows.into_iter().map(|row| (row.object.id().to_owned(), row.object)).collect())
    }

    /// Deletes an object of the topology and says whether there was one. Who needs it is asked before.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] for an instance, which is terminated instead, or when the intent does not cover it.
    pub async fn delete(&mut self, kind: Kind, id: &str) -> Result<bool> {
        self.require(&[Intent::MasterData], "deleting")?;
        let statements = delete_statements(kind)?;
        let mut deleted = 0;
        for (place, statement) in statements.iter().enumerate() {
            let done = sqlx::query(*statement).bind(id).execute(self.parts().1).await;
            let rows = done.map_err(during("deleting an object"))?.rows_affected();
            deleted += if place == 0 { rows } else { 0 };
        }
        if deleted > 0 {
            let forgotten = sqlx::query(FORGET_IN_SETS).bind(kind.name()).bind(id).execute(self.parts().1).await;
            forgotten.map_err(during("deleting an object"))?;
            self.touch(Touched::TOPOLOGY);
            self.stage(leaf("delete", kind, id));
        }
        Ok(deleted > 0)
    }
}

fn leaf(verb: &'static str, kind: Kind, id: &str) -> AuditLeaf {
    AuditLeaf { verb, kind: kind.name().to_owned(), id: id.to_owned(), detail: String::new() }
}

const FORGET_IN_SETS: &str = "DELETE FROM object_set WHERE kind = $1 AND object_id = $2";

/// The statements that delete an object: its row first, then what is its own. A group or a template that comes back
/// begins a new ramp (I5), and a node that comes back has never reported.
fn delete_statements(kind: Kind) -> Result<&'static [&'static str]> {
    Ok(match kind {
        Kind::Region => &["DELETE FROM region WHERE region_id = $1"],
        Kind::ResourceGroup => &[
            "DELETE FROM resource_group WHERE group_id = $1",
            "DELETE FROM ramp WHERE group_id = $1",
            "DELETE FROM group_load WHERE group_id = $1 AND owners = 0",
        ],
        Kind::RuntimeTemplate => &["DELETE FROM runtime_template WHERE runtime_template_id = $1"],
        Kind::OutboundTemplate => &["DELETE FROM outbound_template WHERE outbound_template_id = $1"],
        Kind::Node => &[
            "DELETE FROM node WHERE node_id = $1",
            "DELETE FROM node_group WHERE node_id = $1",
            "DELETE FROM node_health WHERE node_id = $1",
            "DELETE FROM node_home WHERE node_id = $1",
        ],
        Kind::AccessTemplate => &[
            "DELETE FROM access_template WHERE access_template_id = $1",
            "DELETE FROM access_template_member WHERE access_template_id = $1",
            "DELETE FROM ramp WHERE access_template_id = $1",
        ],
        Kind::Product => &[
            "DELETE FROM product WHERE product_id = $1",
            "DELETE FROM group_load WHERE product_id = $1 AND owners = 0",
        ],
        Kind::Instance => return Err(StoreError::misuse("an instance is not deleted: its status becomes terminated")),
    })
}

/// Objects of a kind in a range, by id.
async fn load(connection: &mut AnyConnection, kind: Kind, range: &IdRange) -> Result<Vec<Stamped<Object>>> {
    fn wrap<T>(rows: Vec<Stamped<T>>, wrap: fn(T) -> Object) -> Vec<Stamped<Object>> {
        let one = |row: Stamped<T>| Stamped { object: wrap(row.object), revision: row.revision, change: row.change };
        rows.into_iter().map(one).collect()
    }
    Ok(match kind {
        Kind::Region => wrap(region::load_regions(connection, range).await?, Object::Region),
        Kind::ResourceGroup => wrap(region::load_groups(connection, range).await?, Object::ResourceGroup),
        Kind::RuntimeTemplate => wrap(template::load_runtime(connection, range).await?, Object::RuntimeTemplate),
        Kind::OutboundTemplate => wrap(template::load_outbound(connection, range).await?, Object::OutboundTemplate),
        Kind::Node => wrap(node::load(connection, range).await?, Object::Node),
        Kind::AccessTemplate => wrap(access_template::load(connection, range).await?, Object::AccessTemplate),
        Kind::Product => wrap(product::load(connection, range).await?, Object::Product),
        Kind::Instance => wrap(instance::load(connection, range).await?, Object::Instance),
    })
}

async fn write(
    engine: Engine,
    connection: &mut AnyConnection,
    kind: Kind,
    objects: &[&Object],
    change_id: i64,
) -> Result<()> {
    macro_rules! of {
        ($variant:ident) => {
            objects
                .iter()
                .filter_map(|it| if let Object::$variant(it) = it { Some(it) } else { None })
                .collect::<Vec<_>>()
        };
    }
    match kind {
        Kind::Region => region::write_regions(engine, connection, &of!(Region), change_id).await,
        Kind::ResourceGroup => region::write_groups(engine, connection, &of!(ResourceGroup), change_id).await,
        Kind::RuntimeTemplate => template::write_runtime(engine, connection, &of!(RuntimeTemplate), change_id).await,
        Kind::OutboundTemplate => template::write_outbound(engine, connection, &of!(OutboundTemplate), change_id).await,
        Kind::Node => node::write(engine, connection, &of!(Node), change_id).await,
        Kind::AccessTemplate => access_template::write(engine, connection, &of!(AccessTemplate), change_id).await,
        Kind::Product => product::write(engine, connection, &of!(Product), change_id).await,
        Kind::Instance => Err(StoreError::misuse("instances are written by put_instances")),
    }
}

/// The whole topology, from the transaction that the connection is in.
pub(crate) async fn load_parts(connection: &mut AnyConnection) -> Result<Parts> {
    let all = IdRange::all();
    let mut parts = Parts {
        regions: region::load_regions(connection, &all).await?,
        groups: region::load_groups(connection, &all).await?,
        runtime_templates: template::load_runtime(connection, &all).await?,
        outbound_templates: template::load_outbound(connection, &all).await?,
        nodes: node::load(connection, &all).await?,
        access_templates: access_template::load(connection, &all).await?,
        products: product::load(connection, &all).await?,
        facts: list_facts(connection).await?,
        ..Parts::default()
    };
    macro_rules! newest {
        ($($list:ident),*) => { [$(parts.$list.iter().map(|it| it.revision).max()),*] };
    }
    let lists = newest!(regions, groups, runtime_templates, outbound_templates, nodes, access_templates, products);
    let facts = parts.facts.iter().map(|it| it.2).max();
    parts.revision = lists.into_iter().chain([facts]).flatten().max().unwrap_or_default();
    Ok(parts)
}
