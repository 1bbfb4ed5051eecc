//! The intake of reports: who speaks, what it says of its node, what it counted.
//!
//! A report goes to the writer and is answered when it is logged; when it changes a fact about its node the answer waits
//! for that too, so neither an acknowledged byte nor an acknowledged `down` is ever forgotten. A reporter that this
//! process has not met is asked about in the store, which also says whether its home is here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::aggregation::{NodeReport, Position, report_facts};
use domain::ids::NodeId;
use store::{Claim, Homing, Store, StoreError};
use wire::report::{NodeStatus, ReadReport, ReportKind};

use super::facts::FactQueue;
use super::homes::Homes;
use super::hot::{Introduction, Staged, Submission};
use super::presence::Presences;
use super::start::introduction_of;
use super::writer::{Counting, Told};
use crate::clock;
use crate::view::View;

/// How often one report may send us to the store: once for its reporter, once for its totals, once more for a race.
const INTRODUCTIONS_MAX: usize = 3;

/// A report that was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// None: it had been accepted before.
    pub staged: Option<Staged>,
    /// Up to which sequence of this incarnation everything is kept.
    pub logged_through: u64,
    /// Up to which sequence everything is in durable usage.
    pub committed_through: u64,
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
    #[error("the home of {reporter} is {replica}")]
    NotHome { reporter: NodeId, replica: String },
    #[error("this replica is closed")]
    Closed,
    #[error("too many items of unknown instances are kept aside")]
    TooManyParked,
    #[error("the log is full")]
    LogFull,
    #[error("too many reports or facts wait")]
    Busy,
    #[error("the report was not logged")]
    NotLogged { is_disk_full: bool },
    #[error("the fact could not be committed")]
    NotCommitted,
    #[error("the store did not take part")]
    Store(#[from] StoreError),
}

impl ReportRefusal {
    /// The label of the metric.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Gap { .. } => "sequence-gap",
            Self::Stale { .. } => "stale-incarnation",
            Self::UnknownNode { .. } => "unknown-node",
            Self::NotHome { .. } => "not-home",
            Self::Closed => "replica-closed",
            Self::TooManyParked => "too-many-parked",
            Self::LogFull => "log-full",
            Self::Busy => "busy",
            Self::NotLogged { .. } => "not-logged",
            Self::NotCommitted => "fact-not-committed",
            Self::Store(_) => "store",
        }
    }
}

/// What the intake shares with others.
pub struct IntakeParts {
    pub store: Store,
    pub view: Arc<View>,
    pub queue: Arc<FactQueue>,
    pub homes: Arc<Homes>,
    pub counting: Arc<Counting>,
    pub presences: Arc<Presences>,
}

/// The intake of reports of one process.
pub struct Intake {
    parts: IntakeParts,
    /// The last message of each reporter whose node part was taken: an older one that comes late says nothing.
    spoken: Mutex<BTreeMap<NodeId, Position>>,
    /// The gap that was last written down for a reporter.
    gaps: Mutex<BTreeMap<NodeId, Position>>,
}

impl Intake {
    /// An intake that has heard nobody.
    pub fn new(parts: IntakeParts) -> Self {
        Self { parts, spoken: Mutex::default(), gaps: Mutex::default() }
    }

    /// The counts.
    pub fn counting(&self) -> &Arc<Counting> {
        &self.parts.counting
    }

    /// The facts on their way into the store.
    pub fn queue(&self) -> Arc<FactQueue> {
        Arc::clone(&self.parts.queue)
    }

    /// The nodes whose silence this process judges.
    pub fn homes(&self) -> Arc<Homes> {
        Arc::clone(&self.parts.homes)
    }

    /// Who is online.
    pub fn presences(&self) -> &Presences {
        &self.parts.presences
    }

    /// Who is online, for those who keep it.
    pub fn shared_presences(&self) -> Arc<Presences> {
        Arc::clone(&self.parts.presences)
    }

