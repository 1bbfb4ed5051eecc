//! YAML text to trees, document by document.
//!
//! The text is cut at the document marks first (YAML forbids `---` and `...` at the start of a line inside any scalar),
//! so a broken document spoils no other, and the limits of the parser hold for each document.
//! Booleans are `true` and `false` only: `jurisdiction: NO` is a text. Tags mean nothing here.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error, Options, Spanned};

use super::fault::FaultCode;
use super::limits::{NESTING_DEPTH_MAX, VALUES_MAX, YAML_ALIAS_EVENTS_MAX, YAML_ALIASES_MAX, YAML_KEY_LOOKAHEAD_MAX};
use super::tree::{Branch, Name, Spot, Tree, is_json_number};

/// Why a document could not be read.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) spot: Spot,
    pub(super) code: FaultCode,
    pub(super) message: String,
}

/// One document: its tree, if it has one, and what is wrong with its text.
pub(super) struct Document {
    pub(super) root: Option<Branch>,
    pub(super) broken: Option<Broken>,
}

/// Reads the documents of a text one after the other; those without content are left out.
pub(super) fn documents(text: &str) -> impl Iterator<Item = Document> + '_ {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let has_something = |document: &Document| document.root.is_some() || document.broken.is_some();
    chunks(text).filter(Chunk::has_content).map(|chunk| read(&chunk)).filter(has_something)
}

/// The text of one document and the lines before it.
struct Chunk<'a> {
    text: &'a str,
    lines_before: u32,
}

impl Chunk<'_> {
    /// Whether there is more than blanks, comments, directives and the mark itself.
    fn has_content(&self) -> bool {
        self.text.lines().any(|line| {
            let line = line.strip_prefix("---").unwrap_or(line);
            let blank = line.trim_start();
            !(blank.is_empty() || blank.starts_with('#') || line.starts_with('%'))
        })
    }
}

/// Whether a line starts a new document (`---`) or ends one (`...`).
fn is_mark(line: &str) -> bool {
    ["---", "..."].iter().any(|mark| {
        line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
    })
}

fn chunks(text: &str) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = text;
    let mut lines_before = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        // A chunk begins at its mark; an end mark is left behind, since it says nothing.
        let first = rest.split_inclusive('\n').next().unwrap_or(rest);
        if first.starts_with("...") && is_mark(first) {
            rest = &rest[first.len()..];
            lines_before += 1;
        }
        let mut length = 0;
        let mut lines = 0;
        for line in rest.split_inclusive('\n') {
            if lines > 0 && is_mark(line) {
                break;
            }
            length += line.len();
            lines += 1;
        }
        let chunk = Chunk { text: &rest[..length], lines_before };
        rest = &rest[length..];
        lines_before += lines;
        Some(chunk)
    })
}

fn read(chunk: &Chunk<'_>) -> Document {
    let root = |value: Spanned<RawTree>| Some(branch(chunk, value)).filter(|branch| branch.tree != Tree::Null);
    match parse(chunk.text, DuplicateKeyPolicy::Error) {
        Ok(value) => Document { root: root(value), broken: None },
        Err(error) => {
            // A field that stands twice is noted, and the rest is still checked.
            let again = matches!(error.without_snippet(), Error::DuplicateMappingKey { .. })
                .then(|| parse(chunk.text, DuplicateKeyPolicy::FirstWins).ok());
            Document { root: again.flatten().and_then(root), broken: Some(broken(chunk, &error)) }
        }
    }
}

fn parse(text: &str, duplicate_keys: DuplicateKeyPolicy) -> Result<Spanned<RawTree>, Error> {
    let mut budget = serde_saphyr::Budget::default();
    budget.max_events = 4 * VALUES_MAX;
    budget.max_nodes = VALUES_MAX;
    budget.max_depth = NESTING_DEPTH_MAX;
    budget.max_aliases = YAML_ALIASES_MAX;
    budget.simple_key_max_lookahead = YAML_KEY_LOOKAHEAD_MAX;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.emit_comments = false;
    options.duplicate_keys = duplicate_keys;
    options.alias_limits.max_total_replayed_events = YAML_ALIAS_EVENTS_MAX;
    options.strict_booleans = true;
    options.non_finite_float_policy = NonFiniteFloatPolicy::PassThrough;
    options.with_snippet = false;
    serde_saphyr::from_str_with_options(text, options)
}

fn broken(chunk: &Chunk<'_>, error: &Error) -> Broken {
    let location = error.location();
    let mut spot = match location {
        Some(location) => spot(chunk, &location),
        None => Spot { line: chunk.lines_before + 1, column: 0 },
    };
    let (code, message) = told(error);
    if message.contains("a tab") {
        spot = spot_of_tab(chunk, spot);
    }
    Broken { spot, code, message }
}

