//! `/v1/plans`: thin routes over the service of plans. Making one changes nothing; telling it to apply does.
//!
//! The moves of a plan are made by the allocator, so a plan goes on whoever told it, and whichever process leads.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use domain::ids::{GroupId, InstanceId, PlanId};
use domain::master_data::Kind;
use domain::orchestration::plan::{
    Change, Command, Deletion, PPM, PlanKind, ProductImpact, RATE_PER_SECOND_DEFAULT, estimate_seconds,
};
use serde::Deserialize;
use store::MoveState;
use wire::manifest::parse_json;
use wire::plan as body_of;
use wire::problem::{Problem, ProblemType};

use super::Shared;
use super::body::{APPLY_BYTES_MAX, COMMAND_BYTES_MAX, from_json, read, read_json};
use super::failure::{Answer, Failure};
use super::headers::stamped;
use super::query::{NoParams, PAGE_DEFAULT, PAGE_MAX, Paging, Params, PathId, cursor, header};
use crate::access::Bearer;
use crate::clock;
use crate::orchestration::{PlanAsk, PlanError, PlanView};

/// The parameters of a page of moves: their ordinals are public, so they may be stated.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveParams {
    limit: Option<u32>,
    cursor: Option<u32>,
}

/// `POST /v1/plans`
pub async fn create(
    State(parts): State<Shared>,
    Extension(bearer): Extension<Arc<Bearer>>,
    Params(NoParams {}): Params<NoParams>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    if header(&headers, "idempotency-key")?.is_some() {
        let detail = "a plan takes no idempotency key: making it twice changes nothing, and only one is applied";
        return Err(Failure::bad_request(detail));
    }
    let bytes = read(&headers, body, APPLY_BYTES_MAX).await?;
    let asked: body_of::PlanRequest = from_json(&bytes)?;
    let ask = tokio::task::spawn_blocking(move || ask_of(&asked).map(|ask| (ask, asked)));
    let (ask, asked) = ask.await.map_err(Failure::internal)??;
    let asked = serde_json::to_value(&asked).map_err(Failure::internal)?;
    let made = parts.plans.create(ask, asked, bearer.actor()).await.map_err(refused)?;
    let revision = made.revision;
    Ok(stamped((StatusCode::CREATED, Json(plan_body(made))).into_response(), None, revision))
}

/// What a body asks for; fields of another kind are refused, since passing them over would do another thing.
fn ask_of(asked: &body_of::PlanRequest) -> Result<PlanAsk, Failure> {
    let kind = PlanKind::from_code(&asked.kind).filter(|kind| *kind != PlanKind::Undo);
    let expected = || bad_field("kind", "expected topology, repair, rebalance, drain or move");
    let kind = kind.ok_or_else(expected)?;
    let stated = [
        ("manifests", asked.manifests.is_some(), PlanKind::Topology),
        ("delete", !asked.delete.is_empty(), PlanKind::Topology),
        ("to", asked.to.is_some(), PlanKind::Rebalance),
        ("group", asked.group.is_some(), PlanKind::Drain),
        ("moves", !asked.moves.is_empty(), PlanKind::Move),
    ];
    if let Some((field, ..)) = stated.iter().find(|(_, is_stated, belongs_to)| *is_stated && *belongs_to != kind) {
        return Err(bad_field(field, &format!("does not belong to a plan of kind {}", kind.code())));
    }
    match kind {
        PlanKind::Topology => topology_ask(asked),
        PlanKind::Rebalance => Ok(PlanAsk::Rebalance { to_ppm: ppm_of(asked.to.unwrap_or(1.0))? }),
        PlanKind::Drain => {
            let group = asked.group.as_deref().ok_or_else(|| bad_field("group", "is missing"))?;
            Ok(PlanAsk::Drain { group: GroupId::parse(group).map_err(|error| bad_field("group", &error.to_string()))? })
        }
        PlanKind::Move => move_ask(asked),
        PlanKind::Repair | PlanKind::Undo => Ok(PlanAsk::Repair),
    }
}

fn topology_ask(asked: &body_of::PlanRequest) -> Result<PlanAsk, Failure> {
    let text = asked.manifests.as_ref().map_or("[]", |manifests| manifests.get());
    let parsed = parse_json(text, "manifests", clock::now()).map_err(|faults| Problem::invalid_manifest(&faults))?;
    let puts = parsed.into_iter().map(|it| it.object).collect();
    let mut deletions = Vec::new();
    for body_of::PlannedDeletion { kind, id } in &asked.delete {
        let unknown = || bad_field("delete", &format!("{kind:?} is no kind"));
        deletions.push(Deletion { kind: Kind::from_word(kind).ok_or_else(unknown)?, id: id.clone() });
    }
    let change = Change { puts, deletions };
    if change.is_empty() {
        return Err(bad_field("manifests", "a topology plan writes or deletes at least one object"));
    }
    Ok(PlanAsk::Topology { change })
}

