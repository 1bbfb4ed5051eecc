//! Aggregation: what nodes report, and what their silence means.
//!
//! Here a report's node part becomes revisioned facts; the pure rules are `domain::aggregation`'s.

mod facts;
mod homes;
mod intake;
mod silence;

pub use facts::{FactQueue, WriteFacts};
pub use homes::Homes;
pub use intake::{Accepted, IncomingReport, NodeIntake, ReportRefusal, ReporterRow};
pub use silence::{JUDGE_EVERY, JudgeSilence, SilentRegions};
