//! Periods (I15): between which instants usage is added up against a quota. Boundaries are `anchor + n·interval`.
//!
//! Each boundary is computed from the anchor, never from the one before, so the 31st comes back after February. Hours are
//! elapsed time; days and longer are local calendar: a local time that occurs twice is the first, one that does not
//! occur is shifted by the gap (RFC 5545). Zones come from the tables in the binary: a boundary is part of the key of a
//! usage row, and two machines with different zone files would split it.
//!
//! What the anchor leaves open is closed here: `calendar` begins the hours, days and `{days: N}` at 00:00 of the day of
//! creation, weeks on Monday, months on the 1st, years on 1 January; `{day: N}` begins at the last such day, the month's
//! end where it is shorter, that is not after the creation.

use std::sync::LazyLock;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp, ToSpan};

use crate::master_data::{Anchor, Every, Reset};
use crate::time::Micros;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

const HOUR_US: i64 = 3_600_000_000;
const MONTHS_OF_YEAR: i64 = 12;

/// A period: the half-open `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    pub start: Micros,
    /// `i64::MAX` for one that never ends.
    pub end: Micros,
}

/// The one period of a product that is never reset. It starts at the epoch, so that its rows have one key whatever
/// becomes of the instance.
const FOREVER: Period = Period { start: Micros(0), end: Micros(i64::MAX) };

/// A reset that names no zone of the tables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no time zone")]
pub struct PeriodError {
    name: String,
}

/// Whether this is the name of a time zone.
pub fn is_zone(name: &str) -> bool {
    ZONES.get(name).is_ok()
}

/// The period of an instance created at `created` that holds `at`. Many questions: compile a [`Resets`].
///
/// # Errors
/// [`PeriodError`] when the zone is unknown.
pub fn period_of(reset: &Reset, created: Micros, at: Micros) -> Result<Period, PeriodError> {
    Resets::new(reset).map(|resets| resets.period_of(created, at))
}

/// The rule of a product by which usage begins anew, with its zone at hand.
#[derive(Debug, Clone)]
pub struct Resets {
    every: Every,
    anchor: Anchor,
    zone: TimeZone,
}

impl Resets {
    /// Looks the zone up.
    ///
    /// # Errors
    /// [`PeriodError`] when there is no such zone.
    pub fn new(reset: &Reset) -> Result<Self, PeriodError> {
        let zone = ZONES.get(&reset.timezone).map_err(|_| PeriodError { name: reset.timezone.clone() })?;
        Ok(Self { every: reset.every, anchor: reset.anchor, zone })
    }

    /// The rule of a product without quota.
    pub fn never() -> Self {
        Self { every: Every::Never, anchor: Anchor::Calendar, zone: TimeZone::UTC }
    }

    /// The period that holds `at`. Times beyond the years −9999 to 9999 belong to the first or the last one.
    pub fn period_of(&self, created: Micros, at: Micros) -> Period {
        self.series(created).map_or(FOREVER, |series| series.period(series.number_of(at)))
    }

    /// Periods in order, from the one that holds `from`; they end with the calendar.
    pub fn periods(&self, created: Micros, from: Micros) -> Periods {
        match self.series(created) {
            None => Periods { forever: Some(FOREVER), series: None },
            Some(series) => {
                let number = series.number_of(from);
                Periods { forever: None, series: Some((series, number)) }
            }
        }
    }

    /// The boundary numbered 0, from which the others are counted; the epoch for a product that is never reset.
    pub fn anchor(&self, created: Micros) -> Micros {
        self.series(created).map_or(FOREVER.start, |series| series.start(0))
    }

    /// The boundaries of an instance; `None` for one that is never reset.
    fn series(&self, created: Micros) -> Option<Series> {
        let local = self.zone.to_datetime(timestamp(created));
        let anchor = Local::of_anchor(self.every, self.anchor, local);
        let step = match self.every {
            Every::Never => return None,
            Every::Hour => Step::Hours,
            Every::Day => Step::Days(1),
            Every::Week => Step::Days(7),
            // A product with an interval of no days is refused at the door; here it must only not divide by zero.
            Every::Days(days) => Step::Days(i64::from(days.max(1))),
            Every::Month => Step::Months(1),
            Every::Year => Step::Months(MONTHS_OF_YEAR),
        };
        let instant = match self.anchor {
            Anchor::Instance => created,
            Anchor::Calendar | Anchor::Day(_) => {
                instant(&self.zone, anchor.date().to_datetime(anchor.time)).unwrap_or(created)
            }
        };
        Some(Series { step, anchor, instant, zone: self.zone.clone() })
    }
}

/// Periods in order. Made by [`Resets::periods`].
#[derive(Debug, Clone)]
pub struct Periods {
    forever: Option<Period>,
    series: Option<(Series, i64)>,
}

impl Iterator for Periods {
    type Item = Period;

    fn next(&mut self) -> Option<Period> {
        let Some((series, number)) = &mut self.series else { return self.forever.take() };
        let period = series.period(*number);
        // Two boundaries coincide where a zone skipped a whole day; the next period begins where this one ends.
        *number = series.number_of(period.end);
        if period.end == FOREVER.end {
            self.series = None;
        }
        Some(period)
    }
}

