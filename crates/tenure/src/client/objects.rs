//! `tenure get`, `delete` and `export`: objects as they stand in the master data.
//!
//! Lists are read page by page and never held whole longer than they are printed; `export` streams.

use std::io::Write;

use domain::master_data::Kind;
use reqwest::Method;
use serde_json::Value;

use super::{Connection, Failure};
use crate::output::Output;

/// Objects asked for at once.
const PAGE: u64 = 500;

/// Rows that a table shows unless told otherwise.
const LIMIT_DEFAULT: u64 = 1_000;

/// The kind that a person means.
///
/// # Errors
/// [`Failure`] lists the kinds.
pub fn kind_of(word: &str) -> Result<Kind, Failure> {
    Kind::from_word(word).ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.plural()).collect();
        let hint = wire::manifest::did_you_mean(word, known.iter().copied())
            .map_or_else(|| format!("kinds are {}", known.join(", ")), |it| format!("did you mean {it:?}?"));
        Failure::usage(format!("no kind {word:?}; {hint}"))
    })
}

pub(super) fn path_of(kind: Kind, id: &str) -> String {
    format!("/v1/{}/{id}", kind.plural())
}

/// Prints one object as a manifest.
///
/// # Errors
/// [`Failure`] when there is none.
pub async fn get(at: &Connection, output: Output, kind: &str, id: &str) -> Result<(), Failure> {
    let object: Value = at.get(&path_of(kind_of(kind)?, id)).await?;
    output.text_or(&object, || as_yaml(&object))
}

pub(super) fn as_yaml(object: &Value) -> String {
    let json = object.to_string();
    wire::manifest::json_to_yaml(&json).unwrap_or(json)
}

/// Prints a kind as a table.
///
/// # Errors
/// [`Failure`] when the server refuses.
pub async fn list(at: &Connection, output: Output, kind: &str, limit: Option<u64>) -> Result<(), Failure> {
    let kind = kind_of(kind)?;
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    let mut items: Vec<Value> = Vec::new();
    let mut is_more = false;
    each(at, kind, |item| {
        is_more = items.len() as u64 >= limit;
        if !is_more {
            items.push(item);
        }
        !is_more
    })
    .await?;
    let columns = columns(kind);
    let head: Vec<String> = columns.iter().map(|it| it.to_uppercase().replace(['_', '.'], " ")).collect();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let rows = items.iter().map(|item| columns.iter().map(|column| cell(item, column)).collect()).collect();
    output.rows(&head, rows, || Value::Array(items.clone()))?;
    if is_more {
        output.remark(&format!("the first {limit}; --limit N shows more, tenure export {} all", kind.plural()));
    }
    Ok(())
}

/// What a table of a kind shows.
fn columns(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Region => &["id", "name", "jurisdiction", "state"],
        Kind::ResourceGroup => &["id", "region", "weight", "state"],
        Kind::RuntimeTemplate | Kind::OutboundTemplate => &["id", "state", "body"],
        Kind::Node => {
            &["id", "groups", "state", "priority", "weight", "location.city", "runtime_template", "outbound_template"]
        }
        Kind::AccessTemplate => &["id", "mode", "groups", "regions", "nodes", "order", "limit", "on_broken"],
        Kind::Product => &["id", "access_template", "quota.bytes", "limits.devices"],
        Kind::Instance => &["id", "product", "jurisdiction", "status", "weight", "created", "expires"],
    }
}

/// The text of a field in a table.
fn cell(item: &Value, path: &str) -> String {
    let found = path.split('.').try_fold(item, |value, part| value.get(part));
    match found {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let words: Vec<String> =
                items.iter().map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).collect();
            match words.len() {
                0..=3 => words.join(","),
                more => format!("{},{},… ({more})", words[0], words[1]),
            }
        }
        Some(other) => other.to_string(),
    }
}

/// Visits every object of a kind, page by page, until `visit` has enough.
pub(super) async fn each(at: &Connection, kind: Kind, mut visit: impl FnMut(Value) -> bool) -> Result<(), Failure> {
    let mut cursor: Option<String> = None;
    loop {
        let mut query = vec![("limit", PAGE.to_string())];
        query.extend(cursor.take().map(|it| ("cursor", it)));
        let request = at.request(Method::GET, &format!("/v1/{}", kind.plural())).query(&query);
        let page: Value = at.ask(request).await?;
        let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        if !items.into_iter().all(&mut visit) {
            return Ok(());
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(()),
        }
    }
}

/// Prints a kind as NDJSON, in a form that import and apply take back.
///
/// # Errors
/// [`Failure`] when the server refuses.
pub async fn export(at: &Connection, kind: &str) -> Result<(), Failure> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut failed = None;
    each(at, kind_of(kind)?, |item| match writeln!(out, "{item}") {
        Ok(()) => true,
        Err(error) => {
            failed = Some(error);
            false
        }
    })
    .await?;
    match failed.or_else(|| out.flush().err()) {
        Some(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Deletes an object.
///
/// # Errors
/// [`Failure`] with the list of who still needs it.
pub async fn delete(at: &Connection, output: Output, kind: &str, id: &str, allow: bool) -> Result<(), Failure> {
    let kind = kind_of(kind)?;
    let query: &[(&str, &str)] = if allow { &[("allow_disruption", "true")] } else { &[] };
    at.send(at.request(Method::DELETE, &path_of(kind, id)).query(query)).await?;
    let done = if kind == Kind::Instance { "terminated" } else { "deleted" };
    output.rows(
        &["KIND", "ID", "DONE"],
        vec![vec![kind.to_string(), id.to_owned(), done.to_owned()]],
        || serde_json::json!({"kind": kind.name(), "id": id, "action": done}),
    )
}
