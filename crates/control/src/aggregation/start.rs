//! Starts the counts of a process: what the store has, what the log has, and what a lost disk took.
//!
//! Order: the marks of the replica first; then the log decides. A log that ends before what the store has committed is
//! not the log of this replica any more: its disk was lost or put back from a copy, and the store says what is missing.
//! Nor is one that begins after what the store has, since a database went back further than the log was kept for.
//! Otherwise generations above the marks are read back, and every reporter stands where its last logged report left it.

use std::path::Path;

use domain::aggregation::{GenerationIndex, SHARD_COUNT};
use domain::ids::{NodeId, ReplicaId};
use domain::time::Micros;
use store::{REPORTERS_PER_READ_MAX, ReplicaMarks, ReporterState, Store, StoreError};

use super::hot::{Calendar, Cut, Hot, Introduction, Names, Sealed};
use super::log::{Log, LogError, LoggedGeneration};
use super::replay::{Withheld, adopt, replay};
use super::writer::log_path;
use crate::clock;

/// The actor of what a start writes.
const ACTOR: &str = "intake";

/// The counts could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the log of the intake cannot be used")]
    Log(#[from] LogError),
    #[error("the store did not take part")]
    Store(#[from] StoreError),
    #[error("the folder of the log {path} cannot be made")]
    Folder {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// What a start found.
pub struct Found {
    pub hot: Hot,
    pub log: Log,
    pub marks: ReplicaMarks,
    /// What a lost disk took, for people.
    pub missing: Option<String>,
    pub lost_generations: u64,
}

/// Reads everything back.
///
/// # Errors
/// [`StartError`] when the log or the store cannot be used.
pub async fn find(
    store: &Store,
    data: &Path,
    replica: &ReplicaId,
    calendar: &Calendar,
    now: Micros,
) -> Result<Found, StartError> {
    let path = log_path(data);
    let folder = path.parent().unwrap_or(data).to_owned();
    std::fs::create_dir_all(&folder).map_err(|source| StartError::Folder { path: folder, source })?;
    let mut log = Log::open(&path)?;
    let mut marks = store.open_replica(replica, now).await?;
    let (mut missing, mut lost_generations) = (None, 0);
    let last_cut = log.last_cut().unwrap_or_default();
    let is_lost = last_cut < marks.largest() || marks.smallest() < log.begins_after();
    if marks.closed.is_none() && is_lost {
        let begins_after = log.begins_after();
        let recovered = store.recover(replica, now, ACTOR).await?;
        log.begin_after(recovered.resume_after)?;
        lost_generations = recovered.largest.0 - recovered.smallest.0.min(recovered.largest.0);
        let said = format!(
            "the log of this replica was lost: it has generations above {} up to {last_cut}, the store has {}; {} shards \
             were behind, {} bytes are known to be missing, {} reporters have reports that are durable in part or not at \
             all and shall send again what is above their committed_through",
            begins_after,
            recovered.largest,
            recovered.raised.len(),
            recovered.bytes_known_missing,
            recovered.reporters
        );
        tracing::error!(replica = %replica, "{said}");
        missing = Some(said);
        marks = store.open_replica(replica, now).await?;
    }
    let mut hot = Hot::new(log.last_cut().unwrap_or_default(), received_of(&marks), marks_of(&marks));
    introduce_all(store, replica, &mut hot).await?;
    read_back(&log, &mut hot, &marks, calendar)?;
    for (reporter, items, _) in store.parked_counts().await? {
        if let Some(at) = hot.reporters.find(&reporter) {
            hot.reporters.get_mut(at).parked_stored = items;
        }
    }
    Ok(Found { hot, log, marks, missing, lost_generations })
}

/// The marks as numbers.
pub fn marks_of(marks: &ReplicaMarks) -> [u64; SHARD_COUNT as usize] {
    marks.generations().map(|it| it.0)
}

fn received_of(marks: &ReplicaMarks) -> [u64; SHARD_COUNT as usize] {
    let mut received = [0; SHARD_COUNT as usize];
    for mark in &marks.shards {
        received[mark.shard.index()] = mark.totals.received;
    }
    received
}

/// What the store knows of a life, without its running totals.
pub fn introduction_of(state: &ReporterState) -> Introduction {
    Introduction {
        incarnation: state.incarnation,
        vector: state.vector.clone(),
        received: state.totals.received,
        baselines: None,
    }
}

async fn introduce_all(store: &Store, replica: &ReplicaId, hot: &mut Hot) -> Result<(), StoreError> {
    let mut after: Option<(NodeId, u64)> = None;
    loop {
        let page = after.as_ref().map(|(reporter, incarnation)| (reporter, *incarnation));
        let states = store.load_reporters_of(replica, page, REPORTERS_PER_READ_MAX).await?;
        for state in &states {
            let Hot { reporters, names, .. } = hot;
            reporters.introduce(names, &state.reporter, &introduction_of(state), state.home.claimed);
        }
        match states.last() {
            Some(last) => after = Some((last.reporter.clone(), last.incarnation)),
            None => return Ok(()),
        }
    }
}

/// Reads the generations of the log back: sealed ones above the marks, and the open one.
fn read_back(log: &Log, hot: &mut Hot, marks: &ReplicaMarks, calendar: &Calendar) -> Result<(), LogError> {
    let (smallest, marks) = (marks.smallest(), marks_of(marks));
    let generations = log.generations()?;
    for logged in &generations {
        let open = read_one(log, hot, logged, smallest)?;
        match logged.cut {
            None => {
                hot.open = open;
                let Hot { open, names, .. } = hot;
                adopt(open, names);
            }
            Some(_) if logged.generation <= smallest => {}
            Some(at) => {
                for (sum, sums) in
                    hot.received.iter_mut().zip(open.sums.iter()).enumerate().filter_map(|(shard, it)| {
                        // What the shard has committed is in the total of its mark already.
                        (marks[shard] < logged.generation.0).then_some(it)
                    })
                {
                    *sum += sums.received;
                }
                let Hot { names, backlog, .. } = hot;
                backlog.push(Sealed::of(&open, at, &marks, calendar, |look| look(names)));
            }
        }
    }
    for (sum, sums) in hot.received.iter_mut().zip(hot.open.sums.iter()) {
        *sum += sums.received;
    }
    let now = clock::now();
    for reporter in hot.reporters.iter_mut() {
        reporter.heard = reporter.heard.min(now);
    }
    Ok(())
}

fn read_one(
    log: &Log,
    hot: &mut Hot,
    logged: &LoggedGeneration,
    smallest: GenerationIndex,
) -> Result<super::hot::Open, LogError> {
    let Hot { names, reporters, .. } = hot;
    let is_pending = logged.generation > smallest;
    replay(log, logged, names, &Withheld::new(), |names, effects, totals| {
        let life = Introduction {
            incarnation: effects.incarnation,
            vector: domain::aggregation::Vector::new(effects.sequence - 1, []),
            received: 0,
            baselines: None,
        };
        let at = reporters.introduce(names, &effects.reporter, &life, effects.received_at);
        let reporter = reporters.get_mut(at);
        if reporter.incarnation != effects.incarnation {
            return;
        }
        reporter.logged = reporter.logged.max(effects.sequence);
        reporter.staged = reporter.logged;
        reporter.heard = reporter.heard.max(effects.received_at);
        reporter.learned.extend(totals.iter().map(|it| (it.name, it.total)));
        if is_pending {
            reporter.received = reporter.received.saturating_add(effects.totals.received);
        } else {
            reporter.committed = reporter.committed.max(effects.sequence);
        }
    })
}

/// Generations of the log above the marks, sealed anew; what of them the withheld reporters did is left out.
///
/// # Errors
/// [`LogError`] when the log cannot be read, or does not hold them any more.
pub fn sealed_anew(
    log: &Log,
    marks: &[u64; SHARD_COUNT as usize],
    withheld: &Withheld,
    calendar: &Calendar,
    mut names: impl FnMut(&mut dyn FnMut(&mut Names)),
) -> Result<Vec<Sealed>, LogError> {
    let smallest = marks.iter().copied().min().unwrap_or(0);
    let mut sealed = Vec::new();
    for logged in log.generations()? {
        let Some(at) = logged.cut.filter(|_| logged.generation.0 > smallest) else { continue };
        let mut result = None;
        names(&mut |names| {
            result = Some(replay(log, &logged, names, withheld, |_, _, _| {}).map(|open| {
                let cut = Cut { open, at };
                Sealed::of(&cut.open, cut.at, marks, calendar, |look| look(names))
            }));
        });
        sealed.extend(result.transpose()?);
    }
    Ok(sealed)
}
