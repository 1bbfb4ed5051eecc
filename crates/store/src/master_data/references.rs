//! Who needs an object: asked before it is deleted, so that a refusal can name them.
//!
//! Instances have no index by product and owners none by group: both would cost every import and every allocation,
//! for a question that is asked when a product or a group goes. The counters answer first, the scan names some.

use domain::master_data::Kind;
use sqlx::AnyConnection;

use crate::change::Change;
use crate::engine::{Store, number, text};
use crate::error::{Result, during};

/// Somebody who refers to an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NeededBy {
    /// The name of a kind, or `Ownership`, whose id is that of an instance.
    pub kind: &'static str,
    pub id: String,
    /// The field that refers; `product (terminated)` for an instance that is no more.
    pub field: &'static str,
}

/// Who needs an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needed {
    /// The first of them, by kind, then id.
    pub by: Vec<NeededBy>,
    /// How many there are.
    pub total: u64,
}

/// One way to refer: who, through which field, and the statements that count (`$1`) and name them (`$1`, limit `$2`).
struct Way {
    kind: &'static str,
    field: &'static str,
    count: &'static str,
    name: &'static str,
}

const GROUPS_OF_REGION: Way = Way {
    kind: "ResourceGroup",
    field: "region",
    count: "SELECT COUNT(*) FROM resource_group WHERE region_id = $1",
    name: "SELECT group_id FROM resource_group WHERE region_id = $1 ORDER BY group_id LIMIT $2",
};

const TEMPLATES_OF_REGION: Way = Way {
    kind: "AccessTemplate",
    field: "regions",
    count: "SELECT COUNT(*) FROM access_template_member m
JOIN access_template t ON t.access_template_id = m.access_template_id
WHERE m.member_id = $1 AND t.mode = 'regional'",
    name: "SELECT m.access_template_id FROM access_template_member m
JOIN access_template t ON t.access_template_id = m.access_template_id
WHERE m.member_id = $1 AND t.mode = 'regional'
ORDER BY m.access_template_id LIMIT $2",
};

const TEMPLATES_OF_GROUP: Way = Way {
    kind: "AccessTemplate",
    field: "groups",
    count: "SELECT COUNT(*) FROM access_template_member m
JOIN access_template t ON t.access_template_id = m.access_template_id
WHERE m.member_id = $1 AND t.mode IN ('merge', 'shard')",
    name: "SELECT m.access_template_id FROM access_template_member m
JOIN access_template t ON t.access_template_id = m.access_template_id
WHERE m.member_id = $1 AND t.mode IN ('merge', 'shard')
ORDER BY m.access_template_id LIMIT $2",
};

const TEMPLATES_OF_NODE: Way = Way {
    kind: "AccessTemplate",
    field: "nodes",
    count: "SELECT COUNT(*) FROM access_template_member m
JOIN access_template t ON t.access_template_id = m.access_template_id
WHERE m.member_id = $1 AND t.mode = 'fixed'",
    name: "SELECT m.access_template_id FROM access_template_member m
JOIN access_template t ON t.access_template_id = m.access_template_id
WHERE m.member_id = $1 AND t.mode = 'fixed'
ORDER BY m.access_template_id LIMIT $2",
};

const NODES_OF_GROUP: Way = Way {
    kind: "Node",
    field: "groups",
    count: "SELECT COUNT(*) FROM node_group WHERE group_id = $1",
    name: "SELECT node_id FROM node_group WHERE group_id = $1 ORDER BY node_id LIMIT $2",
};

const NODES_OF_RUNTIME: Way = Way {
    kind: "Node",
    field: "runtime_template",
    count: "SELECT COUNT(*) FROM node WHERE runtime_template_id = $1",
    name: "SELECT node_id FROM node WHERE runtime_template_id = $1 ORDER BY node_id LIMIT $2",
};

const NODES_OF_OUTBOUND: Way = Way {
    kind: "Node",
    field: "outbound_template",
    count: "SELECT COUNT(*) FROM node WHERE outbound_template_id = $1",
    name: "SELECT node_id FROM node WHERE outbound_template_id = $1 ORDER BY node_id LIMIT $2",
};