fn move_ask(asked: &body_of::PlanRequest) -> Result<PlanAsk, Failure> {
    if asked.moves.is_empty() {
        return Err(bad_field("moves", "a plan of kind move names at least one"));
    }
    let mut moves = Vec::with_capacity(asked.moves.len());
    for (at, body_of::PlannedMove { instance, to }) in asked.moves.iter().enumerate() {
        let bad = |field: &str, said: String| bad_field(&format!("moves[{at}].{field}"), &said);
        let instance = InstanceId::parse(instance).map_err(|error| bad("instance", error.to_string()))?;
        moves.push((instance, GroupId::parse(to).map_err(|error| bad("to", error.to_string()))?));
    }
    Ok(PlanAsk::Move { moves })
}

/// A ratio in millionths. Below one there is none: the fullest is never below the mean.
fn ppm_of(ratio: f64) -> Result<u64, Failure> {
    /// Whoever wants less balance than this wants no plan.
    const RATIO_MAX: f64 = 1_000.0;
    if !(1.0..=RATIO_MAX).contains(&ratio) {
        return Err(bad_field("to", "lies between 1 and 1000, for example 1.05"));
    }
    Ok((ratio * PPM as f64).round() as u64)
}

fn bad_field(field: &str, said: &str) -> Failure {
    Problem::bad_request(format!("field {field:?}: {said}")).with("field", field).into()
}

fn refused(error: PlanError) -> Failure {
    let detail = error.to_string();
    match error {
        PlanError::Faults { faults } => {
            Problem::new(ProblemType::InvalidManifest, detail).with("plan_faults", faults).into()
        }
        PlanError::NotFound { id } => no_plan(id.as_str()),
        PlanError::Illegal(illegal) => {
            let problem = Problem::new(ProblemType::PlanState, detail).with("state", illegal.state.code());
            problem.with("command", illegal.command.code()).into()
        }
        PlanError::Rate => bad_field("rate_per_s", &detail),
        PlanError::NothingToUndo { state } => {
            Problem::new(ProblemType::PlanState, detail).with("state", state.code()).into()
        }
        PlanError::Behind => Problem::new(ProblemType::ViewBehind, detail).into(),
        PlanError::Raced => Problem::new(ProblemType::Conflict, detail).into(),
        PlanError::Refused(refusal) => refusal.into(),
        PlanError::Store(error) => error.into(),
        PlanError::Panicked => Failure::internal(error),
    }
}

fn no_plan(id: &str) -> Failure {
    let problem = Problem::new(ProblemType::NotFound, format!("there is no plan {id:?}")).with("id", id);
    problem.with_remedy("tenure plan list shows what there is").into()
}

fn parse_plan(id: &str) -> Result<PlanId, Failure> {
    PlanId::parse(id).map_err(|_| no_plan(id))
}

/// `GET /v1/plans`
pub async fn list(State(parts): State<Shared>, Params(paging): Params<Paging>) -> Answer {
    let (limit, after) = (paging.limit()?, paging.after()?);
    let after = after.as_deref().map(parse_plan).transpose()?;
    let mut plans = parts.plans.list(after.as_ref(), limit + 1).await.map_err(refused)?;
    let is_more = plans.len() > limit as usize;
    plans.truncate(limit as usize);
    let next = plans.last().filter(|_| is_more).map(|last| cursor(last.record.row.id.as_str()));
    Ok(Json(body_of::PlanPage { items: plans.into_iter().map(plan_body).collect(), next }).into_response())
}

/// `GET /v1/plans/{id}`
pub async fn get(State(parts): State<Shared>, PathId(id): PathId, Params(NoParams {}): Params<NoParams>) -> Answer {
    let plan = parts.plans.get(&parse_plan(&id)?).await.map_err(refused)?;
    let revision = plan.revision;
    Ok(stamped(Json(plan_body(plan)).into_response(), None, revision))
}

/// `GET /v1/plans/{id}/moves`
pub async fn moves(State(parts): State<Shared>, PathId(id): PathId, Params(params): Params<MoveParams>) -> Answer {
    let limit = params.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Failure::bad_request(format!("query: limit lies between 1 and {PAGE_MAX}")));
    }
    let mut moves = parts.plans.moves(&parse_plan(&id)?, params.cursor, limit + 1).await.map_err(refused)?;
    let is_more = moves.len() > limit as usize;
    moves.truncate(limit as usize);
    let next = moves.last().filter(|_| is_more).map(|last| last.ordinal.to_string());
    Ok(Json(body_of::MovePage { items: moves.into_iter().map(move_body).collect(), next }).into_response())
}

