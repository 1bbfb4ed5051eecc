//! The server of the fault run: started with or without an armed fault, killed, its disk lost, put back or copied.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::caller::Caller;
use crate::ground::{Ground, PROGRAM, Server, program};

use super::proxy::Proxy;
use super::reporter::Place;

/// Generations every few moments, forgotten after two seconds: each round sees cuts, flushes and cleanups.
const PACE: &[&str] = &["--flush-every", "150ms", "--retain-committed", "2s"];

/// The server, its data and its reporters' idea of it.
pub struct World {
    pub ground: Ground,
    pub place: Arc<Place>,
    pub proxy: Option<Proxy>,
    flags: Vec<String>,
    data: String,
    copies: u32,
    server: Option<Server>,
}

impl World {
    pub fn new(proxy: Option<Proxy>) -> Self {
        let database = proxy.iter().flat_map(|it| ["--database".to_owned(), it.url().to_owned()]);
        let lease = proxy.iter().flat_map(|_| ["--lease-ttl".to_owned(), "4s".to_owned()]);
        let flags = database.chain(lease).collect();
        let data = "data".to_owned();
        let mut world =
            Self { ground: Ground::new(), place: Arc::default(), proxy, flags, data, copies: 0, server: None };
        world.start();
        world
    }

    pub fn is_sqlite(&self) -> bool {
        self.proxy.is_none()
    }

    pub fn is_running(&self) -> bool {
        self.server.is_some()
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("a round ends with a running server")
    }

    pub fn caller(&self) -> Caller {
        Caller::new(&self.server().url, &self.server().token(&self.data))
    }

    /// Starts the server; nothing is armed.
    pub fn start(&mut self) {
        self.try_start(None, PACE).unwrap_or_else(|log| panic!("the server did not start:\n{log}"));
    }

    /// Starts it with an armed fault; false when that ended it before it was ready.
    pub fn start_armed(&mut self, fault: &str) -> bool {
        self.try_start(Some(fault), PACE).is_ok()
    }

    /// Starts it with other settings.
    pub fn start_with(&mut self, flags: &[&str]) {
        self.try_start(None, flags).unwrap_or_else(|log| panic!("the server did not start:\n{log}"));
    }

    fn try_start(&mut self, fault: Option<&str>, pace: &[&str]) -> Result<(), String> {
        let armed = fault.map(|it| format!("TENURE_FAULT={it}"));
        let mut arguments: Vec<&str> = armed.iter().map(String::as_str).collect();
        arguments.extend([PROGRAM, "serve", "--listen", "127.0.0.1:0", "--data", &self.data]);
        arguments.extend(self.flags.iter().map(String::as_str).chain(pace.iter().copied()));
        let mut server = Server::start_as(self.ground.home.path(), &self.data, "env", &arguments)?;
        let token = server.token(&self.data);
        self.place.is_at(&server.url, &token);
        server.given = Some(token);
        self.server = Some(server);
        Ok(())
    }

    /// As a power cut would.
    pub fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// As a service manager would.
    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }

    /// Takes the server out; it goes on, and so does whoever asks it.
    pub fn leave(&mut self) -> Server {
        self.server.take().expect("a server runs")
    }

    /// Waits until it died by itself; false when it did not.
    pub fn dies_within(&self, wait: Duration) -> bool {
        let Some(server) = &self.server else { return true };
        let address = server.url.trim_start_matches("http://").to_owned();
        let started = Instant::now();
        while started.elapsed() < wait {
            if std::net::TcpStream::connect(&address).is_err() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Starts it and ends it before it is ready, or just after.
    pub fn die_at_birth(&mut self, life: Duration) {
        let mut command = program(self.ground.home.path());
        command.args(["serve", "--listen", "127.0.0.1:0", "--data", &self.data]).args(&self.flags).args(PACE);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(life);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The folder of the log.
    pub fn log_folder(&self) -> PathBuf {
        self.ground.path(&self.data).join("intake")
    }

    /// The disk of the log is gone, and reporters may be asked for what they keep.
    pub fn lose_log(&mut self) {
        self.place.is_disk_lost.store(true, Ordering::Release);
        std::fs::remove_dir_all(self.log_folder()).unwrap();
    }

    /// From now on the data lie in a copy, as after a disk that was cloned.
    pub fn clone_disk(&mut self) {
        self.place.is_disk_lost.store(true, Ordering::Release);
        self.copies += 1;
        let copy = format!("data-{}", self.copies);
        copy_folder(&self.ground.path(&self.data), &self.ground.path(&copy));
        self.data = copy;
    }

    /// The files of the embedded database.
    pub fn database_files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.ground.path(&self.data)).unwrap().map(|it| it.unwrap().path());
        files.filter(|it| it.file_name().unwrap().to_string_lossy().starts_with("tenure.db")).collect()
    }
}

/// Copies a folder with what is in it; whatever else lies in the target stays.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
