//! What can be wrong with a report: with one of its items, which is then rejected alone, or with the whole.
//!
//! The codes of items are a closed list, documented in `docs/reference/reports.md`. A refused item keeps what could be
//! read of it, so that its bytes are in `received` and in `rejected`, in the shard of its instance (I11).

use domain::ids::InstanceId;

use super::body::{REPORT_BYTES_MAX, REPORT_ITEMS_MAX, RejectedItem};
use crate::problem::{Problem, ProblemType};

macro_rules! item_faults {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal;)+) => {
        /// Why an item was not taken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ItemFault {
            $($(#[doc = $doc])+ $name,)+
        }

        impl ItemFault {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable code.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// What it means, for people.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii()),+ }
            }
        }
    };
}

item_faults! {
    /// The item is no object, or its bytes break off.
    MalformedItem = "malformed-item";
    /// A field that an item must have is not there.
    MissingField = "missing-field";
    /// The item has a field that this server does not know, so it may mean something else than what is read.
    UnknownField = "unknown-field";
    /// A field stands twice in one JSON object.
    DuplicateField = "duplicate-field";
    /// A field holds another type than it should, or a number that is no integer.
    WrongType = "wrong-type";
    /// A number of bytes is below zero.
    Negative = "negative";
    /// A number of bytes is above 2^53-1.
    TooLarge = "too-large";
    /// The instance is not the id of anything that could exist.
    InvalidId = "invalid-id";
    /// The device is longer than 128 bytes or holds control characters.
    InvalidDevice = "invalid-device";
    /// The lease is longer than 128 bytes or holds control characters.
    InvalidLease = "invalid-lease";
    /// A running total fell: nothing is counted, the total is the new baseline. Nothing is lost by it.
    Rewind = "rewind";
    /// There is no such lease of this reporter and instance.
    UnknownLease = "unknown-lease";
    /// A sum of bytes has no room for the item: it would pass 2^63-1. Nothing of it is counted anywhere.
    Overflow = "overflow";
}

/// An item that was refused, with what could be read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its place: all of `traffic` first, then all of `online`, from 0.
    pub index: u32,
    pub code: ItemFault,
    pub detail: String,
    /// Absent when no id could be read.
    pub instance: Option<InstanceId>,
    /// Bytes; 0 where they could not be read.
    pub up: u64,
    /// Bytes; 0 where they could not be read.
    pub down: u64,
}

impl From<Refused> for RejectedItem {
    fn from(refused: Refused) -> Self {
        Self { index: u64::from(refused.index), code: refused.code.code().to_owned(), detail: refused.detail }
    }
}

/// Why a whole report was refused. Nothing of it is counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    #[error("line {line}, column {column}: {detail}")]
    Json { line: usize, column: usize, detail: String },
    #[error("byte {offset}: {detail}")]
    Protobuf { offset: usize, detail: String },
    #[error("field {field:?}: {detail}")]
    Field { field: String, detail: String },
    #[error("a report has at most {REPORT_ITEMS_MAX} items of traffic and presence together")]
    TooManyItems,
    #[error("a report has at most {REPORT_BYTES_MAX} bytes")]
    TooManyBytes,
}

impl ReportError {
    pub(super) fn field(field: &str, detail: impl Into<String>) -> Self {
        Self::Field { field: field.to_owned(), detail: detail.into() }
    }
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        let said = error.to_string();
        match error {
            ReportError::Json { line, column, .. } => {
                Self::new(ProblemType::MalformedJson, said).with("line", line).with("column", column)
            }
            ReportError::Protobuf { offset, .. } => {
                Self::new(ProblemType::MalformedProtobuf, said).with("offset", offset)
            }
            ReportError::Field { field, .. } => Self::bad_request(said).with("field", field),
            ReportError::TooManyItems => Self::bad_request(said).with("limit", REPORT_ITEMS_MAX),
            ReportError::TooManyBytes => Self::payload_too_large(REPORT_BYTES_MAX),
        }
    }
}
