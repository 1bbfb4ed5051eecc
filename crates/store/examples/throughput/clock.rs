//! The clock of the measurement: what passed on the wall, and what this process used of the processors.
//!
//! On a machine that others use too, only the second compares with another run. It is read from where Linux tells it
//! and is zero elsewhere.

use std::time::Instant;

/// A running measurement.
#[derive(Clone, Copy)]
pub struct Stopwatch {
    since: Instant,
    busy_before_s: f64,
}

impl Stopwatch {
    pub fn start() -> Self {
        Self { since: Instant::now(), busy_before_s: busy_s() }
    }

    /// Seconds on the wall.
    pub fn elapsed_s(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    /// Seconds of processor.
    pub fn busy_s(&self) -> f64 {
        busy_s() - self.busy_before_s
    }
}

fn busy_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    // User and system time in hundredths of a second, counted after the name of the program.
    fields.iter().skip(11).take(2).filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / 100.0
}
