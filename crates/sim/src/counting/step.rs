//! The steps: each action of the model, carried out on a state. `None` means that nothing changed or it cannot happen.
//!
//! A step is as small as what a crash can cut in two: one transaction, one write of the log, one move of the memory.

use super::database::{Blob, Refused, SHARDS};
use super::process::{Flush, Process, Taken};
use super::state::{Hanging, Reader, Reading, State};
use super::switch::{Defect, Scope};

/// What may happen next. Replicas and shards by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A report reaches a replica, for the first time or again; the answer may get lost.
    Receive {
        replica: u8,
        sequence: u8,
        is_answered: bool,
    },
    /// What memory holds goes to the log; only where it was acknowledged before.
    Log {
        replica: u8,
    },
    /// Closes the open generation for all shards.
    Cut {
        replica: u8,
    },
    /// Closes it for one; only where each is sealed alone.
    CutShard {
        replica: u8,
        shard: u8,
    },
    /// The first transaction of a flush.
    WriteBlobs {
        replica: u8,
    },
    /// The transaction of a shard; the answer may get lost.
    Commit {
        replica: u8,
        shard: u8,
        is_answered: bool,
    },
    /// The second transaction of a shard, where there are two.
    CommitRest {
        replica: u8,
    },
    /// Looks where the watermark stands after a lost answer.
    Resolve {
        replica: u8,
    },
    /// Drops from memory what is committed.
    Forget {
        replica: u8,
    },
    /// The store folds blobs.
    CleanStore {
        replica: u8,
    },
    /// The log drops what the store has folded.
    CleanLog {
        replica: u8,
    },
    /// Retention deletes ledger rows; only where something depends on them.
    PruneLedger {
        replica: u8,
    },
    Crash {
        replica: u8,
    },
    Start {
        replica: u8,
    },
    /// A process hangs; it is taken for dead.
    Stall {
        replica: u8,
    },
    /// The one that hangs writes its blobs.
    WakeAndWriteBlobs,
    /// The one that hangs commits a shard.
    WakeAndCommit {
        shard: u8,
    },
    /// A disk is replaced by a copy as it was at that cut; 0 is an empty one.
    LoseDisk {
        replica: u8,
        cut: u8,
    },
    Retire {
        replica: u8,
    },
    /// A standby of the database stops following.
    FallBehind,
    /// It takes over.
    FailOver,
    /// A process looks whether the watermarks are where it thinks.
    CompareMarks {
        replica: u8,
    },
    /// A reader takes its snapshot.
    Look,
    /// It asks the next replica.
    Ask,
}

/// Carries an action out.
pub fn step(state: &State, action: Action, scope: &Scope, defect: Option<Defect>) -> Option<State> {
    let mut next = state.clone();
    let is_done = match action {
        Action::Receive { replica, sequence, is_answered } => {
            receive(&mut next, usize::from(replica), sequence, is_answered, scope, defect)
        }
        Action::Log { replica } => log(&mut next, usize::from(replica)),
        Action::Cut { replica } => cut(&mut next, usize::from(replica), None, scope.cuts),
        Action::CutShard { replica, shard } => {
            cut(&mut next, usize::from(replica), Some(usize::from(shard)), scope.cuts)
        }
        Action::WriteBlobs { replica } => write_blobs(&mut next, usize::from(replica), defect),
        Action::Commit { replica, shard, is_answered } => {
            commit(&mut next, usize::from(replica), usize::from(shard), is_answered, scope, defect)
        }
        Action::CommitRest { replica } => commit_rest(&mut next, usize::from(replica), scope, defect),
        Action::Resolve { replica } => resolve(&mut next, usize::from(replica), defect),
        Action::Forget { replica } => forget(&mut next, usize::from(replica)),
        Action::CleanStore { replica } => clean_store(&mut next, usize::from(replica), defect),
        Action::CleanLog { replica } => clean_log(&mut next, usize::from(replica)),
        Action::PruneLedger { replica } => prune_ledger(&mut next, usize::from(replica)),
        Action::Crash { replica } => crash(&mut next, usize::from(replica)),
        Action::Start { replica } => start(&mut next, usize::from(replica), defect),
        Action::Stall { replica } => stall(&mut next, replica),
        Action::WakeAndWriteBlobs => wake_and_write_blobs(&mut next, defect),
        Action::WakeAndCommit { shard } => wake_and_commit(&mut next, usize::from(shard), scope, defect),
        Action::LoseDisk { replica, cut } => lose_disk(&mut next, usize::from(replica), cut),
        Action::Retire { replica } => retire(&mut next, usize::from(replica), defect),
        Action::FallBehind => fall_behind(&mut next),
        Action::FailOver => fail_over(&mut next),
        Action::CompareMarks { replica } => compare_marks(&mut next, usize::from(replica), defect),
        Action::Look => look(&mut next),
        Action::Ask => ask(&mut next, defect),
    };
    (is_done && next != *state).then_some(next)
}

