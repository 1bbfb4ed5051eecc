//! `POST /v1/instances/import`: a stream of instances, a million and more, never held in memory.
//!
//! Three work at the same time: one takes the body in, one reads lines into rows, one writes chunk by chunk. Between
//! them stand short queues, so a slow disk slows the client down. What was written stays, however the rest ends, and
//! the answer says up to which line that is.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use domain::ids::Revision;
use domain::time::Micros;
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc};
use wire::problem::{Problem, ProblemType};

use super::Shared;
use super::body::{announced_length, is_packed, linger, next_piece};
use super::failure::{Answer, Failure};
use super::headers::{media_type, stamped};
use super::lines::{CutError, LineCutter};
use super::master_data::{check_disruption, ground};
use super::query::Params;
use crate::access::Bearer;
use crate::clock;
use crate::master_data::{Chunk, Importer, Refusal, Tolerance, Unsettled};
use crate::view::View;

/// Bytes of one import after unpacking: some thirty million instances. More comes in several.
pub const IMPORT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Imports at once: they share one writer, so more of them only take memory.
const IMPORTS_MAX: usize = 4;

/// Pieces of the body on their way to the reader; a piece is at most some hundred kilobytes.
const PIECES_QUEUED: usize = 16;

/// Chunks on their way to the writer: one is being written, one is ready.
const CHUNKS_QUEUED: usize = 2;

/// Once the rows are written, how often the view is looked at for owners.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Without progress for so long, the answer says how many are pending: most likely nobody leads.
const STALL_MAX: Duration = Duration::from_secs(10);

/// In a stall, how often all that is awaited is looked at, not only the oldest.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

static IMPORTS: Semaphore = Semaphore::const_new(IMPORTS_MAX);

/// The parameters of an import.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportParams {
    #[serde(default)]
    wait: bool,
    #[serde(default)]
    allow_disruption: bool,
}

/// `POST /v1/instances/import`
pub async fn import(
    State(parts): State<Shared>,
    Extension(bearer): Extension<Arc<Bearer>>,
    Params(params): Params<ImportParams>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let allow_disruption = check_disruption(params.allow_disruption, &bearer)?;
    check_language(&headers)?;
    let is_packed = is_packed(&headers)?;
    if !is_packed && announced_length(&headers).is_some_and(|length| length > IMPORT_BYTES_MAX) {
        linger(body);
        return Err(Problem::payload_too_large(IMPORT_BYTES_MAX).into());
    }
    let Ok(_turn) = IMPORTS.try_acquire() else {
        linger(body);
        let detail = format!("{IMPORTS_MAX} imports are running, the most at once");
        return Err(Problem::new(ProblemType::Overloaded, detail).into());
    };
    let tolerance = (!allow_disruption).then(|| Tolerance::new(Arc::clone(&parts.view)));
    let mut importer = Importer::new(ground(&parts), bearer.actor().to_owned(), tolerance);
    let mut awaited = params.wait.then(Unsettled::default);
    let streamed = stream(&mut importer, awaited.as_mut(), &parts.view, body, is_packed).await;
    let totals = importer.totals();
    parts.metrics.count_import(totals.accepted, totals.refused_total);
    streamed.map_err(|failure| explain(failure, &importer))?;
    let mut totals = importer.totals().clone();
    totals.refused.sort_by_key(|row| row.line);
    if let Some(awaited) = &mut awaited {
        totals.pending = Some(await_owners(awaited, &parts.view).await);
    }
    let is_settled = totals.pending.is_none_or(|pending| pending == 0);
    let status = if is_settled { StatusCode::OK } else { StatusCode::ACCEPTED };
    let revision = Revision(totals.revision);
    Ok(stamped((status, Json(totals)).into_response(), None, revision))
}

fn check_language(headers: &HeaderMap) -> Result<(), Failure> {
    const ACCEPTED: [&str; 3] = ["application/x-ndjson", "application/ndjson", "application/json"];
    match media_type(headers) {
        Some(found) if !ACCEPTED.iter().any(|it| found.eq_ignore_ascii_case(it)) => {
            Err(Problem::unsupported_media_type(Some(found), &ACCEPTED).into())
        }
        _ => Ok(()),
    }
}

/// The failure of an import, with what was kept before it.
fn explain(failure: Failure, importer: &Importer) -> Failure {
    let (accepted, line) = (importer.totals().accepted, importer.through_line());
    failure.map(|problem| {
        let detail = format!("{}; {}", problem.detail, importer.progress());
        Problem { detail, ..problem }.with("accepted", accepted).with("line", line)
    })
}

/// A piece of the body, or its proper end.
enum Piece {
    Data(Bytes),
    End,
}

