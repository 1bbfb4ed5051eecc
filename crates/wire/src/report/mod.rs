//! Reports and their answers, in JSON and in protobuf.
//!
//! [`Report`] is what a sender writes and what the interface describes. A server reads with [`read`], which takes both
//! languages into one compact form and never lets one bad item spoil the rest: it is named, and the bytes that could be
//! read of it are told, since what was received is counted at the parser (I11). Only the envelope refuses the whole.

mod body;
mod fault;
mod found;
mod json;
pub mod proto;
mod reading;
mod scan;

pub use body::*;
pub use fault::{ItemFault, Refused, ReportError};
pub use reading::{Encoding, Online, ReadReport, Traffic, read};

#[cfg(test)]
mod laws;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;