fn receive(
    state: &mut State,
    replica: usize,
    sequence: u8,
    is_answered: bool,
    scope: &Scope,
    defect: Option<Defect>,
) -> bool {
    let Some(process) = &mut state.processes[replica] else { return false };
    let (database, disk) = (&mut state.database, &mut state.disks[replica]);
    let taken = process.receive(replica, sequence, scope.is_cumulative, database, disk, defect);
    if is_answered && taken != Taken::Refused {
        state.acknowledged[usize::from(sequence) - 1] = true;
    }
    true
}

fn log(state: &mut State, replica: usize) -> bool {
    let Some(process) = &state.processes[replica] else { return false };
    state.disks[replica].entries = process.disk.entries;
    true
}

fn cut(state: &mut State, replica: usize, only: Option<usize>, cuts: u8) -> bool {
    let Some(process) = &mut state.processes[replica] else { return false };
    for shard in (0..SHARDS).filter(|shard| only.is_none_or(|only| only == *shard)) {
        if !process.has_open(shard) || process.disk.cut[shard] >= cuts {
            return false;
        }
        process.disk.cut[shard] += 1;
        state.disks[replica].cut[shard] = process.disk.cut[shard];
    }
    true
}

fn write_blobs(state: &mut State, replica: usize, defect: Option<Defect>) -> bool {
    let Some(process) = &mut state.processes[replica] else { return false };
    if process.flush != Flush::Idle || !process.has_uncommitted(process.sealed()) {
        return false;
    }
    let to = process.sealed();
    match state.database.put_blobs(process.writer(replica), &process.blobs(to), defect) {
        Ok(()) => process.flush = Flush::Blobs { to },
        Err(Refused::Stranded) => process.withhold(to),
        Err(_) => state.processes[replica] = None,
    }
    if let (Some(Defect::CleanupBeforeCommit), Some(process)) = (defect, &mut state.processes[replica]) {
        process.cleaned = to;
    }
    true
}

fn commit(
    state: &mut State,
    replica: usize,
    shard: usize,
    is_answered: bool,
    scope: &Scope,
    defect: Option<Defect>,
) -> bool {
    let Some(process) = &mut state.processes[replica] else { return false };
    let Flush::Blobs { to: end } = process.flush else { return false };
    let to = process.target(shard, end);
    if process.marks[shard] >= to {
        return false;
    }
    let commit = process.shard_commit(shard, to, scope.is_cumulative);
    let number = u8::try_from(shard).unwrap_or(0);
    if matches!(defect, Some(Defect::LedgerBeforeUsage | Defect::LedgerAfterUsage)) {
        if defect == Some(Defect::LedgerBeforeUsage) {
            state.database.replicas[replica].marks[shard].generation = to;
        } else {
            state.database.add_usage(replica, &commit);
        }
        process.flush = Flush::Half { to: end, shard: number };
        return true;
    }
    let done = state.database.commit_shard(process.writer(replica), &commit, defect);
    if !is_answered {
        // Lost is the answer of a commit; one that was refused is asked again without harm.
        state.budget.lost_replies -= 1;
        process.flush = Flush::Unsure { to: end, shard: number };
        return done.is_ok();
    }
    match done {
        Ok(()) => process.advance(shard, to),
        // The database is not the one that it knew: it reads its log again, as a start does.
        Err(_) => state.processes[replica] = None,
    }
    true
}

fn commit_rest(state: &mut State, replica: usize, scope: &Scope, defect: Option<Defect>) -> bool {
    let Some(process) = &mut state.processes[replica] else { return false };
    let Flush::Half { to, shard } = process.flush else { return false };
    let shard = usize::from(shard);
    if defect == Some(Defect::LedgerBeforeUsage) {
        state.database.add_usage(replica, &process.shard_commit(shard, to, scope.is_cumulative));
    } else {
        state.database.replicas[replica].marks[shard].generation = to;
    }
    process.flush = Flush::Blobs { to };
    process.advance(shard, to);
    true
}

