//! The intake of reports: who speaks, which message of which life, and what it says of its node.
//!
//! A repeated message is a success and changes nothing; a gap and a stale life are refused. What the process knows of
//! a reporter it learns anew after a restart: facts about nodes are states, so repeating one is harmless.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::aggregation::{NodeReport, report_facts};
use domain::ids::NodeId;
use domain::time::Micros;
use store::{Claim, Store, StoreError};

use super::facts::FactQueue;
use super::homes::Homes;
use crate::clock;
use crate::view::View;

/// A report, as far as this intake reads it.
#[derive(Debug, Clone)]
pub struct IncomingReport {
    pub reporter: NodeId,
    pub incarnation: u64,
    pub sequence: u64,
    pub node: NodeReport,
}

/// A report that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// It had been accepted before.
    pub is_duplicate: bool,
    /// Up to which sequence of this incarnation everything is kept.
    pub logged_through: u64,
}

/// A report that was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ReportRefusal {
    #[error("sequence {expected} is expected next")]
    Gap { expected: u64 },
    #[error("incarnation {current} has been heard already")]
    Stale { current: u64 },
    #[error("no node has the id {reporter}")]
    UnknownNode { reporter: NodeId },
    #[error("too many facts wait to be written")]
    Busy,
    #[error("the fact could not be committed")]
    NotCommitted,
    #[error("the store did not take part")]
    Store(#[from] StoreError),
}

/// Where a reporter is in its life.
#[derive(Debug, Clone, Copy)]
struct Progress {
    incarnation: u64,
    sequence: u64,
    heard: Micros,
}

/// A reporter, for `/v1/reporters`.
#[derive(Debug, Clone)]
pub struct ReporterRow {
    pub id: NodeId,
    pub incarnation: u64,
    pub sequence: u64,
    pub heard: Micros,
}

/// The intake of reports of one process.
pub struct NodeIntake {
    store: Store,
    view: Arc<View>,
    queue: Arc<FactQueue>,
    homes: Arc<Homes>,
    replica: String,
    progress: Mutex<BTreeMap<NodeId, Progress>>,
}

impl NodeIntake {
    /// An intake that has heard nobody.
    pub fn new(store: Store, view: Arc<View>, queue: Arc<FactQueue>, homes: Arc<Homes>, replica: String) -> Self {
        Self { store, view, queue, homes, replica, progress: Mutex::default() }
    }

    /// The replica whose intake this is.
    pub fn replica(&self) -> &str {
        &self.replica
    }

    /// The facts on their way into the store.
    pub fn queue(&self) -> Arc<FactQueue> {
        Arc::clone(&self.queue)
    }

    /// The nodes whose silence this process judges.
    pub fn homes(&self) -> Arc<Homes> {
        Arc::clone(&self.homes)
    }

    /// The reporters that this process has heard, by id.
    pub fn reporters(&self) -> Vec<ReporterRow> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let row = |(id, it): (&NodeId, &Progress)| ReporterRow {
            id: id.clone(),
            incarnation: it.incarnation,
            sequence: it.sequence,
            heard: it.heard,
        };
        progress.iter().map(row).collect()
    }

    /// Takes a report. When it changes a fact, the answer waits until the fact is committed.
    ///
    /// # Errors
    /// [`ReportRefusal`] when the message is not the next of the reporter's life, or nothing could be kept.
    pub async fn report(&self, report: IncomingReport) -> Result<Accepted, ReportRefusal> {
        let topology = self.view.topology();
        let reporter = &report.reporter;
        let Some(at) = topology.topology.find_node_ix(reporter) else {
            return Err(ReportRefusal::UnknownNode { reporter: reporter.clone() });
        };
        if self.check_sequence(&report)? {
            return Ok(Accepted { is_duplicate: true, logged_through: self.logged_through(reporter) });
        }
        self.come_home(reporter).await?;
        let now = clock::now();
        let before = self.queue.latest(&self.view, reporter, topology.topology.facts(at).0);
        let after = report_facts(before, report.node, now);
        if after != before {
            let committed = self.queue.put(reporter.clone(), after).ok_or(ReportRefusal::Busy)?;
            committed.await.map_err(|_| ReportRefusal::NotCommitted)?;
        }
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let (incarnation, sequence) = (report.incarnation, report.sequence);
        let known = progress.entry(reporter.clone()).or_insert(Progress { incarnation, sequence, heard: now });
        // A slow report must not set back what a faster one has reached.
        if (incarnation, sequence) >= (known.incarnation, known.sequence) {
            *known = Progress { incarnation, sequence, heard: now };
        }
        Ok(Accepted { is_duplicate: false, logged_through: sequence })
    }

    /// Whether the message is a repetition.
    fn check_sequence(&self, report: &IncomingReport) -> Result<bool, ReportRefusal> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = progress.get(&report.reporter) else { return Ok(false) };
        if report.incarnation < known.incarnation {
            return Err(ReportRefusal::Stale { current: known.incarnation });
        }
        let expected = if report.incarnation == known.incarnation { known.sequence + 1 } else { 1 };
        if report.sequence > expected {
            return Err(ReportRefusal::Gap { expected });
        }
        Ok(report.sequence < expected)
    }

    fn logged_through(&self, reporter: &NodeId) -> u64 {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.get(reporter).map_or(0, |known| known.sequence)
    }

    /// Hears of the node, and claims it when its silence was another process's to judge.
    async fn come_home(&self, node: &NodeId) -> Result<(), StoreError> {
        let now = clock::monotonic();
        if self.homes.hear(node, now) {
            return Ok(());
        }
        let claimed = self.store.claim_homes(std::slice::from_ref(node), &self.replica, Claim::Take).await?;
        for (node, home) in claimed {
            self.homes.settle(node, home, now);
        }
        Ok(())
    }
}
