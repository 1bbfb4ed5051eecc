//! JSON text to trees: one value, an array of objects, or several values one after the other (NDJSON).
//!
//! Each level of a value is cut into the texts of its parts, so every part knows where it stands. A level is read once
//! for each level above it; [`NESTING_DEPTH_MAX`] bounds that, and manifests are three levels deep.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fault::FaultCode;
use super::limits::{NESTING_DEPTH_MAX, OBJECTS_MAX, VALUES_MAX};
use super::tree::{Branch, Name, Spot, Tree};
use super::yaml::{Broken, Document};

/// Reads the values of a text; an array stands for its items. What follows a syntax error is not read.
pub(super) fn documents(text: &str) -> impl Iterator<Item = Document> + '_ {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = Lines::of(text);
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let mut items: std::vec::IntoIter<&RawValue> = Vec::new().into_iter();
    std::iter::from_fn(move || {
        loop {
            if let Some(item) = items.next() {
                return Some(lines.document(text, item));
            }
            let value = match values.next()? {
                Ok(value) => value,
                Err(error) => return Some(Document { root: None, broken: Some(broken(&error)) }),
            };
            match value.get().starts_with('[').then(|| serde_json::from_str::<Items<'_, OBJECTS_MAX>>(value.get())) {
                Some(Ok(Items(array))) => items = array.into_iter(),
                _ => return Some(lines.document(text, value)),
            }
        }
    })
}

/// Reads one value that is known to be JSON, for example a stored body.
pub(super) fn value(text: &str) -> Result<Branch, Broken> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| broken(&error))?;
    Lines::of(text).root(text, raw)
}

fn broken(error: &serde_json::Error) -> Broken {
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text);
    Broken {
        spot: Spot { line: small(error.line()), column: small(error.column()) },
        code: FaultCode::Syntax,
        message: format!("not JSON: {message}"),
    }
}

/// Where the lines of a text begin.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(index, _)| index + 1);
        Self { starts: std::iter::once(0).chain(breaks).collect() }
    }

    /// The place of `part`, which is a part of `text`.
    fn spot(&self, text: &str, part: &str) -> Spot {
        let offset = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Spot { line: small(line), column: small(offset - self.starts[line - 1] + 1) }
    }

    fn document(&self, text: &str, value: &RawValue) -> Document {
        match self.root(text, value) {
            Ok(root) => Document { root: Some(root), broken: None },
            Err(broken) => Document { root: None, broken: Some(broken) },
        }
    }

    fn root(&self, text: &str, value: &RawValue) -> Result<Branch, Broken> {
        self.branch(text, value, &mut Room { levels: NESTING_DEPTH_MAX, values: VALUES_MAX })
    }

    fn branch(&self, text: &str, value: &RawValue, room: &mut Room) -> Result<Branch, Broken> {
        let spot = self.spot(text, value.get());
        room.take(spot)?;
        let inside = |error: serde_json::Error| Broken { spot, ..broken(&error) };
        let part = value.get();
        room.levels -= 1;
        let tree = match part.as_bytes().first() {
            Some(b'n') => Tree::Null,
            Some(b't') => Tree::Bool(true),
            Some(b'f') => Tree::Bool(false),
            Some(b'"') => Tree::Text(serde_json::from_str(part).map_err(inside)?),
            Some(b'[') => {
                let Items::<VALUES_MAX>(items) = serde_json::from_str(part).map_err(inside)?;
                Tree::List(items.into_iter().map(|item| self.branch(text, item, room)).collect::<Result<_, _>>()?)
            }
            Some(b'{') => {
                let Entries(entries) = serde_json::from_str(part).map_err(inside)?;
                let mut fields = Vec::with_capacity(entries.len());
                for (name, item) in entries {
                    let name_text = serde_json::from_str(name.get()).map_err(inside)?;
                    let name = Name { text: name_text, spot: self.spot(text, name.get()) };
                    fields.push((name, self.branch(text, item, room)?));
                }
                Tree::Map(fields)
            }
            _ => Tree::Number(part.to_owned()),
        };
        room.levels += 1;
        Ok(Branch { tree, spot })
    }
}

/// How much deeper and larger a tree may become.
struct Room {
    levels: usize,
    values: usize,
}

impl Room {
    fn take(&mut self, spot: Spot) -> Result<(), Broken> {
        let refuse = |message| Err(Broken { spot, code: FaultCode::TooLarge, message });
        if self.levels == 0 {
            return refuse(format!("maps and lists stand deeper than {NESTING_DEPTH_MAX} levels"));
        }
        if self.values == 0 {
            return refuse(format!("one object holds at most {VALUES_MAX} values"));
        }
        self.values -= 1;
        Ok(())
    }
}

/// The items of a list; of a longer one the first `MAX` and one more, which shows that it is too long.
struct Items<'a, const MAX: usize>(Vec<&'a RawValue>);

impl<'de, const MAX: usize> Deserialize<'de> for Items<'de, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemsVisitor<const MAX: usize>;
        impl<'de, const MAX: usize> Visitor<'de> for ItemsVisitor<MAX> {
            type Value = Items<'de, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while items.len() <= MAX {
                    match access.next_element()? {
                        Some(item) => items.push(item),
                        None => return Ok(Items(items)),
                    }
                }
                while access.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(ItemsVisitor::<MAX>)
    }
}

/// The fields of a map in their order, with those that stand twice; bounded like [`Items`].
struct Entries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while entries.len() <= VALUES_MAX {
                    match access.next_entry()? {
                        Some(entry) => entries.push(entry),
                        None => return Ok(Entries(entries)),
                    }
                }
                while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}
