//! `tenure plan`: make a plan, read it, apply it at a rate, stop it, take it back.
//!
//! Making one changes nothing. `apply` waits for the end and says which moves were skipped and why; the plan itself
//! runs in the server, so leaving the command leaves the plan running.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use wire::plan::{MovePage, Plan, PlanMove, PlanPage, PlanRequest, PlannedMove};

use super::plan_text::{preview, skipped_text, standing};
use super::{Connection, Failure};
use crate::cli::PlanCommand;
use crate::output::Output;

/// How often a running plan is looked at; a plan moves four times a second.
const POLL_EVERY: Duration = Duration::from_millis(200);

/// Moves asked for at once.
const PAGE: u32 = 1_000;

/// Does what is asked of plans.
///
/// # Errors
/// [`Failure`] when the server refuses, or a plan that was waited for ends other than done.
pub async fn run(at: &Connection, output: Output, command: PlanCommand) -> Result<(), Failure> {
    match command {
        PlanCommand::Topology { file } => {
            let parsed = super::apply::read_all(&file)?;
            let manifests = RawValue::from_string(super::apply::to_json(&parsed))
                .map_err(|error| Failure::new(format!("the manifests cannot be written as JSON: {error}")))?;
            create(at, output, PlanRequest { manifests: Some(manifests), ..asked("topology") }).await
        }
        PlanCommand::Repair => create(at, output, asked("repair")).await,
        PlanCommand::Rebalance { to } => create(at, output, PlanRequest { to: Some(to), ..asked("rebalance") }).await,
        PlanCommand::Drain { group } => create(at, output, PlanRequest { group: Some(group), ..asked("drain") }).await,
        PlanCommand::Move { instances, to } => {
            let moves = instances.into_iter().map(|instance| PlannedMove { instance, to: to.clone() }).collect();
            create(at, output, PlanRequest { moves, ..asked("move") }).await
        }
        PlanCommand::List => list(at, output).await,
        PlanCommand::Show { id, moves } => show(at, output, &id, moves).await,
        PlanCommand::Apply { id, rate, no_wait } => apply(at, output, &id, rate.as_deref(), no_wait).await,
        PlanCommand::Pause { id } => tell(at, output, &id, "pause", None).await,
        PlanCommand::Resume { id, rate } => tell(at, output, &id, "resume", rate.as_deref()).await,
        PlanCommand::Abort { id } => tell(at, output, &id, "abort", None).await,
        PlanCommand::Undo { id } => {
            let plan: Plan = at.ask(at.request(Method::POST, &format!("/v1/plans/{id}/undo"))).await?;
            print_made(at, output, &plan)
        }
    }
}

/// A request without what belongs to one kind only.
fn asked(kind: &str) -> PlanRequest {
    PlanRequest { kind: kind.to_owned(), manifests: None, delete: Vec::new(), to: None, group: None, moves: Vec::new() }
}

async fn create(at: &Connection, output: Output, request: PlanRequest) -> Result<(), Failure> {
    let plan: Plan = at.ask(at.request(Method::POST, "/v1/plans").json(&request)).await?;
    print_made(at, output, &plan)
}

fn print_made(at: &Connection, output: Output, plan: &Plan) -> Result<(), Failure> {
    let call = crate::spelling::call(at.server());
    let line = || format!("apply it with: {call} plan apply {} --rate {}/s", plan.id, plan.rate_per_s);
    output.text_or(plan, || format!("{}\n\n{}", preview(plan), line()))
}

async fn list(at: &Connection, output: Output) -> Result<(), Failure> {
    let mut plans: Vec<Plan> = Vec::new();
    let mut path = "/v1/plans".to_owned();
    loop {
        let page: PlanPage = at.get(&path).await?;
        plans.extend(page.items);
        match page.next {
            Some(next) => path = format!("/v1/plans?cursor={next}"),
            None => break,
        }
    }
    // The latest is what is looked for.
    plans.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    let row = |it: &Plan| {
        let all = it.progress.pending + it.progress.done + it.progress.skipped;
        vec![
            it.id.clone(),
            it.kind.clone(),
            it.state.clone(),
            format!("{}/{all}", it.progress.done),
            it.progress.skipped.to_string(),
            wire::instant::format(it.created),
            it.actor.clone(),
        ]
    };
    let head = ["PLAN", "KIND", "STATE", "DONE", "SKIPPED", "CREATED", "BY"];
    output.rows(&head, plans.iter().map(row).collect(), || json!(plans))
}

async fn get(at: &Connection, id: &str) -> Result<Plan, Failure> {
    at.get(&format!("/v1/plans/{id}")).await
}

