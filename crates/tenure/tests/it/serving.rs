//! Serving: settings and where they came from, one process for each directory, an end that is clean, a doctor that looks.

use std::time::Duration;

use crate::fleet::serve;
use crate::ground::{Ground, Ran, eventually, program, says};

#[test]
fn a_second_process_on_one_directory_is_refused_with_a_clear_message() {
    let ground = Ground::new();
    let server = ground.serve();
    let log = ground.try_serve("data", &[]).err().expect("one is enough");
    says(&log, &["error: another process serves the data directory", "--data"]);
    server.ok(&["get", "regions"]);
}

#[test]
fn a_server_that_was_killed_leads_again_at_once() {
    let ground = Ground::new();
    let server = serve(&ground, 10);
    server.kill();
    let server = ground.serve();
    let log = server.log();
    assert_eq!(log.matches("this process leads").count(), 2, "{log}");
    assert!(!log.contains('\u{1b}'), "colours belong on a terminal: {log}");
    let started = std::time::Instant::now();
    server
        .run_fed(&["import", "instances", "-", "--format", "ndjson"], Some("{\"id\":\"more\",\"product\":\"basic\"}"))
        .ok();
    assert!(started.elapsed() < Duration::from_secs(3), "its own lease was waited for: {:?}", started.elapsed());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let ground = Ground::new();
    let server = ground.serve();
    let address = server.url.strip_prefix("http://").unwrap();
    let mut command = program(ground.home.path());
    let ran = Ran::of(command.args(["serve", "--data", "other", "--listen", address]), None);
    assert_eq!(ran.code, 1);
    says(&ran.err, &["cannot listen on", address]);
}

#[test]
fn sigterm_drains_and_exits_0_and_everything_is_there_again() {
    let ground = Ground::new();
    let server = serve(&ground, 30);
    let before = server.ok(&["export", "instances"]);
    let owner = crate::fleet::owner(&server, "svc-7");
    assert_eq!(server.stop(), Some(0));
    let server = ground.serve();
    assert_eq!(server.ok(&["export", "instances"]), before);
    assert_eq!(crate::fleet::owner(&server, "svc-7"), owner);
    server.ok(&["doctor"]);
}

#[test]
fn settings_say_where_they_came_from() {
    let ground = Ground::new();
    ground.write("tenure.toml", "health_ttl = \"30s\"\nrepair_after = \"5s\"\n");
    let mut command = program(ground.home.path());
    command.env("TENURE_REPAIR_AFTER", "7s").args(["serve", "--print-config", "--lease-ttl", "6s", "-o", "json"]);
    let printed: serde_json::Value = serde_json::from_str(&Ran::of(&mut command, None).ok()).unwrap();
    let of = |name: &str| {
        let row = printed.as_array().unwrap().iter().find(|it| it["name"] == name).unwrap();
        (row["value"].as_str().unwrap().to_owned(), row["from"].as_str().unwrap().to_owned())
    };
    let expected = |value: &str, from: &str| (value.to_owned(), from.to_owned());
    assert_eq!(of("lease_ttl"), expected("6s", "flag"));
    assert_eq!(of("repair_after"), expected("7s", "variable TENURE_REPAIR_AFTER"));
    assert_eq!(of("health_ttl"), expected("30s", "tenure.toml"));
    assert_eq!(of("listen"), expected("127.0.0.1:7400", "default"));
    ground.write("tenure.toml", "healthttl = \"30s\"\n");
    let ran = Ran::of(program(ground.home.path()).args(["serve", "--print-config"]), None);
    assert_eq!(ran.code, 2);
    says(&ran.err, &["healthttl", "health_ttl"]);
}

#[test]
fn the_doctor_and_the_tasks_speak() {
    let ground = Ground::new();
    let server = serve(&ground, 10);
    let checks = server.json(&["doctor"]);
    let checks = checks["checks"].as_array().unwrap();
    assert!(checks.len() >= 4 && checks.iter().all(|it| it["ok"] == true), "{checks:?}");
    says(&server.ok(&["tasks"]), &["TASK", "allocate"]);
    let task = "recount";
    says(&server.ok(&["tasks", "pause", task]), &["paused"]);
    server.ok(&["tasks", "resume", task]);
    server.ok(&["tasks", "run", task]);
    says(&server.refused(&["tasks", "pause", "nothing"]), &["nothing"]);
    let verified = eventually(Duration::from_secs(10), || {
        let verified = server.json(&["audit", "verify"]);
        if verified["entries"].as_u64() > Some(20) { Ok(verified) } else { Err(verified.to_string()) }
    });
    assert_eq!(verified["ok"], true, "{verified}");
    says(&server.ok(&["audit", "list", "--limit", "5"]), &["ENTRY", "1"]);
}

#[test]
fn usage_is_exit_2_and_an_absent_server_says_what_to_do() {
    let ground = Ground::new();
    let run = |arguments: &[&str]| Ran::of(program(ground.home.path()).args(arguments), None);
    assert_eq!(run(&["frobnicate"]).code, 2);
    assert_eq!(run(&["apply"]).code, 2);
    assert_eq!(run(&["get", "nodes", "--server", "not a url"]).code, 2);
    let ran = run(&["get", "nodes", "--server", "http://127.0.0.1:1"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.out, "");
    says(&ran.err, &["error: http://127.0.0.1:1 cannot be reached", "is it running"]);
    let help = run(&["--help"]).ok();
    says(&help, &["Examples:", "tenure apply -f", "explain", "plan"]);
    says(&run(&["plan", "apply", "--help"]).ok(), &["--rate", "--no-wait"]);
    says(&run(&["completions", "bash"]).ok(), &["complete", "tenure"]);
    assert!(run(&["--version"]).ok().starts_with("tenure "));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let ground = Ground::new();
    let server = serve(&ground, 3_000);
    let mut command = program(ground.home.path());
    command.env("TENURE_SERVER", &server.url).args(["export", "instances"]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