fn resolve(state: &mut State, replica: usize, defect: Option<Defect>) -> bool {
    let Some(process) = &mut state.processes[replica] else { return false };
    let Flush::Unsure { to, shard } = process.flush else { return false };
    let shard = usize::from(shard);
    let rows = &state.database.replicas[replica];
    if rows.is_closed || rows.life != process.life {
        state.processes[replica] = None;
        return true;
    }
    process.flush = Flush::Blobs { to };
    match defect {
        // Nothing to look at: it is sent again.
        Some(Defect::NoWatermark) => {}
        Some(Defect::PrunedLedger) if rows.marks[shard].ledger & (1 << to) == 0 => {}
        Some(Defect::PrunedLedger) => process.advance(shard, to),
        _ => process.reread(shard, rows.generation(shard)),
    }
    true
}

impl Process {
    /// A shard is committed through this generation.
    fn advance(&mut self, shard: usize, to: u8) {
        self.reread(shard, to);
    }

    /// The watermark stands here; the flush is over when all have reached its end.
    fn reread(&mut self, shard: usize, generation: u8) {
        self.marks[shard] = generation;
        if let Flush::Blobs { to } = self.flush
            && !self.has_uncommitted(to)
        {
            self.flush = Flush::Idle;
        }
    }
}

fn forget(state: &mut State, replica: usize) -> bool {
    let Some(process) = &mut state.processes[replica] else { return false };
    process.serves_above = process.marks;
    true
}

fn clean_store(state: &mut State, replica: usize, defect: Option<Defect>) -> bool {
    let Some(process) = &mut state.processes[replica] else { return false };
    if process.flush != Flush::Idle || defect == Some(Defect::CleanupBeforeCommit) {
        return false;
    }
    if matches!(defect, Some(Defect::NoWatermark | Defect::PrunedLedger)) {
        process.cleaned = process.marks.iter().copied().min().unwrap_or(0);
        return true;
    }
    let standby = state.standby.as_ref().filter(|_| defect != Some(Defect::CleanupWithoutRetention));
    let old_enough = standby.map_or(u8::MAX, |it| it.replicas[replica].smallest());
    match state.database.fold(process.writer(replica), old_enough) {
        Ok(through) => process.cleaned = through,
        Err(_) => state.processes[replica] = None,
    }
    true
}

fn clean_log(state: &mut State, replica: usize) -> bool {
    let Some(process) = &state.processes[replica] else { return false };
    let cleaned = process.cleaned;
    let disk = &mut state.disks[replica];
    disk.begins_after = cleaned.max(disk.begins_after);
    for entry in &mut disk.entries {
        if entry.generations.iter().all(|generation| *generation <= cleaned) {
            *entry = Default::default();
        }
    }
    true
}

fn prune_ledger(state: &mut State, replica: usize) -> bool {
    state.database.replicas[replica].marks.iter_mut().for_each(|mark| mark.ledger = 0);
    true
}

fn crash(state: &mut State, replica: usize) -> bool {
    let is_up = state.processes[replica].take().is_some() && state.budget.crashes > 0;
    state.budget.crashes = state.budget.crashes.saturating_sub(1);
    is_up
}

fn start(state: &mut State, replica: usize, defect: Option<Defect>) -> bool {
    if state.processes[replica].is_some() {
        return false;
    }
    state.processes[replica] = Process::start(replica, &mut state.database, &mut state.disks[replica], defect);
    state.processes[replica].is_some()
}

fn stall(state: &mut State, replica: u8) -> bool {
    let Some(process) = state.processes[usize::from(replica)].take() else { return false };
    if state.budget.stalls == 0 || state.hanging.is_some() {
        return false;
    }
    state.budget.stalls -= 1;
    state.hanging = Some(Hanging { replica, process });
    true
}

fn wake_and_write_blobs(state: &mut State, defect: Option<Defect>) -> bool {
    let Some(hanging) = &mut state.hanging else { return false };
    let replica = usize::from(hanging.replica);
    let process = &mut hanging.process;
    if process.flush != Flush::Idle || !process.has_uncommitted(process.sealed()) {
        return false;
    }
    let to = process.sealed();
    let blobs: Vec<(u8, Blob)> = process.blobs(to);
    match state.database.put_blobs(process.writer(replica), &blobs, defect) {
        Ok(()) => process.flush = Flush::Blobs { to },
        Err(_) => state.hanging = None,
    }
    true
}