/// `POST /v1/plans/{id}/{apply,pause,resume,abort}`
pub async fn tell(
    command: Command,
    State(parts): State<Shared>,
    Extension(bearer): Extension<Arc<Bearer>>,
    (PathId(id), Params(NoParams {})): (PathId, Params<NoParams>),
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let pace = read_pace(&headers, body).await?;
    let id = parse_plan(&id)?;
    let plan = parts.plans.tell(&id, command, pace.rate_per_s, bearer.actor()).await.map_err(refused)?;
    let revision = plan.revision;
    Ok(stamped(Json(plan_body(plan)).into_response(), None, revision))
}

/// The pace, if the body states one; most commands have no body.
async fn read_pace(headers: &HeaderMap, body: Body) -> Result<body_of::PlanPace, Failure> {
    if headers.contains_key("content-type") {
        return read_json(headers, body, COMMAND_BYTES_MAX).await;
    }
    let bytes = read(headers, body, COMMAND_BYTES_MAX).await?;
    if bytes.is_empty() { Ok(body_of::PlanPace::default()) } else { from_json(&bytes) }
}

/// `POST /v1/plans/{id}/undo`
pub async fn undo(
    State(parts): State<Shared>,
    Extension(bearer): Extension<Arc<Bearer>>,
    (PathId(id), Params(NoParams {})): (PathId, Params<NoParams>),
) -> Answer {
    let made = parts.plans.undo(&parse_plan(&id)?, bearer.actor()).await.map_err(refused)?;
    let revision = made.revision;
    Ok(stamped((StatusCode::CREATED, Json(plan_body(made))).into_response(), None, revision))
}

fn plan_body(PlanView { record, counts, .. }: PlanView) -> body_of::Plan {
    let (row, draft) = (record.row, record.draft);
    let rate_per_s = row.rate_per_s.unwrap_or(RATE_PER_SECOND_DEFAULT);
    let balance = |ppm: u64| body_of::PlanBalance { max_over_mean: ppm as f64 / PPM as f64 };
    let impact = draft.impact.as_ref();
    let by_product =
        impact.map(|it| it.by_product.iter().map(|(id, it)| (id.to_string(), product_change(it))).collect());
    let group = |it: &domain::orchestration::plan::GroupFlow| body_of::PlanGroup {
        id: it.group.to_string(),
        arriving: it.arriving,
        leaving: it.leaving,
    };
    body_of::Plan {
        id: row.id.to_string(),
        kind: row.kind,
        state: row.state,
        snapshot_revision: row.snapshot_revision.0,
        summary: body_of::PlanSummary {
            stay: draft.summary.stay,
            moves: draft.summary.moves,
            repair: draft.summary.repair,
            blocked: draft.summary.blocked,
        },
        before: balance(draft.before_ppm),
        after: balance(draft.after_ppm),
        groups: draft.groups.iter().map(group).collect(),
        estimate_s: estimate_seconds(counts.pending + counts.done + counts.skipped, rate_per_s),
        ownership_changed: impact.map(|it| it.total.ownership_changed),
        resolution_changed: impact.map(|it| product_change(&it.total).resolution_changed),
        by_product,
        blocked: draft.blocked.iter().map(|(reason, count)| (reason.code().to_owned(), *count)).collect(),
        progress: body_of::PlanProgress { pending: counts.pending, done: counts.done, skipped: counts.skipped },
        rate_per_s,
        created: row.created,
        actor: row.actor,
        undo_of: record.undo_of.map(|id| id.to_string()),
        left_alone: draft.left_alone.into_iter().map(left_alone).collect(),
        error: row.error,
    }
}

fn left_alone((kind, id): (Kind, String)) -> body_of::PlanObject {
    body_of::PlanObject { kind: kind.name().to_owned(), id }
}

fn product_change(it: &ProductImpact) -> body_of::ProductChange {
    body_of::ProductChange {
        ownership_changed: it.ownership_changed,
        resolution_changed: body_of::ResolutionChange {
            instances: it.instances,
            nodes_added: it.nodes_added,
            nodes_removed: it.nodes_removed,
        },
    }
}

fn move_body(it: store::PlanMove) -> body_of::PlanMove {
    let state = match it.state {
        MoveState::Pending => "pending",
        MoveState::Done => "done",
        MoveState::Skipped => "skipped",
    };
    body_of::PlanMove {
        ordinal: it.ordinal,
        instance: it.instance.to_string(),
        from: it.from.map(|from| from.to_string()),
        to: it.to.to_string(),
        generation: it.from_generation.0,
        state: state.to_owned(),
        reason: it.reason.map(|reason| reason.code().to_owned()),
        decision: it.decision.map(|decision| decision.to_string()),
    }
}
