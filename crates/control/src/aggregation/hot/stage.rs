//! Judges reports and stages what they do: whose turn it is, what is known, parked, skipped, refused.
//!
//! Nothing that is staged counts yet. All that is staged since the last group can be taken back, so that a log that
//! fails leaves no trace. The bytes received are those that the parser counted; nothing here derives them.

use domain::aggregation::{
    Minute, Position, SHARD_COUNT, ShardIndex, ShardSet, Traffic, Turn, advance, place, room, turn,
};
use domain::ids::NodeId;
use store::ReporterTotals;
use wire::report::{ItemFault, Refused, ReportKind};

use super::group::{Add, Group, Park, ReportEffects};
use super::names::{NameIx, shard_of};
use super::open::Open;
use super::reporters::Reporters;
use super::submission::Submission;
use super::{Hot, Names};

/// What became of a report that was staged.
#[derive(Debug, Default)]
pub struct Staged {
    pub reporter_at: u32,
    pub incarnation: u64,
    pub sequence: u64,
    pub accepted: u64,
    pub parked: u64,
    /// Items refused here; those that the parser refused are in the report.
    pub rejected: Vec<Refused>,
}

/// What a report is.
#[derive(Debug)]
pub enum Verdict {
    Staged(Staged),
    /// It was accepted before; `is_logged` tells whether the original is already kept.
    Duplicate {
        reporter_at: u32,
        is_logged: bool,
    },
    Gap {
        expected: u64,
    },
    Stale {
        current: u64,
    },
    /// More of it would be kept aside than may be.
    TooManyParked,
    /// The store has to be asked about the reporter first.
    Unintroduced,
}

/// What can be taken back.
#[derive(Debug)]
enum Undo {
    Reporter { at: u32, incarnation: u64, staged: u64, received: u64, parked_pending: u64 },
    Baseline { at: u32, incarnation: u64, name: NameIx, before: Option<Traffic> },
}

/// What is staged since the last group was settled.
pub struct Stage {
    pub group: Group,
    undo: Vec<Undo>,
}

struct Mark {
    adds: usize,
    parks: usize,
    stated: usize,
    undo: usize,
    slots: usize,
    names: usize,
}

/// How one report is being staged.
struct Running<'a> {
    minute: Minute,
    skipped: ShardSet,
    has_room: bool,
    parked_max: u64,
    at: u32,
    staged: Staged,
    totals: ReporterTotals,
    rejected: Vec<(u8, u64)>,
    /// Of a cumulative report: what its totals mean.
    received: [u64; SHARD_COUNT as usize],
    knows: &'a dyn Fn(&str) -> bool,
}

impl Hot {
    /// A stage over what is there.
    pub fn begin(&self) -> Stage {
        Stage { group: Group::new(self.open.slots.len(), self.names.count()), undo: Vec::new() }
    }

    /// Judges a report and stages what it does.
    pub fn stage(
        &mut self,
        stage: &mut Stage,
        submission: &Submission,
        parked_max: u64,
        knows: &dyn Fn(&str) -> bool,
    ) -> Verdict {
        let report = &submission.report;
        let at = match self.meet(submission) {
            Ok(at) => at,
            Err(verdict) => return verdict,
        };
        let held = self.reporters.get(at);
        let known = Position { incarnation: held.incarnation, sequence: held.staged };
        match turn(Some(known), Position { incarnation: report.incarnation, sequence: report.sequence }) {
            Turn::Next => {}
            Turn::Duplicate => {
                return Verdict::Duplicate { reporter_at: at, is_logged: report.sequence <= held.logged };
            }
            Turn::Gap { expected } => return Verdict::Gap { expected },
            Turn::Stale { current } => return Verdict::Stale { current },
            // A newer life is introduced first.
            Turn::NewLife => return Verdict::Unintroduced,
        }
        let mark = self.mark(stage);
        let sent = submission.received.iter().fold(0u64, |sum, it| sum.saturating_add(*it));
        let running = Running {
            minute: place(report.observed_at, submission.received_at).minute,
            skipped: held.vector.skipped(report.sequence),
            has_room: self.has_room(at, submission, sent),
            parked_max,
            at,
            staged: Staged {
                reporter_at: at,
                incarnation: report.incarnation,
                sequence: report.sequence,
                ..Staged::default()
            },
            totals: ReporterTotals::default(),
            rejected: Vec::new(),
            received: [0; SHARD_COUNT as usize],
            knows,
        };
        let (staged, received, parked_pending) = (held.staged, held.received, held.parked_pending);
        let incarnation = held.incarnation;
        stage.undo.push(Undo::Reporter { at, incarnation, staged, received, parked_pending });
        match self.stage_items(stage, submission, running) {
            Some(running) => Verdict::Staged(self.finish(stage, submission, mark, running, sent)),
            None => {
                self.take_back(stage, &mark);
                Verdict::TooManyParked
            }
        }
    }

