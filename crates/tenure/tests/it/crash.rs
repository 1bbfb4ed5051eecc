//! `kill -9` at random moments of import, allocation and plan, round after round on the same data.
//!
//! After each start nothing that was acknowledged is lost, everybody has one owner and the counters equal a recount
//! (I2, I6). `TENURE_CRASH_ROUNDS` makes more rounds, `TENURE_CRASH_SEED` other moments.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::json;

use crate::caller::{Acknowledged, Caller, runtime, verify};
use crate::fleet;
use crate::ground::{Ground, Server};
use crate::postgres::Database;

/// Enough that import, allocation and plan are each hit, few enough for every run.
const ROUNDS: u64 = 4;

/// Rows of one import.
const ROWS: usize = 400;

/// How long the world runs before the power goes, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 150..2_000;

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
        server = ground.serve_with("data", flags);
        let caller = Caller::new(&server.url, &server.token("data"));
        verify(&server, &caller, &all.lock().unwrap());
    }
    let acknowledged = all.lock().unwrap();
    let done = (acknowledged.imported.len(), acknowledged.owned.len(), acknowledged.plans.len());
    assert!(done.0 > 0 && done.1 > 0 && done.2 > 0, "a world in which nothing happened proves nothing: {done:?}");
    eprintln!("acknowledged: {} imported, {} put, {} plans", done.0, done.1, done.2);
}

/// Imports, writes and plans, all at once, until the power goes.
fn live_and_die(server: Server, caller: &Caller, round: u64, random: &mut StdRng, all: &Arc<Mutex<Acknowledged>>) {
    let life = Duration::from_millis(random.random_range(LIFE_MS));
    let group = ["eu-a", "eu-b", "us-a", "us-b"][random.random_range(0..4)];
    runtime().block_on(async {
        let work = [
            tokio::spawn(import(caller.clone(), round, Arc::clone(all))),
            tokio::spawn(put(caller.clone(), round, Arc::clone(all))),
            tokio::spawn(plan(caller.clone(), group, Arc::clone(all))),
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
async fn plan(caller: Caller, group: &str, all: Arc<Mutex<Acknowledged>>) {
    for first in (0..200usize).step_by(40).cycle() {
        let moves: Vec<_> =
            (first..first + 40).map(|at| json!({"instance": format!("svc-{at}"), "to": group})).collect();
        let made = caller.ask(Method::POST, "/v1/plans", Some(json!({"kind": "move", "moves": moves}))).await;
        let Ok((201, plan)) = made else { return };
        let id = plan["id"].as_str().unwrap().to_owned();
        let told = caller.ask(Method::POST, &format!("/v1/plans/{id}/apply"), Some(json!({"rate_per_s": 60}))).await;
        let Ok((200, _)) = told else { return };
        all.lock().unwrap().plans.push(id);
    }
}
