//! The mapping of columns to fields: `field=column`, `field=slug(column)`, `field='text'` or `weight=count()`.
//!
//! Without mappings every column whose name is a field is taken as that field. With mappings, columns that bear a
//! field's name and are not mapped are taken too, unless the mapping says `field=` for nothing.

use domain::master_data::Kind;
use serde_json::{Map, Value};
use wire::manifest::{self, Fault};

use super::Failure;

/// Where the text of a field comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Column {
        at: usize,
        is_slug: bool,
    },
    Text(String),
    /// The number of rows that say the same object, known when all are read.
    Rows,
}

/// How a mapping says the number of rows.
const ROWS: &str = "count()";

/// Whether the weight of an object is the number of its rows, as a city's is the number of its servers.
pub fn is_weight_counted(mappings: &[String]) -> bool {
    mappings.iter().any(|it| it.split_once('=') == Some(("weight", ROWS)))
}

/// From the columns of a file to the fields of a kind.
#[derive(Debug)]
pub struct Mapping {
    kind: Kind,
    fields: Vec<(String, Source)>,
}

impl Mapping {
    /// Reads the mappings against the header of a file.
    ///
    /// # Errors
    /// [`Failure`] names the mapping, what it lacks and what was probably meant.
    pub fn new(kind: Kind, header: &[String], mappings: &[String]) -> Result<Self, Failure> {
        let mut fields: Vec<(String, Source)> = Vec::new();
        let mut unmapped: Vec<String> = Vec::new();
        for text in mappings {
            let (field, source) = text.split_once('=').ok_or_else(|| {
                Failure::usage(format!("--map {text}: expected field=column, for example id=hostname"))
            })?;
            check_field(kind, field)?;
            if source.is_empty() {
                unmapped.push(field.to_owned());
            } else if source == ROWS {
                check_counted(kind, text, field)?;
                fields.push((field.to_owned(), Source::Rows));
            } else {
                fields.push((field.to_owned(), source_of(text, source, header)?));
            }
        }
        for (at, column) in header.iter().enumerate() {
            let is_mapped = fields.iter().any(|(field, _)| field == column) || unmapped.contains(column);
            if !is_mapped && manifest::has_field(kind, column) {
                fields.push((column.clone(), Source::Column { at, is_slug: false }));
            }
        }
        if !fields.iter().any(|(field, _)| field == "id") {
            let columns = header.join(", ");
            return Err(Failure::usage(format!(
                "nothing is mapped to id; the file has the columns {columns}; use --map id=COLUMN"
            )));
        }
        Ok(Self { kind, fields })
    }

    /// The object of a row.
    ///
    /// # Errors
    /// [`Fault`] names the field.
    pub fn object(&self, row: &csv::StringRecord) -> Result<Map<String, Value>, Fault> {
        let cells: Vec<(&str, String)> = self
            .fields
            .iter()
            .filter_map(|(field, source)| {
                let text = match source {
                    Source::Rows => return None,
                    Source::Text(text) => text.clone(),
                    Source::Column { at, is_slug: true } => slugs(row.get(*at).unwrap_or_default()),
                    Source::Column { at, is_slug: false } => row.get(*at).unwrap_or_default().trim().to_owned(),
                };
                Some((field.as_str(), text))
            })
            .collect();
        let cells: Vec<(&str, &str)> = cells.iter().map(|(field, text)| (*field, text.as_str())).collect();
        manifest::row_to_json(self.kind, &cells)
    }
}

/// An id of each part of a list; most texts are one part.
fn slugs(text: &str) -> String {
    let ids: Vec<String> = manifest::split_list(text).map(manifest::to_id).collect();
    ids.join(";")
}

fn source_of(mapping: &str, source: &str, header: &[String]) -> Result<Source, Failure> {
    if let Some(text) = source.strip_prefix('\'').and_then(|it| it.strip_suffix('\'')) {
        return Ok(Source::Text(text.to_owned()));
    }
    let (column, is_slug) = match source.strip_prefix("slug(").and_then(|it| it.strip_suffix(')')) {
        Some(column) => (column, true),
        None => (source, false),
    };
    match header.iter().position(|it| it == column) {
        Some(at) => Ok(Source::Column { at, is_slug }),
        None => {
            let hint = manifest::did_you_mean(column, header.iter().map(String::as_str))
                .map_or_else(|| format!("the file has {}", header.join(", ")), |it| format!("did you mean {it:?}?"));
            Err(Failure::usage(format!(
                "--map {mapping}: no column {column:?}; {hint}; the same text in each row is \"field='text'\" with both quotes"
            )))
        }
    }
}

/// Only a weight is a number of rows, and an instance has one row.
fn check_counted(kind: Kind, mapping: &str, field: &str) -> Result<(), Failure> {
    if field == "weight" && kind != Kind::Instance {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "--map {mapping}: {ROWS} is the number of rows of one object, for weight=count() of groups or nodes"
    )))
}

fn check_field(kind: Kind, path: &str) -> Result<(), Failure> {
    if manifest::has_field(kind, path) {
        return Ok(());
    }
    let known: Vec<&str> = manifest::fields_of(kind).iter().map(|field| field.path).collect();
    let hint = manifest::did_you_mean(path, known.iter().copied())
        .map_or_else(|| format!("fields are {}", known.join(", ")), |it| format!("did you mean {it:?}?"));
    Err(Failure::usage(format!("--map {path}=…: {kind} has no field {path:?}; {hint}")))
}
