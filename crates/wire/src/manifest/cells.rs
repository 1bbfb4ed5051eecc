//! Inventories in tables: which fields of a kind a column may fill, and how a row of cells becomes a manifest.
//!
//! A cell is a text; the field says what it is read as. An empty cell is an absent field. The row becomes the JSON of
//! a manifest, so all rules are those of manifests; only what a cell cannot be is refused here.

use domain::ids::{ID_LENGTH_MAX, check_id};
use domain::master_data::Kind;
use serde_json::{Map, Value};

use super::fault::{Fault, FaultCode, did_you_mean};
use super::limits::{ENDPOINTS_MAX, INTEGER_MAX};
use super::tree::{is_json_number, shorten};

/// What the text of a cell is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// As it stands.
    Text,
    /// A whole number.
    Integer,
    /// A decimal number.
    Decimal,
    /// Texts between `;` or `,`.
    List,
    /// JSON.
    Json,
    /// A text, or JSON if it begins with `{`: `month`, `{"days":30}`.
    TextOrJson,
}

/// A field that a column may fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldPath {
    /// For example `location.latitude`; `labels.*` stands for any label, `endpoints[*].port` for any endpoint.
    pub path: &'static str,
    pub cell: Cell,
}

macro_rules! fields {
    ($($path:literal $cell:ident),+ $(,)?) => { &[$(FieldPath { path: $path, cell: Cell::$cell }),+] };
}

/// The fields that a column may fill, in the order of the contract. `endpoint.` is short for `endpoints[0].`.
pub fn fields_of(kind: Kind) -> &'static [FieldPath] {
    match kind {
        Kind::Region => fields!["id" Text, "name" Text, "jurisdiction" Text, "state" Text, "labels.*" Text],
        Kind::ResourceGroup => fields!["id" Text, "region" Text, "weight" Integer, "state" Text, "labels.*" Text],
        Kind::RuntimeTemplate | Kind::OutboundTemplate => {
            fields!["id" Text, "state" Text, "body" Json, "labels.*" Text]
        }
        Kind::Node => fields![
            "id" Text, "groups" List, "runtime_template" Text, "outbound_template" Text, "state" Text,
            "endpoints[*].address" Text, "endpoints[*].port" Integer, "endpoints[*].protocol" Text,
            "priority" Integer, "weight" Integer, "location.city" Text, "location.country" Text,
            "location.latitude" Decimal, "location.longitude" Decimal, "labels.*" Text,
        ],
        Kind::AccessTemplate => fields![
            "id" Text, "mode" Text, "nodes" List, "groups" List, "regions" List, "order" Text, "limit" Integer,
            "on_broken" Text, "labels.*" Text,
        ],
        Kind::Product => fields![
            "id" Text, "access_template" Text, "quota.bytes" Integer, "quota.reset.every" TextOrJson,
            "quota.reset.anchor" TextOrJson, "quota.reset.timezone" Text, "limits.devices" Integer, "policies" Json,
            "labels.*" Text,
        ],
        Kind::Instance => fields![
            "id" Text, "product" Text, "jurisdiction" Text, "status" Text, "weight" Integer,
            "location.latitude" Decimal, "location.longitude" Decimal, "created" Text, "expires" Text, "labels.*" Text,
        ],
    }
}

/// Builds the manifest of a row: pairs of a path of [`fields_of`] and the text of a cell. `kind` is set.
///
/// # Errors
/// A fault for a path that the kind does not have, or a cell that is not what the field demands.
pub fn row_to_json(kind: Kind, cells: &[(&str, &str)]) -> Result<Map<String, Value>, Fault> {
    let mut row = Map::new();
    row.insert("kind".to_owned(), Value::from(kind.name()));
    for (path, text) in cells {
        let full = expand(path);
        let cell = cell_of(kind, &full).ok_or_else(|| unknown_path(kind, path))?;
        let text = text.trim();
        if !text.is_empty() {
            let value = read_cell(cell, text).map_err(|message| {
                let fault = Fault::new(FaultCode::WrongType, message).in_field(full.as_str());
                Fault { kind: Some(kind.name().into()), ..fault }
            })?;
            insert(&mut row, &full, value);
        }
    }
    // An endpoint whose cells are all empty, between two that are not.
    if let Some(Value::Array(endpoints)) = row.get_mut("endpoints") {
        endpoints.retain(|endpoint| !endpoint.is_null());
    }
    Ok(row)
}

/// Whether a column may fill this field of a kind: `labels.rack` and `endpoint.port` are among them.
pub fn has_field(kind: Kind, path: &str) -> bool {
    cell_of(kind, &expand(path)).is_some()
}

/// The parts of a cell that lists several things.
pub fn split_list(text: &str) -> impl Iterator<Item = &str> {
    text.split([';', ',']).map(str::trim).filter(|part| !part.is_empty())
}

