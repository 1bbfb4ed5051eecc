//! `/v1/doctor`: checks of a running system, each with what to do about it. They read and never mend.
//!
//! A check that could not run has failed. The recount compares every counter with the rows it stands for (I6).

use std::path::Path;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use store::StoreError;
use wire::doctor::{Check, Doctor};

use super::Shared;
use super::failure::Answer;
use super::query::{NoParams, Params};
use crate::clock;
use crate::orchestration::ALLOCATOR_LEASE;

/// Revisions that the view may be behind at the moment of the check: a busy second's.
const LAG_REVISIONS_MAX: u64 = 1_000;

/// Audit leaves that may wait for the appender: ten seconds' worth of a busy server.
const AUDIT_STAGED_MAX: u64 = 100_000;

/// Below this the next import may fill the disk.
const DISK_FREE_BYTES_MIN: u64 = 1024 * 1024 * 1024;

/// Flushes that may be missed before the counts count as stuck.
const FLUSHES_LATE_MAX: i64 = 5;

/// What a large flush may take beyond its period.
const COMMIT_MAX_S: i64 = 60;

/// How far our clock may be from the database's: stamps on decisions would mislead people.
const CLOCK_DIFFERENCE_US_MAX: i64 = 2_000_000;

/// How long one check may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// `GET /v1/doctor`
pub async fn examine(State(parts): State<Shared>, Params(NoParams {}): Params<NoParams>) -> Answer {
    let mut checks = vec![
        within("store", store_answers(&parts)).await,
        within("view", view_follows(&parts)).await,
        within("leader", somebody_leads(&parts)).await,
        within("counters", counters_agree(&parts)).await,
        within("audit", audit_keeps_up(&parts)).await,
        within("counts", counts_balance(&parts)).await,
        within("clock", clocks_agree(&parts)).await,
        disk_has_room(&parts.settings.data),
    ];
    checks.push(tasks_succeed(&parts));
    checks.push(regions_speak(&parts));
    Ok(Json(Doctor { ok: checks.iter().all(|check| check.ok), checks }).into_response())
}

/// A check with what was found, or with the reason why it could not run.
async fn within(check: &str, run: impl Future<Output = Result<Check, StoreError>>) -> Check {
    match tokio::time::timeout(PATIENCE, run).await {
        Ok(Ok(found)) => Check { check: check.to_owned(), ..found },
        Ok(Err(error)) => {
            tracing::warn!(check, %error, "a check of the doctor could not run");
            bad(check, "the database did not answer it".to_owned(), "look at the log of the server and at the database")
        }
        Err(_) => bad(check, format!("not done within {} s", PATIENCE.as_secs()), "look at the load of the database"),
    }
}

fn good(detail: String) -> Check {
    Check { check: String::new(), ok: true, detail, remedy: None }
}

fn bad(check: &str, detail: String, remedy: &str) -> Check {
    Check { check: check.to_owned(), ok: false, detail, remedy: Some(remedy.to_owned()) }
}

async fn store_answers(parts: &Shared) -> Result<Check, StoreError> {
    let started = clock::monotonic();
    let head = parts.store.head().await?;
    Ok(good(format!("revision {}, answered in {} ms", head.revision, started.elapsed().as_millis())))
}

async fn view_follows(parts: &Shared) -> Result<Check, StoreError> {
    let (head, seen) = (parts.store.head().await?.revision.0, parts.view.revision().0);
    let lag = head.saturating_sub(seen);
    let detail = format!("the view stands at revision {seen}, {lag} behind, with {} instances", parts.view.len());
    if lag <= LAG_REVISIONS_MAX {
        return Ok(good(detail));
    }
    Ok(bad("", detail, "look at the task follow: tenure tasks shows its last error"))
}

async fn somebody_leads(parts: &Shared) -> Result<Check, StoreError> {
    let (lease, now) = (parts.store.lease(ALLOCATOR_LEASE).await?, parts.store.clock().await?);
    match lease.filter(|lease| lease.expires > now) {
        Some(lease) => Ok(good(format!("{} leads, term {}", lease.holder, lease.term))),
        None => Ok(bad(
            "",
            "nobody leads: nothing is allocated or repaired".to_owned(),
            "start a process that can reach the database; it takes the lease within seconds",
        )),
    }
}

