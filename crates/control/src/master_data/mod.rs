//! Master data: the services under the routes that write regions, groups, nodes, templates, products and instances.
//!
//! Each write is one transaction: checks against the database are made inside it, and either all of it is in force or
//! nothing. Whoever is refused learns everything that is wrong, not the first fault.

mod apply;
mod faults;
mod ground;
mod guard;
mod import;
mod instance;
mod known;
mod once;
mod refusal;
mod settled;

pub use apply::{Applied, Applying, apply};
pub use ground::{Condition, Ground, etag};
pub use guard::{Tolerance, guard_topology};
pub use import::{CHUNK_ROWS, Chunk, Importer, Row};
pub use instance::{Saved, put_instance, terminate_instance};
pub use known::Known;
pub use once::Once;
pub use refusal::Refusal;
pub use settled::{Unsettled, is_settled};

#[cfg(test)]
mod tests;
