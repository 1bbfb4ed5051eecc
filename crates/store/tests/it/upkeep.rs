//! What stands beside the master data: leases, tokens, plans, remembered answers and the audit log.

use domain::ids::{PlanId, Revision};
use domain::master_data::{Kind, Object};
use domain::orchestration::Ask;
use domain::time::Micros;
use sha2::{Digest, Sha256};
use sqlx::AssertSqlSafe;
use store::{AuditLeaf, IdempotentAnswer, Intent, StoreError, TokenRow};

use crate::fleet::{self, LEASE_TTL_US, Leader};
use crate::ground::{Ground, NOW, on_both_engines};
use crate::ownership::plan_row;

on_both_engines! {
    a_lease_has_one_holder_and_growing_terms,
    a_token_is_found_by_its_hash,
    a_plan_steps_by_compare_and_set,
    an_answer_is_remembered_with_its_work,
    the_audit_log_is_chained_in_commit_order,
    a_forged_audit_log_is_found,
    every_mutation_is_staged,
    the_clock_is_that_of_the_database,
}

async fn a_lease_has_one_holder_and_growing_terms(ground: Ground) {
    let store = ground.open().await;
    let before = store.clock().await.unwrap();
    let first = store.acquire_lease("x", "a", LEASE_TTL_US).await.unwrap().unwrap();
    assert_eq!((first.holder.as_str(), first.term), ("a", 1));
    assert!(first.expires.since_us(before) >= LEASE_TTL_US - 1000);
    assert_eq!(store.acquire_lease("x", "b", LEASE_TTL_US).await.unwrap(), None);
    let again = store.acquire_lease("x", "a", LEASE_TTL_US).await.unwrap().unwrap();
    assert_eq!(again.term, 1, "the same holding goes on");
    let renewed = store.renew_lease(&first.proof(), 2 * LEASE_TTL_US).await.unwrap();
    assert!(renewed.expires > again.expires && renewed.term == 1);
    assert_eq!(store.lease("x").await.unwrap(), Some(renewed));
    store.release_lease(&store::LeaseProof { term: 9, ..first.proof() }).await.unwrap();
    assert_eq!(store.acquire_lease("x", "b", LEASE_TTL_US).await.unwrap(), None, "a stale release releases nothing");
    store.release_lease(&first.proof()).await.unwrap();
    assert!(matches!(store.renew_lease(&first.proof(), 1).await, Err(StoreError::LeaseLost { .. })));
    let second = store.acquire_lease("x", "b", 50_000).await.unwrap().unwrap();
    assert_eq!(second.term, 2);
    tokio::time::sleep(std::time::Duration::from_millis(80)).await;
    assert!(matches!(store.renew_lease(&second.proof(), 1).await, Err(StoreError::LeaseLost { .. })), "too late");
    let third = store.acquire_lease("x", "b", LEASE_TTL_US).await.unwrap().unwrap();
    assert_eq!(third.term, 3, "a lease that ran out is held anew, by the same holder too");
    assert_eq!(store.lease("y").await.unwrap(), None);
    assert_eq!(store.head().await.unwrap().revision, Revision(0));
}

async fn a_token_is_found_by_its_hash(ground: Ground) {
    let store = ground.open().await;
    let token = |id: &str| TokenRow {
        id: id.to_owned(),
        hash: Sha256::digest(id).into(),
        scopes: vec!["read".to_owned(), "report".to_owned()],
        reporter: Some("ams-01".to_owned()),
        created: NOW,
        expires: Some(NOW.plus_seconds(60)),
        last_used: None,
        revoked: None,
    };
    let mut change = store.begin(Intent::Access, "admin", NOW).await.unwrap();
    for id in ["b", "a"] {
        change.put_token(&token(id)).await.unwrap();
    }
    change.commit().await.unwrap();
    assert_eq!(store.find_token(&token("a").hash).await.unwrap(), Some(token("a")));
    assert_eq!(store.find_token(&[0; 32]).await.unwrap(), None);
    assert_eq!(store.list_tokens(None, 10).await.unwrap(), [token("a"), token("b")]);
    assert_eq!(store.list_tokens(Some("a"), 10).await.unwrap(), [token("b")]);
    for at in [5, 3] {
        store.touch_token("a", NOW.plus_seconds(at)).await.unwrap();
    }
    let mut change = store.begin(Intent::Access, "admin", NOW.plus_seconds(9)).await.unwrap();
    assert!(change.revoke_token("a").await.unwrap());
    assert!(!change.revoke_token("a").await.unwrap(), "once");
    assert!(!change.revoke_token("nobody").await.unwrap());
    change.commit().await.unwrap();
    let found = store.find_token(&token("a").hash).await.unwrap().unwrap();
    assert_eq!((found.last_used, found.revoked), (Some(NOW.plus_seconds(5)), Some(NOW.plus_seconds(9))));
    let mut change = store.begin(Intent::Access, "admin", NOW).await.unwrap();
    let twin = TokenRow { hash: token("b").hash, ..token("c") };
    assert!(matches!(change.put_token(&twin).await, Err(StoreError::Constraint { .. })));
}

