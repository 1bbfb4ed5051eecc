//! One Redis for one run, for the bench that counts beside it: append-only, each write on disk before its answer.
//!
//! Redis or Valkey, whichever is here. Debian's package of the tools holds the program without a service, so nothing is
//! started by an install: the program is a server when it is called by the server's name. It is stopped by its process.

use crate::apt;
use crate::guarded::{self, Guarded, free_port};
use std::fs::File;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The command of xtask that runs the guard; no person types it.
pub const GUARD_COMMAND: &str = "redis-guard";

/// Programs that are a server under the second name, best first.
const PROGRAMS: [(&str, &str); 4] = [
    ("redis-server", "redis-server"),
    ("valkey-server", "valkey-server"),
    ("redis-check-rdb", "redis-server"),
    ("valkey-check-rdb", "valkey-server"),
];

/// Debian's packages that hold one of the programs, best first.
const PACKAGES: [&str; 2] = ["redis-tools", "valkey-tools"];

/// What is measured lies on a disk: `/tmp` may be memory, where an fsync costs nothing.
const PARENT: &str = "/var/tmp";

/// An empty server is ready in milliseconds; a busy machine needs more.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Short against a start.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Durable from the first write; no snapshot and no rewrite of the file disturbs a measurement, which favours it.
const SETTINGS: [&str; 14] = [
    "--bind",
    "127.0.0.1",
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--save",
    "",
    "--auto-aof-rewrite-percentage",
    "0",
    "--daemonize",
    "no",
    "--loglevel",
    "warning",
];

/// A running server; dropping it stops it and waits until its folder is gone.
pub struct Redis {
    server: Guarded,
}

impl Redis {
    /// Finds the program, or installs it where we may, and starts a server on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Why the program is not to be had, or that the server did not start.
    pub fn start() -> Result<Self, String> {
        if find().is_none() {
            install()?;
        }
        Ok(Self { server: Guarded::start("Redis", &[GUARD_COMMAND])? })
    }

    /// Where it listens: address and port.
    pub fn address(&self) -> &str {
        self.server.place()
    }
}

/// Runs a server until standard input ends.
///
/// # Errors
/// Why the server did not start.
pub fn guard() -> Result<(), String> {
    guarded::guard(|| {
        let server = Server::start()?;
        let address = format!("127.0.0.1:{}", server.port);
        Ok((server, address))
    })
}

fn install() -> Result<(), String> {
    apt::may_install(PACKAGES[0]).map_err(|why| format!("no programs of Redis or Valkey in PATH, {why}"))?;
    println!("Redis is missing: its tools are installed now, which hold the program and no service");
    let mut last = Err("no package was tried".to_owned());
    for package in PACKAGES {
        last = apt::install(package);
        if last.is_ok() && find().is_some() {
            return Ok(());
        }
    }
    last.and(Err("the packages were installed and hold no server".to_owned()))
}

/// The program, and the name by which it is a server.
fn find() -> Option<(PathBuf, &'static str)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    PROGRAMS.iter().find_map(|(program, name)| {
        let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
        found.map(|file| (file, *name))
    })
}

/// A server and the folder that it alone uses.
struct Server {
    folder: PathBuf,
    child: Option<Child>,
    port: u16,
}

impl Server {
    fn start() -> Result<Self, String> {
        let (program, name) = find().ok_or("the program of Redis is gone")?;
        let mut server = Self { folder: make_folder()?, child: None, port: free_port()? };
        let log = File::create(server.log()).map_err(|error| format!("the server's log could not be made: {error}"))?;
        let errors = log.try_clone().map_err(|error| format!("the server's log could not be shared: {error}"))?;
        let mut command = Command::new(program);
        command.arg0(name).args(["--port", &server.port.to_string(), "--dir"]).arg(&server.folder).args(SETTINGS);
        command.current_dir(&server.folder).stdin(Stdio::null()).stdout(log).stderr(errors);
        server.child = Some(command.spawn().map_err(|error| format!("{name} could not be started: {error}"))?);
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            let child = self.child.as_mut().expect("it was started before");
            let ended = child.try_wait().map_err(|error| format!("Redis cannot be watched: {error}"))?;
            if let Some(status) = ended {
                self.child = None;
                return Err(format!("Redis ended at its start: {status}\n{}", self.said()));
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Err(format!("Redis was not ready after {} s\n{}", START_TIMEOUT.as_secs(), self.said()))
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its data is thrown away, so there is nothing to write back. It is our child and not yet waited for, so its id
        // cannot belong to anybody else.
        if let Some(mut child) = self.child.take()
            && let Err(error) = child.kill().and_then(|()| child.wait())
        {
            eprintln!("xtask: Redis, process {}, could not be ended: {error}", child.id());
        }
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("xtask: {} could not be removed: {error}", self.folder.display());
        }
    }
}

/// A new folder on a disk, told from others by our process id.
fn make_folder() -> Result<PathBuf, String> {
    let parent = Path::new(PARENT);
    let names = (0..).map(|attempt: u32| format!("tenure-redis-{}-{attempt}", std::process::id()));
    let folder = names.map(|name| parent.join(name)).find(|folder| !folder.exists()).expect("names do not run out");
    std::fs::create_dir(&folder).map_err(|error| format!("{} could not be made: {error}", folder.display()))?;
    Ok(folder)
}
