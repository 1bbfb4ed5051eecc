//! A state of the model: the database, two disks, two processes, one that hangs, a reporter and a reader.
//!
//! The reporter says one thing after the other and may repeat any of them at any time to any replica. What it must keep
//! is what the contract asks: nothing that was acknowledged, unless a disk was lost or a replica retired.

use super::database::{Database, REPLICAS, REPORTS, Units};
use super::process::{Disk, Process};
use super::switch::Scope;

/// What may still happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    pub crashes: u8,
    pub stalls: u8,
    pub lost_disks: u8,
    pub retirements: u8,
    pub failovers: u8,
    pub lost_replies: u8,
    pub reads: u8,
}

/// A process that hangs, and goes on when it wakes although another took its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hanging {
    pub replica: u8,
    pub process: Process,
}

/// A read of the usage of an instance in shard 0, under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reading {
    /// What is visible so far: durable by the snapshot, then the pending of one replica after the other.
    pub visible: Units,
    /// Watermark, life and state of each replica in the snapshot.
    pub marks: [u8; REPLICAS],
    pub lives: [u8; REPLICAS],
    pub are_closed: [bool; REPLICAS],
    /// Reports that were acknowledged when it began.
    pub acknowledged: [bool; REPORTS],
    /// The replica to be asked next.
    pub next: u8,
}

/// What came of the last read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Reader {
    #[default]
    Idle,
    Reading(Reading),
    /// It showed an acknowledged report not once, or any report twice, and said that this was complete.
    Wrong,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub database: Database,
    /// What a standby has, while it is behind. Logs keep what it lacks.
    pub standby: Option<Database>,
    pub disks: [Disk; REPLICAS],
    pub processes: [Option<Process>; REPLICAS],
    pub hanging: Option<Hanging>,
    pub acknowledged: [bool; REPORTS],
    /// A disk was lost or a replica retired: what is not committed is safe only with reporters that kept it.
    pub is_kept_needed: bool,
    pub reader: Reader,
    pub budget: Budget,
}

impl State {
    /// Two replicas that have just started, empty.
    pub fn first(scope: &Scope) -> Self {
        let mut database = Database::default();
        let mut disks = [Disk::default(); REPLICAS];
        let processes = std::array::from_fn(|it| Process::start(it, &mut database, &mut disks[it], None));
        let budget = Budget {
            crashes: scope.crashes,
            stalls: scope.stalls,
            lost_disks: scope.lost_disks,
            retirements: scope.retirements,
            failovers: scope.failovers,
            lost_replies: scope.lost_replies,
            reads: scope.reads,
        };
        Self {
            database,
            standby: None,
            disks,
            processes,
            hanging: None,
            acknowledged: [false; REPORTS],
            is_kept_needed: false,
            reader: Reader::Idle,
            budget,
        }
    }

    /// How many reports were acknowledged; they are the first ones.
    pub fn acknowledged_through(&self) -> u8 {
        (0u8..).zip(self.acknowledged).take_while(|(_, it)| *it).map(|(at, _)| at + 1).last().unwrap_or(0)
    }
}