async fn counters_agree(parts: &Shared) -> Result<Check, StoreError> {
    let found = parts.store.recount().await?;
    let detail = format!("{} owners in {} counters, {} differ", found.owners, found.rows, found.differences.len());
    match found.differences.first() {
        None => Ok(good(detail)),
        Some(first) => {
            let detail = format!("{detail}; first: {:?} is counted as {:?}", first.recorded, first.counted);
            Ok(bad("", detail, "run the task recount; please report it with the log of the server"))
        }
    }
}

async fn audit_keeps_up(parts: &Shared) -> Result<Check, StoreError> {
    let head = parts.store.audit_head().await?;
    let detail = format!("{} entries, {} wait to be chained", head.seq, head.staged);
    if head.staged <= AUDIT_STAGED_MAX {
        return Ok(good(detail));
    }
    Ok(bad("", detail, "look at the task audit: tenure tasks shows its last error"))
}

async fn counts_balance(parts: &Shared) -> Result<Check, StoreError> {
    let counting = parts.intake.counting();
    if counting.is_closed() {
        let remedy = "start with a new data directory: it is a new replica, and its reporters find their way to it";
        return Ok(bad("", "this intake replica is retired: reports are refused".to_owned(), remedy));
    }
    let balance = parts.reading.balance().await?;
    let shards = balance.shards.iter().filter(|it| !it.account.is_balanced()).count();
    let reporters = balance.reporters.iter().filter(|it| !it.account.is_balanced()).count();
    if shards + reporters > 0 {
        let detail = format!("{shards} shards and {reporters} reporters do not balance");
        return Ok(bad("", detail, "tenure conservation --deep names the first difference; please report it"));
    }
    let oldest = counting.hot().oldest();
    let age_s = oldest.map_or(0, |oldest| clock::now().since_us(oldest).max(0) / 1_000_000);
    let flush_s = i64::try_from(parts.settings.flush_every.as_secs()).unwrap_or(i64::MAX);
    let detail = format!("every byte is accounted for; the oldest uncommitted report is {age_s} s old");
    match age_s <= flush_s.saturating_mul(FLUSHES_LATE_MAX).saturating_add(COMMIT_MAX_S) {
        true => Ok(good(detail)),
        false => Ok(bad("", detail, "look at the task flush: tenure tasks shows its last error")),
    }
}

async fn clocks_agree(parts: &Shared) -> Result<Check, StoreError> {
    let before = clock::now();
    let theirs = parts.store.clock().await?;
    let after = clock::now();
    // The database read its clock somewhere between our two readings.
    let apart = before.since_us(theirs).max(theirs.since_us(after)).max(0);
    let detail = format!("{} ms apart from the database", apart / 1000);
    if apart <= CLOCK_DIFFERENCE_US_MAX {
        return Ok(good(detail));
    }
    Ok(bad("", detail, "let a time service set the clocks of both machines"))
}

fn disk_has_room(data: &Path) -> Check {
    const CHECK: &str = "disk";
    match rustix::fs::statvfs(data) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let detail = format!("{} MiB free in the data directory", free / (1024 * 1024));
            match free >= DISK_FREE_BYTES_MIN {
                true => Check { check: CHECK.to_owned(), ..good(detail) },
                false => bad(CHECK, detail, "free space, or move the data directory to a larger disk"),
            }
        }
        Err(error) => bad(CHECK, format!("the data directory cannot be asked: {error}"), "check that it is mounted"),
    }
}

fn tasks_succeed(parts: &Shared) -> Check {
    const CHECK: &str = "tasks";
    let failing: Vec<String> = parts
        .tasks
        .rows()
        .into_iter()
        .filter_map(|row| row.last_error.map(|error| format!("{}: {error}", row.name)))
        .collect();
    if failing.is_empty() {
        return Check { check: CHECK.to_owned(), ..good("every task succeeded when it last ran".to_owned()) };
    }
    bad(CHECK, failing.join("; "), "they are run again by themselves; if it lasts, look at the log of the server")
}

fn regions_speak(parts: &Shared) -> Check {
    const CHECK: &str = "region-silent";
    let held: Vec<String> = parts.regions.held().iter().map(ToString::to_string).collect();
    if held.is_empty() {
        return Check { check: CHECK.to_owned(), ..good("no region has fallen silent as a whole".to_owned()) };
    }
    let detail = format!("held as they were, since most of their nodes fell silent at once: {}", held.join(", "));
    bad(CHECK, detail, "look at the network between these regions and here; their nodes stay in service meanwhile")
}
