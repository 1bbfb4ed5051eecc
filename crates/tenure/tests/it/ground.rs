//! Servers and commands: the built binary, in directories of their own, ended with the test.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_tenure");

/// A server in a debug build on two busy cores starts within seconds.
const READY_MAX: Duration = Duration::from_secs(60);

/// How the ready line begins.
const READY: &str = "tenure is ready at ";

/// Our program without anything of the environment that tells it what to do.
pub fn program(home: &Path) -> Command {
    undirected(PROGRAM, home)
}

fn undirected(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TENURE_") {
            command.env_remove(name);
        }
    }
    // Notes about running servers stay among those of this test.
    command.env("XDG_RUNTIME_DIR", home).current_dir(home).stdin(Stdio::null());
    command
}

/// A running server.
pub struct Server {
    child: Child,
    pub url: String,
    home: PathBuf,
    log: PathBuf,
    lines: mpsc::Receiver<String>,
    /// All that was printed before and with the ready line.
    pub printed: Vec<String>,
    /// The token of commands, where none is found beside the server.
    pub given: Option<String>,
}

/// A place for servers: one home directory, in which their data directories lie.
pub struct Ground {
    pub home: TempDir,
}

impl Ground {
    pub fn new() -> Self {
        Self { home: TempDir::new().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file and returns its name.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        name.to_owned()
    }

    /// A server on the embedded database.
    pub fn serve(&self) -> Server {
        self.serve_with("data", &[])
    }

    /// A server with a data directory and more flags.
    pub fn serve_with(&self, data: &str, more: &[&str]) -> Server {
        self.try_serve(data, more).unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
    }

    /// A server, or its log.
    pub fn try_serve(&self, data: &str, more: &[&str]) -> Result<Server, String> {
        let arguments = [&["serve", "--listen", "127.0.0.1:0", "--data", data], more].concat();
        Server::start(self.home.path(), data, &arguments)
    }
}

impl Server {
    /// Starts our program and waits until it is ready.
    pub fn start(home: &Path, name: &str, arguments: &[&str]) -> Result<Self, String> {
        Self::start_as(home, name, PROGRAM, arguments)
    }

    /// Starts a program that becomes ours, and waits until it is ready.
    pub fn start_as(home: &Path, name: &str, program: &str, arguments: &[&str]) -> Result<Self, String> {
        let log = home.join(format!("{name}.log"));
        let errors = File::options().create(true).append(true).open(&log).unwrap();
        let mut child =
            undirected(program, home).args(arguments).stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
        let lines = read_lines(child.stdout.take().unwrap());
        let mut server =
            Self { child, url: String::new(), home: home.to_owned(), log, lines, printed: Vec::new(), given: None };
        let deadline = Instant::now() + READY_MAX;
        loop {
            match server.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let address = line.strip_prefix(READY).map(str::to_owned);
                    server.printed.push(line);
                    if let Some(url) = address {
                        server.url = url;
                        return Ok(server);
                    }
                }
                Err(_) => return Err(server.log()),
            }
        }
    }

    /// The next line of its standard output.
    pub fn line(&mut self, wait: Duration) -> Option<String> {
        self.lines.recv_timeout(wait).ok()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Where it was started.
    pub fn home(&self) -> &Path {
        &self.home
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.end();
    }

    /// Asks it to end; its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.child.wait().unwrap().code()
    }

    fn end(&mut self) {
        // One that has been waited for is neither signalled nor waited for again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// A command against this server.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_fed(arguments, None)
    }

    /// The same with text on standard input.
    pub fn run_fed(&self, arguments: &[&str], input: Option<&str>) -> Ran {
        let mut command = program(&self.home);
        command.env("TENURE_SERVER", &self.url).args(arguments);
        command.envs(self.given.iter().map(|token| ("TENURE_TOKEN", token)));
        Ran::of(&mut command, input)
    }

    /// A command that must succeed; its standard output.
    pub fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).ok()
    }

    /// A command that must succeed with `-o json`.
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["-o", "json"]].concat())).unwrap()
    }

    /// A command that must be refused with exit code 1; its standard error.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 1, "{arguments:?}\n{}\n{}", ran.out, ran.err);
        ran.err
    }

    /// The admin token.
    pub fn token(&self, data: &str) -> String {
        std::fs::read_to_string(self.home.join(data).join("admin.token")).unwrap().trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(command: &mut Command, input: Option<&str>) -> Self {
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if let Some(text) = input {
            // A command that refuses its arguments does not read what it is fed.
            let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        }
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
    }

    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self.out
    }
}

fn read_lines(out: std::process::ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Asks again until the answer is there; panics with the last one.
#[track_caller]
pub fn eventually<T: std::fmt::Debug>(within: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + within;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(last) => assert!(Instant::now() < deadline, "not within {within:?}: {last}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// All of these stand in the text.
#[track_caller]
pub fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}
