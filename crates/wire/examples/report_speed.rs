//! How fast reports are read, on one core: `cargo run --release -p tenure-wire --example report_speed`.
//!
//! Reports of 100 and of 1000 items with ids as customers have them, in both languages, beside what a generated reader of
//! protobuf and a derived reader of JSON make of the same bytes. Prints millions of items a second of processor time, so a
//! busy machine changes little.

#![allow(clippy::print_stdout, reason = "the figures are what it is for")]
#![allow(clippy::unwrap_used, reason = "a measurement that fails ends")]

use std::hint::black_box;

use wire::report::{Encoding, Report, ReportKind, TrafficItem, proto, read};

/// Items of one figure: enough for one that repeats within some per cent.
const MEASURED: u64 = 3_000_000;

fn report(items: u64) -> Report {
    let item = |n: u64| TrafficItem {
        instance: format!("acct-{:08}", n.wrapping_mul(2_654_435_761) % 100_000_000),
        up: 1_200 + n * 37,
        down: 88_000 + n * 991,
        lease: None,
    };
    Report {
        reporter: "ams-01".into(),
        incarnation: 1_700_000_000,
        sequence: 42,
        kind: ReportKind::Delta,
        observed_at: None,
        traffic: (0..items).map(item).collect(),
        online: Vec::new(),
        node: None,
        in_force: None,
    }
}

/// Nanoseconds that this thread has spent on a processor, as Linux tells them.
fn processor_ns() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells the time of a thread");
    told.split(' ').next().and_then(|it| it.parse().ok()).expect("its first word is a number")
}

/// Millions of items a second.
fn measure(items: u64, mut work: impl FnMut()) -> f64 {
    let before = processor_ns();
    (0..MEASURED / items).for_each(|_| work());
    MEASURED as f64 * 1e3 / (processor_ns() - before) as f64
}

fn main() {
    println!("items  language  bytes/item  M items/s  with every id used  derived reader");
    for items in [100, 1000] {
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let bytes = report(items).to_bytes(encoding);
            let plain = measure(items, || drop(black_box(read(black_box(&bytes), encoding).unwrap())));
            let used = measure(items, || {
                let report = read(black_box(&bytes), encoding).unwrap();
                let sum = report.traffic().map(|it| it.up + it.down + it.instance.len() as u64).sum::<u64>();
                black_box(sum);
            });
            let derived = measure(items, || match encoding {
                Encoding::Json => drop(black_box(serde_json::from_slice::<Report>(black_box(&bytes)).unwrap())),
                Encoding::Protobuf => {
                    let report: proto::Report = prost::Message::decode(black_box(&bytes[..])).unwrap();
                    drop(black_box(report));
                }
            });
            let each = bytes.len() as f64 / items as f64;
            println!("{items:5}  {encoding:8?}  {each:10.1}  {plain:9.2}  {used:18.2}  {derived:14.2}");
        }
    }
}