    /// Takes a report; the answer waits until it is logged and until the fact that it changes is committed.
    ///
    /// # Errors
    /// [`ReportRefusal`] when the message is not the next of the reporter's life, or nothing could be kept.
    pub async fn report(&self, report: ReadReport) -> Result<Accepted, ReportRefusal> {
        let taken = self.take(report).await;
        let meters = &self.parts.counting.meters;
        match &taken {
            Ok(Accepted { staged: Some(staged), .. }) => {
                meters.reports.with_label_values(&["applied"]).inc();
                let outcomes = [
                    ("accepted", staged.accepted),
                    ("parked", staged.parked),
                    ("rejected", staged.rejected.len() as u64),
                ];
                for (outcome, items) in outcomes {
                    meters.items.with_label_values(&[outcome]).inc_by(items);
                }
            }
            Ok(_) => meters.reports.with_label_values(&["duplicate"]).inc(),
            Err(refusal) => meters.refuse(refusal.reason()),
        }
        taken
    }

    async fn take(&self, report: ReadReport) -> Result<Accepted, ReportRefusal> {
        let reporter = report.reporter.clone();
        if self.parts.view.glance().topology.find_node_ix(&reporter).is_none() {
            return Err(ReportRefusal::UnknownNode { reporter });
        }
        let position = Position { incarnation: report.incarnation, sequence: report.sequence };
        let node = node_report(&report);
        let online: Vec<(String, String)> =
            report.online().map(|item| (item.instance.to_owned(), item.device.to_owned())).collect();
        let (parsed, received_at) = (report.rejected.clone(), clock::now());
        let mut accepted =
            self.count(report, received_at).await.map_err(|refusal| self.noted(&reporter, position, refusal))?;
        if let Some(staged) = &mut accepted.staged {
            let seen = self.parts.presences.observe(&reporter, &online, received_at);
            staged.accepted += seen;
            let named = std::mem::take(&mut staged.rejected);
            staged.rejected = parsed.into_iter().chain(named).collect();
            staged.rejected.sort_by_key(|it| it.index);
        }
        self.come_home(&reporter).await?;
        self.tell(&reporter, position, node, accepted.logged_through).await?;
        Ok(accepted)
    }

    /// Counts, with as many questions to the store as it needs.
    async fn count(&self, report: ReadReport, received_at: domain::time::Micros) -> Result<Accepted, ReportRefusal> {
        let counting = &self.parts.counting;
        let mut submission = Box::new(Submission::new(report, received_at));
        for _ in 0..INTRODUCTIONS_MAX {
            let told = counting.submit(submission).map_err(|_| ReportRefusal::Busy)?;
            match told.await.unwrap_or(Told::Closed) {
                Told::Applied { staged, logged_through, committed_through } => {
                    return Ok(Accepted { staged: Some(staged), logged_through, committed_through });
                }
                Told::Duplicate { logged_through, committed_through } => {
                    return Ok(Accepted { staged: None, logged_through, committed_through });
                }
                Told::Gap { expected } => return Err(ReportRefusal::Gap { expected }),
                Told::Stale { current } => return Err(ReportRefusal::Stale { current }),
                Told::TooManyParked => return Err(ReportRefusal::TooManyParked),
                Told::LogFull => return Err(ReportRefusal::LogFull),
                Told::Closed => return Err(ReportRefusal::Closed),
                Told::NotLogged { is_disk_full } => return Err(ReportRefusal::NotLogged { is_disk_full }),
                Told::Unintroduced(back) => {
                    submission = back;
                    submission.introduction = Some(self.introduce(&submission.report).await?);
                }
            }
        }
        Err(ReportRefusal::Busy)
    }

