//! What can only be broken from the inside: the room that the engine has.

use domain::ids::{InstanceId, ProductId};
use domain::master_data::{Instance, InstanceStatus, Labels};
use domain::time::Micros;

use crate::{InstanceWrite, Intent, Location, Store, StoreError};

const NOW: Micros = Micros(1_795_219_200_000_000);

fn instances(from: usize, count: usize) -> Vec<InstanceWrite> {
    let instance = |n: usize| Instance {
        id: InstanceId::parse(&format!("svc-{n:07}")).unwrap(),
        product: ProductId::parse("basic").unwrap(),
        jurisdiction: None,
        status: InstanceStatus::Active,
        weight: 1,
        location: None,
        created: NOW,
        expires: None,
        labels: Labels::new(),
    };
    (from..from + count).map(|n| InstanceWrite { instance: instance(n), is_expired: false }).collect()
}

async fn put(store: &Store, from: usize, count: usize) -> Result<(), StoreError> {
    let mut change = store.begin(Intent::Instances, "test", NOW).await?;
    change.put_instances(&instances(from, count)).await?;
    change.commit().await.map(|_| ())
}

async fn set_pages_max(store: &Store, pages: u32) {
    let pragma = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    sqlx::raw_sql(pragma).execute(&mut *store.writer().await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_everything_intact() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&Location::Sqlite(folder.path().join("tenure.db")), 1).await.unwrap();
    put(&store, 0, 1_000).await.unwrap();
    set_pages_max(&store, 1).await;
    let mut done = 1_000;
    let error = loop {
        match put(&store, done, 1_000).await {
            Ok(()) => done += 1_000,
            Err(error) => break error,
        }
        assert!(done < 100_000, "the disk never fills");
    };
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error:?}");
    let again = put(&store, done, 1_000).await.unwrap_err();
    assert!(matches!(again, StoreError::DiskFull { .. }), "the writer lives on: {again:?}");
    let mut snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.instances(None, 50_000).await.unwrap().len(), done);
    assert_eq!(snapshot.head().revision.0, done as u64 / 1_000);
    snapshot.close().await.unwrap();
    set_pages_max(&store, 1_000_000).await;
    put(&store, done, 1_000).await.unwrap();
    let check = sqlx::query("PRAGMA integrity_check").fetch_one(&mut *store.reader().await.unwrap()).await.unwrap();
    assert_eq!(crate::engine::text(&check, 0).unwrap(), "ok");
}
