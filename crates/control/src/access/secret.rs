//! The secret of a token: `tenure_` and 64 hexadecimal digits, from the system's randomness.
//!
//! The prefix lets scanners find tokens that leaked into a repository. 32 random bytes cannot be guessed, so a plain
//! SHA-256 is hash enough: there is nothing for a slow one to slow down.

use std::fmt;

use sha2::{Digest, Sha256};

/// What every token begins with.
const PREFIX: &str = "tenure_";

/// Random bytes of a token: 256 bits, as many as its hash.
const RANDOM_BYTES: usize = 32;

/// The system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no random bytes: {0}")]
pub struct SecretError(getrandom::Error);

/// A token as its bearer holds it. It never shows itself in debug output.
pub struct Secret(String);

impl Secret {
    /// Draws a new one.
    ///
    /// # Errors
    /// [`SecretError`] when the system has no randomness to give.
    pub fn draw() -> Result<Self, SecretError> {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(SecretError)?;
        Ok(Self(format!("{PREFIX}{}", hex::encode(bytes))))
    }

    /// Takes a text for a token if it is spelt like one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let is_spelt = digits.len() == 2 * RANDOM_BYTES && digits.bytes().all(|b| b.is_ascii_hexdigit());
        is_spelt.then(|| Self(text.to_owned()))
    }

    /// The text to show, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The hash of a text that was presented as a token.
pub(super) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The longest text that is hashed: whoever sends more sends no token.
pub(super) const PRESENTED_LENGTH_MAX: usize = 128;

/// A random id with a prefix, for example `token-5f3a9c01d2e4b867`: 64 bits do not meet by chance.
///
/// # Errors
/// [`SecretError`] when the system has no randomness to give.
pub fn random_id(prefix: &str) -> Result<String, SecretError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(SecretError)?;
    Ok(format!("{prefix}-{}", hex::encode(bytes)))
}

/// A small random number that tells processes apart which run at the same time.
///
/// # Errors
/// [`SecretError`] when the system has no randomness to give.
pub fn random_tag() -> Result<u16, SecretError> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_err(SecretError)?;
    Ok(u16::from_be_bytes(bytes))
}
