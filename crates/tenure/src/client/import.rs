//! `tenure import`: rows of CSV or NDJSON, streamed to the server while they are read, with progress on a terminal.
//!
//! Instances go through the import stream; the few objects of every other kind through one apply, all or nothing.
//! Rows that cannot be mapped are named with their line and hold nobody else up.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::Path;

use domain::master_data::Kind;
use futures::stream;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Body, Method};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use wire::apply::Applied;
use wire::import::{Imported, RefusedRow};

use super::apply::count;
use super::filter::Filter;
use super::mapping::{Mapping, is_weight_counted};
use super::{Connection, Failure};
use crate::cli::{ImportArgs, ImportFormat};
use crate::output::Output;

/// Bytes that are gathered before they are sent; some thousand rows.
const CHUNK_BYTES: usize = 256 * 1024;

/// Chunks on their way; two megabytes at the most, whatever the size of the file.
const CHUNKS_WAITING: usize = 8;

/// Refused rows that are shown; `-o json` shows all that the server lists.
const REFUSED_SHOWN: usize = 20;

/// Imports a file.
///
/// # Errors
/// [`Failure`] when the file, the mapping or the server refuses; refused rows are named and the exit code is 1.
pub async fn import(at: &Connection, output: Output, args: &ImportArgs) -> Result<(), Failure> {
    let kind = super::objects::kind_of(&args.kind)?;
    let format = match args.format {
        Some(format) => format,
        None => format_of(&args.file)?,
    };
    let progress = progress(&args.file, output);
    let reader = open(&args.file, &progress)?;
    let rows = Rows { kind, format, mappings: args.mappings.clone(), conditions: args.conditions.clone() };
    rows.check()?;
    if kind == Kind::Instance {
        import_instances(at, output, args, rows, reader, progress).await
    } else {
        import_objects(at, output, args, rows, reader, &progress).await
    }
}

fn format_of(path: &Path) -> Result<ImportFormat, Failure> {
    match path.extension().and_then(|it| it.to_str()) {
        Some("csv") => Ok(ImportFormat::Csv),
        Some("ndjson" | "jsonl") => Ok(ImportFormat::Ndjson),
        _ => Err(Failure::usage(format!("{}: csv or ndjson? say it with --format", path.display()))),
    }
}

fn open(path: &Path, progress: &ProgressBar) -> Result<Box<dyn Read + Send>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(progress.wrap_read(std::io::stdin())));
    }
    let file = File::open(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    Ok(Box::new(progress.wrap_read(file)))
}

/// A bar on a terminal, nothing in a pipe.
fn progress(path: &Path, output: Output) -> ProgressBar {
    if output.is_quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    match std::fs::metadata(path) {
        Ok(meta) => ProgressBar::new(meta.len()).with_style(style),
        Err(_) => ProgressBar::new_spinner(),
    }
}

/// How rows become objects.
struct Rows {
    kind: Kind,
    format: ImportFormat,
    mappings: Vec<String>,
    conditions: Vec<String>,
}

/// A row: its line in the file, and the object or why there is none.
type Row = (u64, Result<String, RefusedRow>);

impl Rows {
    /// Lines of NDJSON are objects already: there are no columns to be told anything about.
    fn check(&self) -> Result<(), Failure> {
        let told = self.mappings.first().map(|_| "--map").or(self.conditions.first().map(|_| "--where"));
        match told.filter(|_| self.format == ImportFormat::Ndjson) {
            Some(flag) => Err(Failure::usage(format!("{flag} is about the columns of CSV; NDJSON has none"))),
            None => Ok(()),
        }
    }

    /// Reads all rows and hands them on, until `sink` says that nobody wants more. Says how many were left out.
    fn read(self, reader: Box<dyn Read + Send>, mut sink: impl FnMut(Row) -> bool) -> Result<u64, Failure> {
        match self.format {
            ImportFormat::Ndjson => {
                for (line, text) in (1u64..).zip(BufReader::with_capacity(CHUNK_BYTES, reader).lines()) {
                    let text = text.map_err(|error| Failure::new(format!("line {line}: {error}")))?;
                    if !sink((line, Ok(text))) {
                        break;
                    }
                }
                Ok(0)
            }
            ImportFormat::Csv => self.read_csv(reader, sink),
        }
    }

