//! A database that goes away for ten seconds: clear errors meanwhile, answers from memory, and recovery by itself.

use std::time::{Duration, Instant};

use crate::caller::{Acknowledged, Caller, runtime, verify};
use crate::fleet;
use crate::ground::{Ground, eventually, says};
use crate::postgres::OwnServer;

/// How long it is away.
const AWAY: Duration = Duration::from_secs(10);

#[test]
fn a_database_that_goes_away_is_named_and_waited_for() {
    if matches!(std::env::var("TENURE_TEST_POSTGRES").unwrap_or_default().as_str(), "" | "skip") {
        assert!(std::env::var_os("CI").is_none(), "no PostgreSQL: run `cargo xtask test`; with CI set nothing is skipped");
        eprintln!("SKIPPED ON POSTGRESQL: run `cargo xtask test`");
        return;
    }
    let mut database = OwnServer::start();
    let ground = Ground::new();
    let server = ground.serve_with("data", &["--database", &database.url(), "--lease-ttl", "4s"]);
    fleet::put(&ground, &server, 60);
    let caller = Caller::new(&server.url, &server.token("data"));
    let runtime = runtime();
    let mut acknowledged = Acknowledged::default();
    let answer = runtime.block_on(caller.put("before")).unwrap();
    acknowledged.note("before".to_owned(), &answer);
    let before = server.ok(&["resolve", "svc-7", "-o", "json"]);

    database.stop();
    let stopped = Instant::now();
    let error = server.refused(&["delete", "product", "fixed"]);
    says(&error, &["database"]);
    assert!(stopped.elapsed() < AWAY, "an error that takes {:?} is not clear", stopped.elapsed());
    let (status, problem) = runtime.block_on(caller.put("meanwhile")).unwrap();
    assert_eq!(status, 503, "{problem}");
    says(&problem.to_string(), &["database-unavailable"]);
    // Resolution reads memory: it needs no database.
    assert_eq!(server.ok(&["resolve", "svc-7", "-o", "json"]), before);
    std::thread::sleep(AWAY.saturating_sub(stopped.elapsed()));

    database.launch();
    let back = Instant::now();
    eventually(Duration::from_secs(30), || match runtime.block_on(caller.put("after")) {
        Ok(answer @ (200 | 201, _)) if answer.1["group"].is_string() => {
            acknowledged.note("after".to_owned(), &answer);
            Ok(())
        }
        other => Err(format!("{other:?}")),
    });
    eprintln!("writes are owned again after {:?}", back.elapsed());
    verify(&server, &caller, &acknowledged);
    assert_eq!(server.ok(&["resolve", "svc-7", "-o", "json"]), before);
}
