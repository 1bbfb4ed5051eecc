//! Times as people and programs write them: RFC 3339, for example `2026-01-31T10:00:00Z`.
//!
//! Inside, a time is [`Micros`]; whatever is finer is cut off, towards the past. Written times are always UTC
//! with as few digits as say the same, so that equal times are equal bytes.
//! Use it on a field with `#[serde(with = "wire::instant")]`, or `wire::instant::option`.

use domain::time::Micros;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer};

/// A text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as in 2026-01-31T10:00:00Z (RFC 3339, with Z or an offset); found {found:?}")]
pub struct InstantError {
    found: String,
}

/// The longest text that is looked at: RFC 3339 with nine digits of fraction and an offset needs 35.
const TEXT_LENGTH_MAX: usize = 64;

/// Reads an RFC 3339 time.
///
/// # Errors
/// [`InstantError`] when the text is no time, lacks an offset, or lies outside the years 0 to 9999.
pub fn parse(text: &str) -> Result<Micros, InstantError> {
    let refuse = || InstantError { found: text.chars().take(TEXT_LENGTH_MAX).collect() };
    let starts_with_year = text.len() <= TEXT_LENGTH_MAX && text.bytes().take(4).all(|b| b.is_ascii_digit());
    if !starts_with_year {
        return Err(refuse());
    }
    let timestamp: Timestamp = text.parse().map_err(|_| refuse())?;
    Ok(from_timestamp(timestamp))
}

/// Writes a time; one that no calendar reaches is written as the nearest end of time.
pub fn format(time: Micros) -> String {
    to_timestamp(time).to_string()
}

/// The same time for calculations with a calendar; saturates at the ends of jiff's time.
pub fn to_timestamp(time: Micros) -> Timestamp {
    let end = if time.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(time.0).unwrap_or(end)
}

/// The microsecond in which a time lies.
pub fn from_timestamp(timestamp: Timestamp) -> Micros {
    let nanos = timestamp.as_nanosecond().div_euclid(1000);
    Micros(i64::try_from(nanos).expect("jiff's time spans some 2^59 microseconds"))
}

/// Writes a time as text.
///
/// # Errors
/// Only those of the serializer.
pub fn serialize<S: Serializer>(time: &Micros, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&to_timestamp(*time))
}

/// Reads a time from text.
///
/// # Errors
/// As [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Micros, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// The same for times that may be absent.
pub mod option {
    use super::{Micros, parse, to_timestamp};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes a time as text, or null.
    ///
    /// # Errors
    /// Only those of the serializer.
    pub fn serialize<S: Serializer>(time: &Option<Micros>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(&to_timestamp(*time)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a time from text, or null.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Micros>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| parse(&text).map_err(serde::de::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_with_an_offset_and_written_in_utc() {
        for (text, us, written) in [
            ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"),
            ("2026-01-31T10:00:00Z", 1_769_853_600_000_000, "2026-01-31T10:00:00Z"),
            ("2026-01-31T11:00:00+01:00", 1_769_853_600_000_000, "2026-01-31T10:00:00Z"),
            ("1969-12-31T23:59:59.9999995Z", -1, "1969-12-31T23:59:59.999999Z"),
            ("2026-01-31T10:00:00.5Z", 1_769_853_600_500_000, "2026-01-31T10:00:00.5Z"),
        ] {
            assert_eq!(parse(text), Ok(Micros(us)), "{text}");
            assert_eq!(format(Micros(us)), written);
        }
        for bad in ["", "2026-01-31", "2026-01-31T10:00:00", "2026-02-30T00:00:00Z", "now", "-000001-01-01T00:00:00Z"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(format(Micros(i64::MAX)), format(from_timestamp(Timestamp::MAX)));
    }

    proptest! {
        #[test]
        fn a_written_time_reads_back(us in -62_167_219_200_000_000..253_402_207_200_000_000i64) {
            prop_assert_eq!(parse(&format(Micros(us))), Ok(Micros(us)));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}") {
            let _ = parse(&text);
        }
    }
}
