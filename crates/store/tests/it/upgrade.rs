//! The schema goes forward with its data, and never back.

use domain::ids::{InstanceId, Revision};
use domain::master_data::{Kind, Object};
use domain::orchestration::Ask;
use sqlx::{AssertSqlSafe, Row};
use store::{Intent, SCHEMA_VERSION, Store, StoreError};

use crate::fleet::{self, Leader};
use crate::ground::{Ground, NOW, WRITER, on_both_engines};

on_both_engines! {
    a_populated_first_schema_is_brought_forward,
    opening_twice_migrates_once,
    two_processes_may_start_at_once,
    a_newer_schema_is_refused,
    a_changed_migration_is_refused,
}

/// A database as the first release left it.
const FIRST_RELEASE: [&str; 8] = [
    "INSERT INTO change (revision, change_id, at_us) VALUES (1, 1000, 5), (2, 2000, 6), (3, 3000, 7)",
    "UPDATE head SET revision = 3, change_id = 3000",
    "UPDATE topology SET version = 1",
    "INSERT INTO region (region_id, name, jurisdiction, state, labels, change_id) VALUES ('r0', 'R', 'EU', 'active', '{}', 1000)",
    "INSERT INTO resource_group (group_id, region_id, weight, state, labels, change_id)
VALUES ('r0-g0', 'r0', 100, 'active', '{\"a\":\"b\"}', 1000)",
    "INSERT INTO instance (instance_id, product_id, jurisdiction, status, weight, created_us, is_expired, first_change_id, change_id)
VALUES ('svc-1', 'basic', 'EU', 'active', 2, 3, 0, 2000, 2000), ('svc-2', 'basic', NULL, 'suspended', 1, 4, 0, 2000, 2000)",
    "INSERT INTO ownership (instance_id, region_id, group_id, weight, product_id, generation, version, batch_id, ordinal, since_us, change_id)
VALUES ('svc-1', 'r0', 'r0-g0', 2, 'basic', 1, 1, 1, 0, 7, 3000)",
    "INSERT INTO group_load (group_id, product_id, owners, weight) VALUES ('r0-g0', 'basic', 1, 2)",
];

async fn a_populated_first_schema_is_brought_forward(ground: Ground) {
    let old = Store::open_at_schema(&ground.location, WRITER, 1).await.unwrap();
    old.close().await;
    let mut raw = ground.raw().await;
    assert!(sqlx::query("SELECT touched FROM change").fetch_all(&mut raw).await.is_err(), "it is the first schema");
    for statement in FIRST_RELEASE {
        sqlx::query(statement).execute(&mut raw).await.unwrap();
    }
    drop(raw);
    let store = ground.open().await;
    let head = store.head().await.unwrap();
    assert_eq!((head.revision, head.change, head.topology_version), (Revision(3), 3000, 1));
    let changes = store.changes_since(Revision(0), 10).await.unwrap();
    assert!(
        changes.iter().all(|it| it.touched.has_topology() && it.touched.has_ownership()),
        "anything may have changed"
    );
    let changed = store.rows_of(&changes).await.unwrap();
    assert_eq!(changed.instances, fleet::all_rows(&store).await);
    let id = InstanceId::parse("svc-1").unwrap();
    let (ownership, revision) = store.ownership(&id).await.unwrap().unwrap();
    assert_eq!((ownership.group().unwrap().as_str(), revision), ("r0-g0", Revision(3)));
    assert_eq!(store.recount().await.unwrap().differences, []);
    // Life goes on in it.
    fleet::put_all(&store, &fleet::fleet(1, 2), NOW).await;
    assert_eq!(store.get(Kind::ResourceGroup, "r0-g0").await.unwrap().unwrap().revision, Revision(4));
    let mut leader = Leader::begin(&store, "a", fleet::LEASE_TTL_US).await;
    let rows = fleet::all_rows(&store).await;
    leader.commit(&[(&rows[1], Ask::Allocate), (&rows[0], Ask::Recount)], &[]).await.unwrap();
    assert_eq!(store.recount().await.unwrap().differences, []);
    let mut change = store.begin(Intent::Plans, "test", NOW).await.unwrap();
    change.create_plan(&crate::ownership::plan_row("p", "draft")).await.unwrap();
    change.commit().await.unwrap();
}

async fn opening_twice_migrates_once(ground: Ground) {
    let store = ground.open().await;
    fleet::put_all(&store, &[Object::Region(fleet::region("r0"))], NOW).await;
    store.close().await;
    let store = ground.open().await;
    assert_eq!(store.head().await.unwrap().revision, Revision(1));
    let mut raw = ground.raw().await;
    let rows = sqlx::query("SELECT version FROM schema_version ORDER BY version").fetch_all(&mut raw).await.unwrap();
    let versions: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(versions, (0..=SCHEMA_VERSION).collect::<Vec<_>>());
}

async fn two_processes_may_start_at_once(ground: Ground) {
    let opened = futures::future::join_all((0..4).map(|writer| Store::open(&ground.location, writer))).await;
    for store in opened {
        assert_eq!(store.unwrap().head().await.unwrap().revision, Revision(0));
    }
}

async fn a_newer_schema_is_refused(ground: Ground) {
    ground.open().await.close().await;
    let mut raw = ground.raw().await;
    let newer = format!(
        "INSERT INTO schema_version (version, name, hash, applied_us) VALUES ({}, 'later', '', 0)",
        SCHEMA_VERSION + 1
    );
    sqlx::query(AssertSqlSafe(newer)).execute(&mut raw).await.unwrap();
    let error = Store::open(&ground.location, WRITER).await.err().unwrap();
    assert!(matches!(error, StoreError::NewerSchema { found, known } if found == known + 1), "{error:?}");
    assert!(error.to_string().contains("use the newer release"), "{error}");
}

async fn a_changed_migration_is_refused(ground: Ground) {
    ground.open().await.close().await;
    let mut raw = ground.raw().await;
    sqlx::query("UPDATE schema_version SET hash = 'f00d' WHERE version = 1").execute(&mut raw).await.unwrap();
    let error = Store::open(&ground.location, WRITER).await.err().unwrap();
    assert!(matches!(&error, StoreError::Corrupt { what } if what.contains("migration 1")), "{error:?}");
}
