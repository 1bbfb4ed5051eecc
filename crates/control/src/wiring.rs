//! Wires a server together, starts it and stops it. The only room that knows all parts.
//!
//! Order matters: the lock of the data directory first, then the store, the view (loaded before anything is served),
//! the tasks, and the listener last. Stopping goes the other way: nothing new is taken, what is under way ends, the
//! lease is given back so that another process need not wait for its end.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::ids::ReplicaId;
use store::{LEASE_TTL_MIN_US, Store, StoreError};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::access::{self, AccessError, Tokens};
use crate::aggregation::hot::Calendar;
use crate::aggregation::{
    Bounds, Cleanup, Counting, CountingStartError, FactQueue, Flush, ForgetCounts, ForgetPresence, Homes, Intake,
    IntakeParts, JUDGE_EVERY, JudgeSilence, Presences, Reading, SilentRegions, Unpark, WriteFacts, WriterThread, find,
};
use crate::api::{self, metrics::Metrics};
use crate::clock;
use crate::faults;
use crate::listener::{self, HEAD_READ_MAX};
use crate::orchestration::{Allocator, Leadership, PlanRunner, Plans, TodaysCounters, WorkSet};
use crate::settings::Settings;
use crate::tasks::{
    AppendAudit, Driver, Expire, Follow, ForgetAnswers, ForgetHistory, KeepLease, Recount, Schedule, TaskBoard, Wake,
};
use crate::view::{FollowError, Follower, View};

/// Requests that are under way may take so long to end after the order to stop.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// The parts that answer requests. Handlers take the two or three they need.
#[derive(Clone)]
pub struct Parts {
    pub store: Store,
    pub view: Arc<View>,
    pub wake: Wake,
    pub tasks: Arc<TaskBoard>,
    pub leadership: Arc<Leadership>,
    pub intake: Arc<Intake>,
    pub reading: Arc<Reading>,
    pub regions: Arc<SilentRegions>,
    pub plans: Arc<Plans>,
    pub counters: Arc<TodaysCounters>,
    pub settings: Arc<Settings>,
    pub tokens: Arc<Tokens>,
    pub metrics: Arc<Metrics>,
}

