//! The secret of a token: `tenure_` and 43 letters and digits, from the system's randomness.
//!
//! The prefix lets scanners find tokens that leaked into a repository. 32 random bytes cannot be guessed, so a plain
//! SHA-256 is hash enough: there is nothing for a slow one to slow down. In base 62 a token is 50 characters, which
//! is one block of the hash: every request pays for it.

use std::fmt;

use sha2::{Digest, Sha256};

/// What every token begins with.
const PREFIX: &str = "tenure_";

/// Random bytes of a token: 256 bits, as many as its hash.
const RANDOM_BYTES: usize = 32;

/// The digits of base 62.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Digits of a token: 62^43 is the first power above 2^256.
const DIGIT_COUNT: usize = 43;

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
        Ok(Self(format!("{PREFIX}{}", base62(bytes))))
    }

    /// Takes a text for a token if it is spelt like one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let is_spelt = digits.len() == DIGIT_COUNT && digits.bytes().all(|b| b.is_ascii_alphanumeric());
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

/// A number of 32 bytes, written with [`DIGIT_COUNT`] digits: divided by 62 again and again, the last digit first.
fn base62(mut number: [u8; RANDOM_BYTES]) -> String {
    let mut digits = [0u8; DIGIT_COUNT];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0u32;
        for byte in &mut number {
            let part = rest << 8 | u32::from(*byte);
            *byte = u8::try_from(part / 62).expect("the rest is below 62");
            rest = part % 62;
        }
        *digit = DIGITS[rest as usize];
    }
    String::from_utf8_lossy(&digits).into_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_base_62() {
        let number = |low: u32| {
            let mut bytes = [0; RANDOM_BYTES];
            bytes[28..].copy_from_slice(&low.to_be_bytes());
            base62(bytes)
        };
        for (low, end) in [(0, "000"), (61, "00z"), (62, "010"), (62 * 62, "100"), (238_327, "zzz")] {
            assert!(number(low).ends_with(end), "{low}: {}", number(low));
        }
        assert_eq!(base62([255; RANDOM_BYTES]).len(), DIGIT_COUNT);
        assert!(!base62([255; RANDOM_BYTES]).starts_with('0'), "every digit is needed");
    }
}