/// Makes an id out of any text, always the same: `US East (N. Virginia)` becomes `us-east-n-virginia`.
///
/// Letters become lowercase and lose their accents; a run of signs that holds anything but `.`, `_` and `-` becomes one
/// `-`; both ends are trimmed to letters and digits. An id stays what it is. Empty if the text holds no letter or digit
/// of ASCII. Different texts may become the same id.
pub fn to_id(text: &str) -> String {
    let mut id = String::with_capacity(text.len().min(ID_LENGTH_MAX));
    let mut signs = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        let letters = ascii_letters(c);
        if letters.is_empty() {
            signs.push(c);
            continue;
        }
        if !id.is_empty() {
            let is_kept = signs.chars().all(|sign| matches!(sign, '.' | '_' | '-'));
            id.push_str(if is_kept { &signs } else { "-" });
        }
        signs.clear();
        id.push_str(letters.as_str());
        if id.len() >= ID_LENGTH_MAX {
            break;
        }
    }
    id.truncate(ID_LENGTH_MAX);
    id.truncate(id.trim_end_matches(['.', '_', '-']).len());
    debug_assert!(id.is_empty() || check_id(&id).is_ok(), "{id:?} is not an id");
    id
}

/// The letters of ASCII by which a lowercase letter is usually replaced; none for a sign or another script.
fn ascii_letters(c: char) -> String {
    let letters = match c {
        'a'..='z' | '0'..='9' => return c.to_string(),
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'ğ' | 'ģ' => "g",
        'ì'..='ï' | 'ī' | 'į' | 'ı' => "i",
        'ķ' => "k",
        'ł' | 'ļ' | 'ľ' => "l",
        'ñ' | 'ń' | 'ň' | 'ņ' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => "o",
        'œ' => "oe",
        'ř' | 'ŕ' => "r",
        'ś' | 'š' | 'ş' | 'ș' => "s",
        'ß' => "ss",
        'ť' | 'ţ' | 'ț' => "t",
        'þ' => "th",
        'ù'..='ü' | 'ū' | 'ů' | 'ű' | 'ų' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ž' | 'ż' => "z",
        _ => "",
    };
    letters.to_owned()
}

/// `endpoint.port` is `endpoints[0].port`.
fn expand(path: &str) -> String {
    match path.strip_prefix("endpoint.") {
        Some(rest) => format!("endpoints[0].{rest}"),
        None => path.to_owned(),
    }
}

/// What the field at a path is read as.
fn cell_of(kind: Kind, path: &str) -> Option<Cell> {
    let pattern = match endpoint_index(path) {
        Some((index, field)) if index < ENDPOINTS_MAX => format!("endpoints[*].{field}"),
        Some(_) => return None,
        None if path.strip_prefix("labels.").is_some_and(|name| !name.is_empty()) => "labels.*".to_owned(),
        None => path.to_owned(),
    };
    let is_pattern_itself = path.contains('*') && !path.starts_with("labels.");
    let field = fields_of(kind).iter().find(|field| field.path == pattern)?;
    (!is_pattern_itself).then_some(field.cell)
}

/// The index and the field of `endpoints[2].port`.
fn endpoint_index(path: &str) -> Option<(usize, &str)> {
    let (index, field) = path.strip_prefix("endpoints[")?.split_once("].")?;
    Some((index.parse().ok()?, field))
}

fn unknown_path(kind: Kind, path: &str) -> Fault {
    let paths = fields_of(kind).iter().map(|field| field.path);
    let short = ["endpoint.address", "endpoint.port", "endpoint.protocol"];
    let known = paths.chain(short.into_iter().filter(|_| kind == Kind::Node));
    let fault = Fault::new(FaultCode::UnknownField, "unknown field").in_field(shorten(path));
    Fault { kind: Some(kind.name().into()), ..fault }.suggesting(did_you_mean(path, known))
}

fn read_cell(cell: Cell, text: &str) -> Result<Value, String> {
    let number = || text.strip_prefix('+').unwrap_or(text);
    match cell {
        Cell::Text => Ok(Value::from(text)),
        Cell::Integer => match number().parse::<u64>() {
            Ok(value) if value <= INTEGER_MAX => Ok(Value::from(value)),
            _ => Err(format!("expected a whole number, found the text {:?}", shorten(text))),
        },
        Cell::Decimal => {
            let value = is_json_number(number()).then(|| number().parse::<f64>().ok()).flatten();
            let value = value.and_then(serde_json::Number::from_f64).map(Value::Number);
            value.ok_or_else(|| format!("expected a decimal number, found the text {:?}", shorten(text)))
        }
        Cell::List => Ok(Value::Array(split_list(text).map(Value::from).collect())),
        Cell::TextOrJson if !text.starts_with('{') => Ok(Value::from(text)),
        Cell::Json | Cell::TextOrJson => {
            serde_json::from_str(text).map_err(|_| format!("expected JSON, found the text {:?}", shorten(text)))
        }
    }
}

/// Puts a value at a path, making the maps and the list on the way. The path is one of [`fields_of`].
fn insert(row: &mut Map<String, Value>, path: &str, value: Value) {
    if let Some((index, field)) = endpoint_index(path) {
        let list = row.entry("endpoints").or_insert_with(|| Value::Array(Vec::new()));
        let Value::Array(endpoints) = list else { return };
        if endpoints.len() <= index {
            endpoints.resize(index + 1, Value::Null);
        }
        let endpoint = &mut endpoints[index];
        if endpoint.is_null() {
            *endpoint = Value::Object(Map::new());
        }
        if let Value::Object(endpoint) = endpoint {
            endpoint.insert(field.to_owned(), value);
        }
        return;
    }
    match path.split_once('.') {
        None => {
            row.insert(path.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = row.entry(head).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = inner else { return };
            // The name of a label may hold dots itself.
            if head == "labels" {
                inner.insert(rest.to_owned(), value);
            } else {
                insert(inner, rest, value);
            }
        }
    }
}
