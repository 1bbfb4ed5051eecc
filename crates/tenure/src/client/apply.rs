//! `tenure apply`: manifests from files, directories or standard input, written all or nothing.
//!
//! Files are checked here first, so that a fault names the file and line that the person sees; the server checks
//! again, with the references.

use std::io::Read;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::Value;
use wire::apply::{Applied, ChangeAction};
use wire::manifest::{self, ContentType, Fault, Parsed};

use super::{Connection, Failure};
use crate::output::Output;

/// How to apply.
pub struct Options {
    pub is_dry_run: bool,
    pub set: Option<String>,
    pub is_prune: bool,
    pub allow_disruption: bool,
}

/// Applies manifests.
///
/// # Errors
/// All faults of all files, or the refusal of the server.
pub async fn apply(at: &Connection, output: Output, files: &[PathBuf], options: &Options) -> Result<(), Failure> {
    let parsed = read_all(files)?;
    let body = to_json(&parsed);
    let mut query: Vec<(&str, String)> = Vec::new();
    for (name, is_on) in
        [("dry_run", options.is_dry_run), ("prune", options.is_prune), ("allow_disruption", options.allow_disruption)]
    {
        if is_on {
            query.push((name, "true".to_owned()));
        }
    }
    query.extend(options.set.clone().map(|set| ("set", set)));
    let request = at.request(Method::POST, "/v1/apply").query(&query).header("content-type", "application/json");
    let applied: Applied = at.ask(request.body(body)).await.map_err(|failure| with_places(failure, &parsed))?;
    output.text_or(&applied, || summary(&applied, options.is_dry_run))
}

/// Reads and checks all files.
///
/// # Errors
/// All faults, each with its file, line and field.
pub fn read_all(files: &[PathBuf]) -> Result<Vec<Parsed>, Failure> {
    let mut parsed = Vec::new();
    let mut faults = Vec::new();
    for (name, text) in read_texts(files)? {
        match manifest::parse(&text, ContentType::detect(&text), &name, control::clock::now()) {
            Ok(objects) => parsed.extend(objects),
            Err(found) => faults.extend(found),
        }
    }
    faults.extend(manifest::find_duplicates(&parsed));
    if faults.is_empty() {
        return Ok(parsed);
    }
    Err(faulty(&faults))
}

fn faulty(faults: &[Fault]) -> Failure {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Failure::new(format!(
        "{} in the manifests; nothing was written\n{}",
        count(faults.len(), "fault"),
        lines.join("\n")
    ))
}

/// The objects as a JSON array. `created` is sent only where the file says it.
pub fn to_json(parsed: &[Parsed]) -> String {
    let objects: Vec<String> = parsed.iter().map(without_default_created).collect();
    format!("[{}]", objects.join(","))
}

fn without_default_created(parsed: &Parsed) -> String {
    let text = manifest::to_json(&parsed.object);
    if parsed.has_created {
        return text;
    }
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(mut fields)) => {
            fields.shift_remove("created");
            Value::Object(fields).to_string()
        }
        _ => text,
    }
}

/// A fault of the server says which object; the person wants to know which line.
fn with_places(failure: Failure, parsed: &[Parsed]) -> Failure {
    if failure.faults().is_empty() {
        return failure;
    }
    let placed = |fault: &Fault| {
        let is_its = |it: &&Parsed| {
            fault.kind.as_deref() == Some(it.object.kind().name()) && fault.id.as_deref() == Some(it.object.id())
        };
        match parsed.iter().find(is_its) {
            Some(it) => Fault { file: it.file.as_ref().into(), line: it.line, column: 0, ..fault.clone() },
            None => fault.clone(),
        }
    };
    let faults: Vec<Fault> = failure.faults().iter().map(placed).collect();
    faulty(&faults)
}

fn read_texts(files: &[PathBuf]) -> Result<Vec<(String, String)>, Failure> {
    let mut texts = Vec::new();
    for file in files {
        if file.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failure::new(format!("standard input: {error}")))?;
            texts.push(("standard input".to_owned(), text));
        } else if file.is_dir() {
            for path in manifests_in(file)? {
                texts.push((path.display().to_string(), read(&path)?));
            }
        } else {
            texts.push((file.display().to_string(), read(file)?));
        }
    }
    Ok(texts)
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// The manifests of a directory, by name; those of its directories behind them.
fn manifests_in(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| Failure::new(format!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(directory).map_err(failed)?.filter_map(|it| it.ok().map(|it| it.path())).collect();
    entries.sort();
    for path in &entries {
        let is_manifest = path.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "json");
        if path.is_file() && is_manifest {
            paths.push(path.clone());
        }
    }
    for path in entries.iter().filter(|path| path.is_dir()) {
        paths.extend(manifests_in(path)?);
    }
    Ok(paths)
}

fn summary(applied: &Applied, is_dry_run: bool) -> String {
    let of = |action: ChangeAction| applied.changes.iter().filter(|it| it.action == action).count();
    let changed = applied.changes.iter().filter(|it| it.action != ChangeAction::Unchanged);
    let mut lines: Vec<String> =
        changed.take(LINES_MAX).map(|it| format!("{:9} {} {}", it.action.code(), it.kind, it.id)).collect();
    let hidden = applied.changes.len() - of(ChangeAction::Unchanged) - lines.len();
    if hidden > 0 {
        lines.push(format!("… and {hidden} more (-o json shows all)"));
    }
    lines.push(summary_line(applied, is_dry_run));
    lines.join("\n")
}

/// How many of what.
pub fn summary_line(applied: &Applied, is_dry_run: bool) -> String {
    let of = |action: ChangeAction| applied.changes.iter().filter(|it| it.action == action).count();
    let would = if is_dry_run { "dry run: would be " } else { "" };
    format!(
        "{would}{} created, {} updated, {} deleted, {} unchanged; revision {}",
        of(ChangeAction::Created),
        of(ChangeAction::Updated),
        of(ChangeAction::Deleted),
        of(ChangeAction::Unchanged),
        applied.revision
    )
}

/// A screen or two of changes; whoever wants all asks for JSON.
const LINES_MAX: usize = 60;

/// `1 fault`, `2 faults`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
