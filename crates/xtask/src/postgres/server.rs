//! Makes a database cluster in a temporary folder, runs it, and stops it by its process.
//!
//! PostgreSQL refuses to run as root, so root hands it to an account without rights.
//! All settings stand here and are given on the command line: a machine's own configuration changes nothing.

use super::{Durability, binaries};
use crate::apt;
use crate::guarded::free_port;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Accounts that root may hand the server to, best first: the second exists everywhere.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];

/// Far above the two seconds that a busy machine needs, far below what a person waits for.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// An immediate stop takes milliseconds; after this it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// Short against a start of a third of a second.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Another process may take the free port between our look and the server's; twice in a row is already rare.
const START_ATTEMPTS_MAX: u32 = 5;

/// The end of the server's log that a failure shows.
const LOG_TAIL_LINES: usize = 20;

/// For either durability: many tests at once, each with a pool of its own, and one language for messages.
const SETTINGS: [&str; 5] =
    ["listen_addresses=127.0.0.1", "max_connections=200", "timezone=UTC", "lc_messages=C", "log_checkpoints=off"];

/// Nothing survives the run, so nothing has to reach the disk.
const FAST_SETTINGS: [&str; 2] = ["fsync=off", "full_page_writes=off"];

/// Memory for a machine that is measured; `fsync`, `synchronous_commit` and `full_page_writes` stay as delivered: on.
const DURABLE_SETTINGS: [&str; 2] = ["shared_buffers=512MB", "max_wal_size=4GB"];

/// A server and the folder that it alone uses.
pub struct Server {
    folder: PathBuf,
    postmaster: Option<Child>,
    port: u16,
}

/// Whom programs of the server run as; `None` for ourselves.
type Account = Option<(u32, u32)>;

impl Server {
    /// Makes the cluster and returns when it accepts connections.
    ///
    /// # Errors
    /// What could not be done, with the end of the server's log.
    pub fn start(durability: Durability) -> Result<Self, String> {
        let programs = binaries::find().ok_or("the PostgreSQL server programs are gone")?;
        let account = account()?;
        // Made first: whatever fails from here on, dropping it removes the folder.
        let mut server = Self { folder: make_folder(durability, account)?, postmaster: None, port: 0 };
        let arguments = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"];
        let mut initdb = command(&programs.join("initdb"), &server.folder, account);
        initdb.args(arguments).arg(server.data());
        let made = initdb.output().map_err(|error| format!("initdb could not be started: {error}"))?;
        if !made.status.success() {
            return Err(format!("initdb failed: {}", String::from_utf8_lossy(&made.stderr).trim_end()));
        }
        for _ in 0..START_ATTEMPTS_MAX {
            server.launch(&programs.join("postgres"), durability, account)?;
            if server.wait_until_ready()? {
                return Ok(server);
            }
        }
        Err(format!("no free port was found in {START_ATTEMPTS_MAX} attempts\n{}", server.log_tail()))
    }

    /// Where its superuser connects to.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn launch(&mut self, program: &Path, durability: Durability, account: Account) -> Result<(), String> {
        self.port = free_port()?;
        let log = File::create(self.log()).map_err(|error| format!("the server's log could not be made: {error}"))?;
        let errors = log.try_clone().map_err(|error| format!("the server's log could not be shared: {error}"))?;
        let more: &[&str] = match durability {
            Durability::Fast => &FAST_SETTINGS,
            Durability::Durable => &DURABLE_SETTINGS,
        };
        let mut postgres = command(program, &self.folder, account);
        postgres.arg("-D").arg(self.data()).arg("-k").arg(&self.folder).args(["-p", &self.port.to_string()]);
        postgres.args(SETTINGS.iter().chain(more).flat_map(|setting| ["-c", setting])).stdout(log).stderr(errors);
        let postmaster = postgres.spawn().map_err(|error| format!("postgres could not be started: {error}"))?;
        self.postmaster = Some(postmaster);
        Ok(())
    }

    /// True when it is ready, false when another process had its port.
    fn wait_until_ready(&mut self) -> Result<bool, String> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            let postmaster = self.postmaster.as_mut().expect("it was launched before");
            let ended = postmaster.try_wait().map_err(|error| format!("postgres cannot be watched: {error}"))?;
            if let Some(status) = ended {
                self.postmaster = None;
                let log = self.log_tail();
                if log.contains("Address already in use") {
                    return Ok(false);
                }
                return Err(format!("postgres ended at its start: {status}\n{log}"));
            }
            let state = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            if is_ready(&state) {
                return Ok(true);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Err(format!("postgres was not ready after {} s\n{}", START_TIMEOUT.as_secs(), self.log_tail()))
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            stop(&mut postmaster);
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("xtask: {} could not be removed: {error}", self.folder.display());
        }
    }
}

/// Stops at once: its data is thrown away, so there is nothing to write back. The process is our child and not
/// yet waited for, so its id cannot belong to anybody else.
fn stop(postmaster: &mut Child) {
    let signal = format!("kill -QUIT {}", postmaster.id());
    let asked = Command::new("sh").args(["-c", &signal]).stdin(Stdio::null()).stderr(Stdio::null()).status();
    let deadline = Instant::now() + STOP_TIMEOUT;
    while asked.is_ok() && Instant::now() < deadline {
        if matches!(postmaster.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    if let Err(error) = postmaster.kill().and_then(|()| postmaster.wait()) {
        eprintln!("xtask: PostgreSQL, process {}, could not be ended: {error}", postmaster.id());
    }
}

/// The eighth line of `postmaster.pid` is the state of the server, since version 10.
pub(super) fn is_ready(state: &str) -> bool {
    state.lines().nth(7).is_some_and(|line| line.trim_end() == "ready")
}

/// A program of the server: its own folder, no input, and nothing of our PostgreSQL settings.
fn command(program: &Path, folder: &Path, account: Account) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null()).env("LC_ALL", "C");
    for name in std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    if let Some((user, group)) = account {
        command.uid(user).gid(group);
    }
    command
}

fn account() -> Result<Account, String> {
    if !apt::is_root() {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    let found = ACCOUNTS.iter().find_map(|name| find_account(&accounts, name));
    found.map(Some).ok_or_else(|| format!("PostgreSQL refuses root, and no account is one of {}", ACCOUNTS.join(", ")))
}

/// User and group of an account in the text of `/etc/passwd`.
pub(super) fn find_account(accounts: &str, name: &str) -> Option<(u32, u32)> {
    let fields: Vec<&str> =
        accounts.lines().map(|line| line.split(':').collect()).find(|fields: &Vec<&str>| fields[0] == name)?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

/// A new folder that only the account of the server can enter.
///
/// What is measured lies in `/var/tmp`: `/tmp` may be memory, where an fsync costs nothing.
fn make_folder(durability: Durability, account: Account) -> Result<PathBuf, String> {
    let parent = match durability {
        Durability::Fast => std::env::temp_dir(),
        Durability::Durable => PathBuf::from("/var/tmp"),
    };
    // Our process id is unique among living processes; what a dead one left behind is not ours to touch.
    let names = (0..).map(|attempt: u32| format!("tenure-postgres-{}-{attempt}", std::process::id()));
    let folder = names.map(|name| parent.join(name)).find(|folder| !folder.exists()).expect("names do not run out");
    DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .and_then(|()| account.map_or(Ok(()), |(user, group)| chown(&folder, Some(user), Some(group))))
        .map_err(|error| format!("{} could not be made: {error}", folder.display()))?;
    Ok(folder)
}
