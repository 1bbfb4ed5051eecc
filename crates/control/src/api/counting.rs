//! Whether every byte is where it should be: conservation, the ledger, the reporters, the intake replicas.
//!
//! The figures of the database come from one snapshot, those above it from memory. Only the retirement of a replica
//! writes, and only for the admin: what its log still held is then asked of its reporters.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::aggregation::{Account, GenerationIndex, ShardIndex};
use domain::ids::{NodeId, ReplicaId};
use serde::Deserialize;
use store::{LedgerFilter, LedgerKey, PAGE_MAX, ReplicaMarks};
use wire::conservation::{Conservation, Figures, ReporterLine, ShardLine};
use wire::intake::{Replica, ReplicaHere, ReplicaList, ReplicaState};
use wire::ledger::{LedgerPage, LedgerRow, LedgerState};
use wire::problem::{Problem, ProblemType};
use wire::reporters::{LostRange, Reporter, ReporterList};

use super::Shared;
use super::failure::{Answer, Failure};
use super::query::{NoParams, PAGE_DEFAULT, Params, PathId};
use crate::clock;

/// The query of conservation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConservationQuery {
    #[serde(default)]
    deep: bool,
}

/// `GET /v1/conservation`
pub async fn conservation(State(parts): State<Shared>, Params(query): Params<ConservationQuery>) -> Answer {
    let balance = parts.reading.balance().await?;
    let shard = |it: &crate::aggregation::Line<(ReplicaId, ShardIndex)>| {
        ShardLine::new(it.of.0.as_str(), u32::from(it.of.1.get()), figures(it.account))
    };
    let shards = balance.shards.iter().map(shard).collect();
    let reporters = balance.reporters.iter().map(|it| ReporterLine::new(it.of.as_str(), figures(it.account))).collect();
    let deep = if query.deep { Some(parts.reading.recount().await.map_err(Failure::internal)?) } else { None };
    Ok(Json(Conservation::new(shards, reporters, balance.is_complete, deep)).into_response())
}

fn figures(account: Account) -> Figures {
    let Account { received, durable, pending, parked, rejected } = account;
    Figures { received, durable, pending, parked, rejected }
}

/// The query of the ledger.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerQuery {
    limit: Option<u32>,
    cursor: Option<String>,
    replica: Option<String>,
    shard: Option<u8>,
    state: Option<LedgerState>,
}

/// `GET /v1/ledger`
pub async fn ledger(State(parts): State<Shared>, Params(query): Params<LedgerQuery>) -> Answer {
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Failure::bad_request(format!("query: limit lies between 1 and {PAGE_MAX}")));
    }
    let bad = |what: &str| Failure::bad_request(format!("query: {what}"));
    let replica = query.replica.as_deref().map(ReplicaId::parse).transpose();
    let filter = LedgerFilter {
        replica: replica.map_err(|error| bad(&format!("replica: {error}")))?,
        shard: match query.shard {
            Some(shard) => Some(ShardIndex::new(shard).ok_or_else(|| bad("shard lies between 0 and 63"))?),
            None => None,
        },
        state: match query.state {
            None | Some(LedgerState::Sealed) => None,
            Some(LedgerState::Committed) => Some(store::LedgerState::Committed),
            Some(LedgerState::Cleaned) => Some(store::LedgerState::Cleaned),
            Some(LedgerState::Lost) => Some(store::LedgerState::Lost),
        },
    };
    let after = query.cursor.as_deref().map(cursor_of).transpose()?;
    // What is sealed stands in memory alone and before everything else.
    let mut rows = match (&after, query.state) {
        (None, None | Some(LedgerState::Sealed)) => parts.reading.sealed(&filter, limit),
        _ => Vec::new(),
    };
    let mut next = None;
    if query.state != Some(LedgerState::Sealed) {
        let read = parts.store.list_ledger(&filter, after.as_ref(), limit).await?;
        next = read.last().filter(|_| read.len() >= limit as usize).map(|last| cursor_to(&last.key));
        rows.extend(read.into_iter().map(row_of));
    }
    Ok(Json(LedgerPage { rows, next }).into_response())
}

fn row_of(row: store::LedgerRow) -> LedgerRow {
    LedgerRow {
        replica: row.key.replica.to_string(),
        shard: u32::from(row.key.shard.get()),
        generation: row.key.generation.0,
        bucket_from: row.bucket_from,
        bucket_to: row.bucket_to,
        rows: row.rows,
        up: row.traffic.up,
        down: row.traffic.down,
        state: match row.state {
            store::LedgerState::Committed => LedgerState::Committed,
            store::LedgerState::Cleaned => LedgerState::Cleaned,
            store::LedgerState::Lost => LedgerState::Lost,
        },
        at: row.at,
        by: Some(row.actor),
    }
}

fn cursor_to(key: &LedgerKey) -> String {
    super::query::cursor(&format!("{} {} {}", key.generation.0, key.shard.get(), key.replica))
}

