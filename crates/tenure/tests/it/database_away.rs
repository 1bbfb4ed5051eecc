//! A database that goes away for ten seconds: clear errors meanwhile, answers from memory, and recovery by itself.

use std::time::{Duration, Instant};

use crate::caller::{Acknowledged, Answer, Caller, runtime, verify};
use crate::fleet;
use crate::ground::{Ground, eventually, says};
use crate::postgres::OwnServer;

/// How long it is away at least. Whoever asks meanwhile waits ten seconds for it and is told then.
const AWAY: Duration = Duration::from_secs(10);

/// When whoever asks is told at the latest.
const ERROR_MAX: Duration = Duration::from_secs(20);

#[test]
fn a_database_that_goes_away_is_named_and_waited_for() {
    if matches!(std::env::var("TENURE_TEST_POSTGRES").unwrap_or_default().as_str(), "" | "skip") {
        assert!(
            std::env::var_os("CI").is_none(),
            "no PostgreSQL: run `cargo xtask test`; with CI set nothing is skipped"
        );
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
    let deletion = runtime.spawn(ask_for_a_deletion(caller.clone()));
    // Resolution reads memory: it needs no database.
    assert_eq!(server.ok(&["resolve", "svc-7", "-o", "json"]), before);
    assert!(stopped.elapsed() < Duration::from_secs(5), "resolution waited for the database");
    let error = server.refused(&["delete", "product", "merge"]);
    says(&error, &["the database did not answer"]);
    let (status, problem) = runtime.block_on(deletion).unwrap();
    assert_eq!(status, 503, "{problem}");
    says(&problem.to_string(), &["database-unavailable"]);
    assert!(stopped.elapsed() < ERROR_MAX, "an error that takes {:?} is not clear", stopped.elapsed());
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

async fn ask_for_a_deletion(caller: Caller) -> Answer {
    caller.ask(reqwest::Method::DELETE, "/v1/products/fixed", None).await.unwrap()
}
