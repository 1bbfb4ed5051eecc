//! A fault of a manifest: where it is, what is wrong, and what was probably meant.
//!
//! Codes are a closed list, documented in `docs/reference/problems.md`. A fault names a place in a file where there is
//! one, and always the object, so that the server's faults (a missing reference) read like those of the parser.

use std::fmt;
use std::sync::Arc;

use domain::master_data::Kind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::limits::FAULTS_MAX;

macro_rules! fault_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        /// What kind of fault it is. The spelling is stable; the message is for people and is not.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        pub enum FaultCode {
            $($(#[doc = $doc])+ #[serde(rename = $code)] $name,)+
        }

        impl FaultCode {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable spelling.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }
        }
    };
}

fault_codes! {
    /// The text is not YAML or not JSON; nothing of this document could be read.
    Syntax = "syntax",
    /// The bytes are not UTF-8.
    NotUtf8 = "not-utf8",
    /// The input, a document, a list or a text is larger than its limit.
    TooLarge = "too-large",
    /// A document is not a map of fields.
    NotAnObject = "not-an-object",
    /// `kind` is none of the kinds.
    UnknownKind = "unknown-kind",
    /// The object is not the one that the address names.
    OtherObject = "other-object",
    /// A field that this kind does not have.
    UnknownField = "unknown-field",
    /// A field that this kind must have.
    MissingField = "missing-field",
    /// A field that stands twice.
    DuplicateField = "duplicate-field",
    /// The same kind and id stand twice in one input.
    DuplicateObject = "duplicate-object",
    /// A list names the same thing twice.
    DuplicateItem = "duplicate-item",
    /// A list that must not be empty.
    EmptyList = "empty-list",
    /// A text where a number is expected, a list where a map is expected, and so on.
    WrongType = "wrong-type",
    /// The spelling of an id is wrong.
    InvalidId = "invalid-id",
    /// A value outside the closed list of values.
    UnknownValue = "unknown-value",
    /// A number outside its range.
    OutOfRange = "out-of-range",
    /// A text that does not have the form which its field demands.
    InvalidText = "invalid-text",
    /// Fields that exclude each other, or do not belong to the mode.
    Conflict = "conflict",
    /// A reference to an object that does not exist.
    MissingReference = "missing-reference",
    /// A jurisdiction that no region has.
    UnknownJurisdiction = "unknown-jurisdiction",
    /// The groups of a node lie in several jurisdictions.
    MixedJurisdictions = "mixed-jurisdictions",
    /// So many faults that the rest of the input was not read.
    MoreFaults = "more-faults",
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One fault. Texts that rarely stand there are boxed, so that a `Result` with a fault stays small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// The file, or what stands for it: `-`, `body`.
    #[schema(value_type = String)]
    pub file: Arc<str>,
    /// From 1; 0 when the fault has no place in a file.
    pub line: u32,
    /// From 1, in characters for YAML and in bytes for JSON; 0 when unknown.
    pub column: u32,
    /// The kind of the object, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<Box<str>>,
    /// The id of the object, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub id: Option<Box<str>>,
    /// The field, for example `location.latitude` or `endpoints[0].port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub field: Option<Box<str>>,
    /// What kind of fault.
    pub code: FaultCode,
    /// For people.
    pub message: String,
    /// What was probably meant: the text to write instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub suggestion: Option<Box<str>>,
}

impl Fault {
    /// A fault without a place.
    pub fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self {
            file: "".into(),
            line: 0,
            column: 0,
            kind: None,
            id: None,
            field: None,
            code,
            message: message.into(),
            suggestion: None,
        }
    }

    /// The same fault, at a place.
    #[must_use]
    pub fn at(mut self, file: &Arc<str>, line: u32) -> Self {
        self.file = Arc::clone(file);
        self.line = line;
        self
    }

    /// The same fault, of this object.
    #[must_use]
    pub fn of(mut self, kind: Kind, id: impl Into<Box<str>>) -> Self {
        self.kind = Some(kind.name().into());
        self.id = Some(id.into());
        self
    }

    /// The same fault, in this field.
    #[must_use]
    pub fn in_field(mut self, field: impl Into<Box<str>>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same fault, with what was probably meant.
    #[must_use]
    pub fn suggesting(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }
}

impl fmt::Display for Fault {
    /// `fleet.yaml:12: field "prioritty": unknown field; did you mean "priority"?`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, &self.kind, &self.id) {
            (0, Some(kind), Some(id)) => write!(f, "{kind} {id:?}: ")?,
            (0, ..) if self.file.is_empty() => {}
            (0, ..) => write!(f, "{}: ", self.file)?,
            (line, ..) if self.file.is_empty() => write!(f, "line {line}: ")?,
            (line, ..) => write!(f, "{}:{line}: ", self.file)?,
        }
        if let Some(field) = &self.field {
            write!(f, "field {field:?}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean {suggestion:?}?"),
            None => Ok(()),
        }
    }
}

/// The faults of one input. Reading stops when [`FAULTS_MAX`] are listed: nobody corrects more at once, and looking
/// for what was meant costs far more than reading.
#[derive(Debug, Default)]
pub(super) struct Faults {
    listed: Vec<Fault>,
    unlisted: u64,
    is_cut: bool,
}

impl Faults {
    /// Notes a fault; beyond the limit it is only counted.
    pub(super) fn push(&mut self, fault: Fault) {
        if self.is_full() {
            self.unlisted += 1;
        } else {
            self.listed.push(fault);
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.listed.len() as u64 + self.unlisted
    }

    /// Whether no more are listed.
    pub(super) fn is_full(&self) -> bool {
        self.listed.len() >= FAULTS_MAX
    }

    /// Notes that something was not read since there were too many faults before it.
    pub(super) fn cut(&mut self) {
        self.is_cut = true;
    }

    /// `value` when there is no fault, else the faults from top to bottom.
    pub(super) fn or<T>(mut self, value: T) -> Result<T, Vec<Fault>> {
        if self.count() == 0 {
            return Ok(value);
        }
        self.listed.sort_by_key(|fault| (fault.line, fault.column));
        if self.unlisted > 0 || self.is_cut {
            let message = "there may be more faults: correct these first";
            self.listed.push(Fault::new(FaultCode::MoreFaults, message));
        }
        Err(self.listed)
    }
}

/// Words longer than this are not compared: the comparison is quadratic, and nobody mistypes so much.
const WORD_LENGTH_MAX: usize = 128;

/// The candidate that was probably meant by `word`: the nearest by insertions, deletions, replacements and swaps,
/// if at most a third of the letters differ. Ties fall to the smaller candidate.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    if word.is_empty() || word.len() > WORD_LENGTH_MAX {
        return None;
    }
    let typed = word.to_lowercase();
    let allowed = (typed.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= WORD_LENGTH_MAX && *candidate != word)
        .map(|candidate| (strsim::damerau_levenshtein(&typed, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}
