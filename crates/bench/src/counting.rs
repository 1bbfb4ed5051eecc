//! The bench `counting`: what a report costs until it is acknowledged, and what its counts cost until they are durable.
//!
//! Read in this order: `entries` is what is reported, `load` puts it on a server, `redis` is who else could count it,
//! `intake` holds the two side by side; `hot` is one core past the parser, `flush` the database beside the raw upsert,
//! `backlog` an hour that waited. Nothing is measured without an fsync but what a row says is in memory.

pub mod load;

mod backlog;
mod entries;
mod flush;
mod hot;
mod intake;
mod raw;
mod redis;

use std::error::Error;

use crate::database::Engine;
use crate::report::{Extent, Row};

/// Measures every size of the extent.
///
/// # Errors
/// Whatever stood in the way.
pub async fn run(extent: &Extent) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    for &size in &extent.sizes {
        eprintln!("tenure-bench: intake of reports about {size} instances");
        rows.extend(intake::rows(size, extent.samples).await?);
    }
    let mut weighed = Vec::new();
    for &size in &extent.sizes {
        eprintln!("tenure-bench: {size} instances past the parser");
        let (measured, weight) = hot::rows(size, extent.samples)?;
        rows.extend(measured);
        weighed.push(weight);
    }
    rows.extend(hot::growth_rows(&weighed));
    for &size in &extent.sizes {
        for engine in Engine::available() {
            eprintln!("tenure-bench: flush of {size} instances on {}", engine.name());
            rows.extend(flush::rows(engine, size, extent.samples).await?);
            rows.extend(backlog::rows(engine, size).await?);
        }
    }
    Ok(rows)
}
