//! Sets the sample fleet up over the server's own HTTP API, as an operator would with `apply` and `import`.
//!
//! Most customers arrive first; then a group begins to drain and a fresh one joins; then the rest arrives and meets
//! both. A mark is left at the end, so that a demo on kept data does not undo what was done to it.

use std::path::Path;

use indicatif::ProgressBar;
use reqwest::Method;
use serde_json::Value;
use wire::apply::Applied;
use wire::import::Imported;

use super::{customers::Customers, fleet};
use crate::client::{Connection, Failure};

/// One seed for everything that is drawn, so that all demos are alike.
pub const SEED: u64 = 7_400;

/// So many of a hundred customers are there before the fleet changes.
const FIRST_PERCENT: u64 = 92;

/// Customers of one request; the bar moves on with each.
const AT_ONCE: u32 = 5_000;

/// Stands in the data directory when the fleet is complete.
const MARK: &str = "demo-is-set-up";

/// The manifests as they were applied, for reading.
pub const FLEET_FILE: &str = "fleet.yaml";

/// The manifest of the tour.
pub const SCALE_OUT_FILE: &str = "scale-out.yaml";

/// Sets the fleet up, unless these data hold it already. Returns its manifests.
///
/// # Errors
/// [`Failure`] when the server refuses, which is a defect, or a file cannot be written.
pub async fn set_up(at: &Connection, data: &Path, instances: u32, bar: &ProgressBar) -> Result<Vec<Value>, Failure> {
    let (base, later) = (fleet::base(), fleet::later());
    let all: Vec<Value> = base.iter().chain(&later).cloned().collect();
    let mark = data.join(MARK);
    if mark.exists() {
        return Ok(all);
    }
    write_yaml(&data.join(FLEET_FILE), &base)?;
    write_yaml(&data.join(SCALE_OUT_FILE), &fleet::scale_out())?;
    let first = u32::try_from(u64::from(instances) * FIRST_PERCENT / 100).unwrap_or(instances);
    let mut customers = Customers::new(SEED);
    bar.set_length(u64::from(instances));
    bar.set_message("regions, groups, nodes, products");
    apply(at, base).await?;
    bar.set_message("customers arrive");
    import(at, &mut customers, first, bar).await?;
    bar.set_message("a group drains, a fresh one joins");
    apply(at, later).await?;
    bar.set_message("more customers arrive");
    import(at, &mut customers, instances - first, bar).await?;
    std::fs::write(&mark, "").map_err(|error| Failure::new(format!("{}: {error}", mark.display())))?;
    Ok(all)
}

fn write_yaml(path: &Path, objects: &[Value]) -> Result<(), Failure> {
    let documents: Result<Vec<String>, String> = objects
        .iter()
        .map(|it| wire::manifest::json_to_yaml(&it.to_string()).map_err(|error| error.to_string()))
        .collect();
    let text = documents.map_err(Failure::new)?.join("---\n");
    std::fs::write(path, text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

async fn apply(at: &Connection, objects: Vec<Value>) -> Result<(), Failure> {
    at.post::<Applied>("/v1/apply", &Value::Array(objects)).await.map(|_| ())
}

async fn import(at: &Connection, customers: &mut Customers, number: u32, bar: &ProgressBar) -> Result<(), Failure> {
    let mut left = number;
    while left > 0 {
        let portion = left.min(AT_ONCE);
        left -= portion;
        let request = at.request(Method::POST, "/v1/instances/import?wait=true");
        let request = request.header("content-type", "application/x-ndjson").body(customers.lines(portion));
        let imported: Imported = at.ask(request).await?;
        if let Some(row) = imported.refused.first() {
            return Err(Failure::new(format!("a customer of the sample was refused: {}: {}", row.code, row.detail)));
        }
        bar.inc(u64::from(portion));
    }
    Ok(())
}
