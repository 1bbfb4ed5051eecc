//! The one thread that changes counts: it stages reports, logs them as one record, then counts and answers them.
//!
//! Whoever is answered is on the disk. A log that fails takes the whole group back, and nobody of it is answered with a
//! success. A cut is an order like any other, so it falls between two groups and is one for all shards (I13).

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::aggregation::GenerationIndex;
use domain::ids::ReplicaId;
use tokio::sync::{Notify, oneshot};

use super::hot::{Hot, Stage, Staged, Submission, Verdict};
use super::log::{Log, LogError, encode};
use super::meters::Meters;
use crate::clock;
use crate::view::View;

/// Bytes of submissions that become one record: beyond it a longer wait for the disk gains nothing.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Slots after which a cut is due before its time: 2^22 are 128 MB.
const SLOTS_BEFORE_CUT: usize = 1 << 22;

/// The bounds of the intake.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub log_bytes_max: u64,
    pub queue_bytes_max: u64,
    pub parked_max: u64,
}

/// What a reporter is told.
#[derive(Debug)]
pub enum Told {
    Applied {
        staged: Staged,
        logged_through: u64,
        committed_through: u64,
    },
    Duplicate {
        logged_through: u64,
        committed_through: u64,
    },
    Gap {
        expected: u64,
    },
    Stale {
        current: u64,
    },
    TooManyParked,
    /// The submission comes back: the store has to be asked about its reporter.
    Unintroduced(Box<Submission>),
    LogFull,
    Closed,
    NotLogged {
        is_disk_full: bool,
    },
}

type Reply = oneshot::Sender<Told>;

enum Order {
    Report(Box<Submission>, Reply),
    Cut(oneshot::Sender<Result<Option<GenerationIndex>, LogError>>),
    Stop,
}

/// The counts of one process, and the way to change them.
pub struct Counting {
    pub replica: ReplicaId,
    /// Which opening of the replica this process is; another one ends it.
    pub life: u64,
    pub bounds: Bounds,
    pub meters: Meters,
    hot: Mutex<Hot>,
    log: Mutex<Log>,
    orders: Mutex<Sender<Order>>,
    queued: AtomicU64,
    is_closed: AtomicBool,
    /// A cut is due before its time.
    pub cut_due: Notify,
    /// What a lost disk took, for people.
    pub missing: Option<String>,
}

/// The intake cannot take a report now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFull;

impl Counting {
    /// Starts the writer over what was read back.
    pub fn start(
        (replica, life): (ReplicaId, u64),
        bounds: Bounds,
        hot: Hot,
        log: Log,
        view: Arc<View>,
        meters: Meters,
        missing: Option<String>,
    ) -> std::io::Result<(Arc<Self>, WriterThread)> {
        let (sender, receiver) = channel();
        let counting = Arc::new(Self {
            replica,
            life,
            bounds,
            meters,
            hot: Mutex::new(hot),
            log: Mutex::new(log),
            orders: Mutex::new(sender.clone()),
            queued: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            cut_due: Notify::new(),
            missing,
        });
        let writer = Writer { counting: Arc::clone(&counting), view, orders: receiver };
        let thread = std::thread::Builder::new().name("intake".to_owned()).spawn(move || writer.run())?;
        Ok((counting, WriterThread { orders: sender, thread: Some(thread) }))
    }

