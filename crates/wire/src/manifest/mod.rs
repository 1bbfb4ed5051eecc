//! Manifests: what operators write down, as YAML documents or JSON, and the way back.
//!
//! Read: [`parse`] turns a text into objects of the domain or into all its faults, each with file, line, field and what
//! was probably meant; [`parse_one`] does so for one object of a known kind and id; [`parse_import_row`] is the fast way
//! for a line of an import. Nothing is guessed: unknown fields are faults, absent ones have the defaults of this module.
//! Written: [`Manifest`] and the `*Spec` structs, with the contract's order of fields; reading them back gives the same
//! object. YAML and JSON share one tree and one reader, so they have the same rules and the same messages.

mod cells;
mod fault;
mod import;
mod json;
mod limits;
mod objects;
mod reader;
mod spec;
mod tree;
mod values;
mod written;
mod yaml;
mod yaml_text;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

pub use cells::{Cell, FieldPath, fields_of, has_field, row_to_json, split_list, to_id};
pub use fault::{Fault, FaultCode, did_you_mean};
pub use import::parse_import_row;
pub use limits::{FAULTS_MAX, IMPORT_LINE_BYTES_MAX, INPUT_BYTES_MAX, OBJECTS_MAX};
pub use objects::{PRIORITY_DEFAULT, PROTOCOL_DEFAULT, TIMEZONE_DEFAULT, WEIGHT_DEFAULT};
pub use spec::{
    AccessTemplateSpec, AnchorSpec, EndpointSpec, EverySpec, InstanceSpec, LimitsSpec, Manifest, NodeLocationSpec,
    NodeSpec, OutboundTemplateSpec, PlaceSpec, PolicySpec, ProductSpec, QuotaSpec, RegionSpec, ResetSpec,
    ResourceGroupSpec, RuntimeTemplateSpec,
};
pub use written::{to_json, to_yaml};
pub use yaml_text::json_to_yaml;

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::master_data::{Kind, Object};
use domain::time::Micros;

use fault::Faults;
use objects::Given;
use reader::{Scope, read_map};
use tree::{Branch, Tree};
use values::Complaint;
use yaml::Document;

/// What a text is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// YAML documents.
    Yaml,
    /// A JSON object, an array of them, or several one after the other.
    Json,
}

impl ContentType {
    /// The language of a text by its first characters: a bracket begins JSON, unless a bare word follows a brace,
    /// as in `{kind: Region}`.
    pub fn detect(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let is_list = text.starts_with('[');
        match text.trim_start_matches(|c: char| c == '[' || c.is_whitespace()).strip_prefix('{') {
            Some(inside) if inside.trim_start().starts_with(['"', '}']) => Self::Json,
            None if is_list => Self::Json,
            _ => Self::Yaml,
        }
    }

    /// The language that a media type names (`application/yaml`, `application/json; charset=utf-8` …).
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" => Some(Self::Yaml),
            "application/json" | "application/x-ndjson" => Some(Self::Json),
            _ => None,
        }
    }
}

/// One object and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    pub object: Object,
    /// Whether the text states `created`; only instances have it.
    pub has_created: bool,
    pub file: Arc<str>,
    /// From 1.
    pub line: u32,
}

/// Reads a text of any number of objects. `now` is the creation of instances that state none.
///
/// # Errors
/// All faults of all documents, from top to bottom, at most [`FAULTS_MAX`] of them.
pub fn parse(text: &str, content: ContentType, source_name: &str, now: Micros) -> Result<Vec<Parsed>, Vec<Fault>> {
    match content {
        ContentType::Yaml => parse_yaml(text, source_name, now),
        ContentType::Json => parse_json(text, source_name, now),
    }
}

/// Reads YAML documents. A broken document spoils no other.
///
/// # Errors
/// As [`parse`].
pub fn parse_yaml(text: &str, source_name: &str, now: Micros) -> Result<Vec<Parsed>, Vec<Fault>> {
    parse_documents(text, source_name, now, yaml::documents(text))
}

/// Reads a JSON object, an array of objects, or objects one after the other.
///
/// # Errors
/// As [`parse`].
pub fn parse_json(text: &str, source_name: &str, now: Micros) -> Result<Vec<Parsed>, Vec<Fault>> {
    parse_documents(text, source_name, now, json::documents(text))
}

