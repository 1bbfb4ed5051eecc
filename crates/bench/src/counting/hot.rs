//! One core past the parser: reports are counted, hashed, staged, encoded for the log and applied, as the writer does.
//!
//! No disk and no socket: what the rest costs is measured over HTTP. The figure is per second of processor time of this
//! thread, so other programs of the machine change little. Each generation names every instance once, in an order that
//! no cache foresees. From the same run come the memory of a pending instance and the bytes of an entry in the log.

use std::error::Error;
use std::time::Duration;

use control::aggregation::hot::{Hot, Introduction, Submission, Verdict};
use control::aggregation::log::encode;
use domain::aggregation::{GenerationIndex, SHARD_COUNT, Vector};
use domain::time::Micros;
use wire::report::{Encoding, ReadReport, read};

use super::entries::{items, report, reports_of_all};
use crate::report::{Goal, Row, median};

/// When all reports are received: the start of an hour.
pub const NOW: Micros = Micros(1_795_219_200_000_000);

/// Entries of a report.
const ENTRIES: [usize; 2] = [100, 1_000];

/// Entries that become one record of the log: about what waits while the disk takes the last one.
const ENTRIES_OF_GROUP: usize = 32_000;

/// Entries of one sample at least: a third of a second, against a clock that ticks in milliseconds.
const ENTRIES_OF_SAMPLE: usize = 1_000_000;

/// Memory and log may grow by so much for each instance between the smallest and the largest size: the numbers of more
/// slots take a byte more in the log, and lists that double hold up to twice their content.
const GROWTH_MAX: f64 = 1.25;

/// The reporter of all reports.
const REPORTER: &str = "n0000-00";

/// Bytes at a size.
pub struct Weight {
    size: usize,
    memory: f64,
    log: f64,
}

/// Hot state that has met the reporter.
pub fn introduced() -> Hot {
    Hot::new(GenerationIndex(0), [0; SHARD_COUNT as usize], [0; SHARD_COUNT as usize])
}

/// Reports that name every instance once, as the parser hands them on, numbered from one.
pub fn parsed(entries: usize, size: usize) -> Result<Vec<ReadReport>, Box<dyn Error>> {
    let bodies = bodies(entries, size);
    bodies.iter().map(|bytes| Ok(read(bytes, Encoding::Protobuf)?)).collect()
}

fn bodies(entries: usize, size: usize) -> Vec<Vec<u8>> {
    let body = |at: usize| {
        let traffic = items(at * entries, entries.min(size), size).collect();
        report(REPORTER.to_owned(), at as u64 + 1, traffic).to_bytes(Encoding::Protobuf)
    };
    (0..reports_of_all(entries, size)).map(body).collect()
}

/// A submission of a reporter that the store knows nothing of.
pub fn submission(report: ReadReport) -> Submission {
    let vector = Vector::new(0, []);
    let introduction = Introduction { incarnation: report.incarnation, vector, received: 0, baselines: None };
    let mut submission = Submission::new(report, NOW);
    submission.introduction = Some(introduction);
    submission
}

/// Stages, encodes and applies a group; the bytes of its record.
///
/// # Errors
/// When a report was not the next.
pub fn count(hot: &mut Hot, group: &[Submission]) -> Result<usize, Box<dyn Error>> {
    let mut stage = hot.begin();
    for submission in group {
        match hot.stage(&mut stage, submission, 0, &|_| true) {
            Verdict::Staged(_) => {}
            other => return Err(format!("a report was not the next: {other:?}").into()),
        }
    }
    let record = encode(&stage.group, &hot.open.slots, &hot.names);
    hot.apply(stage);
    Ok(record.len())
}

/// What this thread has spent on a processor.
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = told.split(' ').next().ok_or("the system does not tell the processor time")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

/// One sample: entries per second past the parser and with it, bytes of memory and of log for each.
struct Sample {
    past: f64,
    whole: f64,
    memory: f64,
    log: f64,
}

