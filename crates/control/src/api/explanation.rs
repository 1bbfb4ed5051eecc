//! `GET /v1/instances/{id}/explanation`: why the instance is where it is, with every candidate (I9).
//!
//! The batch of the decision is rebuilt from the record and the domain explains; nothing is sampled or guessed here.
//! With `verify` the whole batch is decided anew and compared with what was recorded.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use domain::ids::GroupId;
use domain::master_data::Kind;
use domain::orchestration::{Ownership, verify};
use domain::resolution::explain::{DecisionRecord, Inputs, choosing_decision, explain};
use serde::Deserialize;
use store::{Rebuilt, StoreError};
use wire::explanation::{ExplanationBody, to_text};
use wire::problem::Problem;

use super::Shared;
use super::failure::{Answer, Failure};
use super::instances::HISTORY_MAX;
use super::query::{Params, PathId, await_revision};
use crate::orchestration::Today;
use crate::view::Found;

/// The parameters of an explanation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplanationParams {
    why_not: Option<String>,
    #[serde(default)]
    verify: bool,
}

/// What the database knows of an instance's ownership.
struct Recorded {
    found: Found,
    /// Oldest first, without the one of today.
    former: Vec<Ownership>,
    decision: Option<DecisionRecord>,
    verified: Option<bool>,
}

/// `GET /v1/instances/{id}/explanation`
pub async fn explanation(
    State(parts): State<Shared>,
    PathId(id): PathId,
    Params(params): Params<ExplanationParams>,
    headers: HeaderMap,
) -> Answer {
    await_revision(&headers, &parts.view).await?;
    let why_not = params.why_not.as_deref().map(|group| parse_group(&parts, group)).transpose()?;
    let found = parts.view.find(&id).ok_or_else(|| Problem::no_object(Kind::Instance, &id))?;
    let (recorded, today) =
        tokio::try_join!(recorded(&parts, found, params.verify), parts.counters.read(&parts.store, &parts.view))?;
    let body = told(&recorded, &today, why_not.as_ref());
    let is_text = headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/plain"));
    if is_text {
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], to_text(&body)).into_response());
    }
    Ok(Json(body).into_response())
}

/// A group that is asked about must exist: an answer about a misspelt one would mislead.
fn parse_group(parts: &Shared, group: &str) -> Result<GroupId, Failure> {
    let unknown = || Problem::no_object(Kind::ResourceGroup, group);
    let id = GroupId::parse(group).map_err(|_| unknown())?;
    let view = parts.view.topology();
    view.topology.find_group(&id).map(|_| id).ok_or_else(|| unknown().into())
}

/// Reads the rows of the ownership and the decision that chose it.
async fn recorded(parts: &Shared, mut found: Found, is_verifying: bool) -> Result<Recorded, StoreError> {
    let mut rows = parts.store.history(&found.id, HISTORY_MAX).await?.into_iter();
    // Both from one reading: the view may be a moment behind, and a row of today must not stand among the former.
    found.ownership = rows.next().map(|(ownership, revision)| {
        found.revision = found.revision.max(revision);
        ownership
    });
    let mut former: Vec<Ownership> = rows.map(|(ownership, _)| ownership).collect();
    former.reverse();
    let chosen = found.ownership.as_ref().map(|ownership| choosing_decision(ownership, &former));
    let rebuilt = match chosen {
        Some(decision) => parts.store.rebuild(decision).await?.map(|rebuilt| (decision, rebuilt)),
        None => None,
    };
    let mut verified = None;
    let decision = rebuilt.and_then(|(decision, Rebuilt { row, batch, hash })| {
        if is_verifying {
            let mut state = batch.start.clone();
            verified = Some(verify(&batch.frame, &mut state, &batch.decided).is_ok());
        }
        DecisionRecord::from_batch(decision, row.at, row.actor, hex::encode(hash), batch)
    });
    Ok(Recorded { found, former, decision, verified })
}

fn told(recorded: &Recorded, today: &Today, why_not: Option<&GroupId>) -> ExplanationBody {
    let inputs = Inputs {
        topology: &today.topology.topology,
        frame: &today.frame,
        state: Some(&today.state),
        subject: recorded.found.subject(),
        decision: recorded.decision.as_ref(),
        former: &recorded.former,
        why_not,
        verified: recorded.verified,
    };
    ExplanationBody::from(&explain(&inputs))
}
