//! Single values: a tree or a text to a checked word of the domain.
//!
//! A value that does not fit is a [`Complaint`]; the reader adds where it stands. Nothing here knows a field's name.
//! Degrees are read digit by digit, never through a float, so every machine rounds them alike (I1).

use std::sync::LazyLock;

use domain::ids::{IdError, Jurisdiction};
use domain::time::Micros;
use jiff::tz::TimeZoneDatabase;

use super::cells::to_id;
use super::fault::{FaultCode, did_you_mean};
use super::tree::{Tree, shorten};
use crate::instant;

/// What is wrong with a value.
#[derive(Debug)]
pub(super) struct Complaint {
    pub(super) code: FaultCode,
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

impl Complaint {
    pub(super) fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), suggestion: None }
    }

    fn expected(what: &str, found: &Tree) -> Self {
        Self::new(FaultCode::WrongType, format!("expected {what}, found {}", found.describe()))
    }
}

/// A value as a text.
pub(super) fn text(tree: &Tree) -> Result<&str, Complaint> {
    match tree {
        Tree::Text(text) => Ok(text),
        Tree::Number(_) | Tree::Bool(_) => {
            let mut written = String::new();
            tree.write_json(&mut written);
            let found = tree.describe();
            let message = format!("expected a text, found {found}; in quotes it is one: \"{}\"", shorten(&written));
            Err(Complaint::new(FaultCode::WrongType, message))
        }
        other => Err(Complaint::expected("a text", other)),
    }
}

/// A text for people: at most `length_max` characters, no control characters.
pub(super) fn line(length_max: usize) -> impl Fn(&Tree) -> Result<String, Complaint> {
    move |tree| {
        let text = text(tree)?;
        check_line(text, length_max).map(|()| text.to_owned())
    }
}

/// Checks that a text is one line of at most `length_max` characters.
pub(super) fn check_line(text: &str, length_max: usize) -> Result<(), Complaint> {
    if text.len() > length_max && text.chars().count() > length_max {
        let message = format!("a text of at most {length_max} characters belongs here, this one has more");
        return Err(Complaint::new(FaultCode::TooLarge, message));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(found) => {
            Err(Complaint::new(FaultCode::InvalidText, format!("the control character {found:?} is not allowed")))
        }
        None => Ok(()),
    }
}

/// A text that is not empty and holds no blanks: an address, a protocol.
pub(super) fn word(length_max: usize) -> impl Fn(&Tree) -> Result<String, Complaint> {
    move |tree| {
        let text = line(length_max)(tree)?;
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(Complaint::new(FaultCode::InvalidText, "a word without blanks belongs here"));
        }
        Ok(text)
    }
}

/// An id of the type that `parse` makes.
pub(super) fn id<T>(parse: fn(&str) -> Result<T, IdError>) -> impl Fn(&Tree) -> Result<T, Complaint> {
    move |tree| {
        let text = text(tree)?;
        parse(text).map_err(|error| bad_id(text, &error))
    }
}

/// The complaint about the spelling of an id.
pub(super) fn bad_id(text: &str, error: &IdError) -> Complaint {
    let suggestion = match error {
        IdError::TooLong { .. } => None,
        _ => Some(to_id(text)).filter(|id| !id.is_empty() && id != text),
    };
    Complaint { code: FaultCode::InvalidId, message: error.to_string(), suggestion }
}

/// A jurisdiction.
pub(super) fn jurisdiction(tree: &Tree) -> Result<Jurisdiction, Complaint> {
    jurisdiction_text(text(tree)?)
}

/// A jurisdiction from its text.
pub(super) fn jurisdiction_text(text: &str) -> Result<Jurisdiction, Complaint> {
    if text.len() > super::limits::NAME_LENGTH_MAX {
        return Err(Complaint::new(FaultCode::TooLarge, "a jurisdiction is a short code, for example EU"));
    }
    Jurisdiction::parse(text).map_err(|error| Complaint::new(FaultCode::InvalidText, error.to_string()))
}

/// A whole number from `least` to `most`.
pub(super) fn integer(least: u64, most: u64) -> impl Fn(&Tree) -> Result<u64, Complaint> {
    move |tree| {
        let Tree::Number(text) = tree else {
            return Err(Complaint::expected("a whole number", tree));
        };
        let out_of_range = || {
            let message = format!("the number {} is not between {least} and {most}", shorten(text));
            Complaint::new(FaultCode::OutOfRange, message)
        };
        if text.contains(['.', 'e', 'E']) {
            let message = format!("expected a whole number, found {}", tree.describe());
            return Err(Complaint::new(FaultCode::WrongType, message));
        }
        let value: u64 = text.parse().map_err(|_| out_of_range())?;
        check_range(value, least, most)
    }
}

/// Checks that a number lies between two.
pub(super) fn check_range(value: u64, least: u64, most: u64) -> Result<u64, Complaint> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let message = format!("the number {value} is not between {least} and {most}");
    Err(Complaint::new(FaultCode::OutOfRange, message))
}

/// A whole number that fits 32 bits.
pub(super) fn integer_u32(least: u32, most: u32) -> impl Fn(&Tree) -> Result<u32, Complaint> {
    let read = integer(u64::from(least), u64::from(most));
    move |tree| read(tree).map(|value| u32::try_from(value).unwrap_or(most))
}

/// One of a closed list of words.
pub(super) fn choice<T: Copy + 'static>(
    choices: &'static [(&'static str, T)],
) -> impl Fn(&Tree) -> Result<T, Complaint> {
    move |tree| choice_text(choices, text(tree)?)
}