const PRODUCTS_OF_TEMPLATE: Way = Way {
    kind: "Product",
    field: "access_template",
    count: "SELECT COUNT(*) FROM product WHERE access_template_id = $1",
    name: "SELECT product_id FROM product WHERE access_template_id = $1 ORDER BY product_id LIMIT $2",
};

const INSTANCES_OF_PRODUCT: Way = Way {
    kind: "Instance",
    field: "product",
    count: "SELECT COUNT(*) FROM instance WHERE product_id = $1 AND status <> 'terminated'",
    name: "SELECT instance_id FROM instance WHERE product_id = $1 AND status <> 'terminated'
ORDER BY instance_id LIMIT $2",
};

const TERMINATED_OF_PRODUCT: Way = Way {
    kind: "Instance",
    field: "product (terminated)",
    count: "SELECT COUNT(*) FROM instance WHERE product_id = $1 AND status = 'terminated'",
    name: "SELECT instance_id FROM instance WHERE product_id = $1 AND status = 'terminated'
ORDER BY instance_id LIMIT $2",
};

const OWNERS_OF_GROUP: Way = Way {
    kind: "Ownership",
    field: "group",
    count: "SELECT CAST(COALESCE(SUM(owners), 0) AS BIGINT) FROM group_load WHERE group_id = $1",
    name: "SELECT instance_id FROM ownership WHERE group_id = $1 ORDER BY instance_id LIMIT $2",
};

const OWNERS_OF_PRODUCT: Way = Way {
    kind: "Ownership",
    field: "product",
    count: "SELECT CAST(COALESCE(SUM(owners), 0) AS BIGINT) FROM group_load WHERE product_id = $1",
    name: "SELECT instance_id FROM ownership WHERE product_id = $1 AND group_id IS NOT NULL
ORDER BY instance_id LIMIT $2",
};

/// The ways to refer to a kind, in the order in which they are named.
fn ways(kind: Kind) -> &'static [Way] {
    match kind {
        Kind::Region => &[GROUPS_OF_REGION, TEMPLATES_OF_REGION],
        Kind::ResourceGroup => &[NODES_OF_GROUP, TEMPLATES_OF_GROUP, OWNERS_OF_GROUP],
        Kind::RuntimeTemplate => &[NODES_OF_RUNTIME],
        Kind::OutboundTemplate => &[NODES_OF_OUTBOUND],
        Kind::Node => &[TEMPLATES_OF_NODE],
        Kind::AccessTemplate => &[PRODUCTS_OF_TEMPLATE],
        Kind::Product => &[INSTANCES_OF_PRODUCT, TERMINATED_OF_PRODUCT, OWNERS_OF_PRODUCT],
        Kind::Instance => &[],
    }
}

impl Store {
    /// Who needs an object; at most `limit` of them are named.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn references_to(&self, kind: Kind, id: &str, limit: u32) -> Result<Needed> {
        let mut tx = self.begin_read().await?;
        needed(&mut tx, kind, id, limit).await
    }
}

impl Change {
    /// Who needs an object, as this change sees it; at most `limit` of them are named.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn references_to(&mut self, kind: Kind, id: &str, limit: u32) -> Result<Needed> {
        needed(self.parts().1, kind, id, limit).await
    }
}

async fn needed(connection: &mut AnyConnection, kind: Kind, id: &str, limit: u32) -> Result<Needed> {
    let mut needed = Needed::default();
    for way in ways(kind) {
        let count = sqlx::query(way.count).bind(id).fetch_one(&mut *connection).await;
        let count: u64 = number(&count.map_err(during("counting references"))?, 0)?;
        let room = i64::from(limit).saturating_sub_unsigned(needed.by.len() as u64);
        needed.total += count;
        if count == 0 || room <= 0 {
            continue;
        }
        let rows = sqlx::query(way.name).bind(id).bind(room).fetch_all(&mut *connection).await;
        for row in rows.map_err(during("naming references"))? {
            needed.by.push(NeededBy { kind: way.kind, id: text(&row, 0)?.to_owned(), field: way.field });
        }
    }
    Ok(needed)
}
