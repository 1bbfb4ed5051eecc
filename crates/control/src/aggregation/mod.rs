//! Aggregation: what nodes report, what of it is counted, and what their silence means.
//!
//! The pure rules are `domain::aggregation`'s. Read in this order: [`hot`] is what is counted and not yet committed,
//! `log` what makes an acknowledgement true, `writer` the one thread between them; `flush` and `cleanup` bring it into
//! the master data, `reading` says what is visible. The part of a report about its node becomes revisioned facts.

mod cleanup;
mod deep;
mod facts;
mod flush;
mod homes;
pub mod hot;
mod intake;
pub mod log;
mod meters;
mod presence;
mod reading;
mod replay;
mod silence;
mod start;
mod unpark;
mod writer;

pub use cleanup::{Cleanup, ForgetCounts};
pub use deep::DeepError;
pub use facts::{FactQueue, WriteFacts};
pub use flush::Flush;
pub use homes::Homes;
pub use intake::{Accepted, Intake, IntakeParts, ReportRefusal};
pub use meters::Meters;
pub use presence::{ForgetPresence, Presences};
pub use reading::{Balance, Line, Reading, Visible, VisibleRow};
pub use silence::{JUDGE_EVERY, JudgeSilence, SilentRegions};
pub use start::{Found, StartError as CountingStartError, find};
pub use unpark::Unpark;
pub use writer::{Bounds, Counting, QueueFull, WriterThread};