/// One of a closed list of words, from its text.
pub(super) fn choice_text<T: Copy>(choices: &[(&'static str, T)], text: &str) -> Result<T, Complaint> {
    choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        Complaint {
            code: FaultCode::UnknownValue,
            message: format!("{:?} is none of {}", shorten(text), words.join(", ")),
            suggestion: did_you_mean(text, words),
        }
    })
}

/// A time.
pub(super) fn time(tree: &Tree) -> Result<Micros, Complaint> {
    time_text(text(tree)?)
}

/// A time from its text. A bare day is refused, and its midnight is suggested.
pub(super) fn time_text(text: &str) -> Result<Micros, Complaint> {
    instant::parse(text).map_err(|error| {
        let suggestion = [format!("{text}T00:00:00Z"), format!("{text}Z")];
        Complaint {
            code: FaultCode::InvalidText,
            message: error.to_string(),
            suggestion: suggestion.into_iter().find(|guess| instant::parse(guess).is_ok()),
        }
    })
}

/// The time zones that came with the binary, so that every machine knows the same ones, and the same rules of each.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The name of a time zone that jiff knows, in its usual spelling.
pub(super) fn timezone(tree: &Tree) -> Result<String, Complaint> {
    let name = text(tree)?;
    let known = (name.len() <= super::limits::NAME_LENGTH_MAX).then(|| ZONES.get(name).ok()).flatten();
    known.and_then(|zone| zone.iana_name().map(str::to_owned)).ok_or_else(|| {
        let names: Vec<String> = ZONES.available().map(|name| name.as_str().to_owned()).collect();
        Complaint {
            code: FaultCode::UnknownValue,
            message: format!("{:?} is no time zone; IANA names are known, for example Europe/Berlin", shorten(name)),
            suggestion: did_you_mean(name, names.iter().map(String::as_str)),
        }
    })
}

/// Degrees as integer microdegrees, at most `degrees_max` to either side.
pub(super) fn microdegrees(degrees_max: i32) -> impl Fn(&Tree) -> Result<i32, Complaint> {
    move |tree| match tree {
        Tree::Number(text) => microdegrees_text(text, degrees_max),
        other => Err(Complaint::expected("degrees as a decimal number", other)),
    }
}

/// Degrees from the text of a JSON number.
pub(super) fn microdegrees_text(text: &str, degrees_max: i32) -> Result<i32, Complaint> {
    let out_of_range = || {
        let message = format!("{} degrees do not lie between -{degrees_max} and {degrees_max}", shorten(text));
        Complaint::new(FaultCode::OutOfRange, message)
    };
    let value = decimal_millionths(text).ok_or_else(out_of_range)?;
    if value.abs() > i64::from(degrees_max) * 1_000_000 {
        return Err(out_of_range());
    }
    i32::try_from(value).map_err(|_| out_of_range())
}

/// Digits before and after the point that are looked at; more than any coordinate has.
const DECIMAL_LENGTH_MAX: usize = 64;

/// A JSON number in millionths, halves rounded away from zero. `None` if it is no number or far too large.
pub(super) fn decimal_millionths(text: &str) -> Option<i64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (is_negative, unsigned) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if whole.is_empty() || digits.len() > DECIMAL_LENGTH_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // The value is 0.DIGITS × 10^point; six more digits before the point make it millionths.
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_add(6)?;
    let mut value: i64 = 0;
    for index in 0..point.max(0) {
        let digit = digits.get(usize::try_from(index).ok()?).map_or(0, |digit| digit - b'0');
        value = value.checked_mul(10)?.checked_add(i64::from(digit))?;
        if value == 0 && usize::try_from(index).ok()? >= digits.len() {
            break;
        }
    }
    let next = usize::try_from(point).ok().and_then(|index| digits.get(index));
    let rounded = if next.is_some_and(|digit| *digit >= b'5') { value.checked_add(1)? } else { value };
    Some(if is_negative { -rounded } else { rounded })
}

/// A share of a quota in permille, written in per cent with at most one decimal: `80%`, `99.5%`.
pub(super) fn permille(permille_max: u32) -> impl Fn(&Tree) -> Result<u32, Complaint> {
    move |tree| {
        let refuse = |suggestion| Complaint {
            code: FaultCode::InvalidText,
            message: format!("a share is written as in \"80%\", from 0.1% to {}%", permille_max / 10),
            suggestion,
        };
        if let Tree::Number(number) = tree {
            return Err(refuse(Some(format!("{number}%"))));
        }
        let digits = text(tree)?.strip_suffix('%').ok_or_else(|| refuse(None))?;
        let (whole, tenth) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_plain =
            |part: &str, length_max| (1..=length_max).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if !is_plain(whole, 4) || !is_plain(tenth, 1) {
            return Err(refuse(None));
        }
        let value = whole.parse::<u32>().unwrap_or(0) * 10 + tenth.parse::<u32>().unwrap_or(0);
        if (1..=permille_max).contains(&value) { Ok(value) } else { Err(refuse(None)) }
    }
}

/// Writes a share as it is read: 800 is `80%`, 995 is `99.5%`.
pub(super) fn permille_to_text(permille: u32) -> String {
    match (permille / 10, permille % 10) {
        (whole, 0) => format!("{whole}%"),
        (whole, tenth) => format!("{whole}.{tenth}%"),
    }
}
