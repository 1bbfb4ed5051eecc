//! The pace of repairs after lost health: nobody is moved before a while has passed, and then only so many a second.
//!
//! Configuration that invalidates an ownership is not paced. A leader measures on its own monotonic clock from when it
//! first saw a group without health, so that a new leader waits anew and a restart of the centre moves nobody.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::ids::{AccessTemplateId, GroupId};
use domain::orchestration::Topology;
use domain::reason::Reason;

/// A boundary may save up so much of its rate, so that a pause of the task does not add up to a burst.
const BURST: Duration = Duration::from_secs(1);

/// What a boundary may still repair.
#[derive(Debug)]
struct Allowance {
    milli: u64,
    at: Instant,
}

/// The pace of repairs.
#[derive(Debug)]
pub(super) struct Pace {
    repair_after: Duration,
    rate_permille: u32,
    lost: BTreeMap<GroupId, Instant>,
    allowances: BTreeMap<AccessTemplateId, Allowance>,
}

impl Pace {
    /// Nothing was lost yet.
    pub(super) fn new(repair_after: Duration, rate_permille: u32) -> Self {
        Self { repair_after, rate_permille, lost: BTreeMap::new(), allowances: BTreeMap::new() }
    }

    /// Notes which groups have lost their health, and forgets those that have it again.
    pub(super) fn observe(&mut self, topology: &Topology, now: Instant) {
        let without = (0u32..).zip(topology.groups()).filter(|(at, _)| {
            let standing = topology.standing(domain::orchestration::GroupIx(*at));
            standing.serving == Reason::NoQualifiedNode && standing.is_sound_but_for_health
        });
        let without: Vec<GroupId> = without.map(|(_, group)| group.object.id.clone()).collect();
        self.lost.retain(|group, _| without.contains(group));
        for group in without {
            self.lost.entry(group).or_insert(now);
        }
    }

    /// Whether a group has been without health for long enough.
    pub(super) fn is_due(&self, group: &GroupId, now: Instant) -> bool {
        self.lost.get(group).is_some_and(|since| now.duration_since(*since) >= self.repair_after)
    }

    /// Takes one repair from the allowance of a boundary with so many owners; false when it is used up.
    pub(super) fn take(&mut self, template: &AccessTemplateId, owners: u64, now: Instant) -> bool {
        // Thousandths of a repair, so that a rate below one a second could be said; it is at least one.
        let rate_milli = (owners * u64::from(self.rate_permille)).max(1_000);
        let burst_milli = rate_milli * BURST.as_secs();
        let allowance = self.allowances.entry(template.clone()).or_insert(Allowance { milli: rate_milli, at: now });
        let passed_ms = u64::try_from(now.duration_since(allowance.at).as_millis()).unwrap_or(u64::MAX);
        let earned = rate_milli.saturating_mul(passed_ms) / 1_000;
        if earned > 0 {
            allowance.milli = (allowance.milli + earned).min(burst_milli);
            allowance.at = now;
        }
        match allowance.milli.checked_sub(1_000) {
            Some(left) => {
                allowance.milli = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_repairs_one_percent_of_its_owners_a_second() {
        let template = AccessTemplateId::parse("standard").expect("an id");
        let mut pace = Pace::new(Duration::from_secs(60), 10);
        let start = Instant::now();
        let repaired = |pace: &mut Pace, at: Instant| (0..1_000).filter(|_| pace.take(&template, 5_000, at)).count();
        assert_eq!(repaired(&mut pace, start), 50);
        assert_eq!(repaired(&mut pace, start), 0);
        assert_eq!(repaired(&mut pace, start + Duration::from_millis(500)), 25);
        assert_eq!(repaired(&mut pace, start + Duration::from_secs(60)), 50, "a pause is no burst");
    }
}
