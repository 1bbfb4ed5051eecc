//! The rows of products.
//!
//! Quota, limits and policies are JSON texts: nothing joins on them, and only the access template enters ownership.
//! A null quota means unlimited.

use domain::ids::{AccessTemplateId, ProductId};
use domain::master_data::Product;
use domain::orchestration::Stamped;
use sqlx::AnyConnection;

use super::rows::{IdRange, from_json, json, stamp};
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::dialect::Engine;
use crate::engine::{maybe_text, parsed, text};
use crate::error::Result;

const PRODUCTS: &str = "SELECT p.product_id, p.access_template_id, p.quota, p.limits, p.policies, p.labels,
  p.change_id, c.revision
FROM product p
LEFT JOIN change c ON c.change_id = p.change_id
WHERE p.product_id >= $1 AND p.product_id <= $2
ORDER BY p.product_id
LIMIT $3";

const PUT: Bulk = Bulk {
    during: "writing products",
    sql: "WITH source (product_id, access_template_id, quota, limits, policies, labels) AS ({source})
INSERT INTO product (product_id, access_template_id, quota, limits, policies, labels, change_id)
SELECT product_id, access_template_id, quota, limits, policies, labels, $1
FROM source
WHERE true
ON CONFLICT (product_id) DO UPDATE
SET access_template_id = excluded.access_template_id, quota = excluded.quota, limits = excluded.limits,
  policies = excluded.policies, labels = excluded.labels, change_id = excluded.change_id",
    columns: &[ColumnType::Text; 6],
};

pub(super) async fn load(connection: &mut AnyConnection, range: &IdRange) -> Result<Vec<Stamped<Product>>> {
    let rows = range.rows(connection, "reading products", PRODUCTS).await?;
    rows.iter()
        .map(|row| {
            let (change, revision) = stamp(row)?;
            let object = Product {
                id: parsed(ProductId::parse, text(row, 0)?)?,
                access_template: parsed(AccessTemplateId::parse, text(row, 1)?)?,
                quota: maybe_text(row, 2)?.map(|_| from_json(row, 2)).transpose()?,
                limits: from_json(row, 3)?,
                policies: from_json(row, 4)?,
                labels: from_json(row, 5)?,
            };
            Ok(Stamped { object, revision, change })
        })
        .collect()
}

pub(super) async fn write(
    engine: Engine,
    connection: &mut AnyConnection,
    products: &[&Product],
    change_id: i64,
) -> Result<()> {
    let texts: Vec<_> = products
        .iter()
        .map(|it| (it.quota.as_ref().map(json), json(&it.limits), json(&it.policies), json(&it.labels)))
        .collect();
    let cells: Vec<Cell<'_>> = products
        .iter()
        .zip(&texts)
        .flat_map(|(it, (quota, limits, policies, labels))| {
            let (id, template) = (it.id.as_str().into(), it.access_template.as_str().into());
            let [limits, policies, labels] = [limits, policies, labels].map(|it| it.as_str().into());
            [id, template, quota.as_deref().into(), limits, policies, labels]
        })
        .collect();
    PUT.execute(engine, connection, &cells, &[change_id.into()]).await.map(|_| ())
}