/// Every move of a plan that `keep` likes.
async fn moves(at: &Connection, id: &str, keep: impl Fn(&PlanMove) -> bool) -> Result<Vec<PlanMove>, Failure> {
    let mut moves = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: MovePage = at.get(&format!("/v1/plans/{id}/moves?limit={PAGE}{cursor}")).await?;
        moves.extend(page.items.into_iter().filter(|it| keep(it)));
        match page.next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(moves),
        }
    }
}

async fn show(at: &Connection, output: Output, id: &str, has_moves: bool) -> Result<(), Failure> {
    let plan = get(at, id).await?;
    if !has_moves {
        return output.text_or(&plan, || format!("{}\n\n{}", preview(&plan), standing(&plan)));
    }
    let moves = moves(at, id, |_| true).await?;
    let whole = || {
        let mut whole = json!(plan);
        whole["moves"] = json!(moves);
        whole
    };
    let row = |it: &PlanMove| {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let (from, reason, decision) = (or_dash(&it.from), or_dash(&it.reason), or_dash(&it.decision));
        vec![it.ordinal.to_string(), it.instance.clone(), from, it.to.clone(), it.state.clone(), reason, decision]
    };
    let head = ["MOVE", "INSTANCE", "FROM", "TO", "STATE", "REASON", "DECISION"];
    output.rows(&head, moves.iter().map(row).collect(), whole)
}

/// The body that states a rate.
fn pace(rate: Option<&str>) -> Result<Value, Failure> {
    match rate {
        None => Ok(json!({})),
        Some(text) => Ok(json!({"rate_per_s": parse_rate(text)?})),
    }
}

/// Moves per second: `100/s` or `100`.
fn parse_rate(text: &str) -> Result<u32, Failure> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let expected = || Failure::usage(format!("--rate {text}: expected moves per second, for example 100/s"));
    number.trim().parse().ok().filter(|rate| *rate > 0).ok_or_else(expected)
}

async fn tell(at: &Connection, output: Output, id: &str, command: &str, rate: Option<&str>) -> Result<(), Failure> {
    let plan: Plan = at.post(&format!("/v1/plans/{id}/{command}"), &pace(rate)?).await?;
    output.text_or(&plan, || standing(&plan))
}

async fn apply(at: &Connection, output: Output, id: &str, rate: Option<&str>, no_wait: bool) -> Result<(), Failure> {
    let plan: Plan = at.post(&format!("/v1/plans/{id}/apply"), &pace(rate)?).await?;
    if no_wait {
        return output.text_or(&plan, || standing(&plan));
    }
    let plan = wait(at, output, plan).await?;
    let skipped =
        if plan.progress.skipped == 0 { Vec::new() } else { moves(at, id, |it| it.state == "skipped").await? };
    output.text_or(&plan, || format!("{}{}", standing(&plan), skipped_text(&skipped)))?;
    match plan.state.as_str() {
        "done" => Ok(()),
        "failed" => {
            Err(Failure::new(format!("the plan failed: {}", plan.error.as_deref().unwrap_or("no cause is recorded"))))
        }
        other => Err(Failure::new(format!("the plan was {other} before it was done"))),
    }
}

/// Waits until nothing will be done any more.
async fn wait(at: &Connection, output: Output, mut plan: Plan) -> Result<Plan, Failure> {
    let all = plan.progress.pending + plan.progress.done + plan.progress.skipped;
    let bar = progress(output, all);
    let mut was_paused = false;
    while matches!(plan.state.as_str(), "applying" | "paused") {
        let is_paused = plan.state == "paused";
        if is_paused && !was_paused {
            let id = &plan.id;
            bar.suspend(|| output.remark(&format!("paused by somebody; this goes on after: tenure plan resume {id}")));
        }
        was_paused = is_paused;
        bar.set_position(plan.progress.done + plan.progress.skipped);
        tokio::time::sleep(POLL_EVERY).await;
        plan = get(at, &plan.id).await?;
    }
    bar.finish_and_clear();
    Ok(plan)
}

/// A bar on a terminal, nothing in a pipe.
fn progress(output: Output, all: u64) -> ProgressBar {
    if output.is_quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:30} {pos}/{len} moves {per_sec} {eta}  (Ctrl-C leaves the plan running)");
    ProgressBar::new(all).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_moves_per_second() {
        assert_eq!(parse_rate("100/s").ok(), Some(100));
        assert_eq!(parse_rate("7").ok(), Some(7));
        for bad in ["", "0/s", "/s", "fast", "100/m", "-1/s"] {
            let failure = parse_rate(bad).err().map(|it| it.exit_code());
            assert_eq!(failure, Some(2), "{bad}");
        }
    }
}
