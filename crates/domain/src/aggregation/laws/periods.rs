//! I15: periods. A table from another implementation of the calendar (Python's `zoneinfo`), and the laws on random rules.
//!
//! Each row of the table is a rule, a creation and a time, and below it the boundaries from the period that holds the
//! time. In it are both changes of the clock, one of them just after midnight (St John's), a midnight that does not
//! occur, a day that does not occur (Apia), zones off by half and quarter hours, leap days, month ends, and creations
//! inside an hour that occurs twice.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use proptest::prelude::*;

use super::cases;
use crate::aggregation::{Period, Resets, is_zone, period_of};
use crate::master_data::{Anchor, Every, Reset};
use crate::time::Micros;

const TABLE: &str = "
month instance Europe/Berlin 2026-01-31T10:00:00Z 2026-01-31T10:00:00Z
    2026-01-31T10:00:00Z 2026-02-28T10:00:00Z 2026-03-31T09:00:00Z 2026-04-30T09:00:00Z
month instance UTC 2024-01-31T23:59:59Z 2024-02-01T00:00:00Z
    2024-01-31T23:59:59Z 2024-02-29T23:59:59Z 2024-03-31T23:59:59Z 2024-04-30T23:59:59Z
month calendar America/New_York 2026-01-31T10:00:00Z 2026-10-15T00:00:00Z
    2026-10-01T04:00:00Z 2026-11-01T04:00:00Z 2026-12-01T05:00:00Z 2027-01-01T05:00:00Z
month 15 Europe/Berlin 2026-01-31T10:00:00Z 2026-01-31T10:00:00Z
    2026-01-14T23:00:00Z 2026-02-14T23:00:00Z 2026-03-14T23:00:00Z 2026-04-14T22:00:00Z
month 31 Europe/Berlin 2026-03-05T10:00:00Z 2026-03-05T10:00:00Z
    2026-02-27T23:00:00Z 2026-03-30T22:00:00Z 2026-04-29T22:00:00Z 2026-05-30T22:00:00Z
month 31 Asia/Tokyo 2026-12-31T14:59:59Z 2026-12-31T14:59:59Z
    2026-12-30T15:00:00Z 2027-01-30T15:00:00Z 2027-02-27T15:00:00Z 2027-03-30T15:00:00Z
month instance Europe/Berlin 2026-01-29T01:30:00Z 2026-01-29T01:30:00Z
    2026-01-29T01:30:00Z 2026-02-28T01:30:00Z 2026-03-29T01:30:00Z 2026-04-29T00:30:00Z
month instance Europe/Berlin 2026-05-25T00:30:00Z 2026-09-25T00:30:00Z
    2026-09-25T00:30:00Z 2026-10-25T00:30:00Z 2026-11-25T01:30:00Z 2026-12-25T01:30:00Z
month instance America/Sao_Paulo 2018-10-04T03:00:00Z 2018-10-04T03:00:00Z
    2018-10-04T03:00:00Z 2018-11-04T03:00:00Z 2018-12-04T02:00:00Z 2019-01-04T02:00:00Z
day calendar America/Sao_Paulo 2018-11-01T12:00:00Z 2018-11-02T12:00:00Z
    2018-11-02T03:00:00Z 2018-11-03T03:00:00Z 2018-11-04T03:00:00Z 2018-11-05T02:00:00Z
day calendar Europe/Berlin 2026-03-27T12:00:00Z 2026-03-27T12:00:00Z
    2026-03-26T23:00:00Z 2026-03-27T23:00:00Z 2026-03-28T23:00:00Z 2026-03-29T22:00:00Z
day instance Europe/Berlin 2026-03-27T01:30:00Z 2026-03-27T12:00:00Z
    2026-03-27T01:30:00Z 2026-03-28T01:30:00Z 2026-03-29T01:30:00Z 2026-03-30T00:30:00Z
day instance Europe/Berlin 2026-10-23T00:30:00Z 2026-10-23T12:00:00Z
    2026-10-23T00:30:00Z 2026-10-24T00:30:00Z 2026-10-25T00:30:00Z 2026-10-26T01:30:00Z
day calendar Pacific/Apia 2011-12-28T12:00:00Z 2011-12-28T12:00:00Z
    2011-12-28T10:00:00Z 2011-12-29T10:00:00Z 2011-12-30T10:00:00Z 2011-12-31T10:00:00Z