async fn a_plan_steps_by_compare_and_set(ground: Ground) {
    let store = ground.open().await;
    let mut change = store.begin(Intent::Plans, "operator", NOW).await.unwrap();
    for id in ["plan-2", "plan-1"] {
        change.create_plan(&plan_row(id, "draft")).await.unwrap();
    }
    change.commit().await.unwrap();
    let mut next = plan_row("plan-1", "applying");
    (next.rate_per_s, next.step, next.error) = (None, 2, Some("why".to_owned()));
    let before = store.plan(&next.id).await.unwrap().unwrap().change;
    let mut change = store.begin(Intent::Plans, "operator", NOW).await.unwrap();
    assert!(!change.change_plan(&next, before + 1).await.unwrap());
    assert!(change.change_plan(&next, before).await.unwrap());
    assert!(!change.change_plan(&next, before).await.unwrap(), "somebody was there before");
    change.commit().await.unwrap();
    let found = store.plan(&next.id).await.unwrap().unwrap();
    assert_eq!((&found.object, found.revision), (&next, Revision(2)));
    assert_eq!(store.plan(&PlanId::parse("nobody").unwrap()).await.unwrap(), None);
    let ids = |plans: Vec<domain::orchestration::Stamped<store::PlanRow>>| {
        plans.into_iter().map(|it| it.object.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids(store.list_plans(None, 10).await.unwrap()), ["plan-1", "plan-2"]);
    assert_eq!(ids(store.list_plans(Some(&next.id), 10).await.unwrap()), ["plan-2"]);
    let mut change = store.begin(Intent::Plans, "operator", NOW).await.unwrap();
    assert!(matches!(change.create_plan(&next).await, Err(StoreError::Constraint { .. })));
}

async fn an_answer_is_remembered_with_its_work(ground: Ground) {
    let store = ground.open().await;
    let answer = |key: &str, at: Micros| IdempotentAnswer {
        token: "admin".to_owned(),
        key: key.to_owned(),
        request_hash: Sha256::digest(key).into(),
        status: 201,
        body: b"{\"revision\":1}".to_vec(),
        at,
    };
    let mut change = store.begin(Intent::MasterData, "admin", NOW).await.unwrap();
    change.put(&Object::Region(fleet::region("r0")), false).await.unwrap();
    change.remember(&answer("k1", NOW)).await.unwrap();
    assert_eq!(store.find_answer("admin", "k1").await.unwrap(), None, "not before the work");
    change.commit().await.unwrap();
    assert_eq!(store.find_answer("admin", "k1").await.unwrap(), Some(answer("k1", NOW)));
    assert_eq!(store.find_answer("other", "k1").await.unwrap(), None);
    let mut change = store.begin(Intent::MasterData, "admin", NOW).await.unwrap();
    change.put(&Object::Region(fleet::region("r1")), false).await.unwrap();
    assert!(matches!(change.remember(&answer("k1", NOW)).await, Err(StoreError::Constraint { .. })));
    drop(change);
    assert_eq!(store.get(Kind::Region, "r1").await.unwrap(), None);
    let mut change = store.begin(Intent::MasterData, "admin", NOW).await.unwrap();
    change.put(&Object::Region(fleet::region("r2")), false).await.unwrap();
    change.remember(&answer("k2", NOW.plus_seconds(10))).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(store.forget_answers(NOW.plus_seconds(5), 100).await.unwrap(), 1);
    assert_eq!(store.forget_answers(NOW.plus_seconds(5), 100).await.unwrap(), 0);
    assert_eq!(store.find_answer("admin", "k1").await.unwrap(), None);
    assert!(store.find_answer("admin", "k2").await.unwrap().is_some());
    let before = store.head().await.unwrap();
    let mut change = store.begin(Intent::MasterData, "admin", NOW).await.unwrap();
    change.put(&Object::Region(fleet::region("r2")), false).await.unwrap();
    change.remember(&answer("k3", NOW)).await.unwrap();
    assert_eq!(change.commit().await.unwrap(), before.revision, "work that changed nothing is answered too");
    assert!(store.find_answer("admin", "k3").await.unwrap().is_some());
    assert_eq!(store.head().await.unwrap(), before);
}

/// I24: a leaf is staged with its change or not at all, and chained in the order of commits. (I24)
async fn the_audit_log_is_chained_in_commit_order(ground: Ground) {
    let store = ground.open().await;
    let mut early = store.begin(Intent::Facts, "late committer", NOW).await.unwrap();
    early.stage(AuditLeaf {
        verb: "note",
        kind: "Test".to_owned(),
        id: "\"quoted\"\n".to_owned(),
        detail: String::new(),
    });
    // On SQLite the writer is one; elsewhere another commits first and is chained first.
    if ground.is_sqlite() {
        early.rollback().await.unwrap();
        fleet::put_all(&store, &[Object::Region(fleet::region("r0"))], NOW).await;
    } else {
        fleet::put_all(&store, &[Object::Region(fleet::region("r0"))], NOW).await;
        assert_eq!(early.commit().await.unwrap(), Revision(1), "a leaf alone is no change");
    }
    fleet::put_all(&store, &fleet::fleet(1, 30), NOW).await;
    let head = store.audit_head().await.unwrap();
    assert_eq!((head.seq, head.chain_hash), (0, [0; 32]));
    let staged = head.staged;
    assert_eq!(store.append_audit(10).await.unwrap(), 10);
    let (one, two) = tokio::join!(store.append_audit(1000), store.append_audit(1000));
    assert_eq!(one.unwrap() + two.unwrap(), staged - 10, "two appenders chain each leaf once");
    assert_eq!(store.append_audit(1000).await.unwrap(), 0);
    let entries = store.audit_entries(0, 1000).await.unwrap();
    assert_eq!(entries.iter().map(|it| it.seq).collect::<Vec<_>>(), (1..=staged).collect::<Vec<_>>());
    assert!(entries.is_sorted_by_key(|it| it.revision));
    let mut chain = [0u8; 32];
    for entry in &entries {
        let leaf: [u8; 32] = Sha256::digest([&[0], entry.leaf.as_bytes()].concat()).into();
        chain = Sha256::digest([chain, leaf].concat()).into();
        assert_eq!((entry.leaf_hash, entry.chain_hash), (leaf, chain), "anybody can compute it");
        let json: serde_json::Value = serde_json::from_str(&entry.leaf).unwrap();
        assert_eq!(json["revision"], entry.revision.0);
    }
    let first: serde_json::Value = serde_json::from_str(&entries[0].leaf).unwrap();
    assert_eq!(
        (&first["verb"], &first["kind"], &first["id"], &first["actor"]),
        (&"create".into(), &"Region".into(), &"r0".into(), &"test".into())
    );
    let check = store.verify_audit(1, u64::MAX).await.unwrap();
    assert_eq!((check.entries, check.broken_at), (staged, None));
    assert_eq!(store.verify_audit(5, 8).await.unwrap().entries, 4);
    assert_eq!(store.audit_entries(3, 2).await.unwrap(), entries[3..5]);
    assert_eq!(store.audit_head().await.unwrap().chain_hash, chain);
}

/// I24: whoever changes an entry behind our back is found out.
async fn a_forged_audit_log_is_found(ground: Ground) {
    let store = ground.open().await;
    fleet::put_all(&store, &fleet::fleet(1, 3), NOW).await;
    store.append_audit(1000).await.unwrap();
    let mut raw = ground.raw().await;
    let forgeries = [
        "UPDATE audit_entry SET leaf = REPLACE(leaf, 'create', 'delete') WHERE seq = 4",
        "UPDATE audit_entry SET leaf = REPLACE(leaf, 'delete', 'create') WHERE seq = 4",
        "DELETE FROM audit_entry WHERE seq = 6",
    ];
    for (forgery, broken_at) in forgeries.into_iter().zip([Some(4), None, Some(6)]) {
        sqlx::query(AssertSqlSafe(forgery.to_owned())).execute(&mut raw).await.unwrap();
        assert_eq!(store.verify_audit(1, u64::MAX).await.unwrap().broken_at, broken_at, "{forgery}");
    }
}

/// Staged in the transaction of the mutation (I24).
async fn every_mutation_is_staged(ground: Ground) {
    let store = ground.open().await;
    fleet::put_all(&store, &fleet::fleet(1, 1), NOW).await;
    let instances: Vec<_> = (0..3).map(|n| fleet::instance(&fleet::instance_id(n), "basic")).collect();
    fleet::put_instances(&store, &instances, NOW).await;
    let mut leader = Leader::begin(&store, "a", LEASE_TTL_US).await;
    let rows = fleet::all_rows(&store).await;
    leader.commit(&[(&rows[0], Ask::Allocate)], &[]).await.unwrap();
    store.append_audit(1000).await.unwrap();
    let entries = store.audit_entries(0, 1000).await.unwrap();
    let leaves: Vec<serde_json::Value> = entries.iter().map(|it| serde_json::from_str(&it.leaf).unwrap()).collect();
    let revisions: Vec<u64> = entries.iter().map(|it| it.revision.0).collect();
    assert_eq!(revisions, [1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3]);
    let [.., put, decide] = leaves.as_slice() else { panic!() };
    assert!(put["detail"].as_str().unwrap().starts_with("count=3 sha256="), "one leaf for many instances: {put}");
    assert_eq!((&decide["verb"], &decide["id"]), (&"decide".into(), &"1".into()));
    let decided =
        postcard::to_stdvec(&store.rebuild("1.0".parse().unwrap()).await.unwrap().unwrap().batch.decided).unwrap();
    let hash: String = Sha256::digest(decided).iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(decide["detail"].as_str().unwrap().contains(&hash), "the leaf vouches for the record: {decide}");
}

async fn the_clock_is_that_of_the_database(ground: Ground) {
    let store = ground.open().await;
    let (first, second) = (store.clock().await.unwrap(), store.clock().await.unwrap());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let here = Micros(i64::try_from(now.as_micros()).unwrap());
    assert!(first <= second && here.since_us(first).abs() < 10_000_000, "{first:?} {here:?}");
}
