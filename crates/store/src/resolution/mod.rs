//! What a view is loaded from and kept current by. Nothing here writes.

mod snapshot;
mod tail;

pub use snapshot::{INSTANCES_PER_READ_MAX, InstanceRow, ViewSnapshot};
pub use tail::{CHANGES_PER_READ_MAX, ChangeRow, Changed};

pub(crate) use crate::aggregation::list_facts;