    fn read_csv(self, reader: Box<dyn Read + Send>, mut sink: impl FnMut(Row) -> bool) -> Result<u64, Failure> {
        let mut csv = csv::ReaderBuilder::new().flexible(true).buffer_capacity(CHUNK_BYTES).from_reader(reader);
        let header: Vec<String> = csv
            .headers()
            .map_err(|error| Failure::new(format!("the header cannot be read: {error}")))?
            .iter()
            .map(|it| it.trim().trim_start_matches('\u{feff}').to_owned())
            .collect();
        let mapping = Mapping::new(self.kind, &header, &self.mappings)?;
        let filter = Filter::new(&header, &self.conditions)?;
        let mut record = csv::StringRecord::new();
        let mut left_out = 0;
        loop {
            let line = csv.position().line();
            let row = match csv.read_record(&mut record) {
                Ok(false) => return Ok(left_out),
                // A blank line stands in its place, so that lines keep their numbers.
                Ok(true) if !filter.takes(&record) => {
                    left_out += 1;
                    Ok(String::new())
                }
                Ok(true) => mapping
                    .object(&record)
                    .map(|it| Value::Object(it).to_string())
                    .map_err(|fault| RefusedRow { line, code: fault.code.to_string(), detail: fault.to_string() }),
                Err(error) => Err(RefusedRow { line, code: "broken-row".to_owned(), detail: error.to_string() }),
            };
            if !sink((line, row)) {
                return Ok(left_out);
            }
        }
    }
}

/// What the reader found beside the rows that it sent.
#[derive(Default)]
struct Sent {
    refused: Vec<RefusedRow>,
    /// Line of the stream → line of the file, from where they differ anew.
    lines: BTreeMap<u64, u64>,
    /// Rows that `--where` did not take.
    left_out: u64,
}

impl Sent {
    /// The line of the file for a line of the stream.
    fn line_in_file(&self, line: u64) -> u64 {
        self.lines.range(..=line).next_back().map_or(line, |(from, at)| at + (line - from))
    }
}

async fn import_instances(
    at: &Connection,
    output: Output,
    args: &ImportArgs,
    rows: Rows,
    reader: Box<dyn Read + Send>,
    progress: ProgressBar,
) -> Result<(), Failure> {
    let (sender, receiver) = mpsc::channel::<Vec<u8>>(CHUNKS_WAITING);
    let reading = tokio::task::spawn_blocking(move || send_rows(rows, reader, &sender));
    let body = stream::unfold(receiver, |mut receiver| async {
        let chunk = receiver.recv().await?;
        Some((Ok::<_, std::io::Error>(chunk), receiver))
    });
    let mut query = vec![("wait", if args.no_wait { "false" } else { "true" })];
    if args.allow_disruption {
        query.push(("allow_disruption", "true"));
    }
    let request = at
        .request(Method::POST, "/v1/instances/import")
        .query(&query)
        .header("content-type", "application/x-ndjson")
        .body(Body::wrap_stream(body));
    let answer = at.ask::<Imported>(request).await;
    let sent = reading.await.map_err(|error| Failure::new(format!("the file could not be read: {error}")))?;
    progress.finish_and_clear();
    // A bad file is the better explanation of a broken stream.
    let sent = sent?;
    let mut imported = answer?;
    remark_left_out(output, sent.left_out);
    for row in &mut imported.refused {
        row.line = sent.line_in_file(row.line);
    }
    imported.refused_total += sent.refused.len() as u64;
    imported.refused.extend(sent.refused);
    imported.refused.sort_by_key(|row| row.line);
    output.text_or(&imported, || imported_text(&imported))?;
    refuse_if_any(&imported)
}

/// Reads rows into chunks; a row that cannot be mapped leaves a blank line, so that lines keep their numbers.
fn send_rows(rows: Rows, reader: Box<dyn Read + Send>, sender: &mpsc::Sender<Vec<u8>>) -> Result<Sent, Failure> {
    let mut sent = Sent::default();
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + 4096);
    let mut stream_line = 0u64;
    let left_out = rows.read(reader, |(line, row)| {
        stream_line += 1;
        if sent.line_in_file(stream_line) != line {
            sent.lines.insert(stream_line, line);
        }
        match row {
            Ok(text) => chunk.extend_from_slice(text.as_bytes()),
            Err(refused) => sent.refused.push(refused),
        }
        chunk.push(b'\n');
        chunk.len() < CHUNK_BYTES || sender.blocking_send(std::mem::take(&mut chunk)).is_ok()
    })?;
    if !chunk.is_empty() {
        // Nobody listens any more when the server has refused; its answer says why.
        let _ = sender.blocking_send(chunk);
    }
    sent.left_out = left_out;
    Ok(sent)
}