day calendar Asia/Kathmandu 2026-01-01T00:00:00Z 2026-01-01T00:00:00Z
    2025-12-31T18:15:00Z 2026-01-01T18:15:00Z 2026-01-02T18:15:00Z 2026-01-03T18:15:00Z
hour calendar Asia/Kolkata 2026-01-01T00:10:00Z 2026-01-01T00:10:00Z
    2025-12-31T23:30:00Z 2026-01-01T00:30:00Z 2026-01-01T01:30:00Z 2026-01-01T02:30:00Z
hour instance Europe/Berlin 2026-03-28T23:17:05Z 2026-03-29T00:00:00Z
    2026-03-28T23:17:05Z 2026-03-29T00:17:05Z 2026-03-29T01:17:05Z 2026-03-29T02:17:05Z
hour calendar Australia/Lord_Howe 2026-04-04T01:00:00Z 2026-04-04T14:10:00Z
    2026-04-04T14:00:00Z 2026-04-04T15:00:00Z 2026-04-04T16:00:00Z 2026-04-04T17:00:00Z
hour 7 Europe/Berlin 2026-03-05T10:20:30Z 2026-03-05T10:20:30Z
    2026-03-05T10:00:00Z 2026-03-05T11:00:00Z 2026-03-05T12:00:00Z 2026-03-05T13:00:00Z
week calendar Europe/Berlin 2026-01-31T10:00:00Z 2026-03-24T00:00:00Z
    2026-03-22T23:00:00Z 2026-03-29T22:00:00Z 2026-04-05T22:00:00Z 2026-04-12T22:00:00Z
week instance America/New_York 2026-02-22T07:30:00Z 2026-02-25T00:00:00Z
    2026-02-22T07:30:00Z 2026-03-01T07:30:00Z 2026-03-08T07:30:00Z 2026-03-15T06:30:00Z
week 31 UTC 2026-03-05T10:00:00Z 2026-03-05T10:00:00Z
    2026-02-28T00:00:00Z 2026-03-07T00:00:00Z 2026-03-14T00:00:00Z 2026-03-21T00:00:00Z
year instance UTC 2024-02-29T12:00:00Z 2024-02-29T12:00:00Z
    2024-02-29T12:00:00Z 2025-02-28T12:00:00Z 2026-02-28T12:00:00Z 2027-02-28T12:00:00Z
year calendar Pacific/Kiritimati 2026-06-01T00:00:00Z 2026-06-01T00:00:00Z
    2025-12-31T10:00:00Z 2026-12-31T10:00:00Z 2027-12-31T10:00:00Z 2028-12-31T10:00:00Z
year 31 Europe/Berlin 2026-03-05T10:00:00Z 2026-03-05T10:00:00Z
    2026-02-27T23:00:00Z 2027-02-27T23:00:00Z 2028-02-28T23:00:00Z 2029-02-27T23:00:00Z
30d instance Europe/Berlin 2026-03-01T01:30:00Z 2026-01-10T00:00:00Z
    2025-12-31T01:30:00Z 2026-01-30T01:30:00Z 2026-03-01T01:30:00Z 2026-03-31T00:30:00Z
45d calendar America/St_Johns 2026-02-01T03:29:59Z 2026-02-01T03:29:59Z
    2026-01-31T03:30:00Z 2026-03-17T02:30:00Z 2026-05-01T02:30:00Z 2026-06-15T02:30:00Z
10d 31 Europe/Berlin 2026-03-05T10:00:00Z 2026-03-05T10:00:00Z
    2026-02-27T23:00:00Z 2026-03-09T23:00:00Z 2026-03-19T23:00:00Z 2026-03-29T22:00:00Z
month instance Europe/Berlin 2026-01-31T10:00:00Z 2025-06-01T00:00:00Z
    2025-05-31T09:00:00Z 2025-06-30T09:00:00Z 2025-07-31T09:00:00Z 2025-08-31T09:00:00Z
day instance Europe/Berlin 2026-10-25T01:30:00Z 2026-10-25T01:30:00Z
    2026-10-25T00:30:00Z 2026-10-26T01:30:00Z 2026-10-27T01:30:00Z 2026-10-28T01:30:00Z
