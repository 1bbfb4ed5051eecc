//! What a bench says: rows, a table for people, a JSON array for programs, and how many runs become one figure.
//!
//! The side-by-side rule: a figure of ours and the figure it is held against come from the same run on the same
//! machine, in alternating rounds ([`side_by_side`]), as medians; what is published is their ratio.
//! A row without a goal is not judged: `met` is null, never `true`.
//! Units: `x` a quotient such as max/mean · `%` of all instances · `instances` · `arrivals` new instances ·
//! `owners/s`, `requests/s` per second of wall time · `s`, `ms`, `us` wall time · `B/instance` resident bytes.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// How many samples make a figure: the smallest odd number whose median ignores one disturbed run.
pub const SAMPLES: usize = 3;

/// The sizes of a full run, in instances: from 10 to 1000 per group of a thousand.
pub const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];

/// The largest size of a quick run: it answers in seconds on two cores.
pub const QUICK_SIZE_MAX: usize = 100_000;

/// The largest size that may be asked for; ten times what is promised, and rivals still fit into memory.
pub const SIZE_MAX: usize = 10_000_000;

/// How much is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Instances, one run for each.
    pub sizes: Vec<usize>,
    /// Runs whose median is the figure.
    pub samples: usize,
}

impl Extent {
    /// Sizes that were asked for are measured as asked; a quick run cuts only the defaults.
    pub fn new(is_quick: bool, asked: &[usize]) -> Self {
        let sizes = match asked {
            [] => SIZES.into_iter().filter(|size| !is_quick || *size <= QUICK_SIZE_MAX).collect(),
            asked => asked.to_vec(),
        };
        Extent { sizes, samples: if is_quick { 1 } else { SAMPLES } }
    }
}

/// Why a size was not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    #[error("a size is a number with an optional k or m, such as 10k or 1m, not {text:?}")]
    Spelling { text: String },
    #[error("a size is between 1 and {SIZE_MAX}, not {text:?}")]
    Range { text: String },
}

/// Reads `10k`, `1m` or `2500`.
///
/// # Errors
/// [`SizeError`] repeats the text.
pub fn parse_size(text: &str) -> Result<usize, SizeError> {
    let lower = text.trim().to_ascii_lowercase();
    let (digits, unit) = match lower.strip_suffix('k') {
        Some(digits) => (digits, 1_000),
        None => lower.strip_suffix('m').map_or((lower.as_str(), 1), |digits| (digits, 1_000_000)),
    };
    let number: usize = digits.parse().map_err(|_| SizeError::Spelling { text: text.to_owned() })?;
    match number.checked_mul(unit) {
        Some(size) if (1..=SIZE_MAX).contains(&size) => Ok(size),
        _ => Err(SizeError::Range { text: text.to_owned() }),
    }
}

/// What a figure has to reach, bounds included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// The value itself, from below.
    ValueAtLeast(f64),
    /// The value itself, from above.
    ValueAtMost(f64),
    /// value ÷ the figure it is held against, from below.
    RatioAtLeast(f64),
    /// value ÷ the figure it is held against, from above.
    RatioAtMost(f64),
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Goal::ValueAtLeast(bound) => write!(f, "value >= {bound}"),
            Goal::ValueAtMost(bound) => write!(f, "value <= {bound}"),
            Goal::RatioAtLeast(bound) => write!(f, "ratio >= {bound}"),
            Goal::RatioAtMost(bound) => write!(f, "ratio <= {bound}"),
        }
    }
}

impl Serialize for Goal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One figure. Fields are private because `ratio` and `met` follow from the others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    name: String,
    size: usize,
    value: Option<f64>,
    unit: &'static str,
    against: Option<String>,
    ratio: Option<f64>,
    goal: Option<Goal>,
    met: Option<bool>,
}

impl Row {
    /// A figure at a size (in instances); the units are listed at the head of this module.
    ///
    /// # Panics
    /// If the value is not finite: JSON has no such number, and a division by zero is a broken bench.
    pub fn new(name: impl Into<String>, size: usize, value: f64, unit: &'static str) -> Self {
        assert!(value.is_finite(), "the value of a row is a finite number");
        Row { value: Some(value), ..Row::never(name, size, unit) }
    }

    /// A figure that was not reached within the bench's limit, printed as `never` and written as null.
    pub fn never(name: impl Into<String>, size: usize, unit: &'static str) -> Self {
        Row { name: name.into(), size, value: None, unit, against: None, ratio: None, goal: None, met: None }
    }

