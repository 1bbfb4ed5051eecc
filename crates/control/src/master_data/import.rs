//! Writes the rows of an import, a chunk for each transaction, so that a row that is refused stops nobody else's.
//!
//! A chunk holds no id twice; the caller keeps the order of rows with one id by opening another chunk. Rows are
//! judged by the topology that the transaction has locked, so a product cannot go away between check and write.

use std::sync::Arc;
use std::time::Duration;

use domain::ids::{InstanceId, Revision};
use domain::master_data::Instance;
use domain::orchestration::Topology;
use domain::time::Micros;
use store::{Action, InstanceWrite, Intent};
use wire::import::{Imported, REFUSED_LISTED_MAX, RefusedRow};
use wire::manifest::Fault;
use wire::problem::ProblemType;

use super::ground::{Ground, Seen};
use super::guard::Tolerance;
use super::known::Known;
use super::refusal::Refusal;

/// Rows of a chunk: as many as one statement takes; a PUT beside an import waits no longer than that.
pub const CHUNK_ROWS: usize = store::INSTANCES_PER_CALL_MAX;

/// The pause before the second try of a chunk; it doubles with each.
const PAUSE: Duration = Duration::from_millis(10);

/// No pause is longer: a database that comes back is noticed within a second.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// So long a chunk waits for a database that is away, or for its turn: longer than a failover takes, shorter than the
/// patience of whoever watches the import.
const WAITED_MAX: Duration = Duration::from_secs(30);

/// A row that could be read.
#[derive(Debug, Clone)]
pub struct Row {
    pub line: u64,
    pub instance: Instance,
}

/// Rows that are written together, and those between them that could not be read.
#[derive(Debug, Default)]
pub struct Chunk {
    pub rows: Vec<Row>,
    pub refused: Vec<RefusedRow>,
    /// Refused rows that are only counted.
    pub unlisted: u64,
    /// The last line that was read.
    pub through_line: u64,
}

/// What all rows of an import have in common.
pub struct Importer {
    ground: Ground,
    actor: String,
    tolerance: Option<Tolerance>,
    /// What instances may refer to, at a version of the topology.
    known: Option<(i64, Arc<Known>)>,
    totals: Imported,
    through_line: u64,
}

impl Importer {
    /// An import that has written nothing. Without `tolerance` it may disrupt as much as it likes.
    pub fn new(ground: Ground, actor: String, tolerance: Option<Tolerance>) -> Self {
        let revision = ground.view.revision().0;
        let totals = Imported { revision, ..Imported::default() };
        Self { ground, actor, tolerance, known: None, totals, through_line: 0 }
    }

    /// What was done so far.
    pub fn totals(&self) -> &Imported {
        &self.totals
    }

    /// The last line up to which every row is either kept or refused.
    pub fn through_line(&self) -> u64 {
        self.through_line
    }

    /// How far it came, in words.
    pub fn progress(&self) -> String {
        let Imported { accepted, refused_total, .. } = &self.totals;
        format!("{accepted} rows were kept and {refused_total} refused, up to line {}", self.through_line)
    }

    /// Writes a chunk; answers the instances that were written and the revision since which they are there.
    ///
    /// # Errors
    /// [`Refusal`] when the store does not take part; then nothing of the chunk was written.
    pub async fn write(&mut self, chunk: Chunk, now: Micros) -> Result<(Revision, Vec<InstanceId>), Refusal> {
        let Chunk { rows, refused, unlisted, through_line } = chunk;
        self.refuse(refused, unlisted);
        let written = if rows.is_empty() { None } else { Some(self.commit(rows, now).await?) };
        self.through_line = through_line;
        let Some(Written { revision, actions, instances, refused }) = written else {
            return Ok((Revision(self.totals.revision), Vec::new()));
        };
        self.refuse(refused, 0);
        let count = |wanted| actions.iter().filter(|action| **action == wanted).count() as u64;
        self.totals.created += count(Action::Created);
        self.totals.updated += count(Action::Updated);
        self.totals.unchanged += count(Action::Unchanged);
        self.totals.accepted += actions.len() as u64;
        self.totals.revision = self.totals.revision.max(revision.0);
        self.ground.wake.follow();
        Ok((revision, instances))
    }

    fn refuse(&mut self, mut refused: Vec<RefusedRow>, unlisted: u64) {
        self.totals.refused_total += refused.len() as u64 + unlisted;
        refused.truncate(REFUSED_LISTED_MAX - self.totals.refused.len().min(REFUSED_LISTED_MAX));
        self.totals.refused.append(&mut refused);
    }