fn sample(entries: usize, size: usize) -> Result<Sample, Box<dyn Error>> {
    let bodies = bodies(entries, size);
    let (mut counted, mut log_bytes) = (0usize, 0usize);
    let (mut parsing, mut counting) = (Duration::ZERO, Duration::ZERO);
    let (mut memory, mut log) = (0.0, 0.0);
    while counted < ENTRIES_OF_SAMPLE {
        // A new process each time: every instance is new to it, which costs most.
        let mut hot = introduced();
        let before = processor_time()?;
        let reports: Vec<ReadReport> =
            bodies.iter().map(|bytes| read(bytes, Encoding::Protobuf)).collect::<Result<_, _>>()?;
        let read_at = processor_time()?;
        let per_group = (ENTRIES_OF_GROUP / entries).max(1);
        let mut reports = reports.into_iter().peekable();
        while reports.peek().is_some() {
            let group: Vec<Submission> = reports.by_ref().take(per_group).map(submission).collect();
            log_bytes += count(&mut hot, &group)?;
        }
        let done = processor_time()?;
        parsing += read_at.saturating_sub(before);
        counting += done.saturating_sub(read_at);
        counted += bodies.len() * entries.min(size);
        memory = hot.bytes_held() as f64 / size as f64;
        log = log_bytes as f64 / counted as f64;
    }
    let per_s = |spent: Duration| counted as f64 / spent.as_secs_f64().max(f64::EPSILON);
    Ok(Sample { past: per_s(counting), whole: per_s(parsing + counting), memory, log })
}

/// Measures one size.
///
/// # Errors
/// When a report was refused, or the system does not tell the processor time.
pub fn rows(size: usize, samples: usize) -> Result<(Vec<Row>, Weight), Box<dyn Error>> {
    let mut rows = Vec::new();
    let mut weight = Weight { size, memory: 0.0, log: 0.0 };
    for entries in ENTRIES {
        let samples: Vec<Sample> = (0..samples).map(|_| sample(entries, size)).collect::<Result<_, _>>()?;
        let of = |figure: fn(&Sample) -> f64| median(&samples.iter().map(figure).collect::<Vec<_>>());
        let name = |what: &str| format!("{what} · reports of {entries}");
        let past = Row::new(name("past the parser, one core, no disk"), size, of(|it| it.past), "entries/s");
        rows.push(past.goal(Goal::ValueAtLeast(3_000_000.0)));
        rows.push(Row::new(name("with the parser of protobuf, one core"), size, of(|it| it.whole), "entries/s"));
        rows.push(Row::new(name("log, each instance named once"), size, of(|it| it.log), "B/entry"));
        weight = Weight { size, memory: of(|it| it.memory), log: of(|it| it.log) };
    }
    rows.push(Row::new("hot state of a pending instance", size, weight.memory, "B/instance"));
    Ok((rows, weight))
}

/// How bytes grow with the size: each against the smallest size.
pub fn growth_rows(weights: &[Weight]) -> Vec<Row> {
    let Some((smallest, larger)) = weights.split_first() else { return Vec::new() };
    let row = |at: &Weight, what: &str, figure: fn(&Weight) -> f64, unit| {
        Row::new(format!("growth · {what}"), at.size, figure(at), unit)
            .against(format!("at {} instances", smallest.size), figure(smallest))
            .goal(Goal::RatioAtMost(GROWTH_MAX))
    };
    let of = |at| {
        [
            row(at, "hot state of a pending instance", |it| it.memory, "B/instance"),
            row(at, "log of a pending instance", |it| it.log, "B/instance"),
        ]
    };
    larger.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_entries_of_all_reports_are_counted() {
        let mut hot = introduced();
        let group: Vec<Submission> = parsed(100, 1_000).unwrap().into_iter().map(submission).collect();
        assert!(count(&mut hot, &group).unwrap() > 1_000);
        assert_eq!(hot.open.slots.len(), 1_000);
        assert_eq!(hot.open.parts[0].through, 10);
    }
}