    /// What the store knows of the reporter's life, once its home is here.
    async fn introduce(&self, report: &ReadReport) -> Result<Introduction, ReportRefusal> {
        let (store, counting) = (&self.parts.store, &self.parts.counting);
        let (reporter, incarnation) = (&report.reporter, report.incarnation);
        let claim = async || store.claim_reporter_home(reporter, incarnation, &counting.replica, clock::now()).await;
        match store::retry(claim).await {
            Ok(Homing::Here(_)) => {}
            Ok(Homing::Elsewhere(home)) => {
                return Err(ReportRefusal::NotHome { reporter: reporter.clone(), replica: home.replica.to_string() });
            }
            Ok(Homing::Stale { current }) => return Err(ReportRefusal::Stale { current }),
            Err(StoreError::ReplicaClosed { .. } | StoreError::FormerLife { .. }) => {
                counting.close();
                return Err(ReportRefusal::Closed);
            }
            Err(error) => return Err(error.into()),
        }
        let state = store.load_reporter(reporter, incarnation).await?.ok_or(ReportRefusal::Busy)?;
        let mut introduction = introduction_of(&state);
        if report.kind == ReportKind::Cumulative {
            introduction.baselines = Some(store.cumulative_baselines(reporter, incarnation).await?);
        }
        Ok(introduction)
    }

    /// Writes down which sequences are missing, once for each gap, so that they can be listed as lost.
    fn noted(&self, reporter: &NodeId, stated: Position, refusal: ReportRefusal) -> ReportRefusal {
        if let ReportRefusal::Gap { expected } = refusal {
            let gap = Position { incarnation: stated.incarnation, sequence: expected };
            let before = self.gaps.lock().unwrap_or_else(PoisonError::into_inner).insert(reporter.clone(), gap);
            if before != Some(gap) {
                let (store, reporter) = (self.parts.store.clone(), reporter.clone());
                tokio::spawn(async move {
                    let noted = store.note_gap(&reporter, stated.incarnation, expected, stated.sequence).await;
                    if let Err(error) = noted {
                        tracing::warn!(%reporter, %error, "a gap could not be written down");
                    }
                });
            }
        }
        refusal
    }

    /// Hears of the node, and claims it when its silence was another process's to judge.
    async fn come_home(&self, node: &NodeId) -> Result<(), StoreError> {
        let (now, homes) = (clock::monotonic(), &self.parts.homes);
        if homes.hear(node, now) {
            return Ok(());
        }
        let replica = self.parts.counting.replica.as_str();
        let claimed = self.parts.store.claim_homes(std::slice::from_ref(node), replica, Claim::Take).await?;
        for (node, home) in claimed {
            homes.settle(node, home, now);
        }
        Ok(())
    }

    /// Makes a fact of what the node says of itself, unless a later message has spoken already.
    async fn tell(
        &self,
        reporter: &NodeId,
        position: Position,
        node: NodeReport,
        logged_through: u64,
    ) -> Result<(), ReportRefusal> {
        if position.sequence < logged_through {
            return Ok(());
        }
        let waiting = {
            let mut spoken = self.spoken.lock().unwrap_or_else(PoisonError::into_inner);
            if spoken.get(reporter).is_some_and(|last| *last > position) {
                return Ok(());
            }
            let (view, queue) = (&self.parts.view, &self.parts.queue);
            let topology = view.topology();
            let Some(at) = topology.topology.find_node_ix(reporter) else { return Ok(()) };
            let before = queue.latest(view, reporter, topology.topology.facts(at).0);
            let after = report_facts(before, node, clock::now());
            let waiting = match after == before {
                true => None,
                false => Some(queue.put(reporter.clone(), after).ok_or(ReportRefusal::Busy)?),
            };
            spoken.insert(reporter.clone(), position);
            waiting
        };
        match waiting {
            None => Ok(()),
            Some(committed) => committed.await.map(|_| ()).map_err(|_| ReportRefusal::NotCommitted),
        }
    }
}

fn node_report(report: &ReadReport) -> NodeReport {
    let node = report.node.unwrap_or_default();
    NodeReport { is_up: node.status.map(|status| status == NodeStatus::Up), load_permille: node.load_permille }
}