    /// The hot state, for one look.
    pub fn hot(&self) -> MutexGuard<'_, Hot> {
        self.hot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log. The writer waits for whoever holds it.
    pub fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the replica was retired, or cannot be what it was.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Acknowledges nothing from now on.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.meters.is_closed.set(1.0);
    }

    /// Memory of the reports that wait for the log.
    pub fn queued_bytes(&self) -> u64 {
        self.queued.load(Ordering::Relaxed)
    }

    fn order(&self, order: Order) {
        // The receiver goes away only with the process; then nobody waits for an answer either.
        let _ = self.orders.lock().unwrap_or_else(PoisonError::into_inner).send(order);
    }

    /// Hands a report to the writer; the receiver hears what became of it.
    ///
    /// # Errors
    /// [`QueueFull`] when too many bytes wait already.
    pub fn submit(&self, submission: Box<Submission>) -> Result<oneshot::Receiver<Told>, QueueFull> {
        let bytes = submission.bytes() as u64;
        let before = self.queued.fetch_add(bytes, Ordering::AcqRel);
        if before > 0 && before + bytes > self.bounds.queue_bytes_max {
            self.queued.fetch_sub(bytes, Ordering::AcqRel);
            return Err(QueueFull);
        }
        let (reply, receiver) = oneshot::channel();
        self.order(Order::Report(submission, reply));
        Ok(receiver)
    }

    /// Cuts; answers the generation that was closed, none when it was empty.
    ///
    /// # Errors
    /// [`LogError`]: nothing was cut.
    pub async fn cut(&self) -> Result<Option<GenerationIndex>, LogError> {
        let (reply, receiver) = oneshot::channel();
        self.order(Order::Cut(reply));
        receiver.await.unwrap_or(Ok(None))
    }
}

/// The thread; it ends when it is told to.
pub struct WriterThread {
    orders: Sender<Order>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl WriterThread {
    /// Lets what is queued be logged, and ends the thread.
    pub fn stop(mut self) {
        // A thread that is gone already has nothing left to do.
        let _ = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the intake panicked");
        }
    }
}

struct Writer {
    counting: Arc<Counting>,
    view: Arc<View>,
    orders: Receiver<Order>,
}

/// A report whose answer waits for the disk.
enum Waiting {
    Staged(Staged, Reply),
    Duplicate { reporter_at: u32, reply: Reply },
}

impl Writer {
    fn run(self) {
        while let Ok(order) = self.orders.recv() {
            match order {
                Order::Stop => return,
                Order::Cut(reply) => self.cut(reply),
                Order::Report(submission, reply) => {
                    if let Some(order) = self.group(submission, reply)
                        && !self.after_group(order)
                    {
                        return;
                    }
                }
            }
        }
    }

    /// Carries out the order that ended a group; false when it ends the thread.
    fn after_group(&self, order: Order) -> bool {
        match order {
            Order::Stop => false,
            Order::Cut(reply) => {
                self.cut(reply);
                true
            }
            Order::Report(submission, reply) => {
                self.group(submission, reply).is_none_or(|order| self.after_group(order))
            }
        }
    }

    fn cut(&self, reply: oneshot::Sender<Result<Option<GenerationIndex>, LogError>>) {
        let generation = {
            let hot = self.counting.hot();
            (!hot.open.is_empty()).then_some(GenerationIndex(hot.open.generation))
        };
        let done = generation.map_or(Ok(()), |generation| {
            let at = clock::now();
            self.counting.log().cut(generation, at)?;
            self.counting.hot().cut(at);
            Ok(())
        });
        // A task that went away cuts again at its next run.
        let _ = reply.send(done.map(|()| generation));
    }

    /// Logs a group that begins with this report. Answers the order that ended the group, if one did.
    fn group(&self, first: Box<Submission>, reply: Reply) -> Option<Order> {
        let started = clock::monotonic();
        let (mut waiting, mut bytes, mut ended) = (Vec::new(), 0, None);
        let knows = |id: &str| self.view.knows(id);
        let is_full = self.counting.log().bytes() >= self.counting.bounds.log_bytes_max;
        let mut stage = {
            let mut hot = self.counting.hot();
            let mut stage = hot.begin();
            let mut next = Some((first, reply));
            while let Some((submission, reply)) = next.take() {
                let held = submission.bytes();
                bytes += held;
                self.counting.queued.fetch_sub(held as u64, Ordering::AcqRel);
                self.judge(&mut hot, &mut stage, submission, reply, is_full, &knows, &mut waiting);
                if bytes >= GROUP_BYTES_MAX {
                    break;
                }
                match self.orders.try_recv() {
                    Ok(Order::Report(submission, reply)) => next = Some((submission, reply)),
                    Ok(other) => ended = Some(other),
                    Err(_) => {}
                }
            }
            stage
        };
        let logged = self.log(&mut stage);
        self.settle(stage, logged, waiting);
        self.counting.meters.acknowledge_seconds.observe(started.elapsed().as_secs_f64());
        ended
    }

