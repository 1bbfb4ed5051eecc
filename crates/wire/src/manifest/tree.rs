//! A parsed text before it is an object: what YAML and JSON have in common, with the place of every value.
//!
//! Both readers make this tree, one reader of objects consumes it: so YAML and JSON have the same rules and the same
//! messages. Numbers keep the text that was written, so nothing is rounded on the way.

use std::fmt::Write as _;

/// A place in a text; both from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    /// A JSON number, as it was written.
    Number(String),
    /// NaN or an infinity, which only YAML has.
    NotFinite(&'static str),
    Text(String),
    List(Vec<Branch>),
    /// In the order of the text. The same name may stand twice; whoever reads the map says so.
    Map(Vec<(Name, Branch)>),
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Branch {
    pub(super) tree: Tree,
    pub(super) spot: Spot,
}

/// The name of a field and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) spot: Spot,
}

impl Tree {
    /// What it is, in a message: `the number 7`, `a list`.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Bool(value) => format!("the boolean {value}"),
            Self::Number(text) => format!("the number {}", shorten(text)),
            Self::NotFinite(text) => format!("the number {text}"),
            Self::Text(text) => format!("the text {:?}", shorten(text)),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a map".to_owned(),
        }
    }

    /// The value of a field, the first if it stands twice.
    pub(super) fn find(&self, field: &str) -> Option<&Branch> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name.text == field).map(|(_, branch)| branch),
            _ => None,
        }
    }

    /// Appends it as JSON without insignificant blanks, fields in their order.
    pub(super) fn write_json(&self, out: &mut String) {
        match self {
            Self::Null | Self::NotFinite(_) => out.push_str("null"),
            Self::Bool(value) => write!(out, "{value}").expect("a String takes everything"),
            Self::Number(text) => out.push_str(text),
            Self::Text(text) => write_json_text(text, out),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.tree.write_json(out);
                }
                out.push(']');
            }
            Self::Map(entries) => {
                out.push('{');
                for (index, (name, branch)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_json_text(&name.text, out);
                    out.push(':');
                    branch.tree.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_json_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("a text is always JSON"));
}

/// Characters of a value that a message repeats.
const QUOTED_LENGTH_MAX: usize = 60;

/// The beginning of a text, for messages.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(QUOTED_LENGTH_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Whether a text is a number by the grammar of JSON.
pub(super) fn is_json_number(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let ends = text.ends_with(|c: char| c.is_ascii_digit());
    starts && ends && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}
