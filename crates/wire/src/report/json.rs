//! Reads a report in JSON, in one pass, without building a tree.
//!
//! Every visitor takes whatever type it meets and says afterwards that it was the wrong one: an item of the wrong shape
//! must not stop the reader, which only text that is not JSON does. Texts are borrowed from the body unless they hold
//! escapes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::body::{NodePart, ReportKind};
use super::fault::{ItemFault, ReportError};
use super::found::{Found, ItemField, quote};
use super::reading::{Envelope, Items};
use crate::instant;

/// Above this a number has no neighbour of its own among the floating-point ones: 2^53.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Reads the envelope; items go into `items`.
pub(super) fn read<'a>(bytes: &'a [u8], items: &mut Items) -> Result<Envelope<'a>, ReportError> {
    let mut refusal = None;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let whole = WholeSeed { items, refusal: &mut refusal }.deserialize(&mut reader);
    let done = whole.and_then(|envelope| reader.end().map(|()| envelope));
    done.map_err(|error| refusal.unwrap_or_else(|| not_json(&error)))
}

fn not_json(error: &serde_json::Error) -> ReportError {
    let text = error.to_string();
    let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(said, _)| said).to_owned();
    ReportError::Json { line: error.line(), column: error.column(), detail }
}

/// Any value of JSON, as far as a report needs it.
#[derive(Debug)]
enum Scalar<'de> {
    Text(Cow<'de, str>),
    Integer(u64),
    /// An integer below zero.
    Negative,
    /// An integer that is larger than 64 bits hold.
    Huge,
    Fraction,
    Bool,
    Null,
    List,
    Object,
}

impl Scalar<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) | Self::Negative | Self::Huge => "an integer",
            Self::Fraction => "a number with a fraction",
            Self::Bool => "true or false",
            Self::Null => "null",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

struct ScalarSeed;

impl<'de> DeserializeSeed<'de> for ScalarSeed {
    type Value = Scalar<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Scalar<'de>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ScalarSeed {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
        // 2^63 and above is not below zero here, as it is in protobuf.
        Ok(if number > i64::MAX as u64 { Scalar::Huge } else { Scalar::Integer(number) })
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar<'de>, E> {
        Ok(u64::try_from(number).map_or(Scalar::Negative, Scalar::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar<'de>, E> {
        Ok(match () {
            () if number >= EXACT_MAX => Scalar::Huge,
            () if number <= -EXACT_MAX => Scalar::Negative,
            () => Scalar::Fraction,
        })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Bool)
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Scalar<'de>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Object)
    }
}

/// The name of a field, borrowed where it can be.
struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Cow<'de, str>, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Which list of items is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Traffic,
    Online,
}

/// One item, of whatever type it turns out to be.
struct ItemSeed(Part);

impl<'de> DeserializeSeed<'de> for ItemSeed {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Found<'de>, D::Error> {
        from.deserialize_any(self)
    }
}

fn no_object<'de>(found: &Scalar<'_>) -> Found<'de> {
    let mut item = Found::default();
    item.blame(ItemFault::MalformedItem, format!("expected an object, found {}", found.name()));
    item
}

impl<'de> Visitor<'de> for ItemSeed {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Found<'de>, A::Error> {
        let mut item = Found::default();
        let mut seen = 0u8;
        while let Some(name) = object.next_key_seed(NameSeed)? {
            let field = match self.0 {
                Part::Traffic => ItemField::of_traffic(&name),
                Part::Online => ItemField::of_online(&name),
            };
            let Some(field) = field else {
                object.next_value::<IgnoredAny>()?;
                item.blame_unknown(&name);
                continue;
            };
            let value = object.next_value_seed(ScalarSeed)?;
            let bit = 1 << field as u8;
            if seen & bit != 0 {
                item.blame_field(ItemFault::DuplicateField, field, "stands twice");
                continue;
            }
            seen |= bit;
            put(&mut item, field, value);
        }
        Ok(item)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Found<'de>, E> {
        Ok(no_object(&Scalar::Text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, _: &str) -> Result<Found<'de>, E> {
        Ok(no_object(&Scalar::Text(Cow::Borrowed(""))))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Found<'de>, E> {
        Ok(no_object(&Scalar::Huge))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found<'de>, E> {
        Ok(no_object(&Scalar::Negative))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found<'de>, E> {
        Ok(no_object(&Scalar::Fraction))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found<'de>, E> {
        Ok(no_object(&Scalar::Bool))
    }

    fn visit_unit<E>(self) -> Result<Found<'de>, E> {
        Ok(no_object(&Scalar::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Found<'de>, A::Error> {
        ScalarSeed.visit_seq(list).map(|found| no_object(&found))
    }
}

fn put<'de>(item: &mut Found<'de>, field: ItemField, value: Scalar<'de>) {
    match value {
        Scalar::Text(text) => item.put_text(field, text),
        Scalar::Integer(number) => item.put_number(field, number),
        // Programs write an absent lease as null.
        Scalar::Null if field == ItemField::Lease => {}
        Scalar::Negative if is_bytes(field) => {
            item.blame_field(ItemFault::Negative, field, "a number of bytes is never negative");
        }
        Scalar::Huge if is_bytes(field) => {
            let said = format!("at most {}", super::body::INTEGER_MAX);
            item.blame_field(ItemFault::TooLarge, field, &said);
        }
        other => {
            let expected = if is_bytes(field) { "an integer" } else { "a text" };
            item.blame_field(ItemFault::WrongType, field, &format!("expected {expected}, found {}", other.name()));
        }
    }
}

