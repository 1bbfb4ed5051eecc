//! How fast reports are counted past the parser, on one core: staged, encoded and applied, without and with the disk.
//!
//! `cargo run --release -p tenure-control --example count_speed [INSTANCES] [ENTRIES_PER_REPORT]`. Every instance is
//! known and reported in turn by a hundred reporters, in a shuffled order; a group is as large as the writer's.

use std::io::Write;

use control::aggregation::hot::{Hot, Introduction, Submission, Verdict};
use control::aggregation::log::{Log, encode};
use control::clock;
use domain::aggregation::{GenerationIndex, Vector};
use domain::time::Micros;
use wire::report::{Encoding, Report, ReportKind, TrafficItem, read};

/// Reports of one group.
const GROUP: usize = 32;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|it| it.parse::<u64>());
    let instances = arguments.next().transpose()?.unwrap_or(100_000);
    let entries = arguments.next().transpose()?.unwrap_or(1_000);
    let data = tempfile::tempdir()?;
    let mut log = Log::open(&data.path().join("log.redb"))?;
    let mut hot = Hot::new(GenerationIndex(0), [0; 64], [0; 64]);
    let rounds = 3;
    let (mut counted, mut bytes, mut on_disk) = (0u64, 0u64, std::time::Duration::ZERO);
    let mut spent = std::time::Duration::ZERO;
    for round in 0..rounds {
        let submissions = submissions(instances, entries, round)?;
        for group in submissions.chunks(GROUP) {
            let started = clock::monotonic();
            let mut stage = hot.begin();
            for submission in group {
                match hot.stage(&mut stage, submission, 0, &|_| true) {
                    Verdict::Staged(staged) => counted += staged.accepted,
                    other => return Err(format!("{other:?}").into()),
                }
            }
            let record = encode(&stage.group, &hot.open.slots, &hot.names);
            let encoded = clock::monotonic();
            log.append(&record)?;
            let logged = clock::monotonic();
            hot.apply(stage);
            spent += (encoded - started) + logged.elapsed();
            on_disk += logged - encoded;
            bytes += record.len() as u64;
        }
    }
    let rows = hot.open.slots.len() as u64;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{counted} entries of {instances} instances, {entries} in a report, {GROUP} reports in a group")?;
    writeln!(out, "past the parser: {:.2} M entries/s", counted as f64 / spent.as_secs_f64() / 1e6)?;
    writeln!(out, "with the disk:   {:.2} M entries/s", counted as f64 / (spent + on_disk).as_secs_f64() / 1e6)?;
    writeln!(out, "log:             {:.1} bytes an entry", bytes as f64 / counted as f64)?;
    writeln!(out, "memory:          {:.0} bytes a pending row", hot.bytes_held() as f64 / rows as f64)?;
    Ok(())
}

fn submissions(instances: u64, entries: u64, round: u64) -> Result<Vec<Submission>, Box<dyn std::error::Error>> {
    let count = instances / entries;
    let mut submissions = Vec::new();
    for at in 0..count {
        // A step that has no divisor in common with the number of instances visits each once, far apart.
        let item = |n: u64| TrafficItem {
            instance: format!("svc-{:08}", ((at * entries + n) * 7_919 + round) % instances),
            up: 1_200 + n,
            down: 88_000 + n,
            lease: None,
        };
        let report = Report {
            reporter: format!("node-{:03}", at % 100),
            incarnation: 1,
            sequence: round * count.div_ceil(100) + at / 100 + 1,
            kind: ReportKind::Delta,
            observed_at: None,
            traffic: (0..entries).map(item).collect(),
            online: Vec::new(),
            node: None,
            in_force: None,
        };
        let read = read(&report.to_bytes(Encoding::Protobuf), Encoding::Protobuf)?;
        let mut submission = Submission::new(read, Micros(1_800_000_000_000_000));
        let vector = Vector::default();
        submission.introduction = Some(Introduction { incarnation: 1, vector, received: 0, baselines: None });
        submissions.push(submission);
    }
    Ok(submissions)
}
