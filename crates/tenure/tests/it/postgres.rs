//! A PostgreSQL database for a test, or a whole server that a test may stop.
//!
//! Speaks through `psql`, which comes with the server: only `store` knows the driver.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::ground::eventually;

/// A database of its own, dropped with the test.
pub struct Database {
    admin: String,
    name: String,
}

impl Database {
    /// A new database; nothing where the tests are told to do without PostgreSQL. An unattended run skips nothing.
    pub fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let admin = std::env::var("TENURE_TEST_POSTGRES").unwrap_or_default();
        if admin.is_empty() || admin == "skip" {
            let advice = "no PostgreSQL: run `cargo xtask test`, or set TENURE_TEST_POSTGRES to the URL of a server";
            assert!(std::env::var_os("CI").is_none(), "{advice}; with CI set nothing is skipped");
            eprintln!("SKIPPED ON POSTGRESQL: {advice}");
            return None;
        }
        let name = format!("tenure_it_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let database = Self { admin, name };
        database.drop_it();
        database.execute(&format!("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", database.name));
        Some(database)
    }

    pub fn url(&self) -> String {
        with_database(&self.admin, &self.name)
    }

    fn drop_it(&self) {
        self.execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }

    fn execute(&self, statement: &str) {
        let output = psql(&self.admin, statement).output().unwrap();
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.drop_it();
        }
    }
}

fn psql(url: &str, statement: &str) -> Command {
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement]).stdin(Stdio::null());
    command
}

/// The URL of another database of the same server.
fn with_database(admin: &str, name: &str) -> String {
    let (url, parameters) = admin.split_once('?').map_or((admin, None), |(url, rest)| (url, Some(rest)));
    let (server, _) = url.rsplit_once('/').expect("a URL with a database");
    parameters.map_or_else(|| format!("{server}/{name}"), |rest| format!("{server}/{name}?{rest}"))
}

/// A program of PostgreSQL: on the search path, or where Debian keeps its newest version.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|it| it.path().join("bin"))
        .collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    // A server looks for its own files beside the program itself, not beside a link to it.
    found.unwrap_or_else(|| panic!("{name} is not installed")).canonicalize().unwrap()
}

/// A whole server, which may go away and come back.
pub struct OwnServer {
    folder: TempDir,
    port: u16,
    account: Option<(u32, u32)>,
    postmaster: Option<Child>,
}

impl OwnServer {
    /// A new, running server.
    pub fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let account = account();
        if let Some((user, group)) = account {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let mut server = Self { folder, port: free_port(), account, postmaster: None };
        let arguments = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"];
        let made = server.command("initdb").args(arguments).arg(server.data()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.launch();
        server
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts it where it was, and waits until it answers.
    pub fn launch(&mut self) {
        let settings = ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=100", "lc_messages=C"];
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path()).args(["-p", &self.port.to_string()]);
        command.args(settings.iter().flat_map(|setting| ["-c", setting])).stdout(Stdio::null()).stderr(Stdio::null());
        self.postmaster = Some(command.spawn().unwrap());
        eventually(Duration::from_secs(60), || match psql(&self.url(), "SELECT 1").output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        });
    }

    /// Stops it as a crash would: connections break, nothing is said.
    pub fn stop(&mut self) {
        let Some(mut postmaster) = self.postmaster.take() else { return };
        kill_process(Pid::from_child(&postmaster), Signal::QUIT).unwrap();
        postmaster.wait().unwrap();
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command.current_dir(self.folder.path() as &Path).stdin(Stdio::null()).env("LC_ALL", "C");
        if let Some((user, group)) = self.account {
            std::os::unix::process::CommandExt::uid(&mut command, user);
            std::os::unix::process::CommandExt::gid(&mut command, group);
        }
        command
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// PostgreSQL refuses root, which hands it to an account without rights.
fn account() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let fields: Vec<&str> =
            accounts.lines().map(|it| it.split(':').collect::<Vec<_>>()).find(|it| it[0] == name)?;
        Some((fields[2].parse().ok()?, fields[3].parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody"))
}

fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