/// The text of a body or a file, for [`parse`].
///
/// # Errors
/// A fault that names the line with the first byte which is not UTF-8.
pub fn text_of<'a>(bytes: &'a [u8], source_name: &str) -> Result<&'a str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Fault::new(FaultCode::NotUtf8, "the text is not UTF-8")
            .at(&source_name.into(), u32::try_from(line).unwrap_or(u32::MAX))
    })
}

/// Reads one object of a known kind and id, as in `PUT /v1/nodes/{id}`. The text may repeat both, or leave them out.
///
/// # Errors
/// As [`parse`]; also when the text holds no object, several, or another one.
pub fn parse_one(
    text: &str,
    content: ContentType,
    (kind, id): (Kind, &str),
    source_name: &str,
    now: Micros,
) -> Result<Parsed, Vec<Fault>> {
    let file: Arc<str> = source_name.into();
    refuse_too_long(text, &file)?;
    let documents: Vec<Document> = match content {
        ContentType::Yaml => yaml::documents(text).take(2).collect(),
        ContentType::Json => json::documents(text).take(2).collect(),
    };
    let alone = <[Document; 1]>::try_from(documents);
    let mut faults = Faults::default();
    let parsed = match alone {
        Ok([document]) => read_document(document, &file, now, Some((kind, id)), &mut faults).pop(),
        _ => {
            let fault = Fault::new(FaultCode::NotAnObject, "exactly one object belongs here");
            faults.push(fault.at(&file, 1).of(kind, id));
            None
        }
    };
    faults.or(parsed).map(|parsed| parsed.expect("an object that could not be read has noted a fault"))
}

/// The faults of objects that stand twice, also across files.
pub fn find_duplicates(parsed: &[Parsed]) -> Vec<Fault> {
    let mut faults = Faults::default();
    note_duplicates(parsed, &mut faults);
    faults.or(()).err().unwrap_or_default()
}

fn parse_documents(
    text: &str,
    source_name: &str,
    now: Micros,
    documents: impl Iterator<Item = Document>,
) -> Result<Vec<Parsed>, Vec<Fault>> {
    let file: Arc<str> = source_name.into();
    refuse_too_long(text, &file)?;
    let mut faults = Faults::default();
    let mut parsed: Vec<Parsed> = Vec::new();
    for document in documents {
        if faults.is_full() {
            faults.cut();
            break;
        }
        parsed.extend(read_document(document, &file, now, None, &mut faults));
        if parsed.len() as u64 + faults.count() > OBJECTS_MAX as u64 {
            let message = format!("one input holds at most {OBJECTS_MAX} objects; apply it in parts, or import it");
            faults.push(Fault::new(FaultCode::TooLarge, message).at(&file, parsed.last().map_or(1, |it| it.line)));
            break;
        }
    }
    note_duplicates(&parsed, &mut faults);
    faults.or(parsed)
}

fn refuse_too_long(text: &str, file: &Arc<str>) -> Result<(), Vec<Fault>> {
    if text.len() <= INPUT_BYTES_MAX {
        return Ok(());
    }
    let message = format!("the input has {} bytes, at most {INPUT_BYTES_MAX} are read at once", text.len());
    Err(vec![Fault::new(FaultCode::TooLarge, message).at(file, 1)])
}

/// The objects of a document: one, or those of a list.
fn read_document(
    document: Document,
    file: &Arc<str>,
    now: Micros,
    expected: Option<(Kind, &str)>,
    faults: &mut Faults,
) -> Vec<Parsed> {
    let mut scope = Scope { file: Arc::clone(file), kind: None, id: None, faults };
    if let Some(broken) = document.broken {
        scope.note(broken.spot, None, Complaint::new(broken.code, broken.message));
    }
    let Some(root) = document.root else { return Vec::new() };
    let roots = match root.tree {
        Tree::List(items) if expected.is_none() => items,
        tree => vec![Branch { tree, spot: root.spot }],
    };
    let mut parsed = Vec::new();
    for root in &roots {
        if scope.faults.is_full() {
            scope.faults.cut();
            break;
        }
        parsed.extend(read_object(root, now, expected, &mut scope));
    }
    parsed
}

