//! JSON to YAML: how answers and manifests are shown to people with `-o yaml`.
//!
//! The text reads back as the same values: numbers are written as they stand, a text is left without quotes only when
//! no YAML parser could take it for anything else. Keys keep their order.

use super::json;
use super::tree::{Branch, Name, Tree, is_json_number};

/// Writes a JSON text as one YAML document, without a document mark.
///
/// # Errors
/// A message when the text is no JSON or too deep.
pub fn json_to_yaml(text: &str) -> Result<String, String> {
    let root = json::value(text).map_err(|broken| broken.message)?;
    let mut out = String::new();
    match &root.tree {
        Tree::Map(entries) if !entries.is_empty() => write_map(entries, 0, false, &mut out),
        Tree::List(items) if !items.is_empty() => write_list(items, 0, &mut out),
        scalar => {
            write_inline(scalar, &mut out);
            out.push('\n');
        }
    }
    Ok(out)
}

/// Spaces by which each level stands further in.
const INDENT: usize = 2;

/// The fields of a map. `is_begun` says that the first line already stands at its place, after a dash.
fn write_map(entries: &[(Name, Branch)], indent: usize, is_begun: bool, out: &mut String) {
    for (index, (name, value)) in entries.iter().enumerate() {
        if index > 0 || !is_begun {
            pad(indent, out);
        }
        write_text(&name.text, out);
        out.push(':');
        write_value(&value.tree, indent, out);
    }
}

fn write_list(items: &[Branch], indent: usize, out: &mut String) {
    for item in items {
        pad(indent, out);
        out.push('-');
        match &item.tree {
            Tree::Map(entries) if !entries.is_empty() => {
                out.push(' ');
                write_map(entries, indent + INDENT, true, out);
            }
            other => write_value(other, indent, out),
        }
    }
}

/// The value after `name:` or `-`: on the same line if it is short, else below it.
fn write_value(value: &Tree, indent: usize, out: &mut String) {
    match value {
        Tree::Map(entries) if !entries.is_empty() => {
            out.push('\n');
            write_map(entries, indent + INDENT, false, out);
        }
        Tree::List(items) if !items.iter().all(|item| is_scalar(&item.tree)) => {
            out.push('\n');
            write_list(items, indent + INDENT, out);
        }
        inline => {
            out.push(' ');
            write_inline(inline, out);
            out.push('\n');
        }
    }
}

fn is_scalar(tree: &Tree) -> bool {
    !matches!(tree, Tree::Map(_) | Tree::List(_))
}

/// A scalar, a list of scalars, or something empty.
fn write_inline(value: &Tree, out: &mut String) {
    match value {
        Tree::Text(text) => write_text(text, out),
        Tree::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_inline(&item.tree, out);
            }
            out.push(']');
        }
        other => other.write_json(out),
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn write_text(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            _ if c.is_alphanumeric() => out.push(c),
            _ => out.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
}

/// Words that some YAML parser takes for something else than a text.
const RESERVED: &[&str] = &["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf", "infinity"];

/// The longest text that is left without quotes.
const PLAIN_LENGTH_MAX: usize = 256;

/// Whether a text is a text without quotes: words of letters, digits and `_ . - /`, the first begins with a letter.
fn is_plain(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/'))
    };
    text.len() <= PLAIN_LENGTH_MAX
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.split(' ').all(is_word)
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str())
        && !is_json_number(text)
}
