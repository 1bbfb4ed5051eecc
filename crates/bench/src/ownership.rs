//! The bench `ownership`: who moves, how even it is before and after, and how long it stays uneven.
//!
//! Every contender fills the same groups with the same instances, then the same groups join, in one run.
//! The rows of one figure stand together, so that contenders are read beside each other.

use std::error::Error;

use crate::report::{Extent, Row};
use crate::{balance, rivals};

/// Measures every contender at every size of the extent.
///
/// # Errors
/// The rivals are arithmetic and cannot fail; the type is that of every bench.
pub fn run(extent: &Extent) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    for &size in &extent.sizes {
        let contenders = rivals::measure_all(size, extent.samples);
        rows.extend(balance::rows(size, rivals::MINIMUM_MOVED_SHARE, &contenders));
    }
    Ok(rows)
}
