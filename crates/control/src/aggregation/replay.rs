//! Reads generations back from the log: after a start, for the stranded, and when the database went back in time.
//!
//! Replay is application, never judgement: the log holds effects. A reporter can be left out; then nothing of it is in
//! what comes out, neither its counts nor what was received from it.

use std::collections::BTreeSet;

use domain::aggregation::{GenerationIndex, SHARD_COUNT, ShardIndex};
use domain::ids::NodeId;

use super::hot::{Add, Names, Open, Park, Parked, ReportEffects, Slot, Total, hash_of};
use super::log::{Corrupt, Log, LogError, LoggedGeneration, LoggedGroup, LoggedReport, Named, decode};

/// The reporters whose effects are withheld, by generation.
pub type Withheld = BTreeSet<(GenerationIndex, NodeId, u64)>;

/// Reads a generation. `seen` is told of each report that is not withheld, with the totals that it stated.
///
/// # Errors
/// [`LogError`] when the log cannot be read.
pub fn replay(
    log: &Log,
    logged: &LoggedGeneration,
    names: &mut Names,
    withheld: &Withheld,
    mut seen: impl FnMut(&mut Names, &ReportEffects, &[Total]),
) -> Result<Open, LogError> {
    let mut open = Open::new(logged.generation.0);
    let mut parts = std::collections::HashMap::new();
    log.visit(logged, |bytes| {
        let group = decode(bytes, open.slots.len())?;
        let mut received = received_of(&group);
        for report in &group.reports {
            let (effects, adds, parks, totals) = effects_of(report, &mut open, names)?;
            let key = (logged.generation, effects.reporter.clone(), effects.incarnation);
            if withheld.contains(&key) {
                take_out(&mut received, &effects, &adds, &parks, names);
                continue;
            }
            let part = parts.get(&(key.1.clone(), key.2)).copied();
            let part = open.apply(&effects, &adds, part);
            parts.insert((key.1, key.2), part);
            for park in parks.iter().filter(|it| it.up + it.down > 0) {
                open.park(names, parked(&effects, park));
            }
            seen(names, &effects, &totals);
            open.totals.extend(totals);
        }
        open.add_received(&received);
        Ok(())
    })?;
    Ok(open)
}

/// Lets the names find the slots of a generation that goes on being open.
pub fn adopt(open: &mut Open, names: &mut Names) {
    for (at, slot) in (0u32..).zip(&open.slots) {
        names.set_slot(slot.name, at);
    }
}

fn received_of(group: &LoggedGroup<'_>) -> [u64; SHARD_COUNT as usize] {
    let mut received = [0; SHARD_COUNT as usize];
    for (shard, bytes) in &group.received {
        received[usize::from(*shard)] = *bytes;
    }
    received
}

/// What was received of a report that is left out was not received.
fn take_out(
    received: &mut [u64; SHARD_COUNT as usize],
    effects: &ReportEffects,
    adds: &[Add],
    parks: &[Park],
    names: &Names,
) {
    let adds = adds.iter().map(|add| (add.shard, add.up + add.down));
    let parks = parks.iter().map(|park| (names.shard(park.name), park.up + park.down));
    for (shard, bytes) in adds.chain(parks).chain(effects.rejected.iter().copied()) {
        let sum = &mut received[usize::from(shard)];
        *sum = sum.saturating_sub(bytes);
    }
}

fn parked(effects: &ReportEffects, park: &Park) -> Parked {
    Parked {
        name: park.name,
        reporter: effects.reporter.clone(),
        incarnation: effects.incarnation,
        sequence: effects.sequence,
        minute: effects.minute,
        up: park.up,
        down: park.down,
    }
}

type Effects = (ReportEffects, Vec<Add>, Vec<Park>, Vec<Total>);

/// The effects of a logged report; its new slots are made.
fn effects_of(report: &LoggedReport<'_>, open: &mut Open, names: &mut Names) -> Result<Effects, LogError> {
    let corrupt = |what| LogError::Corrupt(Corrupt::new(what));
    let reporter = NodeId::parse(report.reporter).map_err(|_| corrupt("a reporter is no id"))?;
    let (mut adds, mut totals) = (Vec::with_capacity(report.adds.len()), Vec::new());
    let total = |name, total| Total { name, reporter: reporter.clone(), incarnation: report.incarnation, total };
    for add in &report.adds {
        let (name, next) = match add.named {
            Named::Before => (open.slots[add.slot as usize].name, 0),
            Named::As(slot) => (open.slots[slot as usize].name, slot),
            Named::Id(id) => (number(names, id).ok_or_else(|| corrupt("an instance is no id"))?, u32::MAX),
        };
        if add.named != Named::Before {
            names.set_known(name);
            open.slots.push(Slot { name, minute: report.minute, next, up: 0, down: 0 });
        }
        let (shard, has_total) = (names.shard(name), add.total.is_some());
        adds.push(Add { slot: add.slot, shard, has_total, up: add.traffic.up, down: add.traffic.down });
        totals.extend(add.total.map(|it| total(name, it)));
    }
    let mut parks = Vec::with_capacity(report.parks.len());
    for park in &report.parks {
        let name = number(names, park.id).ok_or_else(|| corrupt("an instance is no id"))?;
        parks.push(Park { name, total: park.total, up: park.traffic.up, down: park.traffic.down });
        totals.extend(park.total.map(|it| total(name, it)));
    }
    let effects = ReportEffects {
        reporter: reporter.clone(),
        reporter_at: 0,
        incarnation: report.incarnation,
        sequence: report.sequence,
        received_at: report.received_at,
        minute: report.minute,
        totals: report.totals,
        rejected: report.rejected.clone(),
        adds: 0..0,
        parks: 0..0,
        stated: 0..0,
    };
    Ok((effects, adds, parks, totals))
}

fn number(names: &mut Names, id: &str) -> Option<u32> {
    let hash = hash_of(id);
    debug_assert_eq!(super::hot::shard_of(hash), ShardIndex::of_text(id).get());
    names.find(hash, id).or_else(|| names.add(hash, id))
}

#[cfg(test)]
mod tests;
