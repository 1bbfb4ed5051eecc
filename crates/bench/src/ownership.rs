//! The bench `ownership`: who moves, how even it is before and after, and how fast owners come to be.
//!
//! Every contender fills the same groups with the same instances, then the same groups join, in one run; rows of one
//! figure stand together. Then the real server, on every engine that is to be had, beside SQL written by hand.

use std::error::Error;

use crate::database::Engine;
use crate::report::{Extent, Row};
use crate::server::BINARY_VARIABLE;
use crate::{balance, blast, ours, rivals, whole};

/// Measures every contender at every size of the extent.
///
/// # Errors
/// Whatever stood in the way of the real server; the rivals are arithmetic and cannot fail.
pub async fn run(extent: &Extent) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    let largest = extent.sizes.iter().max().copied().unwrap_or_default();
    let has_server = std::env::var_os(BINARY_VARIABLE).is_some();
    if !has_server {
        eprintln!("tenure-bench: no {BINARY_VARIABLE}: nothing is measured over HTTP; start with `cargo xtask bench`");
    }
    for &size in &extent.sizes {
        eprintln!("tenure-bench: ownership of {size} instances");
        let measured = ours::measure(size);
        let mut contenders = measured.contenders.to_vec();
        contenders.extend(rivals::measure_all(size, extent.samples));
        rows.extend(balance::rows(size, rivals::MINIMUM_MOVED_SHARE, &contenders));
        rows.extend(measured.rows);
        rows.push(ours::regional_row(size));
        rows.push(blast::in_memory_row(size)?);
        for engine in if has_server { Engine::available() } else { Vec::new() } {
            rows.extend(whole::measure(engine, size, size == largest).await?);
        }
    }
    Ok(rows)
}
