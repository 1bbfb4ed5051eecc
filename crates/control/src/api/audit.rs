//! `/v1/audit`: the chain of everything that was written (I24), for whoever wants to check it.
//!
//! Reading it changes nothing; `verify` walks the whole chain of the database and says where it breaks.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use wire::audit::{AuditEntry, AuditPage, Checkpoint, Verified};

use super::Shared;
use super::failure::{Answer, Failure};
use super::query::{NoParams, PAGE_MAX, Params};

/// The parameters of a page of entries: sequence numbers are public, so they may be stated.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryParams {
    limit: Option<u32>,
    cursor: Option<u64>,
}

/// The part of the chain to walk; all of it unless stated.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyParams {
    from: Option<u64>,
    to: Option<u64>,
}

/// `GET /v1/audit/checkpoint`
pub async fn checkpoint(State(parts): State<Shared>, Params(NoParams {}): Params<NoParams>) -> Answer {
    let head = parts.store.audit_head().await?;
    let body = Checkpoint { seq: head.seq, chain_hash: hex::encode(head.chain_hash), staged: head.staged };
    Ok(Json(body).into_response())
}

/// `GET /v1/audit/entries`
pub async fn entries(State(parts): State<Shared>, Params(params): Params<EntryParams>) -> Answer {
    let limit = params.limit.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Failure::bad_request(format!("query: limit lies between 1 and {PAGE_MAX}")));
    }
    let end = parts.store.audit_head().await?.seq;
    let found = parts.store.audit_entries(params.cursor.unwrap_or(0), limit).await?;
    let next = found.last().filter(|last| last.seq < end).map(|last| last.seq.to_string());
    let entry = |it: store::AuditEntry| AuditEntry {
        seq: it.seq,
        revision: it.revision.0,
        leaf: it.leaf,
        leaf_hash: hex::encode(it.leaf_hash),
        chain_hash: hex::encode(it.chain_hash),
    };
    Ok(Json(AuditPage { items: found.into_iter().map(entry).collect(), next }).into_response())
}

/// `GET /v1/audit/verify`
pub async fn verify(State(parts): State<Shared>, Params(params): Params<VerifyParams>) -> Answer {
    let last = parts.store.audit_head().await?.seq;
    let (from, to) = (params.from.unwrap_or(1).max(1), params.to.unwrap_or(last).min(last));
    let found = parts.store.verify_audit(from, to).await?;
    let body = Verified { ok: found.broken_at.is_none(), entries: found.entries, broken_at: found.broken_at };
    Ok(Json(body).into_response())
}