fn wake_and_commit(state: &mut State, shard: usize, scope: &Scope, defect: Option<Defect>) -> bool {
    let Some(hanging) = &mut state.hanging else { return false };
    let replica = usize::from(hanging.replica);
    let process = &mut hanging.process;
    let Flush::Blobs { to: end } = process.flush else { return false };
    let to = process.target(shard, end);
    if process.marks[shard] >= to {
        return false;
    }
    let commit = process.shard_commit(shard, to, scope.is_cumulative);
    match state.database.commit_shard(process.writer(replica), &commit, defect) {
        Ok(()) => process.advance(shard, to),
        Err(_) => state.hanging = None,
    }
    true
}

fn lose_disk(state: &mut State, replica: usize, cut: u8) -> bool {
    if state.budget.lost_disks == 0 || state.processes[replica].is_some() {
        return false;
    }
    state.budget.lost_disks -= 1;
    let disk = &mut state.disks[replica];
    for entry in &mut disk.entries {
        if entry.generations.iter().any(|generation| *generation > cut) {
            *entry = Default::default();
        }
    }
    disk.cut.iter_mut().for_each(|it| *it = cut.min(*it));
    state.is_kept_needed = true;
    true
}

fn retire(state: &mut State, replica: usize, defect: Option<Defect>) -> bool {
    if state.budget.retirements == 0 || state.database.replicas[replica].is_closed {
        return false;
    }
    state.budget.retirements -= 1;
    state.database.retire(replica, defect);
    state.is_kept_needed = true;
    true
}

fn fall_behind(state: &mut State) -> bool {
    if state.budget.failovers == 0 || state.standby.is_some() {
        return false;
    }
    state.budget.failovers -= 1;
    state.standby = Some(state.database);
    true
}

fn fail_over(state: &mut State) -> bool {
    let Some(standby) = state.standby.take() else { return false };
    // Who was claimed meanwhile may be claimed again elsewhere: what the first one took is stranded.
    state.is_kept_needed |= standby.home != state.database.home;
    state.database = standby;
    true
}

fn compare_marks(state: &mut State, replica: usize, defect: Option<Defect>) -> bool {
    if matches!(defect, Some(Defect::NoWatermark | Defect::PrunedLedger)) {
        return false;
    }
    let Some(process) = &state.processes[replica] else { return false };
    let rows = &state.database.replicas[replica];
    let is_same = rows.life == process.life && (0..SHARDS).all(|shard| rows.generation(shard) >= process.marks[shard]);
    if !is_same {
        state.processes[replica] = None;
    }
    !is_same
}

fn look(state: &mut State) -> bool {
    if state.budget.reads == 0 || state.reader != Reader::Idle {
        return false;
    }
    state.budget.reads -= 1;
    let replicas = &state.database.replicas;
    state.reader = Reader::Reading(Reading {
        visible: state.database.usage[0],
        marks: replicas.each_ref().map(|it| it.generation(0)),
        lives: replicas.each_ref().map(|it| it.life),
        are_closed: replicas.each_ref().map(|it| it.is_closed),
        acknowledged: state.acknowledged,
        next: 0,
    });
    true
}

/// Asks the next replica; after the last one the answer is shown, or it is read again, or said to be incomplete.
fn ask(state: &mut State, defect: Option<Defect>) -> bool {
    let Reader::Reading(mut reading) = state.reader else { return false };
    let at = usize::from(reading.next);
    if !reading.are_closed[at] {
        let is_lax = defect == Some(Defect::ReaderNeverReadsAgain);
        let process = state.processes[at].filter(|it| is_lax || it.serves_above[0] <= reading.marks[at]);
        let Some(process) = process else {
            state.reader = Reader::Idle;
            return true;
        };
        for (index, entry) in process.disk.entries.iter().enumerate() {
            if entry.generations[0] > reading.marks[at].max(process.serves_above[0]) {
                let units = usize::from(entry.units[0]);
                reading.visible[index + 1 - units..=index].iter_mut().for_each(|count| *count += 1);
            }
        }
    }
    reading.next += 1;
    if usize::from(reading.next) < reading.marks.len() {
        state.reader = Reader::Reading(reading);
        return true;
    }
    let replicas = &state.database.replicas;
    let is_same = replicas.each_ref().map(|it| it.is_closed) == reading.are_closed
        && replicas.each_ref().map(|it| it.life) == reading.lives;
    let must_show = |index: usize| reading.acknowledged[index] && !state.is_kept_needed;
    let is_right = |(index, count): (usize, &u8)| *count == 1 || (*count == 0 && !must_show(index));
    let is_right = reading.visible.iter().enumerate().all(is_right);
    let is_shown = is_same || defect == Some(Defect::ReaderMissesRetirement);
    state.reader = if is_shown && !is_right { Reader::Wrong } else { Reader::Idle };
    true
}