    /// The place of the reporter, if enough is known of it.
    fn meet(&mut self, submission: &Submission) -> Result<u32, Verdict> {
        let report = &submission.report;
        if let Some(introduction) = &submission.introduction {
            let Self { reporters, names, .. } = self;
            reporters.introduce(names, &report.reporter, introduction, submission.received_at);
        }
        let at = self.reporters.find(&report.reporter).ok_or(Verdict::Unintroduced)?;
        let held = self.reporters.get(at);
        let is_missing = report.kind == ReportKind::Cumulative && held.baselines.is_none();
        if held.is_strange
            || held.incarnation < report.incarnation
            || (held.incarnation == report.incarnation && is_missing)
        {
            return Err(Verdict::Unintroduced);
        }
        Ok(at)
    }

    /// Whether the sums have room for all of a report, whatever of it counts.
    fn has_room(&self, at: u32, submission: &Submission, sent: u64) -> bool {
        let most = match submission.report.kind {
            ReportKind::Delta => sent,
            ReportKind::Cumulative => submission
                .report
                .traffic()
                .fold(0u64, |sum, item| sum.saturating_add(item.up).saturating_add(item.down)),
        };
        let item = Traffic { up: most, down: 0 };
        room(self.reporters.get(at).received, item) && self.received.iter().all(|received| room(*received, item))
    }

