//! `tenure demo`: it starts, and every command that its tour prints works as it is pasted.

use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::ground::{Ground, Ran, Server, eventually, program, says};

/// A line of the tour comes at once after the ready line.
const LINE_MAX: Duration = Duration::from_secs(10);

/// A machine reports every 10 s, and a customer does something in most reports.
const GROWS_MAX: Duration = Duration::from_secs(90);

fn demo(ground: &Ground, more: &[&str]) -> (Server, String) {
    let arguments = [&["demo", "--listen", "127.0.0.1:0", "--instances", "3000"], more].concat();
    let mut server = Server::start(ground.home.path(), "demo", &arguments).unwrap_or_else(|log| panic!("{log}"));
    let mut tour = String::new();
    while let Some(line) = server.line(LINE_MAX) {
        tour.push_str(&line);
        tour.push('\n');
        if line.starts_with("Ctrl-C ends the demo") {
            break;
        }
    }
    (server, tour)
}

/// The commands of the tour, as they are printed.
fn commands(tour: &str) -> Vec<String> {
    let is_step = |line: &&str| line.starts_with(|letter: char| letter.is_ascii_digit());
    tour.lines().filter(is_step).map(|line| line[1..].trim().to_owned()).collect()
}

fn paste(ground: &Ground, command: &str) -> Ran {
    // Only what a terminal of the same user has: no token and no address.
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(ground.home.path()).stdin(Stdio::null());
    shell.env("XDG_RUNTIME_DIR", ground.home.path()).env_remove("TENURE_TOKEN").env_remove("TENURE_SERVER");
    Ran::of(&mut shell, None)
}

#[test]
fn the_tour_works_as_it_is_pasted() {
    let ground = Ground::new();
    let (server, tour) = demo(&ground, &[]);
    assert_eq!(server.printed, [format!("tenure is ready at {}", server.url)]);
    let commands = commands(&tour);
    assert_eq!(commands.len(), 6, "{tour}");
    says(&paste(&ground, &commands[0]).ok(), &["VERDICT NOW", "CANDIDATES", "WHY NOT", "eu-west-e", "group-draining"]);
    let preview = paste(&ground, &commands[1]).ok();
    says(&preview, &["drain plan", "us-east-b", "apply it with: "]);
    let blast = paste(&ground, &commands[2].replace(" apply ", " plan topology ")).ok();
    says(&blast, &["ownership changes for 0", "Plan: 0 to move"]);
    says(&paste(&ground, &commands[2]).ok(), &["created   Region nz", "0 updated"]);
    let apply = preview.lines().last().unwrap().strip_prefix("apply it with: ").unwrap();
    says(&paste(&ground, apply).ok(), &["is done", "0 pending"]);
    says(&paste(&ground, &commands[3]).ok(), &["counters", "0 differ"]);
    // Usage grows while one looks, and nothing of it is missing.
    let used = || -> u64 {
        let usage: Value = serde_json::from_str(&paste(&ground, &format!("{} -o json", commands[4])).ok()).unwrap();
        usage["visible"]["up"].as_u64().unwrap() + usage["visible"]["down"].as_u64().unwrap()
    };
    let before = eventually(GROWS_MAX, || if used() > 0 { Ok(used()) } else { Err("nothing was used".to_owned()) });
    eventually(GROWS_MAX, || if used() > before { Ok(()) } else { Err(format!("still {before}")) });
    says(&paste(&ground, &commands[5]).ok(), &["balanced to the byte", "64 shards"]);
    let watched = tour.split('`').skip(1).step_by(2).find(|part| part.contains(" explain acct-")).unwrap();
    says(&paste(&ground, watched).ok(), &["us-west-c"]);
}

#[test]
fn ctrl_c_ends_it_and_leaves_nothing_behind() {
    let ground = Ground::new();
    let (server, tour) = demo(&ground, &[]);
    let place = tour.trim().rsplit(' ').next().unwrap().trim_end_matches('.').to_owned();
    assert!(std::path::Path::new(&place).join("admin.token").exists(), "{place}");
    server.signal(Signal::INT);
    assert_eq!(server.stop(), Some(0));
    assert!(!std::path::Path::new(&place).exists(), "{place}");
    let notes: Vec<_> = std::fs::read_dir(ground.home.path()).unwrap().flatten().map(|it| it.file_name()).collect();
    assert_eq!(notes, ["demo.log"], "only the log of this test is left");
}

#[test]
fn kept_data_are_set_up_once_and_a_taken_port_is_named() {
    let ground = Ground::new();
    let (server, tour) = demo(&ground, &["--data", "kept"]);
    says(&tour, &["Ctrl-C ends the demo and keeps its data", "kept"]);
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let ran = Ran::of(program(ground.home.path()).args(["demo", "--listen", &address]), None);
    assert_eq!(ran.code, 1);
    says(&ran.err, &["cannot listen on", "--listen 127.0.0.1:0"]);
    assert_eq!(server.stop(), Some(0));
    let (server, _) = demo(&ground, &["--data", "kept"]);
    says(&server.ok(&["doctor"]), &["3000 instances"]);
    says(&server.ok(&["get", "group", "eu-central-d"]), &["state: draining"]);
}
