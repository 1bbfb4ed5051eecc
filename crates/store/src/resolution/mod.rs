//! What a view is loaded from and kept current by.
//!
//! A snapshot gives one whole state with the head it stands at, the tail every change after it, in commit order.
//! Nothing here writes (I7).

mod snapshot;
mod tail;

pub use snapshot::{INSTANCES_PER_READ_MAX, InstanceRow, ViewSnapshot};
pub use tail::{CHANGES_PER_READ_MAX, ChangeRow, Changed};

pub(crate) use crate::aggregation::list_facts;
