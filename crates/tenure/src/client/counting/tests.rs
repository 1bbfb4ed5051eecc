//! What people read about counting.

use expect_test::expect;
use wire::conservation::{Difference, ReporterLine, ShardLine};
use wire::usage::{UpDown, UsageRow};

use super::*;

#[test]
fn digits_stand_in_threes() {
    let written = [0, 7, 999, 1_000, 88_000, 1_234_567, u64::MAX].map(grouped).join(" ");
    assert_eq!(written, "0 7 999 1,000 88,000 1,234,567 18,446,744,073,709,551,615");
}

#[test]
fn a_day_is_its_midnight() {
    assert_eq!(read_time("2026-01-31").map(instant::format), Ok("2026-01-31T00:00:00Z".to_owned()));
    assert_eq!(read_time("2026-01-31T10:00:00+01:00").map(instant::format), Ok("2026-01-31T09:00:00Z".to_owned()));
    assert!(read_time("31.1.2026").is_err());
}

#[test]
fn usage_is_told_in_bytes() {
    let mut usage = Usage {
        durable: UpDown { up: 1_000_000, down: 2 },
        pending: UpDown { up: 500, down: 0 },
        visible: UpDown { up: 1_000_500, down: 2 },
        complete: true,
        rows: vec![UsageRow { start: Micros(1_769_853_600_000_000), up: 1_000_500, down: 2 }],
        by: UsageBy::Day,
        from: Micros(1_769_853_600_000_000),
        to: Some(Micros(1_769_940_000_000_000)),
    };
    expect![[r#"
        svc-1 from 2026-01-31T10:00:00Z to 2026-02-01T10:00:00Z: 1,000,502 bytes, 1,000,500 up and 2 down; 500 bytes of it logged and not in the database yet
        DAY                   UP         DOWN  TOTAL
        2026-01-31T10:00:00Z  1,000,500  2     1,000,502"#]].assert_eq(&usage_text("svc-1", &usage));
    (usage.pending, usage.rows, usage.from, usage.to) = (UpDown::default(), Vec::new(), Micros(0), None);
    expect!["svc-1: 1,000,502 bytes, 1,000,500 up and 2 down; all of it in the database"]
        .assert_eq(&usage_text("svc-1", &usage));
}

#[test]
fn what_does_not_balance_is_listed() {
    let good = Figures { received: 10_000, durable: 4_000, pending: 3_000, parked: 2_000, rejected: 1_000 };
    let bad = Figures { received: 9_999, ..good };
    let lines = |figures| vec![ShardLine::new("a", 0, good), ShardLine::new("a", 1, figures)];
    let deep = |difference| Some(Deep { usage_rows: 1, ledger_rows: 64, log_records: 1_000, difference });
    let balanced = Conservation::new(lines(good), vec![ReporterLine::new("ams-01", good)], true, deep(None));
    expect![[r#"
        balanced to the byte: 2 shards, 1 reporter
        OF             RECEIVED  DURABLE  PENDING  PARKED  REJECTED  DIFFERENCE
        all shards     20,000    8,000    6,000    4,000   2,000     0
        all reporters  10,000    4,000    3,000    2,000   1,000     0
        counted again: 1 row of usage, 64 rows of the ledger, 1,000 records of the log; no difference"#]]
    .assert_eq(&conservation_text(&balanced));
    let difference = Difference {
        between: "ledger and usage rows".into(),
        replica: Some("a".into()),
        shard: Some(1),
        generation: None,
        instance: Some("svc-1".into()),
        expected: 12_000,
        found: 11_999,
        detail: "one byte is missing".into(),
    };
    let broken = Conservation::new(lines(bad), vec![ReporterLine::new("ams-01", bad)], true, deep(Some(difference)));
    expect![[r#"
        NOT BALANCED: 2 shards, 1 reporter; the lines that differ are listed
        OF               RECEIVED  DURABLE  PENDING  PARKED  REJECTED  DIFFERENCE
        all shards       19,999    8,000    6,000    4,000   2,000     -1
        all reporters    9,999     4,000    3,000    2,000   1,000     -1
        shard 1 of a     9,999     4,000    3,000    2,000   1,000     -1
        reporter ams-01  9,999     4,000    3,000    2,000   1,000     -1
        counted again: 1 row of usage, 64 rows of the ledger, 1,000 records of the log
        first difference, ledger and usage rows, replica a, shard 1, instance svc-1: 12,000 expected, 11,999 found; one byte is missing"#]].assert_eq(&conservation_text(&broken));
}