fn imported_text(imported: &Imported) -> String {
    let mut lines: Vec<String> = imported
        .refused
        .iter()
        .take(REFUSED_SHOWN)
        .map(|row| format!("line {}: {}: {}", row.line, row.code, row.detail))
        .collect();
    let hidden = imported.refused_total.saturating_sub(lines.len() as u64);
    if hidden > 0 {
        lines.push(format!("… and {hidden} more (-o json lists them)"));
    }
    lines.push(format!(
        "{} accepted: {} created, {} updated, {} unchanged; {} refused; revision {}",
        imported.accepted,
        imported.created,
        imported.updated,
        imported.unchanged,
        imported.refused_total,
        imported.revision
    ));
    if let Some(pending) = imported.pending.filter(|pending| *pending > 0) {
        lines.push(format!("{pending} have no owner yet: tenure doctor says who leads"));
    }
    lines.join("\n")
}

fn remark_left_out(output: Output, rows: u64) {
    if rows > 0 {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        output.remark(&format!("{} left out by --where", count(rows, "row")));
    }
}

fn refuse_if_any(imported: &Imported) -> Result<(), Failure> {
    match imported.refused_total {
        0 => Ok(()),
        refused => Err(Failure::new(format!(
            "{} refused; the rest is kept",
            count(usize::try_from(refused).unwrap_or(usize::MAX), "row")
        ))),
    }
}

/// An object as the rows of a file say it.
struct Said {
    /// Where it is said first.
    line: u64,
    /// How many rows say it.
    rows: u64,
    fields: Map<String, Value>,
}

async fn import_objects(
    at: &Connection,
    output: Output,
    args: &ImportArgs,
    rows: Rows,
    reader: Box<dyn Read + Send>,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    let kind = rows.kind;
    let mut objects: BTreeMap<String, Said> = BTreeMap::new();
    let mut faults: Vec<String> = Vec::new();
    let path = args.file.display().to_string();
    let left_out = rows.read(reader, |(line, row)| {
        let object =
            row.map_err(|refused| refused.detail).and_then(|text| match serde_json::from_str::<Value>(&text) {
                Ok(Value::Object(mut fields)) => {
                    fields.entry("kind").or_insert_with(|| kind.name().into());
                    Ok(fields)
                }
                Ok(_) => Err("not an object".to_owned()),
                Err(_) if text.trim().is_empty() => Ok(Map::new()),
                Err(error) => Err(error.to_string()),
            });
        match object {
            Ok(fields) if fields.is_empty() => {}
            Ok(fields) => {
                let id = fields.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
                match objects.get_mut(&id) {
                    // The same thing said twice, as a country on each of its servers' rows, is one thing.
                    Some(known) if known.fields == fields => known.rows += 1,
                    Some(known) => {
                        faults.push(format!("{path}:{line}: {kind} {id:?} differs from line {}", known.line));
                    }
                    None => {
                        objects.insert(id, Said { line, rows: 1, fields });
                    }
                }
            }
            Err(detail) => faults.push(format!("{path}:{line}: {detail}")),
        }
        true
    })?;
    progress.finish_and_clear();
    if !faults.is_empty() {
        faults.truncate(REFUSED_SHOWN);
        return Err(Failure::new(format!("nothing was written\n{}", faults.join("\n"))));
    }
    let is_weight_counted = is_weight_counted(&args.mappings);
    let object = |Said { rows, mut fields, .. }: Said| {
        if is_weight_counted {
            fields.insert("weight".to_owned(), rows.into());
        }
        Value::Object(fields)
    };
    let array = Value::Array(objects.into_values().map(object).collect());
    let query: &[(&str, &str)] = if args.allow_disruption { &[("allow_disruption", "true")] } else { &[] };
    let request = at.request(Method::POST, "/v1/apply").query(query).json(&array);
    let applied: Applied = at.ask(request).await?;
    remark_left_out(output, left_out);
    output.text_or(&applied, || super::apply::summary_line(&applied, false))
}