fn told(error: &Error) -> (FaultCode, String) {
    match error.without_snippet() {
        Error::AliasError { error, .. } => told(error),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            (FaultCode::DuplicateField, format!("the field {key:?} stands twice"))
        }
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            (FaultCode::TooLarge, format!("maps and lists stand deeper than {NESTING_DEPTH_MAX} levels"))
        }
        Error::Budget { breach: BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. }, .. } => {
            (FaultCode::TooLarge, format!("one document holds at most {VALUES_MAX} values; write several"))
        }
        Error::Budget { .. } => {
            (FaultCode::TooLarge, format!("the document is too large: {}", plain(&error.to_string())))
        }
        Error::AliasReplayLimitExceeded { .. } | Error::AliasReplayStackDepthExceeded { .. } => {
            (FaultCode::TooLarge, format!("the aliases repeat more than {YAML_ALIAS_EVENTS_MAX} values"))
        }
        other => (FaultCode::Syntax, format!("not YAML: {}", plain(&other.to_string()))),
    }
}

/// The first line of the parser's message, without the place, which is told apart.
fn plain(message: &str) -> &str {
    let line = message.lines().next().unwrap_or_default().trim().trim_start_matches("error: ");
    line.split(" at line ").next().unwrap_or_default()
}

/// The line that is indented with a tab; the parser names the value before it.
fn spot_of_tab(chunk: &Chunk<'_>, spot: Spot) -> Spot {
    let before = spot.line.saturating_sub(chunk.lines_before + 1) as usize;
    let is_tabbed = |line: &str| line.trim_start_matches(' ').starts_with('\t');
    let tabbed = chunk.text.lines().enumerate().skip(before).find(|(_, line)| is_tabbed(line));
    tabbed.map_or(spot, |(index, line)| Spot {
        line: chunk.lines_before + 1 + u32::try_from(index).unwrap_or(u32::MAX),
        column: u32::try_from(line.find('\t').unwrap_or(0) + 1).unwrap_or(1),
    })
}

fn spot(chunk: &Chunk<'_>, location: &serde_saphyr::Location) -> Spot {
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Spot { line: chunk.lines_before.saturating_add(small(location.line())), column: small(location.column()) }
}

fn branch(chunk: &Chunk<'_>, raw: Spanned<RawTree>) -> Branch {
    let spot_here = spot(chunk, &raw.referenced);
    let tree = match raw.value {
        RawTree::Null => Tree::Null,
        RawTree::Bool(value) => Tree::Bool(value),
        RawTree::Number(value) => number(written(chunk, &raw.defined), &value),
        RawTree::Text(value) => Tree::Text(value),
        RawTree::List(items) => Tree::List(items.into_iter().map(|item| branch(chunk, item)).collect()),
        RawTree::Map(entries) => Tree::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    (Name { spot: spot(chunk, &key.referenced), text: key.value }, branch(chunk, value))
                })
                .collect(),
        ),
    };
    Branch { tree, spot: spot_here }
}

/// The text of a value in the file.
fn written<'a>(chunk: &Chunk<'a>, location: &serde_saphyr::Location) -> Option<&'a str> {
    let span = location.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let end = start.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
    chunk.text.get(start..end)
}

/// A number as it was written, if JSON writes it so too; `0x10` and `+5` become what they mean.
fn number(written: Option<&str>, value: &RawNumber) -> Tree {
    if let Some(text) = written.map(str::trim).filter(|text| is_json_number(text)) {
        return Tree::Number(text.to_owned());
    }
    match value {
        RawNumber::Unsigned(value) => Tree::Number(value.to_string()),
        RawNumber::Signed(value) => Tree::Number(value.to_string()),
        RawNumber::Float(value) if value.is_finite() => Tree::Number(value.to_string()),
        RawNumber::Float(value) if value.is_nan() => Tree::NotFinite(".nan"),
        RawNumber::Float(_) => Tree::NotFinite(".inf"),
    }
}

enum RawNumber {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

/// What the parser hands out, before numbers are looked up in the text.
enum RawTree {
    Null,
    Bool(bool),
    Number(RawNumber),
    Text(String),
    List(Vec<Spanned<RawTree>>),
    Map(Vec<(Spanned<String>, Spanned<RawTree>)>),
}

impl<'de> Deserialize<'de> for RawTree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawTreeVisitor)
    }
}

struct RawTreeVisitor;

impl<'de> Visitor<'de> for RawTreeVisitor {
    type Value = RawTree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<RawTree, E> {
        Ok(RawTree::Null)
    }

    fn visit_none<E>(self) -> Result<RawTree, E> {
        Ok(RawTree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawTree, E> {
        Ok(RawTree::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawTree, E> {
        Ok(RawTree::Number(RawNumber::Unsigned(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawTree, E> {
        Ok(RawTree::Number(RawNumber::Signed(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawTree, E> {
        Ok(RawTree::Number(RawNumber::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawTree, E> {
        Ok(RawTree::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<RawTree, E> {
        Ok(RawTree::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<RawTree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(RawTree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<RawTree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(RawTree::Map(entries))
    }
}
