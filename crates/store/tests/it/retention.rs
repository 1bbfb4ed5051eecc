//! What is forgotten, and that nothing which can be asked for goes with it.

use std::collections::BTreeSet;

use domain::ids::*;
use domain::master_data::*;
use domain::orchestration::*;
use sqlx::{AssertSqlSafe, Row};
use store::{HISTORY_KEPT_MAX, Intent, LOOKED_AT_MAX, Store};

use crate::fleet::{self, LEASE_TTL_US, Leader, RELEASE};
use crate::ground::{Ground, NOW, on_both_engines};

on_both_engines! {
    only_changes_that_no_row_bears_are_forgotten,
    only_batches_that_nothing_cites_are_forgotten,
    a_history_has_a_depth,
}

const A_DAY_S: i64 = 24 * 3600;

async fn column(ground: &Ground, sql: &str) -> BTreeSet<i64> {
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut ground.raw().await).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn execute(ground: &Ground, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut ground.raw().await).await.unwrap();
}

async fn populate(store: &Store, instances: usize) {
    fleet::put_all(store, &fleet::fleet(1, 4), NOW).await;
    let all: Vec<Instance> = (0..instances).map(|n| fleet::instance(&fleet::instance_id(n), "basic")).collect();
    fleet::put_instances(store, &all, NOW).await;
}

/// Asks for everybody, as they stand.
async fn ask_all(leader: &mut Leader, ask: Ask) {
    for part in fleet::all_rows(&leader.store.clone()).await.chunks(10) {
        let asked: Vec<_> = part.iter().map(|row| (row, ask)).collect();
        leader.commit(&asked, &[]).await.unwrap();
    }
}

/// I26: the table of changes grows with the rows that there are, not with what ever happened. (I26)
async fn only_changes_that_no_row_bears_are_forgotten(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 20).await;
    Leader::begin(&store, "a", LEASE_TTL_US).await.allocate_all(7).await;
    for weight in 2..12 {
        let edited = Instance { weight, ..fleet::instance(&fleet::instance_id(3), "basic") };
        fleet::put_instances(&store, &[edited], NOW).await;
    }
    fleet::put_all(&store, &[Object::Region(fleet::region("gone"))], NOW).await;
    let mut change = store.begin(Intent::MasterData, "test", NOW).await.unwrap();
    assert!(change.delete(Kind::Region, "gone").await.unwrap());
    change.commit().await.unwrap();
    let later = NOW.plus_seconds(A_DAY_S);
    let forget = async |before, limit| {
        let (mut deleted, mut after) = (0, Some(Revision(0)));
        while let Some(from) = after {
            let forgotten = store.forget_changes(before, from, limit).await.unwrap();
            deleted += forgotten.deleted;
            after = forgotten.next;
        }
        deleted
    };
    assert_eq!(forget(later, LOOKED_AT_MAX).await, 0, "the audit log has yet to learn of them");
    while store.append_audit(1000).await.unwrap() > 0 {}
    let seen = async || {
        let group = store.get(Kind::ResourceGroup, "r0-g1").await.unwrap().unwrap();
        let history = store.history(&InstanceId::parse(&fleet::instance_id(3)).unwrap(), 10).await.unwrap();
        (fleet::all_rows(&store).await, group, history, store.head().await.unwrap())
    };
    let before = seen().await;
    assert_eq!(forget(NOW, LOOKED_AT_MAX).await, 0, "what is young stays");
    // Nine of the edits, and the region that came and went; its end is the head.
    assert_eq!(forget(later, 4).await, 10);
    assert_eq!(seen().await, before, "every row keeps its revision");
    assert_eq!(forget(later, LOOKED_AT_MAX).await, 0);
    let left = column(&ground, "SELECT revision FROM change").await;
    assert!(left.contains(&i64::try_from(before.3.revision.0).unwrap()), "views stand on the head");
}

/// I9, I26: batches go, but none that an owner, present or former, was decided in, nor what it is rebuilt from. (I9, I26)
async fn only_batches_that_nothing_cites_are_forgotten(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 100).await;
    let mut leader = Leader::begin(&store, "a", LEASE_TTL_US).await;
    leader.allocate_all(10).await;
    for _ in 0..2 {
        leader.load().await;
        ask_all(&mut leader, RELEASE).await;
        ask_all(&mut leader, Ask::Allocate).await;
    }
    assert_eq!(store.load_books().await.unwrap().last_batch, 50);
    let later = NOW.plus_seconds(A_DAY_S);
    assert_eq!(store.forget_batches(later, 0, LOOKED_AT_MAX).await.unwrap().deleted, 0, "histories cite them");
    // As if most had been moved so often since that these owners fell out of their histories.
    execute(&ground, "DELETE FROM ownership_history WHERE version < 4 AND NOT (batch_id = 3 AND ordinal = 1)").await;
    assert_eq!(store.forget_batches(NOW, 0, LOOKED_AT_MAX).await.unwrap().deleted, 0, "what is young stays");
    let forgotten = store.forget_batches(later, 0, LOOKED_AT_MAX).await.unwrap();
    let left = column(&ground, "SELECT batch_id FROM decision_batch").await;
    let cited = "SELECT batch_id FROM ownership UNION SELECT batch_id FROM ownership_history";
    assert!(column(&ground, cited).await.is_subset(&left));
    // The first chain is kept up to the cited one, the second goes as a whole, the last is the one to go on with.
    assert_eq!((forgotten.deleted, forgotten.next), (27, None), "{left:?}");
    assert_eq!(left, (1..=3).chain(31..=50).collect());
    for row in fleet::all_rows(&store).await {
        for (owner, _) in store.history(&row.id, 100).await.unwrap() {
            let rebuilt = store.rebuild(owner.decision).await.unwrap().unwrap();
            assert_eq!(rebuilt.batch.decided[owner.decision.ordinal as usize].request.instance, row.id);
        }
    }
    assert_eq!(leader.allocate_all(10).await, 0);
    ask_all(&mut leader, RELEASE).await;
    assert_eq!(store.load_books().await.unwrap().last_batch, 60, "numbers go on");
}

/// I26: an instance that moves for ever keeps its last owners. (I26)
async fn a_history_has_a_depth(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 1).await;
    let mut leader = Leader::begin(&store, "a", LEASE_TTL_US).await;
    let kept = HISTORY_KEPT_MAX as usize;
    for turn in 0..kept + 20 {
        ask_all(&mut leader, if turn % 2 == 0 { Ask::Allocate } else { RELEASE }).await;
    }
    let id = InstanceId::parse(&fleet::instance_id(0)).unwrap();
    let versions: Vec<u64> = store.history(&id, 1000).await.unwrap().iter().map(|(owner, _)| owner.version).collect();
    assert_eq!(versions.len(), kept + 1);
    assert_eq!((versions[0], versions[kept]), (kept as u64 + 20, 20));
    assert_eq!(store.recount().await.unwrap().differences, []);
}