fn read_object(root: &Branch, now: Micros, expected: Option<(Kind, &str)>, scope: &mut Scope<'_>) -> Option<Parsed> {
    let text_in = |field| match root.tree.find(field).map(|branch| &branch.tree) {
        Some(Tree::Text(text)) => Some(text.clone()),
        _ => None,
    };
    scope.kind = expected.map(|(kind, _)| kind.name().to_owned()).or_else(|| text_in("kind"));
    scope.id = expected.map(|(_, id)| id.to_owned()).or_else(|| text_in("id"));
    let faults_before = scope.faults.count();
    let kind = match expected {
        Some((kind, id)) => {
            refuse_another(root, kind, id, scope);
            kind
        }
        None => kind_of(root, scope)?,
    };
    let given = Given { id: expected.map(|(_, id)| id), now };
    let object = read_map(root, String::new(), scope, |r| {
        // Read above, in the first pass; asked for here, so that it is known.
        r.optional("kind", |_| Ok(()));
        objects::object(kind, r, &given)
    });
    if scope.faults.count() > faults_before {
        return None;
    }
    let has_created = kind == Kind::Instance && root.tree.find("created").is_some_and(|it| it.tree != Tree::Null);
    let Some(object) = object else {
        // Only an id in the address that is none gets here: the text is without fault.
        let complaint = Complaint::new(FaultCode::InvalidId, "the id in the address is not an id");
        scope.note(root.spot, Some("id".to_owned()), complaint);
        return None;
    };
    Some(Parsed { object, has_created, file: Arc::clone(&scope.file), line: root.spot.line })
}

/// The kind that a document states; notes what is wrong with it.
fn kind_of(root: &Branch, scope: &mut Scope<'_>) -> Option<Kind> {
    let Tree::Map(_) = &root.tree else {
        let message = format!("expected an object with kind and id, found {}", root.tree.describe());
        scope.note(root.spot, None, Complaint::new(FaultCode::NotAnObject, message));
        return None;
    };
    let found = root.tree.find("kind");
    let (spot, complaint) = match found.map(|branch| (branch.spot, values::text(&branch.tree))) {
        Some((spot, Ok(word))) => match Kind::ALL.iter().find(|kind| kind.name() == word) {
            Some(kind) => return Some(*kind),
            None => (spot, unknown_kind(word)),
        },
        Some((spot, Err(_))) if found.is_some_and(|branch| branch.tree != Tree::Null) => {
            (spot, Complaint::new(FaultCode::WrongType, format!("expected one of {}", kind_names())))
        }
        _ => (root.spot, Complaint::new(FaultCode::MissingField, "this field is missing")),
    };
    scope.note(spot, Some("kind".to_owned()), complaint);
    None
}

fn kind_names() -> String {
    Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

fn unknown_kind(word: &str) -> Complaint {
    let meant = Kind::from_word(word).map(|kind| kind.name().to_owned());
    let nearest = || did_you_mean(word, Kind::ALL.iter().map(|kind| kind.name()));
    let message = format!("{:?} is none of {}", tree::shorten(word), kind_names());
    Complaint { code: FaultCode::UnknownKind, message, suggestion: meant.or_else(nearest) }
}

/// Notes a kind or an id that is not the one of the address.
fn refuse_another(root: &Branch, kind: Kind, id: &str, scope: &mut Scope<'_>) {
    for (field, expected) in [("kind", kind.name()), ("id", id)] {
        let stated = root.tree.find(field).filter(|branch| branch.tree != Tree::Null);
        let Some(stated) = stated.filter(|branch| branch.tree != Tree::Text(expected.to_owned())) else { continue };
        let message = format!("the address names {expected:?}, the text {}", stated.tree.describe());
        scope.note(stated.spot, Some(field.to_owned()), Complaint::new(FaultCode::OtherObject, message));
    }
}

fn note_duplicates(parsed: &[Parsed], faults: &mut Faults) {
    let mut first_of: BTreeMap<(Kind, &str), &Parsed> = BTreeMap::new();
    for it in parsed {
        let key = (it.object.kind(), it.object.id());
        let Some(first) = first_of.get(&key) else {
            first_of.insert(key, it);
            continue;
        };
        let place = if first.file == it.file { String::new() } else { format!("{}:", first.file) };
        let message = format!("{} {:?} stands twice: here and in line {place}{}", key.0, key.1, first.line);
        let fault = Fault::new(FaultCode::DuplicateObject, message).at(&it.file, it.line).of(key.0, key.1);
        faults.push(fault);
    }
}