    /// Holds the value against another figure of the same run; the ratio is value ÷ other.
    ///
    /// A zero on the other side leaves the ratio empty: "infinitely more" helps no reader.
    #[must_use]
    pub fn against(mut self, name: impl Into<String>, other: f64) -> Self {
        self.against = Some(name.into());
        self.ratio = self.value.map(|value| value / other).filter(|ratio| ratio.is_finite());
        self.judged()
    }

    /// States what has to be reached. A figure that is missing does not meet any goal.
    #[must_use]
    pub fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self.judged()
    }

    /// Whether the goal is met; `None` where there is no goal.
    pub fn is_met(&self) -> Option<bool> {
        self.met
    }

    fn judged(mut self) -> Self {
        self.met = self.goal.map(|goal| match goal {
            Goal::ValueAtLeast(bound) => self.value.is_some_and(|value| value >= bound),
            Goal::ValueAtMost(bound) => self.value.is_some_and(|value| value <= bound),
            Goal::RatioAtLeast(bound) => self.ratio.is_some_and(|ratio| ratio >= bound),
            Goal::RatioAtMost(bound) => self.ratio.is_some_and(|ratio| ratio <= bound),
        });
        self
    }

    fn cells(&self) -> [String; COLUMNS] {
        [
            self.name.clone(),
            self.size.to_string(),
            self.value.map_or_else(|| "never".to_owned(), figure),
            self.unit.to_owned(),
            self.against.clone().unwrap_or_default(),
            self.ratio.map_or_else(String::new, figure),
            self.goal.map_or_else(String::new, |goal| goal.to_string()),
            self.met.map_or_else(String::new, |met| if met { "yes" } else { "NO" }.to_owned()),
        ]
    }
}

/// Four significant decimals below ten thousand, whole numbers above: what a reader can compare at a glance.
fn figure(value: f64) -> String {
    if value == value.trunc() || value.abs() >= 10_000.0 {
        return format!("{value:.0}");
    }
    let whole_digits = value.abs().max(1.0).log10().floor() as usize;
    format!("{value:.*}", 4 - whole_digits)
}

const COLUMNS: usize = 8;
const HEADINGS: [&str; COLUMNS] = ["NAME", "SIZE", "VALUE", "UNIT", "AGAINST", "RATIO", "GOAL", "MET"];
/// Numbers stand to the right, so that their digits line up.
const IS_NUMBER: [bool; COLUMNS] = [false, true, true, false, false, true, false, false];

/// The rows as a table for people, one line each below the headings, without a newline at the end.
pub fn table(rows: &[Row]) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let mut widths = [0; COLUMNS];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let text_lines: Vec<String> = lines
        .iter()
        .map(|line| {
            let cells = line.iter().zip(widths).zip(IS_NUMBER).map(|((cell, width), is_number)| {
                if is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect();
    text_lines.join("\n")
}

/// Why the rows were not written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the rows to {}: {source}", path.display())]
pub struct WriteError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Writes the rows as one JSON array, replacing the file.
///
/// # Errors
/// [`WriteError`] names the path.
pub fn write_json(rows: &[Row], path: &Path) -> Result<(), WriteError> {
    let write = || -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        serde_json::to_writer_pretty(&mut file, rows)?;
        file.write_all(b"\n")?;
        file.flush()
    };
    write().map_err(|source| WriteError { path: path.to_owned(), source })
}

/// The middle sample; of an even number, the mean of the two in the middle.
///
/// # Panics
/// If there is no sample: a figure needs at least one run.
pub fn median(samples: &[f64]) -> f64 {
    assert!(!samples.is_empty(), "a median needs a sample");
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// Medians of two contenders that ran in turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SideBySide {
    /// The median of our samples.
    pub ours: f64,
    /// The median of theirs.
    pub theirs: f64,
}

/// Runs two measurements in alternating rounds and takes the median of each.
///
/// Who goes first changes with every round, so neither always finds the machine warm, and a machine that slows
/// down in the middle slows both. Each closure returns its sample in the unit of the row.
pub fn side_by_side(rounds: usize, mut ours: impl FnMut() -> f64, mut theirs: impl FnMut() -> f64) -> SideBySide {
    let (mut our_samples, mut their_samples) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for round in 0..rounds {
        if round % 2 == 0 {
            our_samples.push(ours());
            their_samples.push(theirs());
        } else {
            their_samples.push(theirs());
            our_samples.push(ours());
        }
    }
    SideBySide { ours: median(&our_samples), theirs: median(&their_samples) }
}

#[cfg(test)]
mod tests;