day calendar America/St_Johns 2010-11-01T12:00:00Z 2010-11-07T02:45:00Z
    2010-11-07T02:30:00Z 2010-11-08T03:30:00Z 2010-11-09T03:30:00Z 2010-11-10T03:30:00Z
";

fn at(text: &str) -> Micros {
    Micros(text.parse::<Timestamp>().expect("a time").as_microsecond())
}

fn every(word: &str) -> Every {
    match word {
        "hour" => Every::Hour,
        "day" => Every::Day,
        "week" => Every::Week,
        "month" => Every::Month,
        "year" => Every::Year,
        days => Every::Days(days.trim_end_matches('d').parse().expect("days")),
    }
}

fn anchor(word: &str) -> Anchor {
    match word {
        "calendar" => Anchor::Calendar,
        "instance" => Anchor::Instance,
        day => Anchor::Day(day.parse().expect("a day")),
    }
}

#[test]
fn boundaries_are_those_of_another_implementation() {
    let lines: Vec<&str> = TABLE.trim().lines().collect();
    assert!(lines.len() >= 60, "the table is there");
    for pair in lines.chunks(2) {
        let words: Vec<&str> = pair[0].split_whitespace().collect();
        let reset = Reset { every: every(words[0]), anchor: anchor(words[1]), timezone: words[2].to_owned() };
        let (created, from) = (at(words[3]), at(words[4]));
        let starts: Vec<Micros> = pair[1].split_whitespace().map(at).collect();
        let resets = Resets::new(&reset).expect("a zone");
        let found: Vec<Period> = resets.periods(created, from).take(starts.len()).collect();
        assert_eq!(found.iter().map(|it| it.start).collect::<Vec<_>>(), starts, "{}", pair[0]);
        assert_eq!(period_of(&reset, created, from), Ok(found[0]), "{}", pair[0]);
    }
}

#[test]
fn a_product_without_reset_has_one_period() {
    for resets in [Resets::never(), resets(Every::Never, Anchor::Instance, "Europe/Berlin")] {
        let period = resets.period_of(at("2026-01-31T10:00:00Z"), at("2031-01-31T10:00:00Z"));
        assert_eq!((period.start, period.end), (Micros(0), Micros(i64::MAX)));
        assert_eq!(resets.periods(Micros(5), Micros(9)).count(), 1);
    }
}

#[test]
fn zones_are_those_of_the_tables() {
    assert!(is_zone("Europe/Berlin") && is_zone("UTC") && !is_zone("Europe/Berln") && !is_zone(""));
    let unknown = Reset { every: Every::Day, anchor: Anchor::Calendar, timezone: "Mars/Base".to_owned() };
    assert!(period_of(&unknown, Micros(0), Micros(0)).is_err());
}

#[test]
fn the_ends_of_time_have_periods() {
    for every in [Every::Hour, Every::Day, Every::Week, Every::Month, Every::Year, Every::Days(u32::MAX)] {
        for end in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX] {
            for created in [i64::MIN, 0, i64::MAX] {
                let resets = resets(every, Anchor::Instance, "Pacific/Kiritimati");
                let period = resets.period_of(Micros(created), Micros(end));
                assert!(period.start < period.end, "{every:?} {end} {created}");
                assert!(resets.periods(Micros(created), Micros(end)).take(3).count() >= 1);
            }
        }
    }
}

fn resets(every: Every, anchor: Anchor, zone: &str) -> Resets {
    Resets::new(&Reset { every, anchor, timezone: zone.to_owned() }).expect("a zone")
}

fn any_every() -> impl Strategy<Value = Every> {
    prop_oneof![
        Just(Every::Hour),
        Just(Every::Day),
        Just(Every::Week),
        Just(Every::Month),
        Just(Every::Year),
        (1..400u32).prop_map(Every::Days),
    ]
}

fn any_anchor() -> impl Strategy<Value = Anchor> {
    prop_oneof![Just(Anchor::Calendar), Just(Anchor::Instance), (1..=31u8).prop_map(Anchor::Day)]
}

const ZONES: &[&str] = &[
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "America/St_Johns",
];

fn any_zone() -> impl Strategy<Value = &'static str> {
    prop::sample::select(ZONES)
}