    #[expect(clippy::too_many_arguments, reason = "the group is one loop whose leaf this is")]
    fn judge(
        &self,
        hot: &mut Hot,
        stage: &mut Stage,
        submission: Box<Submission>,
        reply: Reply,
        is_full: bool,
        knows: &dyn Fn(&str) -> bool,
        waiting: &mut Vec<Waiting>,
    ) {
        let told = if self.counting.is_closed() {
            Told::Closed
        } else if is_full {
            Told::LogFull
        } else {
            match hot.stage(stage, &submission, self.counting.bounds.parked_max, knows) {
                Verdict::Staged(staged) => return waiting.push(Waiting::Staged(staged, reply)),
                Verdict::Duplicate { reporter_at, is_logged: false } => {
                    return waiting.push(Waiting::Duplicate { reporter_at, reply });
                }
                Verdict::Duplicate { reporter_at, is_logged: true } => duplicate(hot, reporter_at),
                Verdict::Gap { expected } => Told::Gap { expected },
                Verdict::Stale { current } => Told::Stale { current },
                Verdict::TooManyParked => Told::TooManyParked,
                Verdict::Unintroduced => Told::Unintroduced(submission),
            }
        };
        // A client that went away is told by its retry.
        let _ = reply.send(told);
    }

    fn log(&self, stage: &mut Stage) -> Result<(), LogError> {
        if stage.group.is_empty() {
            return Ok(());
        }
        let bytes = {
            let hot = self.counting.hot();
            encode(&stage.group, &hot.open.slots, &hot.names)
        };
        let started = clock::monotonic();
        let appended = self.counting.log().append(&bytes);
        self.counting.meters.fsynced(started.elapsed());
        appended
    }

    fn settle(&self, stage: Stage, logged: Result<(), LogError>, waiting: Vec<Waiting>) {
        let mut hot = self.counting.hot();
        let failed = match logged {
            Ok(()) => {
                hot.apply(stage);
                if hot.open.slots.len() > SLOTS_BEFORE_CUT {
                    self.counting.cut_due.notify_one();
                }
                None
            }
            Err(error) => {
                hot.abandon(stage);
                tracing::error!(error = %chain(&error), reports = waiting.len(), "a group of reports was refused: the log failed");
                Some(matches!(error, LogError::DiskFull { .. }))
            }
        };
        for waiting in waiting {
            let (told, reply) = match (waiting, failed) {
                (Waiting::Staged(_, reply) | Waiting::Duplicate { reply, .. }, Some(is_disk_full)) => {
                    (Told::NotLogged { is_disk_full }, reply)
                }
                (Waiting::Duplicate { reporter_at, reply }, None) => (duplicate(&hot, reporter_at), reply),
                (Waiting::Staged(staged, reply), None) => {
                    let reporter = hot.reporters.get(staged.reporter_at);
                    let is_this_life = reporter.incarnation == staged.incarnation;
                    let committed_through = if is_this_life { reporter.committed.min(staged.sequence) } else { 0 };
                    let logged_through = staged.sequence;
                    (Told::Applied { staged, logged_through, committed_through }, reply)
                }
            };
            // As above.
            let _ = reply.send(told);
        }
    }
}

fn duplicate(hot: &Hot, reporter_at: u32) -> Told {
    let reporter = hot.reporters.get(reporter_at);
    Told::Duplicate { logged_through: reporter.logged, committed_through: reporter.committed }
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Where the log of a data directory lies.
pub fn log_path(data: &Path) -> std::path::PathBuf {
    data.join("intake").join("log.redb")
}