    /// Stages the items; `None` when too many would be kept aside.
    fn stage_items<'a>(
        &mut self,
        stage: &mut Stage,
        submission: &Submission,
        mut running: Running<'a>,
    ) -> Option<Running<'a>> {
        let is_cumulative = submission.report.kind == ReportKind::Cumulative;
        for (item, hash) in submission.report.traffic().zip(&submission.hashes) {
            let stated = Traffic { up: item.up, down: item.down };
            if !running.has_room || item.lease.is_some() {
                running.refuse(item.index, item.instance, *hash, stated, is_cumulative);
                continue;
            }
            let is_skipped = !running.skipped.is_empty()
                && ShardIndex::new(shard_of(*hash)).is_some_and(|shard| running.skipped.contains(shard));
            if is_skipped {
                // Durable in its shard since before the disk was lost; what a total added is not known any more.
                if !is_cumulative {
                    running.totals.counted += stated.up + stated.down;
                }
                running.staged.accepted += 1;
                continue;
            }
            let Some((name, is_known)) = self.name_of(*hash, item.instance, running.knows) else {
                running.refuse(item.index, item.instance, *hash, stated, is_cumulative);
                continue;
            };
            let (delta, total) = match is_cumulative {
                false => (stated, None),
                true => self.advance(stage, &mut running, name, stated, item.index, *hash),
            };
            if is_known {
                running.totals.counted += delta.up + delta.down;
                running.staged.accepted += 1;
                if !delta.is_zero() || total.is_some() {
                    self.add(stage, name, running.minute, delta, total, *hash);
                }
            } else if !self.park(stage, &mut running, name, delta, total) {
                return None;
            }
        }
        Some(running)
    }

    /// The number of an instance, and whether the view knows it; `None` when no number is left.
    fn name_of(&mut self, hash: u64, id: &str, knows: &dyn Fn(&str) -> bool) -> Option<(NameIx, bool)> {
        let name = match self.names.find(hash, id) {
            Some(name) if self.names.is_known(name) => return Some((name, true)),
            Some(name) => name,
            None => self.names.add(hash, id)?,
        };
        let is_known = knows(id);
        if is_known {
            self.names.set_known(name);
        }
        Some((name, is_known))
    }

    /// What a running total adds, and the total if it has to be written down.
    fn advance(
        &mut self,
        stage: &mut Stage,
        running: &mut Running<'_>,
        name: NameIx,
        total: Traffic,
        index: u32,
        hash: u64,
    ) -> (Traffic, Option<Traffic>) {
        let reporter = self.reporters.get_mut(running.at);
        let baselines = reporter.baselines.get_or_insert_default();
        let before = baselines.get(&name).copied();
        if before == Some(total) {
            return (Traffic::ZERO, None);
        }
        let advance = advance(before, total);
        baselines.insert(name, advance.baseline);
        let (at, incarnation) = (running.at, running.staged.incarnation);
        stage.undo.push(Undo::Baseline { at, incarnation, name, before });
        if advance.is_rewind {
            let detail = "the running total fell: nothing was counted, it is the new baseline".to_owned();
            running.staged.rejected.push(Refused {
                index,
                code: ItemFault::Rewind,
                detail,
                instance: None,
                up: 0,
                down: 0,
            });
        }
        let sum = &mut running.received[usize::from(shard_of(hash))];
        *sum += advance.delta.up + advance.delta.down;
        (advance.delta, Some(advance.baseline))
    }

    fn add(
        &mut self,
        stage: &mut Stage,
        name: NameIx,
        minute: Minute,
        delta: Traffic,
        total: Option<Traffic>,
        hash: u64,
    ) {
        let slot = self.open.slot_of(&mut self.names, name, minute);
        let (shard, has_total) = (shard_of(hash), total.is_some());
        stage.group.adds.push(Add { slot, shard, has_total, up: delta.up, down: delta.down });
        stage.group.stated.extend(total);
    }

    /// Keeps an item aside; false when too many are.
    fn park(
        &mut self,
        stage: &mut Stage,
        running: &mut Running<'_>,
        name: NameIx,
        delta: Traffic,
        total: Option<Traffic>,
    ) -> bool {
        if delta.is_zero() && total.is_none() {
            running.staged.parked += 1;
            return true;
        }
        let reporter = self.reporters.get_mut(running.at);
        if reporter.parked_pending + reporter.parked_stored >= running.parked_max {
            return false;
        }
        reporter.parked_pending += 1;
        running.totals.parked += delta.up + delta.down;
        running.staged.parked += 1;
        stage.group.parks.push(Park { name, total, up: delta.up, down: delta.down });
        true
    }

    fn mark(&self, stage: &Stage) -> Mark {
        let Group { adds, parks, stated, .. } = &stage.group;
        Mark {
            adds: adds.len(),
            parks: parks.len(),
            stated: stated.len(),
            undo: stage.undo.len(),
            slots: self.open.slots.len(),
            names: self.names.count(),
        }
    }

    /// Writes down the report among the group's.
    fn finish(
        &mut self,
        stage: &mut Stage,
        submission: &Submission,
        mark: Mark,
        mut running: Running<'_>,
        sent: u64,
    ) -> Staged {
        let report = &submission.report;
        let is_cumulative = report.kind == ReportKind::Cumulative;
        let by_shard = if is_cumulative { &running.received } else { &*submission.received };
        let is_held = |shard: u8| ShardIndex::new(shard).is_some_and(|it| running.skipped.contains(it));
        let refused = submission.refused.iter().filter(|_| running.has_room);
        for (shard, bytes) in refused {
            running.totals.rejected += bytes;
            running.rejected.push((*shard, *bytes));
        }
        running.rejected.retain(|(shard, _)| !is_held(*shard));
        let sent = if is_cumulative { by_shard.iter().sum() } else { sent };
        running.totals.received = if running.has_room { sent } else { 0 };
        if running.has_room {
            for ((sum, bytes), shard) in stage.group.received.iter_mut().zip(by_shard).zip(0u8..) {
                if !is_held(shard) {
                    *sum += bytes;
                    self.received[usize::from(shard)] += bytes;
                }
            }
        }
        let reporter = self.reporters.get_mut(running.at);
        reporter.staged = report.sequence;
        reporter.received += running.totals.received;
        let group = &mut stage.group;
        group.reports.push(ReportEffects {
            reporter: reporter.id.clone(),
            reporter_at: running.at,
            incarnation: report.incarnation,
            sequence: report.sequence,
            received_at: submission.received_at,
            minute: running.minute,
            totals: running.totals,
            rejected: running.rejected,
            adds: mark.adds..group.adds.len(),
            parks: mark.parks..group.parks.len(),
            stated: mark.stated..group.stated.len(),
        });
        running.staged
    }

    /// Takes back what was staged since a mark.
    fn take_back(&mut self, stage: &mut Stage, mark: &Mark) {
        let Self { reporters, open, names, .. } = self;
        for undo in stage.undo.drain(mark.undo..).rev() {
            take_back_one(reporters, undo);
        }
        stage.group.adds.truncate(mark.adds);
        stage.group.parks.truncate(mark.parks);
        stage.group.stated.truncate(mark.stated);
        open.truncate(names, mark.slots);
        names.truncate(mark.names);
    }

    /// Takes back all of a stage: the log did not take it.
    pub fn abandon(&mut self, mut stage: Stage) {
        for (sum, received) in self.received.iter_mut().zip(stage.group.received.iter()) {
            *sum -= received;
        }
        let (slots, names) = (stage.group.slots_before, stage.group.names_before);
        self.take_back(&mut stage, &Mark { adds: 0, parks: 0, stated: 0, undo: 0, slots, names });
    }

    /// Counts what is logged.
    pub fn apply(&mut self, stage: Stage) {
        let Group { reports, adds, parks, stated, received, .. } = stage.group;
        let Self { open, reporters, names, .. } = self;
        open.add_received(&received);
        for effects in &reports {
            let reporter = reporters.get_mut(effects.reporter_at);
            let is_this_life = reporter.incarnation == effects.incarnation;
            let known = match is_this_life {
                true => reporter.part_in(open.generation),
                // A newer life was introduced in the same group.
                false => open.find_part(&effects.reporter, effects.incarnation),
            };
            let part = open.apply(effects, &adds[effects.adds.clone()], known);
            if is_this_life {
                reporter.part = Some((open.generation, part));
                reporter.logged = effects.sequence;
            }
            reporter.heard = effects.received_at;
            keep_parked(open, names, effects, &parks[effects.parks.clone()]);
            keep_totals(open, effects, &adds[effects.adds.clone()], &stated[effects.stated.clone()]);
        }
    }
}

