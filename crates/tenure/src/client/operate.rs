//! `tenure tasks`, `token`, `audit` and `doctor`: how the system itself fares.
//!
//! What is found wrong is the exit code too, so a script can ask the doctor.

use domain::time::Micros;
use reqwest::Method;
use serde_json::json;
use wire::access::{CreatedToken, TokenPage};
use wire::audit::{AuditPage, Verified};
use wire::doctor::Doctor;
use wire::instant;
use wire::tasks::TaskList;

use super::{Connection, Failure};
use crate::cli::{AuditCommand, TaskCommand, TokenCommand};
use crate::output::Output;

fn time(at: Option<Micros>) -> String {
    at.map_or_else(|| "-".to_owned(), instant::format)
}

fn or_dash(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".to_owned())
}

/// Prints the tasks, or tells one what to do.
///
/// # Errors
/// [`Failure`] when there is no such task.
pub async fn tasks(at: &Connection, output: Output, action: Option<TaskCommand>) -> Result<(), Failure> {
    let told = action.map(|action| match action {
        TaskCommand::Pause { name } => (name, "pause"),
        TaskCommand::Resume { name } => (name, "resume"),
        TaskCommand::Run { name } => (name, "run"),
    });
    if let Some((name, verb)) = told {
        at.send(at.request(Method::POST, &format!("/v1/tasks/{name}/{verb}"))).await?;
    }
    let list: TaskList = at.get("/v1/tasks").await?;
    let rows = list.tasks.iter().map(|it| {
        let state = if it.is_paused { "paused" } else { "on" };
        vec![
            it.name.clone(),
            state.to_owned(),
            it.iteration.to_string(),
            it.trigger.clone(),
            time(it.started),
            format!("{} ms", it.duration_ms),
            it.backlog.to_string(),
            or_dash(it.holder.as_ref()),
            it.term.map_or_else(|| "-".to_owned(), |term| term.to_string()),
            or_dash(it.last_error.as_ref()),
        ]
    });
    let head = ["TASK", "STATE", "RUNS", "TRIGGER", "LAST", "TOOK", "BACKLOG", "HOLDER", "TERM", "LAST ERROR"];
    output.rows(&head, rows.collect(), || json!(list))
}

/// Makes, lists and revokes tokens.
///
/// # Errors
/// [`Failure`] when the server refuses.
pub async fn tokens(at: &Connection, output: Output, command: TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Create { scopes, reporter } => {
            let body = match reporter {
                Some(reporter) => json!({"scopes": scopes, "reporter": reporter}),
                None => json!({"scopes": scopes}),
            };
            let made: CreatedToken = at.post("/v1/tokens", &body).await?;
            output.text_or(&made, || made.secret.clone())?;
            output.remark(&format!(
                "token {} may {}; it is shown this once",
                made.token.id,
                made.token.scopes.join(", ")
            ));
            Ok(())
        }
        TokenCommand::List => {
            let mut tokens = Vec::new();
            let mut path = "/v1/tokens".to_owned();
            loop {
                let page: TokenPage = at.get(&path).await?;
                tokens.extend(page.items);
                match page.next {
                    Some(next) => path = format!("/v1/tokens?cursor={next}"),
                    None => break,
                }
            }
            let rows = tokens.iter().map(|it| {
                let state = if it.revoked.is_some() { "revoked" } else { "active" };
                let (created, expires, used) = (time(Some(it.created)), time(it.expires), time(it.last_used));
                vec![
                    it.id.clone(),
                    state.to_owned(),
                    it.scopes.join(","),
                    or_dash(it.reporter.as_ref()),
                    created,
                    expires,
                    used,
                ]
            });
            let head = ["TOKEN", "STATE", "SCOPES", "REPORTER", "CREATED", "EXPIRES", "LAST USED"];
            output.rows(&head, rows.collect(), || json!(tokens))
        }
        TokenCommand::Revoke { id } => {
            at.send(at.request(Method::DELETE, &format!("/v1/tokens/{id}"))).await?;
            output.rows(
                &["TOKEN", "DONE"],
                vec![vec![id.clone(), "revoked".to_owned()]],
                || json!({"id": id, "action": "revoked"}),
            )
        }
    }
}

/// Verifies or prints the audit log.
///
/// # Errors
/// [`Failure`] when the log does not hold together.
pub async fn audit(at: &Connection, output: Output, command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify => {
            let verified: Verified = at.get("/v1/audit/verify").await?;
            output.text_or(&verified, || match verified.broken_at {
                None => {
                    format!("{} entries: every hash is that of its leaf and of the entry before it", verified.entries)
                }
                Some(at) => format!("broken at entry {at}, after {} good ones", verified.entries),
            })?;
            if verified.ok { Ok(()) } else { Err(Failure::new("the audit log does not hold together")) }
        }
        AuditCommand::List { limit } => {
            let page: AuditPage = at.get(&format!("/v1/audit/entries?limit={limit}")).await?;
            let rows = page.items.iter().map(|it| {
                vec![
                    it.seq.to_string(),
                    it.revision.to_string(),
                    it.leaf.clone(),
                    it.chain_hash.chars().take(12).collect(),
                ]
            });
            output.rows(&["ENTRY", "REVISION", "LEAF", "CHAIN"], rows.collect(), || json!(page))
        }
    }
}

/// Checks a running server.
///
/// # Errors
/// [`Failure`] when a check fails.
pub async fn doctor(at: &Connection, output: Output) -> Result<(), Failure> {
    let doctor: Doctor = at.get("/v1/doctor").await?;
    let rows = doctor.checks.iter().map(|it| {
        let state = if it.ok { "ok" } else { "FAILED" };
        vec![it.check.clone(), state.to_owned(), it.detail.clone(), it.remedy.clone().unwrap_or_default()]
    });
    output.rows(&["CHECK", "STATE", "FOUND", "DO"], rows.collect(), || json!(doctor))?;
    let failed = doctor.checks.iter().filter(|it| !it.ok).count();
    if failed == 0 { Ok(()) } else { Err(Failure::new(format!("{} failed", super::apply::count(failed, "check")))) }
}