/// A local date and time; the day may lie beyond the end of the month, which is where it is clamped.
#[derive(Debug, Clone, Copy)]
struct Local {
    year: i16,
    month: i8,
    day: i8,
    time: Time,
}

impl Local {
    fn of_anchor(every: Every, anchor: Anchor, created: DateTime) -> Self {
        let at = |date: Date| Self { year: date.year(), month: date.month(), day: date.day(), time: Time::midnight() };
        let today = created.date();
        match (anchor, every) {
            (Anchor::Instance, _) => Self { time: created.time(), ..at(today) },
            (Anchor::Day(day), _) => Self::last_such_day(i8::try_from(day.clamp(1, 31)).unwrap_or(31), today),
            (Anchor::Calendar, Every::Never | Every::Hour | Every::Day | Every::Days(_)) => at(today),
            (Anchor::Calendar, Every::Week) => {
                let since_monday = today.weekday().to_monday_zero_offset();
                at(today.checked_sub(i64::from(since_monday).days()).unwrap_or(today))
            }
            (Anchor::Calendar, Every::Month) => at(today.first_of_month()),
            (Anchor::Calendar, Every::Year) => at(today.first_of_year()),
        }
    }

    /// The last day of this number, clamped to its month, that is not after `today`.
    fn last_such_day(day: i8, today: Date) -> Self {
        let here = Self { year: today.year(), month: today.month(), day, time: Time::midnight() };
        let is_past = here.date() <= today;
        let months_back = if is_past { 0 } else { 1 };
        let first = today.first_of_month().checked_sub(months_back.months()).unwrap_or(today);
        Self { year: first.year(), month: first.month(), ..here }
    }

    /// Its date, clamped to the end of its month.
    fn date(self) -> Date {
        let first = Date::constant(self.year, self.month, 1);
        first.with().day(self.day.min(first.days_in_month())).build().unwrap_or(first)
    }

    /// So many months later, the day as it was; `None` beyond the calendar.
    fn plus_months(self, months: i64) -> Option<Self> {
        let sum = (i64::from(self.year) * MONTHS_OF_YEAR + i64::from(self.month) - 1).checked_add(months)?;
        let year = i16::try_from(sum.div_euclid(MONTHS_OF_YEAR)).ok()?;
        let month = i8::try_from(sum.rem_euclid(MONTHS_OF_YEAR) + 1).ok()?;
        Date::new(year, month, 1).ok()?;
        Some(Self { year, month, ..self })
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Hours,
    Days(i64),
    Months(i64),
}

/// The boundaries of one instance, numbered; 0 is the anchor, negative ones lie before it.
#[derive(Debug, Clone)]
struct Series {
    step: Step,
    anchor: Local,
    /// From which hours are counted.
    instant: Micros,
    zone: TimeZone,
}

impl Series {
    /// A boundary; `None` beyond the calendar.
    fn boundary(&self, number: i64) -> Option<Micros> {
        let local = match self.step {
            Step::Hours => {
                let at = self.instant.0.checked_add(number.checked_mul(HOUR_US)?)?;
                return Timestamp::from_microsecond(at).is_ok().then_some(Micros(at));
            }
            Step::Days(days) => {
                let days = Span::new().try_days(number.checked_mul(days)?).ok()?;
                self.anchor.date().checked_add(days).ok()?
            }
            Step::Months(months) => self.anchor.plus_months(number.checked_mul(months)?)?.date(),
        };
        instant(&self.zone, local.to_datetime(self.anchor.time))
    }

    fn start(&self, number: i64) -> Micros {
        self.boundary(number).unwrap_or(Micros(i64::MIN))
    }

    fn period(&self, number: i64) -> Period {
        Period { start: self.start(number), end: self.boundary(number + 1).unwrap_or(FOREVER.end) }
    }

    /// The number of the last boundary that is not after `at`.
    fn number_of(&self, at: Micros) -> i64 {
        let at = Micros(timestamp(at).as_microsecond());
        let local = self.zone.to_datetime(timestamp(at));
        let months_of = |year: i16, month: i8| i64::from(year) * MONTHS_OF_YEAR + i64::from(month);
        // A guess by the local date; the loops below correct it by the one or two that time of day and gaps make.
        let mut number = match self.step {
            Step::Hours => at.since_us(self.instant).div_euclid(HOUR_US),
            Step::Days(days) => {
                let away = local.date().since(self.anchor.date()).map_or(0, |span| i64::from(span.get_days()));
                away.div_euclid(days)
            }
            Step::Months(months) => {
                let away = months_of(local.year(), local.month()) - months_of(self.anchor.year, self.anchor.month);
                away.div_euclid(months)
            }
        };
        while self.boundary(number).is_some_and(|start| start > at) {
            number -= 1;
        }
        while self.boundary(number + 1).is_some_and(|end| end <= at) {
            number += 1;
        }
        number
    }
}

/// The instant of a local time: the first of two, shifted by the gap if there is none. `None` beyond the calendar.
fn instant(zone: &TimeZone, local: DateTime) -> Option<Micros> {
    zone.to_ambiguous_timestamp(local).compatible().ok().map(|at| Micros(at.as_microsecond()))
}

/// The time as the calendar has it; clamped to the years −9999 to 9999.
fn timestamp(at: Micros) -> Timestamp {
    let end = if at.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(at.0).unwrap_or(end)
}