fn is_bytes(field: ItemField) -> bool {
    matches!(field, ItemField::Up | ItemField::Down)
}

/// A list of items. A refusal is kept aside, since the reader's own errors only hold text.
struct ItemsSeed<'s> {
    part: Part,
    items: &'s mut Items,
    refusal: &'s mut Option<ReportError>,
}

impl<'de> DeserializeSeed<'de> for ItemsSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        // `any` would call each wrong type by its own method; a list or null is all there is to take.
        from.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for ItemsSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of items")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element_seed(ItemSeed(self.part))? {
            let added = match self.part {
                Part::Traffic => self.items.add_traffic(item),
                Part::Online => self.items.add_online(item),
            };
            added.map_err(|error| set_aside(self.refusal, error))?;
        }
        Ok(())
    }
}

fn set_aside<E: serde::de::Error>(refusal: &mut Option<ReportError>, error: ReportError) -> E {
    let said = E::custom(&error);
    *refusal = Some(error);
    said
}

/// The whole report.
struct WholeSeed<'s> {
    items: &'s mut Items,
    refusal: &'s mut Option<ReportError>,
}

impl<'de> DeserializeSeed<'de> for WholeSeed<'_> {
    type Value = Envelope<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Envelope<'de>, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for WholeSeed<'_> {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a report: an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Envelope<'de>, A::Error> {
        let mut envelope = Envelope::default();
        let mut seen: Vec<Cow<'de, str>> = Vec::new();
        while let Some(name) = object.next_key_seed(NameSeed)? {
            if seen.contains(&name) {
                return Err(set_aside(self.refusal, ReportError::field(&name, "stands twice")));
            }
            let part = match &*name {
                "traffic" => Some(Part::Traffic),
                "online" => Some(Part::Online),
                _ => None,
            };
            match (part, &*name) {
                (Some(part), _) => {
                    object
                        .next_value_seed(ItemsSeed { part, items: &mut *self.items, refusal: &mut *self.refusal })
                        .map_err(|error| in_field(error, self.refusal, &name))?;
                }
                (None, "node") => match object.next_value_seed(NodeSeed)? {
                    Ok(node) => envelope.node = node,
                    Err(error) => return Err(set_aside(self.refusal, error)),
                },
                (None, _) => {
                    let value = object.next_value_seed(ScalarSeed)?;
                    put_envelope(&mut envelope, &name, value).map_err(|error| set_aside(self.refusal, error))?;
                }
            }
            seen.push(name);
        }
        Ok(envelope)
    }
}

/// A list that is none is a fault of its field; text that is no JSON stays what it is.
fn in_field<E: serde::de::Error>(error: E, refusal: &mut Option<ReportError>, name: &str) -> E {
    let text = error.to_string();
    if refusal.is_none() && text.starts_with("invalid type") {
        *refusal = Some(ReportError::field(name, "expected a list of items"));
    }
    error
}

/// The node part, or what is wrong with it.
struct NodeSeed;

impl<'de> DeserializeSeed<'de> for NodeSeed {
    type Value = Result<Option<NodePart>, ReportError>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        let value = <&serde_json::value::RawValue as serde::Deserialize>::deserialize(from)?;
        Ok(node_part(value.get()))
    }
}

/// The node part is small and comes once, so it is read by itself, as the struct that describes it.
fn node_part(text: &str) -> Result<Option<NodePart>, ReportError> {
    // A derived reader would take a list for the fields in their order.
    if text.starts_with('[') {
        return Err(ReportError::field("node", "expected an object, found a list"));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "node".to_owned() } else { format!("node.{path}") };
        let said = error.inner().to_string();
        ReportError::Field {
            field,
            detail: said.rsplit_once(" at line ").map_or(said.clone(), |(it, _)| it.to_owned()),
        }
    })
}

fn put_envelope<'de>(envelope: &mut Envelope<'de>, name: &str, value: Scalar<'de>) -> Result<(), ReportError> {
    let expected =
        |what: &str, found: &Scalar<'_>| ReportError::field(name, format!("expected {what}, found {}", found.name()));
    match (name, value) {
        ("reporter", Scalar::Text(text)) => envelope.reporter = Some(text),
        ("reporter", other) => return Err(expected("the id of the reporter", &other)),
        ("incarnation" | "sequence" | "in_force", Scalar::Huge) => {
            return Err(ReportError::field(name, format!("at most {}", super::body::INTEGER_MAX)));
        }
        ("incarnation", Scalar::Integer(number)) => envelope.incarnation = Some(number),
        ("sequence", Scalar::Integer(number)) => envelope.sequence = Some(number),
        ("in_force", Scalar::Integer(number)) => envelope.in_force = Some(number),
        ("in_force" | "observed_at" | "kind", Scalar::Null) => {}
        ("incarnation" | "sequence" | "in_force", other) => {
            return Err(expected("an integer from 0", &other));
        }
        ("kind", Scalar::Text(text)) => {
            envelope.kind = match &*text {
                "delta" => ReportKind::Delta,
                "cumulative" => ReportKind::Cumulative,
                other => {
                    let said = format!("expected delta or cumulative, found {}", quote(other));
                    return Err(ReportError::field(name, said));
                }
            }
        }
        ("kind", other) => return Err(expected("delta or cumulative", &other)),
        ("observed_at", Scalar::Text(text)) => {
            let read = instant::parse(&text).map_err(|error| ReportError::field(name, error.to_string()))?;
            envelope.observed_at = Some(read);
        }
        ("observed_at", other) => return Err(expected("a time", &other)),
        _ => return Err(ReportError::field(&name.chars().take(64).collect::<String>(), "unknown field")),
    }
    Ok(())
}
