//! What happens when something breaks: a lost reply, a lost connection, a stalled holder, a full queue, a broken file.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::ids::Revision;
use domain::master_data::{Instance, Kind, Object};
use sqlx::Row;
use store::{Intent, Location, Store, StoreError};

use crate::fleet;
use crate::ground::{Ground, NOW, WRITER, on_both_engines, on_postgres, on_sqlite};
use crate::proxy::{Fault, Proxy};

on_both_engines! {
    a_dropped_change_leaves_nothing,
    contention_is_told_and_tried_again,
    two_processes_write_one_history,
    a_lease_waits_for_few_writers,
}

async fn a_dropped_change_leaves_nothing(ground: Ground) {
    let store = ground.open().await;
    for _ in 0..3 {
        let mut change = store.begin(Intent::MasterData, "test", NOW).await.unwrap();
        change.put(&Object::Region(fleet::region("r0")), false).await.unwrap();
        drop(change);
    }
    assert_eq!(store.get(Kind::Region, "r0").await.unwrap(), None);
    fleet::put_all(&store, &[Object::Region(fleet::region("r1"))], NOW).await;
    assert_eq!(store.head().await.unwrap().revision, Revision(1));
}

/// However many write, the lease is renewed in time: it stands in no queue behind them. (I26)
async fn a_lease_waits_for_few_writers(ground: Ground) {
    const WRITERS: usize = 300;
    let store = ground.open().await;
    let lease = store.acquire_lease("x", "a", fleet::LEASE_TTL_US).await.unwrap().unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let mut writers = Vec::new();
    for n in 0..WRITERS {
        let (store, done) = (store.clone(), Arc::clone(&done));
        writers.push(tokio::spawn(async move {
            let change = store.begin(Intent::Instances, "test", NOW.plus_seconds(n as i64)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
            change.rollback().await.unwrap();
            done.fetch_add(1, Ordering::Relaxed);
        }));
    }
    while done.load(Ordering::Relaxed) < 10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let before = done.load(Ordering::Relaxed);
    store.renew_lease(&lease.proof(), fleet::LEASE_TTL_US).await.unwrap();
    let waited_for = done.load(Ordering::Relaxed) - before;
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(waited_for <= WRITERS / 6, "it waited for {waited_for} of {WRITERS}");
}

/// Writers of the topology exclude each other: as many as begin at once all get their turn.
async fn contention_is_told_and_tried_again(ground: Ground) {
    let store = ground.open().await;
    let mut writers = Vec::new();
    for n in 0..8 {
        let store = store.clone();
        writers.push(tokio::spawn(async move {
            store::retry(|| async {
                let mut change = store.begin(Intent::MasterData, "test", NOW).await?;
                change.put(&Object::Region(fleet::region(&format!("r{n}"))), false).await?;
                change.commit().await
            })
            .await
        }));
    }
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let head = store.head().await.unwrap();
    assert_eq!((head.revision.0, head.topology_version), (8, 8));
}

async fn two_processes_write_one_history(ground: Ground) {
    let stores = [ground.open_as(1).await, ground.open_as(2).await];
    let mut writers = Vec::new();
    for (n, store) in stores.iter().cloned().enumerate() {
        writers.push(tokio::spawn(async move {
            for round in 0..10 {
                let written = store::retry(|| async {
                    let mut change = store.begin(Intent::Instances, "test", NOW).await?;
                    let svc = fleet::instance(&format!("svc-{n}-{round}"), "basic");
                    change.put(&Object::Instance(svc), false).await?;
                    change.commit().await
                });
                written.await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let changes = stores[0].changes_since(Revision(0), 100).await.unwrap();
    assert_eq!(changes.iter().map(|it| it.revision.0).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    let ids: std::collections::BTreeSet<i64> = changes.iter().map(|it| it.change).collect();
    assert_eq!(ids.len(), 20, "the tags keep change ids of one microsecond apart");
}

/// Writes one region through a proxy that breaks the commit, and says what the writer was told and what stands.
async fn commit_through(ground: &Ground, fault: Fault) -> (Store, i64, Result<Revision, StoreError>, Proxy) {
    let Location::Postgres(url) = &ground.location else { panic!("a proxy needs a server") };
    let proxy = Proxy::start(url).await;
    let store = Store::open(&Location::Postgres(proxy.url.clone()), WRITER).await.unwrap();
    let mut change = store.begin(Intent::MasterData, "test", NOW).await.unwrap();
    change.put(&Object::Region(fleet::region("r0")), false).await.unwrap();
    let id = change.id();
    proxy.arm(fault);
    let outcome = change.commit().await;
    (store, id, outcome, proxy)
}

#[test]
fn a_lost_reply_of_a_commit_is_looked_up() {
    on_postgres(|ground| async move {
        let (store, id, outcome, _proxy) = commit_through(&ground, Fault::LoseReply).await;
        assert_eq!(outcome.unwrap(), Revision(1));
        assert!(store.get(Kind::Region, "r0").await.unwrap().is_some());
        assert_eq!(store.outcome_of(id).await.unwrap(), Some(Revision(1)));
        assert_eq!(store.outcome_of(id + 1).await.unwrap(), None);
    });
}

#[test]
fn a_lost_commit_is_told() {
    on_postgres(|ground| async move {
        let (store, id, outcome, _proxy) = commit_through(&ground, Fault::LoseRequest).await;
        assert!(matches!(outcome, Err(StoreError::Unavailable { .. })), "{outcome:?}");
        assert_eq!(store.get(Kind::Region, "r0").await.unwrap(), None);
        assert_eq!(store.outcome_of(id).await.unwrap(), None);
    });
}

#[test]
fn a_commit_that_nobody_can_tell_of_is_unknown() {
    on_postgres(|ground| async move {
        let (store, id, outcome, proxy) = commit_through(&ground, Fault::LoseReplyAndServer).await;
        assert!(matches!(outcome, Err(StoreError::CommitUnknown { change_id, .. }) if change_id == id), "{outcome:?}");
        proxy.arm(Fault::None);
        assert_eq!(store.outcome_of(id).await.unwrap(), Some(Revision(1)));
    });
}

#[test]
fn a_lost_connection_is_replaced() {
    on_postgres(|ground| async move {
        let store = ground.open().await;
        let mut change = store.begin(Intent::MasterData, "test", NOW).await.unwrap();
        change.put(&Object::Region(fleet::region("r0")), false).await.unwrap();
        let mut raw = ground.raw().await;
        let end_all = "SELECT COUNT(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()) AS ended";
        sqlx::query(end_all).fetch_one(&mut raw).await.unwrap();
        let error = change.put(&Object::Region(fleet::region("r1")), false).await.unwrap_err();
        assert!(error.is_unavailable(), "{error:?}");
        drop(change);
        fleet::put_all(&store, &[Object::Region(fleet::region("r2"))], NOW).await;
        assert_eq!(store.list(Kind::Region, None, 10).await.unwrap().len(), 1);
    });
}

/// A writer that stalls with the topology in hand is thrown out before half of a lease has passed.
#[test]
fn a_stalled_holder_freezes_nobody() {
    on_postgres(|ground| async move {
        let store = ground.open().await;
        let mut stalled = store.begin(Intent::MasterData, "stalled", NOW).await.unwrap();
        stalled.put(&Object::Region(fleet::region("r0")), false).await.unwrap();
        let since = std::time::Instant::now();
        let next = store::retry(|| async {
            let mut change = store.begin(Intent::MasterData, "next", NOW).await?;
            change.put(&Object::Region(fleet::region("r1")), false).await?;
            change.commit().await
        });
        assert_eq!(next.await.unwrap(), Revision(1));
        let waited = i64::try_from(since.elapsed().as_micros()).unwrap();
        assert!(waited < 2 * store::LEASE_TTL_MIN_US, "{waited} µs");
        assert!(stalled.commit().await.unwrap_err().is_unavailable());
        assert_eq!(store.get(Kind::Region, "r0").await.unwrap(), None);
    });
}

/// Overlapping batches in opposite orders: the store sorts them, so none deadlocks.
#[test]
fn overlapping_imports_do_not_deadlock() {
    on_postgres(|ground| async move {
        let store = ground.open().await;
        let mut importers = Vec::new();
        for importer in 0..4u32 {
            let store = store.clone();
            importers.push(tokio::spawn(async move {
                for round in 0..5 {
                    let mut all: Vec<Instance> =
                        (0..400).map(|n| fleet::instance(&fleet::instance_id(n), "basic")).collect();
                    for it in &mut all {
                        it.weight = importer * 5 + round + 1;
                    }
                    if importer % 2 == 1 {
                        all.reverse();
                    }
                    fleet::put_instances(&store, &all, NOW).await;
                }
            }));
        }
        for importer in importers {
            importer.await.unwrap();
        }
        assert_eq!(fleet::all_rows(&store).await.len(), 400);
    });
}

#[test]
fn a_file_that_is_no_database_is_named() {
    on_sqlite(|ground| async move {
        let path = ground.folder().join("tenure.db");
        std::fs::write(&path, "kind: Region\nid: not a database, however long it is\n".repeat(100)).unwrap();
        let error = Store::open(&ground.location, WRITER).await.err().unwrap();
        assert!(matches!(&error, StoreError::NotADatabase { path: named, .. } if *named == path), "{error:?}");
        assert!(error.to_string().contains("is not a database of Tenure"), "{error}");
    });
}

#[test]
fn a_damaged_file_is_told_apart() {
    on_sqlite(|ground| async move {
        let store = ground.open().await;
        fleet::put_all(&store, &fleet::fleet(2, 20), NOW).await;
        store.close().await;
        let path = ground.folder().join("tenure.db");
        let mut bytes = std::fs::read(&path).unwrap();
        let half = bytes.len() / 2;
        bytes[4096..half].fill(0xa5);
        std::fs::write(&path, bytes).unwrap();
        let error = match Store::open(&ground.location, WRITER).await {
            Err(error) => error,
            Ok(store) => store.list(Kind::Node, None, 1000).await.unwrap_err(),
        };
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    });
}

#[test]
fn a_missing_folder_is_named() {
    on_sqlite(|ground| async move {
        let location = Location::Sqlite(ground.folder().join("nowhere/tenure.db"));
        let error = Store::open(&location, WRITER).await.err().unwrap();
        assert!(matches!(&error, StoreError::Open { .. }), "{error:?}");
        assert!(error.to_string().contains("nowhere/tenure.db"), "{error}");
    });
}

#[test]
fn a_file_name_with_strange_characters_opens() {
    on_sqlite(|ground| async move {
        let location = Location::Sqlite(ground.folder().join("a b?c=d#e%20f&ö.db"));
        let store = Store::open(&location, WRITER).await.unwrap();
        store.close().await;
        assert!(ground.folder().join("a b?c=d#e%20f&ö.db").exists());
    });
}

#[test]
fn sqlite_is_durable_by_its_settings() {
    on_sqlite(|ground| async move {
        let store = ground.open().await;
        let mut raw = ground.raw().await;
        let mode = sqlx::query("PRAGMA journal_mode").fetch_one(&mut raw).await.unwrap();
        assert_eq!(mode.get::<String, _>(0), "wal");
        // A writer that waits for another process is told so, and the lock is not broken.
        sqlx::query("BEGIN IMMEDIATE").execute(&mut raw).await.unwrap();
        let begun =
            tokio::time::timeout(Duration::from_secs(20), store.begin(Intent::Facts, "test", NOW)).await.unwrap();
        assert!(begun.err().unwrap().is_contention());
    });
}
