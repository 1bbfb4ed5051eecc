//! Identifiers: one type per thing, parsed once at the door, so that two ids can never be swapped.
//!
//! An id is 1 to 128 characters of `a-z 0-9 . _ -`; the first and the last are alphanumeric.
//! Ids of the topology are shared (`Arc<str>`), since a million instances name the same few hundred.
//! Ordering is by bytes: it is the last word of every tie-break (I1).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest id; it fits an index page many times over and any log line.
pub const ID_LENGTH_MAX: usize = 128;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("an id must not be empty")]
    Empty,
    #[error("an id has at most {ID_LENGTH_MAX} characters, this one has {length}")]
    TooLong { length: usize },
    #[error("an id holds only a-z, 0-9, '.', '_' and '-', not {found:?} (character {position})")]
    Character { found: char, position: usize },
    #[error("an id begins and ends with a letter or a digit, not with {found:?}")]
    Edge { found: char },
}

/// Checks the spelling of an id.
///
/// # Errors
/// [`IdError`] names the first fault.
pub fn check_id(text: &str) -> Result<(), IdError> {
    // Counting checks millions of ids a second, nearly all of them good: bytes answer that faster than characters.
    if is_id(text.as_bytes()) { Ok(()) } else { find_fault(text) }
}

fn is_id(bytes: &[u8]) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let is_inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    bytes.len() <= ID_LENGTH_MAX && is_end(bytes.first()) && is_end(bytes.last()) && bytes.iter().all(is_inner)
}

#[cold]
fn find_fault(text: &str) -> Result<(), IdError> {
    let first = text.chars().next().ok_or(IdError::Empty)?;
    let length = text.chars().count();
    if length > ID_LENGTH_MAX {
        return Err(IdError::TooLong { length });
    }
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    if let Some((index, found)) = text.chars().enumerate().find(|(_, c)| !is_inner(*c)) {
        return Err(IdError::Character { found, position: index + 1 });
    }
    let last = text.chars().next_back().unwrap_or(first);
    for found in [first, last] {
        if !found.is_ascii_alphanumeric() {
            return Err(IdError::Edge { found });
        }
    }
    Ok(())
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name($inner);

        impl $name {
            /// Parses an id.
            ///
            /// # Errors
            /// [`IdError`] when the spelling is not an id's.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check_id(text).map(|()| Self(text.into()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

id_type!(/// An orchestration boundary made of resource groups.
    RegionId(Arc<str>));
id_type!(/// A resource group: the first boundary of nodes.
    GroupId(Arc<str>));
id_type!(/// An edge machine.
    NodeId(Arc<str>));
id_type!(/// How a node runs.
    RuntimeTemplateId(Arc<str>));
id_type!(/// How a node egresses.
    OutboundTemplateId(Arc<str>));
id_type!(/// The executable delivery policy of a product.
    AccessTemplateId(Arc<str>));
id_type!(/// What is sold.
    ProductId(Arc<str>));
id_type!(/// What a customer has. Not shared: there are a million different ones.
    InstanceId(Box<str>));
id_type!(/// A previewed set of changes.
    PlanId(Arc<str>));
id_type!(/// An intake replica: one log on one disk.
    ReplicaId(Arc<str>));

/// A jurisdiction: 1 to 32 printable ASCII characters without blanks, for example `EU` or `us-ca`.
///
/// Two jurisdictions are equal or not; there is no hierarchy (I22).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Jurisdiction(Arc<str>);

/// Long enough for every subdivision code with room for a private suffix.
pub const JURISDICTION_LENGTH_MAX: usize = 32;

/// A text is not a jurisdiction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a jurisdiction is 1 to {JURISDICTION_LENGTH_MAX} printable ASCII characters without blanks, for example EU; found {found:?}"
)]
pub struct JurisdictionError {
    found: String,
}

impl Jurisdiction {
    /// Parses a jurisdiction.
    ///
    /// # Errors
    /// [`JurisdictionError`] when it is empty, too long, or holds a blank or a character outside ASCII.
    pub fn parse(text: &str) -> Result<Self, JurisdictionError> {
        let is_valid =
            (1..=JURISDICTION_LENGTH_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if is_valid { Ok(Self(text.into())) } else { Err(JurisdictionError { found: text.to_owned() }) }
    }

    /// The jurisdiction as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Jurisdiction {
    type Error = JurisdictionError;
    fn try_from(text: String) -> Result<Self, JurisdictionError> {
        Self::parse(&text)
    }
}

impl From<Jurisdiction> for String {
    fn from(jurisdiction: Jurisdiction) -> String {
        jurisdiction.0.as_ref().to_owned()
    }
}

impl fmt::Display for Jurisdiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A point in the history of the master data: revision order is commit order. Starts at 0, an empty database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How often the ownership of an instance has changed; it survives release (I2). The first owner has generation 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A decision: the batch in which it was taken and its place in it. Written `BATCH.ORDINAL`, for example `812.47`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionId {
    /// The batch, from 1.
    pub batch: u64,
    /// The place in the batch, from 0.
    pub ordinal: u32,
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.batch, self.ordinal)
    }
}

impl std::str::FromStr for DecisionId {
    type Err = DecisionIdError;
    fn from_str(text: &str) -> Result<Self, DecisionIdError> {
        let parts =
            text.split_once('.').and_then(|(batch, ordinal)| Some((batch.parse().ok()?, ordinal.parse().ok()?)));
        parts.map(|(batch, ordinal)| Self { batch, ordinal }).ok_or_else(|| DecisionIdError { found: text.to_owned() })
    }
}

/// A text is not a decision id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a decision id is BATCH.ORDINAL, for example 812.47; found {found:?}")]
pub struct DecisionIdError {
    found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_at_the_door() {
        for good in ["a", "svc-1", "eu.west_1", "0", &"a".repeat(128)] {
            assert!(GroupId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "-a", "a-", "a b", "ä", &"a".repeat(129)] {
            assert!(GroupId::parse(bad).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_quick_check_agrees_with_the_one_that_names_faults(text in "[a-z0-9A.ä_-]{0,4}|[a-z0-9._-]{126,130}|\\PC{0,9}") {
            proptest::prop_assert_eq!(is_id(text.as_bytes()), find_fault(&text).is_ok(), "{:?}", text);
        }
    }

    #[test]
    fn a_decision_id_reads_back() {
        let id = DecisionId { batch: 812, ordinal: 47 };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("812".parse::<DecisionId>().is_err());
    }
}
