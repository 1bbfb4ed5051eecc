//! Aggregation: what reports become. Here: the health of nodes and their load bands.
//!
//! Pure rules: which fact a report makes, when a load changes its band, who has fallen silent and which regions are
//! held. Who heard what, and when, is measured by the shell and handed in.

mod health;

pub use health::{NodeReport, SILENCE_GUARD_DENOMINATOR, Watch, load_band, report_facts, silent_nodes, was_healthy};
