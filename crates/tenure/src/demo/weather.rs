//! What happens to the machines of the sample fleet, second by second: load that walks, failures that pass.
//!
//! Drawn from one seed and from nothing else, so a tour that was printed stays true. Sends nothing itself.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Every machine reports once in so many seconds; a report is due in a ninth of the silence that disqualifies.
pub const REPORT_EVERY_S: u64 = 10;

/// When the group goes dark for the first time: after the tour has been read.
pub const DARK_AFTER_S: u64 = 60;

/// How long it stays dark: its owners have found another group long before.
const DARK_FOR_S: u64 = 180;

/// From one darkness to the next.
const DARK_EVERY_S: u64 = 900;

/// One machine fails at every so many seconds on average.
const FAILURE_EVERY_S: u32 = 8;

/// A failed machine is back after so many seconds.
const FAILURE_FOR_S: std::ops::Range<u64> = 20..90;

/// Load in permille between which machines wander.
const LOAD: std::ops::RangeInclusive<i32> = 50..=950;

/// How far load may walk from one report to the next.
const LOAD_STEP: i32 = 25;

/// What a machine says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    pub is_up: bool,
    pub load_permille: u32,
}

/// A machine of the fleet.
#[derive(Debug, Clone)]
struct Machine {
    /// It is in the group that goes dark, and in no other.
    is_in_the_dark: bool,
    load_permille: i32,
    down_until_s: u64,
    last: Option<bool>,
}

/// All machines.
pub struct Weather {
    random: StdRng,
    machines: Vec<Machine>,
}

impl Weather {
    /// The weather over machines; `is_in_the_dark` says for each whether it belongs to the group that goes dark.
    pub fn new(seed: u64, is_in_the_dark: impl IntoIterator<Item = bool>) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let machine = |is_in_the_dark| {
            let load_permille = random.random_range(150..600);
            Machine { is_in_the_dark, load_permille, down_until_s: 0, last: None }
        };
        let machines = is_in_the_dark.into_iter().map(machine).collect();
        Self { random, machines }
    }

    /// Whether the group is dark.
    pub fn is_dark(second: u64) -> bool {
        second.checked_sub(DARK_AFTER_S).is_some_and(|since| since % DARK_EVERY_S < DARK_FOR_S)
    }

    /// Who reports in this second, and what: whoever is due, and whoever has just failed or come back.
    pub fn pass(&mut self, second: u64) -> Vec<(usize, Word)> {
        if !self.machines.is_empty() && self.random.random_range(0..FAILURE_EVERY_S) == 0 {
            let at = self.random.random_range(0..self.machines.len());
            self.machines[at].down_until_s = second + self.random.random_range(FAILURE_FOR_S);
        }
        let is_dark = Self::is_dark(second);
        let mut words = Vec::new();
        for (at, machine) in self.machines.iter_mut().enumerate() {
            let is_up = machine.down_until_s <= second && !(is_dark && machine.is_in_the_dark);
            let is_due = at as u64 % REPORT_EVERY_S == second % REPORT_EVERY_S;
            let is_news = machine.last.is_some_and(|last| last != is_up) || (machine.last.is_none() && !is_up);
            if is_due || is_news {
                let step = self.random.random_range(-LOAD_STEP..=LOAD_STEP);
                machine.load_permille = (machine.load_permille + step).clamp(*LOAD.start(), *LOAD.end());
                machine.last = Some(is_up);
                words.push((at, Word { is_up, load_permille: machine.load_permille.unsigned_abs() }));
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_reports_within_the_interval_and_failures_pass() {
        let mut weather = Weather::new(1, (0..40).map(|at| at < 8));
        let mut last = [0u64; 40];
        let (mut failures, mut returns) = (0, 0);
        let mut is_up = [true; 40];
        for second in 0..1_000 {
            for (at, word) in weather.pass(second) {
                last[at] = second;
                failures += usize::from(is_up[at] && !word.is_up);
                returns += usize::from(!is_up[at] && word.is_up);
                is_up[at] = word.is_up;
            }
            let silent = last.iter().filter(|at| second - **at > REPORT_EVERY_S).count();
            assert_eq!(silent, 0, "in second {second}");
        }
        assert!(failures > 50 && failures - returns < 12, "{failures} failures, {returns} returns");
    }

    #[test]
    fn the_whole_group_goes_dark_and_comes_back() {
        let mut weather = Weather::new(2, (0..20).map(|at| at < 8));
        let mut is_up = [true; 20];
        let mut dark_seconds = 0;
        for second in 0..DARK_AFTER_S + DARK_FOR_S + 100 {
            weather.pass(second).into_iter().for_each(|(at, word)| is_up[at] = word.is_up);
            dark_seconds += u64::from(is_up[..8].iter().all(|up| !up));
            assert_eq!(Weather::is_dark(second), is_up[..8].iter().all(|up| !up), "in second {second}");
        }
        assert_eq!(dark_seconds, DARK_FOR_S);
    }

    #[test]
    fn one_seed_gives_one_weather() {
        let passing = |seed| {
            let mut weather = Weather::new(seed, (0..30).map(|_| false));
            (0..200).map(|second| weather.pass(second)).collect::<Vec<_>>()
        };
        assert_eq!(passing(5), passing(5));
        assert_ne!(passing(5), passing(6));
    }
}