fn cursor_of(text: &str) -> Result<LedgerKey, Failure> {
    let read = || {
        let text = String::from_utf8(hex::decode(text).ok()?).ok()?;
        let mut parts = text.splitn(3, ' ');
        let generation = GenerationIndex(parts.next()?.parse().ok()?);
        let shard = ShardIndex::new(parts.next()?.parse().ok()?)?;
        Some(LedgerKey { replica: ReplicaId::parse(parts.next()?).ok()?, generation, shard })
    };
    read().ok_or_else(|| Failure::bad_request("query: cursor is not one that the ledger has answered"))
}

/// `GET /v1/reporters`
pub async fn reporters(State(parts): State<Shared>, Params(NoParams {}): Params<NoParams>) -> Answer {
    let now = clock::now();
    let mut all: BTreeMap<NodeId, Reporter> = BTreeMap::new();
    let mut after: Option<NodeId> = None;
    loop {
        let page = parts.store.list_reporters(after.as_ref(), PAGE_MAX).await?;
        after = page.last().map(|it| it.reporter.clone());
        for it in page {
            let lost = it.lost.iter().map(|it| LostRange { incarnation: it.incarnation, from: it.from, to: it.to });
            let reporter = Reporter {
                id: it.reporter.to_string(),
                incarnation: it.incarnation,
                sequence: it.vector.through(),
                lag_s: u64::try_from(now.since_us(it.home.claimed) / 1_000_000).unwrap_or(0),
                home: it.home.replica.to_string(),
                committed_through: it.vector.through(),
                lost: lost.collect(),
            };
            all.insert(it.reporter, reporter);
        }
        if after.is_none() {
            break;
        }
    }
    let hot = parts.intake.counting().hot();
    for held in hot.reporters.iter() {
        // Whoever has not reported here yet is known by its home alone.
        if let Some(row) = all.get_mut(&held.id)
            && row.incarnation == held.incarnation
        {
            row.sequence = held.logged;
            row.committed_through = held.committed;
            row.lag_s = u64::try_from(now.since_us(held.heard) / 1_000_000).unwrap_or(0);
        }
    }
    drop(hot);
    Ok(Json(ReporterList { reporters: all.into_values().collect() }).into_response())
}

/// `GET /v1/intake`
pub async fn intake(State(parts): State<Shared>, Params(NoParams {}): Params<NoParams>) -> Answer {
    let mut replicas = Vec::new();
    for marks in parts.store.list_replicas().await? {
        replicas.push(replica_of(&parts, marks).await?);
    }
    Ok(Json(ReplicaList { replicas }).into_response())
}

async fn replica_of(parts: &Shared, marks: ReplicaMarks) -> Result<Replica, Failure> {
    let counting = parts.intake.counting();
    let is_here = marks.replica == counting.replica;
    let reporters = parts.store.preview_retire(&marks.replica).await?.map_or(0, |it| it.reporters);
    let here = is_here.then(|| {
        let log_bytes = counting.log().bytes();
        let hot = counting.hot();
        ReplicaHere {
            open_generation: hot.open.generation,
            sealed_generations: hot.open.generation - 1 - hot.backlog.smallest().min(hot.open.generation - 1),
            log_bytes,
            log_bytes_max: counting.bounds.log_bytes_max,
            oldest_uncommitted: hot.oldest(),
            missing: counting.missing.clone(),
        }
    });
    Ok(Replica {
        name: marks.replica.to_string(),
        state: if marks.closed.is_some() { ReplicaState::Closed } else { ReplicaState::Open },
        is_here,
        committed_min: marks.smallest().0,
        committed_max: marks.largest().0,
        closed: marks.closed,
        reporters,
        here,
    })
}

/// `POST /v1/intake/{replica}/retire`
pub async fn retire(
    State(parts): State<Shared>,
    axum::Extension(bearer): axum::Extension<std::sync::Arc<crate::access::Bearer>>,
    PathId(name): PathId,
    Params(NoParams {}): Params<NoParams>,
) -> Answer {
    let unknown = || Failure::from(Problem::new(ProblemType::NotFound, format!("there is no intake replica {name:?}")));
    let replica = ReplicaId::parse(&name).map_err(|_| unknown())?;
    if replica == parts.intake.counting().replica {
        let detail = "this process has the log of that replica and takes reports into it; what it holds is not lost";
        let problem = Problem::new(ProblemType::Conflict, detail);
        return Err(problem.with_remedy("stop the process first, and retire it from another one").into());
    }
    parts.store.replica_marks(&replica).await?.ok_or_else(unknown)?;
    parts.store.retire(&replica, clock::now(), bearer.actor()).await?;
    let marks = parts.store.replica_marks(&replica).await?.ok_or_else(unknown)?;
    Ok(Json(replica_of(&parts, marks).await?).into_response())
}