    /// Commits, again while other writers are in the way or the database is away.
    async fn commit(&mut self, rows: Vec<Row>, now: Micros) -> Result<Written, Refusal> {
        let mut pending = Pending { lines: Vec::with_capacity(rows.len()), writes: Vec::with_capacity(rows.len()) };
        for Row { line, instance } in rows {
            let is_expired = instance.expires.is_some_and(|expires| expires <= now);
            pending.lines.push(line);
            pending.writes.push(InstanceWrite { instance, is_expired });
        }
        let mut refused = Vec::new();
        let (mut pause, mut waited) = (PAUSE, Duration::ZERO);
        loop {
            match self.attempt(&mut pending, &mut refused, now).await {
                // A row is stated whole, so that writing it twice after a lost answer does no harm.
                Err(Refusal::Store(error))
                    if (error.is_contention() || error.is_unavailable()) && waited < WAITED_MAX =>
                {
                    tokio::time::sleep(pause).await;
                    waited += pause;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(refusal) => return Err(refusal),
                Ok((revision, actions)) => {
                    let instances = pending.writes.into_iter().map(|write| write.instance.id).collect();
                    return Ok(Written { revision, actions, instances, refused });
                }
            }
        }
    }

    async fn attempt(
        &mut self,
        pending: &mut Pending,
        refused: &mut Vec<RefusedRow>,
        now: Micros,
    ) -> Result<(Revision, Vec<Action>), Refusal> {
        let mut change = self.ground.store.begin(Intent::Instances, &self.actor, now).await?;
        let version = change.topology_version();
        let topology = self.ground.topology(&mut change).await?;
        let known = self.known_at(version, &topology);
        // A chunk that is tried again must not be counted twice.
        let mut tolerance = self.tolerance.clone();
        pending.retain(|line, instance| match judge(line, instance, &known, tolerance.as_mut(), &topology) {
            None => true,
            Some(reason) => {
                refused.push(reason);
                false
            }
        });
        let actions = change.put_instances(&pending.writes).await?;
        let revision = change.commit().await?;
        self.tolerance = tolerance;
        Ok((revision, actions))
    }

    fn known_at(&mut self, version: i64, topology: &Seen) -> Arc<Known> {
        match &self.known {
            Some((at, known)) if *at == version => Arc::clone(known),
            _ => {
                let known = Arc::new(Known::of(topology));
                self.known = Some((version, Arc::clone(&known)));
                known
            }
        }
    }
}

struct Written {
    revision: Revision,
    actions: Vec<Action>,
    instances: Vec<InstanceId>,
    refused: Vec<RefusedRow>,
}

/// Rows on their way into the store; both lists are parallel.
struct Pending {
    lines: Vec<u64>,
    writes: Vec<InstanceWrite>,
}

impl Pending {
    /// Keeps the rows of which `keep` is true, in their order. Most chunks lose none, and then nothing is moved.
    fn retain(&mut self, mut keep: impl FnMut(u64, &Instance) -> bool) {
        let kept: Vec<bool> =
            self.lines.iter().zip(&self.writes).map(|(line, write)| keep(*line, &write.instance)).collect();
        if kept.contains(&false) {
            let mut at = kept.iter();
            self.lines.retain(|_| at.next().copied().unwrap_or(true));
            let mut at = kept.iter();
            self.writes.retain(|_| at.next().copied().unwrap_or(true));
        }
    }
}

/// Why a row is refused, if it is.
fn judge(
    line: u64,
    instance: &Instance,
    known: &Known,
    tolerance: Option<&mut Tolerance>,
    topology: &Topology,
) -> Option<RefusedRow> {
    if let Some(fault) = known.faults(instance).first() {
        return Some(refused_row(line, fault));
    }
    let template = tolerance?.refuses(topology, instance)?;
    let detail = format!(
        "Instance {:?}: too many owners within {template} would be invalid; move them by a plan, or allow disruption",
        instance.id.as_str()
    );
    Some(RefusedRow { line, code: ProblemType::TooDisruptive.slug().to_owned(), detail })
}

/// A row that could not be read, or refers to what is not there.
pub(super) fn refused_row(line: u64, fault: &Fault) -> RefusedRow {
    let bare = Fault { line: 0, ..fault.clone() };
    RefusedRow { line, code: fault.code.as_str().to_owned(), detail: bare.to_string() }
}

impl Chunk {
    /// Notes a row that could not be read.
    pub fn refuse(&mut self, line: u64, fault: &Fault) {
        if self.refused.len() < REFUSED_LISTED_MAX {
            self.refused.push(refused_row(line, fault));
        } else {
            self.unlisted += 1;
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.refused.is_empty() && self.unlisted == 0
    }
}
