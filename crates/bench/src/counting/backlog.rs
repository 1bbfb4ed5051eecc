//! An hour that waited: sixty generations of one minute each, every instance in each, beside one generation.
//!
//! What is timed is what the flush does with them: seal each, merge it into the backlog, make the rows of each shard,
//! commit. Of the same run comes the part that remains when the database is back: sealing and merging were done when
//! each minute was over. All minutes lie in one hour, and the ledger gets its row for each.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::aggregation::hot::{Calendar, Hot, Sealed, Submission};
use control::view::View;
use domain::aggregation::{ShardIndex, Traffic};
use domain::ids::InstanceId;
use store::UsageAdd;

use super::flush::{Flushed, Rows};
use super::hot::{NOW, count, introduced, parsed, submission};
use crate::database::Engine;
use crate::report::{Goal, Row};

/// Generations of the backlog.
const GENERATIONS: u64 = 60;

/// Entries of a report.
const ENTRIES: usize = 1_000;

/// Reports that are counted as one group.
const GROUP: usize = 32;

/// A backlog of an hour may cost so many times what one minute costs.
const COST_MAX: f64 = 2.0;

/// What bringing in a backlog took.
struct Took {
    sealing: Duration,
    committing: Duration,
}

/// Measures one engine at one size.
///
/// # Errors
/// Whatever stood in the way.
pub async fn rows(engine: Engine, size: usize) -> Result<Vec<Row>, Box<dyn Error>> {
    let one = bring_in(engine, size, 1).await?;
    let hour = bring_in(engine, size, GENERATIONS).await?;
    let row = |what: &str, figure: fn(&Took) -> Duration| {
        Row::new(format!("{what} · {}", engine.name()), size, figure(&hour).as_secs_f64(), "s")
            .against("one generation", figure(&one).as_secs_f64())
    };
    Ok(vec![
        row("backlog of 60 generations, brought in", |it| it.committing).goal(Goal::RatioAtMost(COST_MAX)),
        row("backlog of 60 generations, sealed, merged and brought in", |it| it.sealing + it.committing)
            .goal(Goal::RatioAtMost(COST_MAX)),
    ])
}

/// Fills generations, seals and merges them, and commits them onto rows that are there, as the usual flush finds them.
async fn bring_in(engine: Engine, size: usize, generations: u64) -> Result<Took, Box<dyn Error>> {
    let flushed = Flushed::open(engine, &format!("backlog_{size}_{generations}")).await?;
    let mut hot = introduced();
    let mut reports: Vec<Submission> = parsed(ENTRIES, size)?.into_iter().map(submission).collect();
    let calendar = Calendar::new(Arc::new(View::empty()));
    let mut sealing = Duration::ZERO;
    fill(&mut hot, &mut reports, 0)?;
    seal(&mut hot, &calendar, &mut sealing);
    commit_all(&flushed, &mut hot).await?;
    sealing = Duration::ZERO;
    for minute in 0..generations {
        fill(&mut hot, &mut reports, minute)?;
        seal(&mut hot, &calendar, &mut sealing);
    }
    let started = Instant::now();
    commit_all(&flushed, &mut hot).await?;
    let committing = started.elapsed();
    flushed.close().await?;
    Ok(Took { sealing, committing })
}

/// Reports about every instance in a minute; their numbers go on where they were.
fn fill(hot: &mut Hot, reports: &mut [Submission], minute: u64) -> Result<(), Box<dyn Error>> {
    let at = NOW.plus_seconds(i64::try_from(minute)? * 60);
    for group in reports.chunks_mut(GROUP) {
        for it in group.iter_mut() {
            (it.report.observed_at, it.received_at) = (Some(at), at);
        }
        count(hot, group)?;
    }
    let reported = reports.len() as u64;
    reports.iter_mut().for_each(|it| it.report.sequence += reported);
    Ok(())
}

/// Cuts, seals and merges.
fn seal(hot: &mut Hot, calendar: &Calendar, took: &mut Duration) {
    let started = Instant::now();
    hot.cut(NOW);
    let cut = hot.cut.remove(0);
    let sealed = Sealed::of(&cut.open, cut.at, &hot.backlog.marks, calendar, |look| look(&hot.names));
    hot.backlog.push(sealed);
    *took += started.elapsed();
}

/// Commits all sets of the backlog, oldest first.
async fn commit_all(flushed: &Flushed, hot: &mut Hot) -> Result<(), Box<dyn Error>> {
    while let Some(set) = hot.backlog.begin() {
        flushed.commit(hot.backlog.smallest(), set.to, &rows_of(&set, hot)?).await?;
        ShardIndex::all().for_each(|shard| hot.backlog.committed(shard.index(), set.to));
        hot.backlog.finish();
    }
    hot.backlog.forget_recent();
    Ok(())
}

/// The rows of a set in key order, as the flush makes them.
fn rows_of(set: &Sealed, hot: &Hot) -> Result<Rows, Box<dyn Error>> {
    let mut rows = Rows::new();
    for shard in ShardIndex::all() {
        let usage: Result<Vec<UsageAdd>, _> = set.shards[shard.index()]
            .rows
            .iter()
            .map(|row| {
                let traffic = Traffic { up: row.up, down: row.down };
                let instance = InstanceId::parse(hot.names.text(row.name))?;
                Ok::<_, domain::ids::IdError>(UsageAdd { instance, period: row.period, hour: row.hour, traffic })
            })
            .collect();
        let mut usage = usage?;
        usage.sort_unstable_by(|a, b| (&a.instance, a.period, a.hour).cmp(&(&b.instance, b.period, b.hour)));
        rows.insert(shard, usage);
    }
    Ok(rows)
}
