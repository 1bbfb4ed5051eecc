//! Aggregation: what reports become. Here: the health of nodes and their load bands.

mod health;

pub use health::{NodeReport, SILENCE_GUARD_DENOMINATOR, Watch, load_band, report_facts, silent_nodes, was_healthy};
