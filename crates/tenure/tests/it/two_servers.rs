//! Two processes on one PostgreSQL: one leads, either answers, and neither a dead nor a sleeping leader does harm.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::caller::{Acknowledged, Caller, runtime, verify};
use crate::fleet;
use crate::ground::{Ground, Server, eventually, says};
use crate::postgres::Database;

/// The shortest lease that may be set.
const LEASE: &str = "4s";

/// A follower takes over within the lease and what it takes to notice; three times that on a busy machine.
const TAKEOVER_MAX: Duration = Duration::from_secs(30);

struct Pair {
    ground: Ground,
    database: Database,
    leader: Server,
    follower: Server,
}

/// Two servers with the small fleet; the first one leads.
fn pair() -> Option<Pair> {
    let database = Database::new()?;
    let ground = Ground::new();
    let serve = |data: &str| ground.serve_with(data, &["--database", &database.url(), "--lease-ttl", LEASE]);
    let leader = serve("one");
    let mut follower = serve("two");
    // The token is that of the database; the process that came first wrote it down.
    follower.given = Some(leader.token("one"));
    fleet::put(&ground, &leader, 40);
    Some(Pair { ground, database, leader, follower })
}

fn caller(pair: &Pair, server: &Server) -> Caller {
    Caller::new(&server.url, &pair.leader.token("one"))
}

fn leading(server: &Server) -> String {
    let doctor = server.run(&["doctor", "-o", "json"]);
    let found: Value = serde_json::from_str(&doctor.out).unwrap_or(Value::Null);
    let checks = found["checks"].as_array().cloned().unwrap_or_default();
    let leader = checks.iter().find(|it| it["check"] == "leader").and_then(|it| it["detail"].as_str());
    leader.unwrap_or_default().to_owned()
}

#[test]
fn one_leads_and_a_write_through_the_other_gets_its_ownership() {
    let Some(pair) = pair() else { return };
    assert_eq!(leading(&pair.leader), leading(&pair.follower));
    says(&leading(&pair.leader), &["leads, term 1"]);
    let through_follower = caller(&pair, &pair.follower);
    for at in 0..20 {
        let (status, body) = runtime().block_on(through_follower.put(&format!("through-{at}"))).unwrap();
        assert_eq!(status, 201, "{body}");
        assert!(body["group"].is_string(), "{body}");
    }
    let (status, body) = runtime().block_on(through_follower.import(fleet::rows("row", 300, "basic"))).unwrap();
    assert_eq!((status, body["accepted"].as_u64(), body["pending"].as_u64()), (200, Some(300), Some(0)), "{body}");
    let of = |server: &Server| server.ok(&["export", "instances"]);
    assert_eq!(of(&pair.leader).lines().count(), 360);
    assert_eq!(of(&pair.leader), of(&pair.follower));
    let text = |server: &Server| server.ok(&["resolve", "through-7", "-o", "json"]);
    assert_eq!(text(&pair.leader), text(&pair.follower), "an equal view gives equal bytes");
}

#[test]
fn a_killed_leader_loses_and_doubles_nothing_and_the_other_takes_over() {
    let Some(pair) = pair() else { return };
    let was_leading = leading(&pair.follower);
    let (to_leader, to_follower) = (caller(&pair, &pair.leader), caller(&pair, &pair.follower));
    let mut acknowledged = Acknowledged::default();
    let Pair { leader, follower, database, ground } = pair;
    runtime().block_on(async {
        let before = tokio::spawn(write_until_silence(to_leader, "before"));
        tokio::time::sleep(Duration::from_millis(700)).await;
        leader.kill();
        let before = before.await.unwrap();
        assert!(!before.owned.is_empty());
        acknowledged.owned.extend(before.owned);
    });
    let started = Instant::now();
    eventually(TAKEOVER_MAX, || match leading(&follower) {
        same if same == was_leading || !same.contains("leads") => Err(same),
        other => Ok(other),
    });
    eprintln!("the other leads after {:?}", started.elapsed());
    for at in 0..10 {
        let id = format!("after-{at}");
        let answer = runtime().block_on(to_follower.put(&id)).unwrap();
        assert_eq!(answer.0, 201, "{answer:?}");
        acknowledged.note(id, &answer);
    }
    assert!(acknowledged.owned.len() > 10);
    verify(&follower, &to_follower, &acknowledged);
    drop((follower, database, ground));
}

/// I25: two processes that both believe to lead harm nobody.
#[test]
fn a_leader_that_slept_through_its_lease_and_wakes_up_writes_nothing_wrong() {
    let Some(pair) = pair() else { return };
    let was_leading = leading(&pair.follower);
    let (to_leader, to_follower) = (caller(&pair, &pair.leader), caller(&pair, &pair.follower));
    let mut acknowledged = Acknowledged::default();
    // It falls asleep in the middle of its work.
    runtime().block_on(async {
        let writing = tokio::spawn(async move { to_leader.import(fleet::rows("asleep", 5_000, "basic")).await });
        tokio::time::sleep(Duration::from_millis(300)).await;
        pair.leader.signal(Signal::STOP);
        tokio::time::sleep(Duration::from_secs(5)).await;
        for at in 0..20 {
            let id = format!("meanwhile-{at}");
            let answer = to_follower.put(&id).await.unwrap();
            assert!(matches!(answer.0, 201 | 202), "{answer:?}");
            acknowledged.note(id, &answer);
        }
        pair.leader.signal(Signal::CONT);
        if let Ok((200, body)) = writing.await.unwrap() {
            assert_eq!(body["accepted"].as_u64(), Some(5_000), "{body}");
            acknowledged.imported.extend((0..5_000).map(|at| format!("asleep-{at}")));
        }
    });
    eventually(TAKEOVER_MAX, || match leading(&pair.leader) {
        same if same == was_leading || !same.contains("leads") => Err(same),
        other => Ok(other),
    });
    for at in 0..10 {
        let id = format!("after-{at}");
        let answer = runtime().block_on(caller(&pair, &pair.leader).put(&id)).unwrap();
        assert_eq!(answer.0, 201, "{answer:?}");
        acknowledged.note(id, &answer);
    }
    verify(&pair.leader, &caller(&pair, &pair.leader), &acknowledged);
    verify(&pair.follower, &caller(&pair, &pair.follower), &acknowledged);
}

/// Writes instances until the server answers no more.
async fn write_until_silence(caller: Caller, name: &str) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    for at in 0.. {
        let id = format!("{name}-{at}");
        let Ok(answer) = caller.put(&id).await else { break };
        acknowledged.note(id, &answer);
    }
    acknowledged
}
