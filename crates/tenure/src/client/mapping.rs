//! The mapping of columns to fields: `field=column`, `field=slug(column)`, `field=column{online: active, *: disabled}`,
//! `field='text'` or `weight=count()`.
//!
//! Without mappings every column whose name is a field is taken as that field. With mappings, columns that bear a
//! field's name and are not mapped are taken too, unless the mapping says `field=` for nothing.

use domain::master_data::Kind;
use serde_json::{Map, Value};
use wire::manifest::{self, Fault, FaultCode};

use super::Failure;

/// Where the text of a field comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Column {
        at: usize,
        is_slug: bool,
    },
    /// The text that stands for the one in a column.
    Words {
        at: usize,
        words: Vec<(String, String)>,
        /// For all that is not among the words.
        other: Option<String>,
    },
    Text(String),
    /// The number of rows that say the same object, known when all are read.
    Rows,
}

/// How a translation says every other word.
const OTHER: &str = "*";

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
        let mut cells: Vec<(&str, String)> = Vec::with_capacity(self.fields.len());
        for (field, source) in &self.fields {
            let column = |at: &usize| row.get(*at).unwrap_or_default().trim();
            let text = match source {
                Source::Rows => continue,
                Source::Text(text) => text.clone(),
                Source::Column { at, is_slug: true } => slugs(column(at)),
                Source::Column { at, is_slug: false } => column(at).to_owned(),
                Source::Words { at, words, other } => {
                    translate(words, other.as_deref(), column(at)).map_err(|fault| fault.in_field(field.as_str()))?
                }
            };
            cells.push((field, text));
        }
        let cells: Vec<(&str, &str)> = cells.iter().map(|(field, text)| (*field, text.as_str())).collect();
        manifest::row_to_json(self.kind, &cells)
    }
}

/// The text that stands for a word.
fn translate(words: &[(String, String)], other: Option<&str>, word: &str) -> Result<String, Fault> {
    let found = words.iter().find(|(from, _)| from == word).map(|(_, to)| to.as_str()).or(other);
    found.map(str::to_owned).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(from, _)| from.as_str()).collect();
        let message = format!("{word:?} is not among the words {}; *: says what every other becomes", known.join(", "));
        Fault::new(FaultCode::UnknownValue, message).suggesting(manifest::did_you_mean(word, known.iter().copied()))
    })
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
    let place = |column: &str| {
        let same = "; the same text in each row is \"field='text'\" with both quotes";
        column_at(header, column).map_err(|error| Failure::usage(format!("--map {mapping}: {error}{same}")))
    };
    if let Some((column, words)) = source.strip_suffix('}').and_then(|it| it.split_once('{')) {
        let (words, other) = words_of(words).map_err(|error| Failure::usage(format!("--map {mapping}: {error}")))?;
        return Ok(Source::Words { at: place(column.trim())?, words, other });
    }
    let (column, is_slug) = match source.strip_prefix("slug(").and_then(|it| it.strip_suffix(')')) {
        Some(column) => (column, true),
        None => (source, false),
    };
    Ok(Source::Column { at: place(column)?, is_slug })
}

/// The place of a column, or what was probably meant.
pub(super) fn column_at(header: &[String], column: &str) -> Result<usize, String> {
    header.iter().position(|it| it == column).ok_or_else(|| {
        let hint = manifest::did_you_mean(column, header.iter().map(String::as_str))
            .map_or_else(|| format!("the file has {}", header.join(", ")), |it| format!("did you mean {it:?}?"));
        format!("no column {column:?}; {hint}")
    })
}

/// What stands for which word, and for every other.
type Words = (Vec<(String, String)>, Option<String>);

/// Reads `online: active, *: disabled`.
fn words_of(text: &str) -> Result<Words, String> {
    let (mut words, mut other): Words = (Vec::new(), None);
    for pair in text.split(',') {
        let expected = || format!("{:?}: expected word: text, as in {{online: active, *: disabled}}", pair.trim());
        let (from, to) = pair.split_once(':').ok_or_else(expected)?;
        let (from, to) = (from.trim(), to.trim().to_owned());
        if words.iter().any(|(known, _)| known == from) || (from == OTHER && other.is_some()) {
            return Err(format!("{from:?} is translated twice"));
        }
        match from {
            OTHER => other = Some(to),
            word => words.push((word.to_owned(), to)),
        }
    }
    Ok((words, other))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(mapping: &str) -> Result<Mapping, String> {
        let header = ["id", "status"].map(str::to_owned);
        Mapping::new(Kind::Node, &header, &[mapping.to_owned()]).map_err(|failure| failure.to_string())
    }

    fn state(rules: &str, status: &str) -> String {
        let row = csv::StringRecord::from(vec!["ams-1", status]);
        match mapping(&format!("state=status{{{rules}}}")).unwrap().object(&row) {
            Ok(object) => object.get("state").map_or_else(|| "-".to_owned(), |it| it.as_str().unwrap().to_owned()),
            Err(fault) => format!("{} {}: {fault}", fault.code, fault.field.as_deref().unwrap_or_default()),
        }
    }

    #[test]
    fn words_are_translated() {
        assert_eq!(state("online: active, *: disabled", "online"), "active");
        assert_eq!(state("online: active, *: disabled", "maintenance"), "disabled");
        assert_eq!(state("online:active,:disabled", " "), "disabled", "an empty cell is a word too");
        assert_eq!(state("online: active, *:", "offline"), "-", "nothing is the default");
        let unknown = state("online: active, offline: disabled", "offlin");
        assert!(unknown.starts_with("unknown-value state: "), "{unknown}");
        assert!(unknown.contains("offline") && unknown.contains("\"offlin\""), "{unknown}");
    }

    #[test]
    fn a_translation_that_says_nothing_is_named() {
        for (said, part) in [
            ("state=status{online}", "expected word: text"),
            ("state=status{a: active, a: disabled}", "translated twice"),
            ("state=statsu{a: active}", "did you mean \"status\"?"),
        ] {
            let error = mapping(said).unwrap_err();
            assert!(error.contains(part) && error.contains(said), "{error}");
        }
    }
}