fn take_back_one(reporters: &mut Reporters, undo: Undo) {
    match undo {
        Undo::Reporter { at, incarnation, staged, received, parked_pending } => {
            let reporter = reporters.get_mut(at);
            reporter.parked_pending = parked_pending;
            // A newer life that came meanwhile has figures of its own.
            if reporter.incarnation == incarnation {
                (reporter.staged, reporter.received) = (staged, received);
            }
        }
        Undo::Baseline { at, incarnation, name, before } => {
            let reporter = reporters.get_mut(at);
            if reporter.incarnation != incarnation {
                return;
            }
            let baselines = reporter.baselines.get_or_insert_default();
            match before {
                Some(before) => baselines.insert(name, before),
                None => baselines.remove(&name),
            };
        }
    }
}

fn keep_parked(open: &mut Open, names: &Names, effects: &ReportEffects, parks: &[Park]) {
    for park in parks {
        open.note_total(park.name, effects, park.total);
        if park.up + park.down == 0 {
            continue;
        }
        open.park(names, parked(effects, park));
    }
}

fn parked(effects: &ReportEffects, park: &Park) -> super::open::Parked {
    let reporter: NodeId = effects.reporter.clone();
    let Park { name, up, down, .. } = *park;
    let (incarnation, sequence, minute) = (effects.incarnation, effects.sequence, effects.minute);
    super::open::Parked { name, reporter, incarnation, sequence, minute, up, down }
}

fn keep_totals(open: &mut Open, effects: &ReportEffects, adds: &[Add], stated: &[Traffic]) {
    if stated.is_empty() {
        return;
    }
    // The totals of parked items stand in the items themselves.
    for (add, total) in adds.iter().filter(|it| it.has_total).zip(stated) {
        let name = open.slots[add.slot as usize].name;
        open.note_total(name, effects, Some(*total));
    }
}

impl Running<'_> {
    /// Refuses an item of traffic that the parser took.
    fn refuse(&mut self, index: u32, instance: &str, hash: u64, stated: Traffic, is_cumulative: bool) {
        let (code, detail) = match self.has_room {
            true => (ItemFault::UnknownLease, "there is no lease of this reporter and instance".to_owned()),
            false => (ItemFault::Overflow, "a sum of bytes has no room for it".to_owned()),
        };
        // Where no sum has room nothing was received either, and of a refused total nobody knows what it added.
        let bytes = if self.has_room && !is_cumulative { stated.up + stated.down } else { 0 };
        if bytes > 0 {
            self.totals.rejected += bytes;
            self.rejected.push((shard_of(hash), bytes));
        }
        let instance = domain::ids::InstanceId::parse(instance).ok();
        self.staged.rejected.push(Refused { index, code, detail, instance, up: stated.up, down: stated.down });
    }
}