/// From 2005 to 2037: many changes of the clock, in whole seconds and not.
fn any_time() -> impl Strategy<Value = Micros> {
    let wide = 1_104_537_600_000_000..2_114_380_800_000_000i64;
    prop_oneof![wide.clone().prop_map(Micros), wide.prop_map(|it| Micros(it - it % 1_800_000_000))]
}

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).expect("a zone")
}

proptest! {
    #![proptest_config(cases(600))]

    /// I15: every time lies in exactly one period, and the next begins where it ends.
    #[test]
    fn periods_cover_time_once(
        every in any_every(), anchor in any_anchor(), zone in any_zone(), created in any_time(), from in any_time(), within in 0..1000u64,
    ) {
        let resets = resets(every, anchor, zone);
        let periods: Vec<Period> = resets.periods(created, from).take(4).collect();
        prop_assert!(periods[0].start <= from && from < periods[0].end);
        for pair in periods.windows(2) {
            prop_assert_eq!(pair[0].end, pair[1].start);
        }
        for period in periods {
            let width = period.end.0 - period.start.0;
            prop_assert!(width > 0);
            let inside = Micros(period.start.0 + i64::try_from(u128::from(within) * width.unsigned_abs() as u128 / 1000).unwrap_or(0));
            for probe in [period.start, inside, Micros(period.end.0 - 1)] {
                prop_assert_eq!(resets.period_of(created, probe), period);
            }
        }
    }

    /// I15: hours are elapsed time.
    #[test]
    fn an_hour_is_an_hour(anchor in any_anchor(), zone in any_zone(), created in any_time(), from in any_time()) {
        let period = resets(Every::Hour, anchor, zone).period_of(created, from);
        prop_assert_eq!(period.end.0 - period.start.0, 3_600_000_000);
    }

    /// I15: a month begins on the day of its anchor, or on the last of a shorter month: it never drifts.
    #[test]
    fn months_never_drift(day in 1..=31u8, zone_name in any_zone(), created in any_time(), from in any_time(), yearly in any::<bool>()) {
        let every = if yearly { Every::Year } else { Every::Month };
        let resets = resets(every, Anchor::Day(day), zone_name);
        for period in resets.periods(created, from).take(14) {
            let local = zone(zone_name).to_datetime(Timestamp::from_microsecond(period.start.0).expect("in range"));
            let wanted = i8::try_from(day).expect("at most 31").min(local.date().days_in_month());
            // Where midnight, or the whole day, does not occur, the start is shifted by the gap.
            let is_gap = local.time() != jiff::civil::Time::midnight();
            let shifted = if zone_name == "Pacific/Apia" && wanted == 30 && local.year() == 2011 { 31 } else { wanted };
            prop_assert!(local.day() == wanted || local.day() == shifted, "{local} for day {day}");
            prop_assert!(!is_gap || zone(zone_name).to_ambiguous_timestamp(local.date().to_datetime(jiff::civil::Time::midnight())).is_ambiguous());
        }
    }

    /// I15: weeks of the calendar start on Monday, days of the calendar at midnight, unless a gap swallows it.
    #[test]
    fn weeks_start_on_monday(zone_name in any_zone(), created in any_time(), from in any_time()) {
        let period = resets(Every::Week, Anchor::Calendar, zone_name).period_of(created, from);
        let local = zone(zone_name).to_datetime(Timestamp::from_microsecond(period.start.0).expect("in range"));
        prop_assert_eq!(local.weekday(), jiff::civil::Weekday::Monday);
        let midnight = local.date().to_datetime(jiff::civil::Time::midnight());
        prop_assert!(local == midnight || zone(zone_name).to_ambiguous_timestamp(midnight).is_ambiguous());
    }

    /// I15: the anchor of an instance is a boundary, up to the hour that occurs twice, and every other one is counted from it.
    #[test]
    fn the_anchor_is_a_boundary(every in any_every(), anchor in any_anchor(), zone in any_zone(), created in any_time()) {
        let resets = resets(every, anchor, zone);
        let first = resets.anchor(created);
        prop_assert!(first <= created, "the period that holds the creation is not before the anchor");
        prop_assert_eq!(resets.period_of(created, first).start, first);
        if matches!(anchor, Anchor::Instance) {
            prop_assert!(created.since_us(first) <= 7_200_000_000, "at most the second of two equal local times");
        }
    }
}
