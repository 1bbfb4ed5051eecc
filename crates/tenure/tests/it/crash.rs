//! `kill -9` at random moments of import, allocation and plan, round after round on the same data.
//!
//! After each start nothing that was acknowledged is lost, everybody has one owner and the counters equal a recount
//! (I2, I6). `TENURE_CRASH_ROUNDS` makes more rounds, `TENURE_CRASH_SEED` other moments.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{Acknowledged, Caller, runtime, verify};
use crate::fleet;
use crate::ground::{Ground, Server, program};
use crate::postgres::Database;

/// Enough that import, allocation and plan are each hit, few enough for every run.
const ROUNDS: u64 = 4;

/// Rows of one import.
const ROWS: usize = 400;

/// How long the world runs before the power goes, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 150..2_000;

/// How long a server lives that dies before it is ready, or just after, in milliseconds.
const BIRTH_MS: std::ops::Range<u64> = 5..600;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_acknowledged_is_lost_on_sqlite() {
    survive(&[]);
}

#[test]
fn nothing_acknowledged_is_lost_on_postgres() {
    let Some(database) = Database::new() else { return };
    survive(&["--database", &database.url(), "--lease-ttl", "4s"]);
}

fn survive(flags: &[&str]) {
    let seed = number("TENURE_CRASH_SEED", 1);
    eprintln!("TENURE_CRASH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let ground = Ground::new();
    let mut server = ground.serve_with("data", flags);
    fleet::put(&ground, &server, 200);
    let all = Arc::new(Mutex::new(Acknowledged::default()));
    for round in 0..number("TENURE_CRASH_ROUNDS", ROUNDS) {
        let caller = Caller::new(&server.url, &server.token("data"));
        live_and_die(server, &caller, round, &mut random, &all);
        if round % 2 == 1 {
            die_at_birth(&ground, flags, &mut random);
        }
        server = ground.serve_with("data", flags);
        let caller = Caller::new(&server.url, &server.token("data"));
        verify(&server, &caller, &all.lock().unwrap());
    }
    let acknowledged = all.lock().unwrap();
    let done = (acknowledged.imported.len(), acknowledged.owned.len(), acknowledged.plans.len());
    assert!(done.0 > 0 && done.1 > 0 && done.2 > 0, "a world in which nothing happened proves nothing: {done:?}");
    eprintln!("acknowledged: {} imported, {} put, {} plans", done.0, done.1, done.2);
}

/// Starts a server and kills it before it is ready, or just after.
fn die_at_birth(ground: &Ground, flags: &[&str], random: &mut StdRng) {
    let arguments = [&["serve", "--listen", "127.0.0.1:0", "--data", "data"], flags].concat();
    let mut command = program(ground.home.path());
    command.args(arguments).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(random.random_range(BIRTH_MS)));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Imports, writes and plans, all at once, until the power goes.
fn live_and_die(server: Server, caller: &Caller, round: u64, random: &mut StdRng, all: &Arc<Mutex<Acknowledged>>) {
    let life = Duration::from_millis(random.random_range(LIFE_MS));
    let group = ["eu-a", "eu-b", "us-a", "us-b"][random.random_range(0..4)];
    runtime().block_on(async {
        let work = [
            tokio::spawn(import(caller.clone(), round, Arc::clone(all))),
            tokio::spawn(put(caller.clone(), round, Arc::clone(all))),
            match round % 2 {
                0 => tokio::spawn(plan_moves(caller.clone(), group, Arc::clone(all))),
                _ => tokio::spawn(plan_drains(caller.clone(), Arc::clone(all))),
            },
        ];
        tokio::time::sleep(life).await;
        server.kill();
        for it in work {
            it.await.unwrap();
        }
    });
}

async fn import(caller: Caller, round: u64, all: Arc<Mutex<Acknowledged>>) {
    for portion in 0.. {
        let name = format!("row-{round}-{portion}");
        let Ok((200, body)) = caller.import(fleet::rows(&name, ROWS, "basic")).await else { return };
        assert_eq!(body["accepted"].as_u64(), Some(ROWS as u64), "{body}");
        all.lock().unwrap().imported.extend((0..ROWS).map(|at| format!("{name}-{at}")));
    }
}

async fn put(caller: Caller, round: u64, all: Arc<Mutex<Acknowledged>>) {
    for at in 0.. {
        let id = format!("put-{round}-{at}");
        let Ok(answer) = caller.put(&id).await else { return };
        all.lock().unwrap().note(id, &answer);
    }
}

/// Moves the first instances to a group, again and again.
async fn plan_moves(caller: Caller, group: &str, all: Arc<Mutex<Acknowledged>>) {
    for first in (0..200usize).step_by(40).cycle() {
        // One plan runs while the next is made, and a round ends with few of them.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let moves: Vec<_> =
            (first..first + 40).map(|at| json!({"instance": format!("svc-{at}"), "to": group})).collect();
        if apply(&caller, "/v1/plans", json!({"kind": "move", "moves": moves}), 60, &all).await.is_none() {
            return;
        }
    }
}

/// Empties a group and takes it back, again and again.
async fn plan_drains(caller: Caller, all: Arc<Mutex<Acknowledged>>) {
    // The round before may have ended with the group emptied.
    let filled = caller.ask(Method::PUT, "/v1/groups/eu-b", Some(json!({"region": "eu"}))).await;
    if !matches!(filled, Ok((200, _))) {
        return;
    }
    while let Some(drain) = apply(&caller, "/v1/plans", json!({"kind": "drain", "group": "eu-b"}), 100_000, &all).await
    {
        if !is_done(&caller, &drain).await {
            return;
        }
        let undo = apply(&caller, &format!("/v1/plans/{drain}/undo"), json!({}), 100_000, &all).await;
        match undo {
            Some(undo) if is_done(&caller, &undo).await => {}
            _ => return,
        }
    }
}

/// Makes a plan and applies it; its id once that is acknowledged.
async fn apply(caller: &Caller, path: &str, body: Value, rate: u32, all: &Mutex<Acknowledged>) -> Option<String> {
    let body = (path == "/v1/plans").then_some(body);
    let Ok((201, plan)) = caller.ask(Method::POST, path, body).await else { return None };
    let id = plan["id"].as_str().unwrap().to_owned();
    let told = caller.ask(Method::POST, &format!("/v1/plans/{id}/apply"), Some(json!({"rate_per_s": rate}))).await;
    let Ok((200, _)) = told else { return None };
    all.lock().unwrap().plans.push(id.clone());
    Some(id)
}

/// Waits for the end of a plan; false when the server is gone.
async fn is_done(caller: &Caller, id: &str) -> bool {
    loop {
        match caller.get(&format!("/v1/plans/{id}")).await {
            Ok((200, plan)) if plan["state"] == "done" => return true,
            Ok((200, plan)) => assert_eq!(plan["state"], "applying", "{plan}"),
            _ => return false,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