/// Takes the body in, reads and writes it, all at the same time.
async fn stream(
    importer: &mut Importer,
    awaited: Option<&mut Unsettled>,
    view: &View,
    body: Body,
    is_packed: bool,
) -> Result<(), Failure> {
    let (pieces_in, pieces) = mpsc::channel(PIECES_QUEUED);
    let (chunks_in, chunks) = mpsc::channel(CHUNKS_QUEUED);
    let now = clock::now();
    let reading = tokio::task::spawn_blocking(move || read_pieces(pieces, &chunks_in, is_packed, now));
    let (taken, written) = tokio::join!(take(body, pieces_in), write(importer, awaited, view, chunks));
    let read = reading.await.map_err(Failure::internal)?;
    // The writer's failure ends the others, so it is the one to tell; then the reader's, then a broken body.
    written.map_err(Failure::from)?;
    read?;
    taken
}

/// Hands the body on, piece by piece.
async fn take(mut body: Body, pieces: mpsc::Sender<Piece>) -> Result<(), Failure> {
    while let Some(data) = next_piece(&mut body).await? {
        if pieces.send(Piece::Data(data)).await.is_err() {
            linger(body);
            return Ok(());
        }
    }
    // Whoever reads may have failed and gone; that is its own failure to tell.
    let _ = pieces.send(Piece::End).await;
    Ok(())
}

/// Reads pieces into chunks, on a thread that may block.
fn read_pieces(
    mut pieces: mpsc::Receiver<Piece>,
    chunks: &mpsc::Sender<Chunk>,
    is_packed: bool,
    now: Micros,
) -> Result<(), Failure> {
    let emit = |chunk: Chunk| chunk.is_empty() && chunk.through_line == 0 || chunks.blocking_send(chunk).is_ok();
    let cutter = LineCutter::new(emit, now, IMPORT_BYTES_MAX);
    if is_packed {
        return read_packed(&mut pieces, flate2::write::MultiGzDecoder::new(cutter));
    }
    let mut cutter = cutter;
    while let Some(piece) = pieces.blocking_recv() {
        let outcome = match piece {
            Piece::Data(data) => cutter.push(&data),
            Piece::End => return cut(cutter.finish()),
        };
        if outcome.is_err() {
            return cut(outcome);
        }
    }
    cut(cutter.break_off())
}

fn read_packed<E: FnMut(Chunk) -> bool>(
    pieces: &mut mpsc::Receiver<Piece>,
    mut unpacker: flate2::write::MultiGzDecoder<LineCutter<E>>,
) -> Result<(), Failure> {
    while let Some(piece) = pieces.blocking_recv() {
        let is_end = matches!(piece, Piece::End);
        let outcome = match piece {
            Piece::Data(data) => unpacker.write_all(&data),
            Piece::End => unpacker.try_finish(),
        };
        match outcome {
            Ok(()) if is_end => return cut(unpacker.get_mut().finish()),
            Ok(()) => {}
            Err(error) => {
                let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<CutError>()).copied();
                return match cause {
                    Some(cause) => cut(Err(cause)),
                    None => cut(unpacker.get_mut().break_off()).and_then(|()| Err(not_gzip())),
                };
            }
        }
    }
    cut(unpacker.get_mut().break_off())
}

fn not_gzip() -> Failure {
    Failure::bad_request("the body is not whole gzip, as Content-Encoding says it is")
}

fn cut(outcome: Result<(), CutError>) -> Result<(), Failure> {
    match outcome {
        // The writer has failed and says why.
        Ok(()) | Err(CutError::NobodyTakes) => Ok(()),
        Err(CutError::TooLarge { bytes_max }) => Err(Problem::payload_too_large(bytes_max).into()),
    }
}

/// Writes chunk by chunk.
async fn write(
    importer: &mut Importer,
    mut awaited: Option<&mut Unsettled>,
    view: &View,
    mut chunks: mpsc::Receiver<Chunk>,
) -> Result<(), Refusal> {
    while let Some(chunk) = chunks.recv().await {
        let (revision, instances) = importer.write(chunk, clock::now()).await?;
        if let Some(awaited) = awaited.as_mut() {
            awaited.push(revision, instances);
            awaited.settle(view, false);
        }
    }
    Ok(())
}

/// Waits until every instance has its ownership or a reason, or nothing moves any more; says how many are pending.
async fn await_owners(awaited: &mut Unsettled, view: &View) -> u64 {
    let (mut moved, mut swept) = (clock::monotonic(), clock::monotonic());
    while !awaited.is_empty() && moved.elapsed() < STALL_MAX {
        let is_sweep = moved.elapsed() > SWEEP_EVERY && swept.elapsed() > SWEEP_EVERY;
        if is_sweep {
            swept = clock::monotonic();
        }
        if awaited.settle(view, is_sweep) > 0 {
            moved = clock::monotonic();
        } else {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    awaited.count(view)
}
