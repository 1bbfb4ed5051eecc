//! `/v1/tasks`: how the tasks of this process fare, and the switches of an operator.
//!
//! A task takes no input, so all there is to say to it is pause, resume and run.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use wire::problem::{Problem, ProblemType};
use wire::tasks::{Task, TaskList};

use super::Shared;
use super::failure::{Answer, Failure};
use super::query::{NoParams, Params, PathId};
use crate::orchestration::Leadership;
use crate::tasks::TaskRow;

/// Tasks that only the leader does; every process runs them, and they find nothing to do elsewhere.
const LED: [&str; 8] =
    ["allocate", "expire", "recount", "audit", "plans", "forget-answers", "forget-counts", "forget-history"];

/// `GET /v1/tasks`
pub async fn list(State(parts): State<Shared>, Params(NoParams {}): Params<NoParams>) -> Answer {
    let tasks = parts.tasks.rows().into_iter().map(|row| body_of(row, &parts.leadership)).collect();
    Ok(Json(TaskList { tasks }).into_response())
}

fn body_of(row: TaskRow, leadership: &Leadership) -> Task {
    let term = leadership.term().filter(|_| LED.contains(&row.name));
    Task {
        name: row.name.to_owned(),
        iteration: row.iteration,
        trigger: row.trigger.to_owned(),
        started: (row.iteration > 0).then_some(row.started),
        duration_ms: u64::try_from(row.duration.as_millis()).unwrap_or(u64::MAX),
        done: row.done_total,
        backlog: row.backlog,
        detail: row.detail,
        holder: term.map(|_| leadership.holder().to_owned()),
        term,
        last_error: row.last_error,
        is_running: row.is_running,
        is_paused: row.is_paused,
    }
}

/// `POST /v1/tasks/{name}/pause`
pub async fn pause(State(parts): State<Shared>, PathId(name): PathId, Params(NoParams {}): Params<NoParams>) -> Answer {
    told(&parts, &name, parts.tasks.pause(&name))
}

/// `POST /v1/tasks/{name}/resume`
pub async fn resume(
    State(parts): State<Shared>,
    PathId(name): PathId,
    Params(NoParams {}): Params<NoParams>,
) -> Answer {
    told(&parts, &name, parts.tasks.resume(&name))
}

/// `POST /v1/tasks/{name}/run`
pub async fn run(State(parts): State<Shared>, PathId(name): PathId, Params(NoParams {}): Params<NoParams>) -> Answer {
    told(&parts, &name, parts.tasks.run_now(&name))
}

fn told(parts: &Shared, name: &str, is_known: bool) -> Answer {
    let row = parts.tasks.rows().into_iter().find(|row| row.name == name).filter(|_| is_known);
    let unknown = || {
        let detail = format!("there is no task {name:?}");
        Failure::from(Problem::new(ProblemType::NotFound, detail).with_remedy("tenure tasks lists what there is"))
    };
    Ok(Json(body_of(row.ok_or_else(unknown)?, &parts.leadership)).into_response())
}