/// A server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the data directory {path} cannot be used")]
    Data {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("another process serves the data directory {path}; stop it, or name another with --data")]
    Locked { path: PathBuf },
    #[error("a lease of {} ms is too short: a stalled transaction would outlast it; {} ms is the least", .ttl.as_millis(), LEASE_TTL_MIN_US / 1_000)]
    ShortLease { ttl: Duration },
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    #[error("the view cannot be loaded")]
    View(#[from] FollowError),
    #[error("the admin token cannot be made")]
    Access(#[from] AccessError),
    #[error("the counts cannot be read back")]
    Counting(#[from] CountingStartError),
    #[error("the file replica of the data directory holds no name of a replica")]
    ReplicaName,
    #[error("the writer of the intake cannot be started")]
    Writer(#[source] std::io::Error),
    #[error("{said}")]
    Fault { said: String },
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
}

/// A server that runs.
pub struct Running {
    address: SocketAddr,
    parts: Parts,
    stop: watch::Sender<bool>,
    /// Tasks stop after the listener: a request that is under way may wait for one of them.
    halt: watch::Sender<bool>,
    driver: Driver,
    serving: tokio::task::JoinHandle<()>,
    writer: WriterThread,
    /// Held for as long as the process serves the directory.
    _lock: File,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its parts, for those who run inside the process.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Takes nothing new, lets what is under way end, gives back the lease.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(DRAIN_MAX, self.serving).await.is_err() {
            tracing::warn!("some requests did not end in time and were cut off");
        }
        self.halt.send_replace(true);
        self.driver.finished().await;
        let writer = self.writer;
        if tokio::task::spawn_blocking(move || writer.stop()).await.is_err() {
            tracing::error!("the writer of the intake could not be ended");
        }
        if let Err(error) = self.parts.leadership.resign().await {
            tracing::warn!(%error, "the lease could not be given back; it runs out by itself");
        }
        self.parts.store.close().await;
    }
}

/// Starts a server.
///
/// # Errors
/// [`StartError`] says what stands in the way.
pub async fn start(settings: Settings) -> Result<Running, StartError> {
    faults::arm_from_environment().map_err(|said| StartError::Fault { said })?;
    if settings.lease_ttl.as_micros() < LEASE_TTL_MIN_US as u128 {
        return Err(StartError::ShortLease { ttl: settings.lease_ttl });
    }
    let lock = lock_data(&settings.data)?;
    let settings = Settings { replica: replica_name(&settings)?, ..settings };
    let writer = access::random_tag()?;
    let store = Store::open(&settings.database, writer).await?;
    access::ensure_admin_token(&store, &settings.data, clock::now()).await?;
    let view = Arc::new(View::empty());
    let work = Arc::new(WorkSet::default());
    let mut follower = Follower::new(store.clone(), Arc::clone(&view), Arc::clone(&work));
    let instances = follower.load().await?;
    tracing::info!(instances, revision = %view.revision(), "the view is loaded");
    let (stop, mut stopped) = watch::channel(false);
    let board = Arc::new(TaskBoard::default());
    let (parts, writer) = assemble(settings, store, view, &work, &board).await?;
    let (halt, halted) = watch::channel(false);
    let mut driver = Driver::new(board, halted);
    start_tasks(&mut driver, &parts, follower, &work).await?;
    let listener = TcpListener::bind(parts.settings.listen)
        .await
        .map_err(|source| StartError::Listen { address: parts.settings.listen, source })?;
    let address =
        listener.local_addr().map_err(|source| StartError::Listen { address: parts.settings.listen, source })?;
    let stopped = async move {
        // The sender goes away only with the server itself.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let serving = tokio::spawn(listener::serve(listener, api::router(parts.clone()), HEAD_READ_MAX, stopped));
    Ok(Running { address, parts, stop, halt, driver, serving, writer, _lock: lock })
}

async fn assemble(
    settings: Settings,
    store: Store,
    view: Arc<View>,
    work: &Arc<WorkSet>,
    board: &Arc<TaskBoard>,
) -> Result<(Parts, WriterThread), StartError> {
    let settings = Arc::new(settings);
    let wake = Wake::default();
    let holder = format!("{}/{}", settings.replica, access::random_tag()?);
    let leadership = Arc::new(Leadership::new(store.clone(), Arc::clone(work), holder, settings.lease_ttl));
    let homes = store.list_homes().await?.into_iter().filter(|(_, home)| home.replica == settings.replica).collect();
    let homes = Arc::new(Homes::new(homes, clock::monotonic()));
    let metrics = Arc::new(Metrics::new());
    let calendar = Arc::new(Calendar::new(Arc::clone(&view)));
    let (counting, writer) = start_counting(&store, &settings, &view, &calendar, &metrics).await?;
    let intake = Intake::new(IntakeParts {
        store: store.clone(),
        view: Arc::clone(&view),
        queue: Arc::new(FactQueue::default()),
        homes,
        counting: Arc::clone(&counting),
        presences: Arc::new(Presences::new(settings.presence_ttl)),
    });
    let parts = Parts {
        plans: Arc::new(Plans::new(store.clone(), Arc::clone(&view), wake.clone())),
        tokens: Arc::new(Tokens::load(store.clone(), clock::now()).await?),
        reading: Arc::new(Reading { store: store.clone(), counting, calendar }),
        metrics,
        regions: Arc::default(),
        counters: Arc::default(),
        intake: Arc::new(intake),
        tasks: Arc::clone(board),
        store,
        view,
        wake,
        leadership,
        settings,
    };
    Ok((parts, writer))
}

/// Reads the counts back and starts their writer.
async fn start_counting(
    store: &Store,
    settings: &Settings,
    view: &Arc<View>,
    calendar: &Calendar,
    metrics: &Metrics,
) -> Result<(Arc<Counting>, WriterThread), StartError> {
    let replica = ReplicaId::parse(&settings.replica).map_err(|_| StartError::ReplicaName)?;
    let found = find(store, &settings.data, &replica, calendar, clock::now()).await?;
    let bounds = Bounds {
        log_bytes_max: settings.log_bytes_max,
        queue_bytes_max: settings.queue_bytes_max,
        parked_max: settings.parked_max,
    };
    let meters = metrics.counting().clone();
    meters.lost_generations.set(found.lost_generations as f64);
    let is_closed = found.marks.closed.is_some();
    let view = Arc::clone(view);
    let (counting, writer) =
        Counting::start((replica, found.marks.life), bounds, found.hot, found.log, view, meters, found.missing)
            .map_err(StartError::Writer)?;
    if is_closed {
        tracing::error!("this intake replica is retired: reports are refused; a new data directory is a new replica");
        counting.close();
    }
    Ok((counting, writer))
}

async fn start_tasks(
    driver: &mut Driver,
    parts: &Parts,
    follower: Follower,
    work: &Arc<WorkSet>,
) -> Result<(), StartError> {
    let every = |millis| Schedule { every: Duration::from_millis(millis) };
    let Parts { store, view, wake, leadership, settings, intake, .. } = parts.clone();
    // Before anything is served: who can lead leads.
    leadership.bury_former_life(&settings.replica).await?;
    leadership.keep().await?;
    let a_third = settings.lease_ttl / 3;
    let allocator = Allocator::new(
        store.clone(),
        Arc::clone(&view),
        Arc::clone(work),
        Arc::clone(&leadership),
        wake.clone(),
        &settings,
    );
    driver.start(Follow { follower, wake: wake.clone() }, Schedule { every: settings.follow_every });
    driver.start(KeepLease { leadership: Arc::clone(&leadership) }, Schedule { every: a_third });
    driver.start(allocator, every(100));
    driver.start(PlanRunner::new(parts), every(250));
    driver.start(WriteFacts { store: store.clone(), queue: intake.queue(), wake: wake.clone() }, every(1_000));
    let judge = JudgeSilence {
        store: store.clone(),
        view,
        homes: intake.homes(),
        regions: Arc::clone(&parts.regions),
        wake: wake.clone(),
        ttl: settings.health_ttl,
        on_region_silent: settings.on_region_silent,
        judged: clock::monotonic(),
        compared: clock::monotonic(),
    };
    driver.start(judge, Schedule { every: JUDGE_EVERY });
    driver.start(Expire { store: store.clone(), leadership: Arc::clone(&leadership), wake }, every(1_000));
    driver.start(AppendAudit { store: store.clone(), leadership: Arc::clone(&leadership) }, every(500));
    driver.start(Recount { store: store.clone(), leadership: Arc::clone(&leadership) }, every(300_000));
    driver.start(ForgetHistory::new(store.clone(), Arc::clone(&leadership)), every(3_600_000));
    driver.start(ForgetAnswers { store, leadership }, every(3_600_000));
    start_counting_tasks(driver, parts);
    Ok(())
}

fn start_counting_tasks(driver: &mut Driver, parts: &Parts) {
    let every = |millis| Schedule { every: Duration::from_millis(millis) };
    let Parts { store, leadership, settings, intake, reading, .. } = parts.clone();
    let (counting, calendar) = (Arc::clone(intake.counting()), Arc::clone(&reading.calendar));
    let flush = Flush {
        store: store.clone(),
        counting: Arc::clone(&counting),
        calendar: Arc::clone(&calendar),
        withheld: Default::default(),
    };
    driver.start(flush, Schedule { every: settings.flush_every });
    let cleanup = Cleanup {
        store: store.clone(),
        counting: Arc::clone(&counting),
        retain_committed: settings.retain_committed,
        dropped: Default::default(),
    };
    driver.start(cleanup, every(10_000));
    driver.start(ForgetCounts { store: store.clone(), leadership: Arc::clone(&leadership) }, every(3_600_000));
    driver.start(Unpark { store, counting, calendar, leadership }, every(2_000));
    driver.start(ForgetPresence { presences: intake.shared_presences() }, every(30_000));
}

/// Makes the data directory, for its owner alone, and locks it against a second process.
fn lock_data(path: &Path) -> Result<File, StartError> {
    let failed = |source| StartError::Data { path: path.to_owned(), source };
    std::fs::create_dir_all(path).map_err(failed)?;
    access::restrict_to_owner(path).map_err(failed)?;
    let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StartError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// The name of this replica: drawn at first start, then kept beside the data it stands for.
fn replica_name(settings: &Settings) -> Result<String, StartError> {
    let path = settings.data.join("replica");
    let failed = |source| StartError::Data { path: path.clone(), source };
    match std::fs::read_to_string(&path) {
        Ok(name) if !name.trim().is_empty() => Ok(name.trim().to_owned()),
        Ok(_) => draw_replica_name(&path).map_err(failed),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => draw_replica_name(&path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

fn draw_replica_name(path: &Path) -> std::io::Result<String> {
    let name = access::random_id("replica").map_err(std::io::Error::other)?;
    std::fs::write(path, &name)?;
    Ok(name)
}
