//! Objects of every kind: written, read back, listed, deleted, and refused while others need them.

use domain::ids::*;
use domain::master_data::*;
use store::{Action, Intent, NeededBy, StoreError};

use crate::fleet;
use crate::ground::{Ground, NOW, on_both_engines};

on_both_engines! {
    objects_read_back_as_they_were_written,
    putting_the_same_twice_changes_nothing,
    many_objects_are_compared_as_one_is,
    lists_are_paged_by_id,
    a_deleted_object_leaves_nothing_behind,
    who_needs_an_object_is_named,
    sets_remember_what_an_apply_created,
    instances_keep_their_first_created,
    of_two_instances_with_one_id_the_later_wins,
    instances_expire_once,
    a_change_keeps_to_its_intent,
}

async fn objects_read_back_as_they_were_written(ground: Ground) {
    let store = ground.open().await;
    let mut objects = fleet::fleet(2, 2);
    let fixed = Mode::Fixed { nodes: ["r0-g0-n0", "r1-g1-n0"].map(|it| NodeId::parse(it).unwrap()).into() };
    let merge = Mode::Merge { groups: [GroupId::parse("r0-g1").unwrap()].into() };
    objects.push(Object::AccessTemplate(fleet::access_template("named", fixed)));
    objects.push(Object::AccessTemplate(fleet::access_template("union", merge)));
    let mut closed = fleet::region("closed");
    (closed.state, closed.jurisdiction) = (Switch::Off, None);
    objects.push(Object::Region(closed));
    let mut svc = fleet::instance("svc-1", "basic");
    svc.labels = Labels::from([("née".to_owned(), "{\"a\": 'b', \\c,\u{1F600}}\n".to_owned())]);
    svc.jurisdiction = Some(Jurisdiction::parse("EU|{},\"\\").unwrap());
    (svc.location, svc.expires) = (Place::new(-33_870_000, 151_210_000).ok(), Some(NOW.plus_seconds(60)));
    objects.push(Object::Instance(svc.clone()));
    let revision = fleet::put_all(&store, &objects, NOW).await;
    assert_eq!(revision, Revision(1));
    for object in &objects {
        let found = store.get(object.kind(), object.id()).await.unwrap().unwrap();
        assert_eq!((&found.object, found.revision), (object, revision));
        assert_eq!(found.change, store.head().await.unwrap().change);
    }
    assert_eq!(store.get(Kind::Node, "nobody").await.unwrap(), None);
    let row = &fleet::all_rows(&store).await[0];
    assert_eq!((&row.jurisdiction, row.location, row.expires), (&svc.jurisdiction, svc.location, svc.expires));
}

async fn putting_the_same_twice_changes_nothing(ground: Ground) {
    let store = ground.open().await;
    let mut objects = fleet::fleet(1, 2);
    objects.push(Object::Instance(fleet::instance("svc-1", "basic")));
    fleet::put_all(&store, &objects, NOW).await;
    let before = store.head().await.unwrap();
    let mut change = store.begin(Intent::MasterData, "test", NOW.plus_seconds(5)).await.unwrap();
    let actions = change.put_all(&objects).await.unwrap();
    assert!(actions.iter().all(|action| *action == Action::Unchanged), "{actions:?}");
    assert_eq!(change.commit().await.unwrap(), before.revision);
    assert_eq!(store.head().await.unwrap(), before);
    let mut group = fleet::group("r0", "r0-g1", 50);
    group.state = GroupState::Draining;
    let mut change = store.begin(Intent::MasterData, "test", NOW.plus_seconds(9)).await.unwrap();
    assert_eq!(change.put(&Object::ResourceGroup(group), false).await.unwrap(), Action::Updated);
    assert_eq!(change.put(&objects[0], false).await.unwrap(), Action::Unchanged);
    change.commit().await.unwrap();
    let after = store.head().await.unwrap();
    assert_eq!((after.revision.0, after.topology_version), (2, before.topology_version + 1));
    assert!(after.change > before.change, "change ids are ordered in time");
    assert_eq!(store.get(Kind::Region, "r0").await.unwrap().unwrap().revision, Revision(1));
}

async fn many_objects_are_compared_as_one_is(ground: Ground) {
    let store = ground.open().await;
    let mut objects = fleet::fleet(3, 40);
    fleet::put_all(&store, &objects, NOW).await;
    let mut changed = Vec::new();
    for (at, object) in objects.iter_mut().enumerate() {
        if let Object::Node(node) = object
            && at % 3 == 0
        {
            node.groups.insert(GroupId::parse("r0-g0").unwrap());
            node.labels.clear();
            changed.push(at);
        }
    }
    let mut change = store.begin(Intent::MasterData, "test", NOW).await.unwrap();
    let actions = change.put_all(&objects).await.unwrap();
    change.commit().await.unwrap();
    let updated: Vec<usize> = (0..actions.len()).filter(|at| actions[*at] == Action::Updated).collect();
    assert_eq!(updated, changed);
    for object in &objects {
        assert_eq!(&store.get(object.kind(), object.id()).await.unwrap().unwrap().object, object);
    }
}

async fn lists_are_paged_by_id(ground: Ground) {
    let store = ground.open().await;
    let ids = ["a", "a-1", "a.1", "a0", "b_c", "b", "zz", "z", "0"];
    let regions: Vec<Object> = ids.iter().map(|id| Object::Region(fleet::region(id))).collect();
    fleet::put_all(&store, &regions, NOW).await;
    let instances: Vec<Instance> = ids.iter().map(|id| fleet::instance(id, "basic")).collect();
    fleet::put_instances(&store, &instances, NOW).await;
    let mut expected = ids.map(str::to_owned).to_vec();
    expected.sort();
    for kind in [Kind::Region, Kind::Instance] {
        for limit in [1, 2, 5, 1000] {
            let mut listed: Vec<String> = Vec::new();
            loop {
                let page = store.list(kind, listed.last().map(String::as_str), limit).await.unwrap();
                assert!(page.len() <= limit as usize);
                if page.is_empty() {
                    break;
                }
                listed.extend(page.iter().map(|it| it.object.id().to_owned()));
            }
            assert_eq!(listed, expected, "{kind} by {limit}");
        }
    }
}

async fn a_deleted_object_leaves_nothing_behind(ground: Ground) {
    let store = ground.open().await;
    let objects = fleet::fleet(1, 2);
    fleet::put_all(&store, &objects, NOW).await;
    for object in objects.iter().rev() {
        let mut change = store.begin(Intent::MasterData, "test", NOW).await.unwrap();
        assert!(change.delete(object.kind(), object.id()).await.unwrap());
        assert!(!change.delete(object.kind(), object.id()).await.unwrap());
        change.commit().await.unwrap();
        assert_eq!(store.get(object.kind(), object.id()).await.unwrap(), None);
    }
    let head = store.head().await.unwrap();
    assert_eq!(head.revision.0, 1 + objects.len() as u64);
    let changes = store.changes_since(Revision(1), 1000).await.unwrap();
    assert!(changes.iter().all(|it| it.touched.has_topology()));
    let mut raw = ground.raw().await;
    for table in
        ["region", "resource_group", "node", "node_group", "access_template", "access_template_member", "product"]
    {
        let count = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"))).fetch_one(&mut raw).await;
        assert_eq!(sqlx::Row::get::<i64, _>(&count.unwrap(), 0), 0, "{table}");
    }
    let mut change = store.begin(Intent::MasterData, "test", NOW).await.unwrap();
    assert!(matches!(change.delete(Kind::Instance, "svc-1").await, Err(StoreError::Misuse { .. })));
}

async fn who_needs_an_object_is_named(ground: Ground) {
    let store = ground.open().await;
    let mut objects = fleet::fleet(2, 2);
    let fixed = Mode::Fixed { nodes: [NodeId::parse("r0-g0-n0").unwrap()].into() };
    objects.push(Object::AccessTemplate(fleet::access_template("named", fixed)));
    fleet::put_all(&store, &objects, NOW).await;
    let mut instances: Vec<Instance> = (0..5).map(|n| fleet::instance(&fleet::instance_id(n), "basic")).collect();
    instances[4].status = InstanceStatus::Terminated;
    fleet::put_instances(&store, &instances, NOW).await;
    let mut leader = fleet::Leader::begin(&store, "a", fleet::LEASE_TTL_US).await;
    let rows = fleet::all_rows(&store).await;
    let asked: Vec<_> = rows[..4].iter().map(|row| (row, domain::orchestration::Ask::Allocate)).collect();
    leader.commit(&asked, &[]).await.unwrap();
    let names = |kind, id: &'static str, limit| {
        let store = store.clone();
        async move {
            let needed = store.references_to(kind, id, limit).await.unwrap();
            let name = |it: NeededBy| format!("{} {} {}", it.kind, it.id, it.field);
            (needed.by.into_iter().map(name).collect::<Vec<_>>().join("; "), needed.total)
        }
    };
    let check = |(found, total): (String, u64), expected: &str, count: u64| {
        assert_eq!((found.as_str(), total), (expected, count));
    };
    let region = "ResourceGroup r0-g0 region; ResourceGroup r0-g1 region; AccessTemplate by-region regions";
    check(names(Kind::Region, "r0", 9).await, region, 3);
    let group = "Node r0-g0-n0 groups; AccessTemplate by-group groups; Ownership svc-0000000 group";
    check(names(Kind::ResourceGroup, "r0-g0", 9).await, group, 3);
    check(names(Kind::RuntimeTemplate, "edge", 1).await, "Node r0-g0-n0 runtime_template", 4);
    check(names(Kind::OutboundTemplate, "direct", 1).await, "Node r0-g0-n0 outbound_template", 4);
    check(names(Kind::Node, "r0-g0-n0", 9).await, "AccessTemplate named nodes", 1);
    check(names(Kind::AccessTemplate, "by-group", 9).await, "Product basic access_template", 1);
    let of_product = "Instance svc-0000000 product; Instance svc-0000001 product";
    check(names(Kind::Product, "basic", 2).await, of_product, 9);
    let all = store.references_to(Kind::Product, "basic", 100).await.unwrap();
    assert_eq!(all.by[4].field, "product (terminated)");
    assert_eq!(all.by.iter().filter(|it| it.kind == "Ownership").count(), 4);
    check(names(Kind::Product, "roaming", 9).await, "", 0);
}

async fn sets_remember_what_an_apply_created(ground: Ground) {
    let store = ground.open().await;
    let mut change = store.begin(Intent::MasterData, "test", NOW).await.unwrap();
    change.put(&Object::Region(fleet::region("r0")), false).await.unwrap();
    for (kind, id) in [(Kind::ResourceGroup, "r0-g0"), (Kind::Region, "r0"), (Kind::Region, "r0")] {
        change.add_to_set("site", kind, id).await.unwrap();
    }
    change.add_to_set("other", Kind::Region, "r9").await.unwrap();
    change.commit().await.unwrap();
    let mut change = store.begin(Intent::MasterData, "test", NOW).await.unwrap();
    let both = vec![(Kind::Region, "r0".to_owned()), (Kind::ResourceGroup, "r0-g0".to_owned())];
    assert_eq!(change.set_members("site").await.unwrap(), both);
    change.remove_from_set("site", Kind::ResourceGroup, "r0-g0").await.unwrap();
    change.commit().await.unwrap();
    let mut change = store.begin(Intent::MasterData, "test", NOW).await.unwrap();
    assert_eq!(change.set_members("site").await.unwrap(), both[..1]);
    change.delete(Kind::Region, "r0").await.unwrap();
    assert_eq!(change.set_members("site").await.unwrap(), []);
    assert_eq!(change.set_members("other").await.unwrap().len(), 1);
}

async fn instances_keep_their_first_created(ground: Ground) {
    let store = ground.open().await;
    let mut svc = fleet::instance("svc-1", "basic");
    let first = svc.created;
    fleet::put_instances(&store, &[svc.clone()], NOW).await;
    svc.created = NOW;
    let mut change = store.begin(Intent::Instances, "test", NOW).await.unwrap();
    assert_eq!(change.put(&Object::Instance(svc.clone()), false).await.unwrap(), Action::Unchanged);
    svc.weight = 3;
    assert_eq!(change.put(&Object::Instance(svc.clone()), false).await.unwrap(), Action::Updated);
    change.commit().await.unwrap();
    let Object::Instance(found) = store.get(Kind::Instance, "svc-1").await.unwrap().unwrap().object else { panic!() };
    assert_eq!((found.created, found.weight), (first, 3));
}

async fn of_two_instances_with_one_id_the_later_wins(ground: Ground) {
    let store = ground.open().await;
    let numbers =
        (0..3000).map(|n| fleet::instance(&fleet::instance_id(n % 1500), if n < 1500 { "basic" } else { "roaming" }));
    let writes: Vec<_> = numbers.map(|instance| store::InstanceWrite { instance, is_expired: false }).collect();
    let mut change = store.begin(Intent::Instances, "test", NOW).await.unwrap();
    let actions = change.put_instances(&writes).await.unwrap();
    assert!(actions.iter().all(|it| *it == Action::Created));
    change.commit().await.unwrap();
    let rows = fleet::all_rows(&store).await;
    assert_eq!(rows.len(), 1500);
    assert!(rows.iter().all(|row| row.product.as_str() == "roaming"));
    assert!(rows.is_sorted_by_key(|row| row.id.clone()));
}

async fn instances_expire_once(ground: Ground) {
    let store = ground.open().await;
    let mut instances: Vec<Instance> = (0..10).map(|n| fleet::instance(&fleet::instance_id(n), "basic")).collect();
    for (n, instance) in (0..).zip(&mut instances) {
        instance.expires = (n != 9).then(|| NOW.plus_seconds(n * 10));
    }
    fleet::put_instances(&store, &instances, NOW.plus_seconds(-100)).await;
    let expired = |after| {
        let store = store.clone();
        async move {
            let mut change = store.begin(Intent::Instances, "clock", NOW.plus_seconds(after)).await.unwrap();
            let done = change.expire_due(3).await.unwrap();
            change.commit().await.unwrap();
            done
        }
    };
    assert_eq!([expired(40).await, expired(40).await, expired(40).await], [3, 2, 0]);
    let before = store.head().await.unwrap();
    assert_eq!(expired(40).await, 0);
    assert_eq!(store.head().await.unwrap(), before, "the second run does nothing");
    let rows = fleet::all_rows(&store).await;
    assert_eq!(rows.iter().filter(|row| row.is_expired).count(), 5);
    instances[0].expires = Some(NOW.plus_seconds(1000));
    fleet::put_instances(&store, &instances[..1], NOW).await;
    assert!(!fleet::all_rows(&store).await[0].is_expired, "a later end brings it back");
}

async fn a_change_keeps_to_its_intent(ground: Ground) {
    let store = ground.open().await;
    let mut change = store.begin(Intent::Instances, "test", NOW).await.unwrap();
    let region = Object::Region(fleet::region("r0"));
    assert!(matches!(change.put(&region, false).await, Err(StoreError::Misuse { .. })));
    change.rollback().await.unwrap();
    let mut change = store.begin(Intent::Facts, "test", NOW).await.unwrap();
    let svc = Object::Instance(fleet::instance("svc-1", "basic"));
    assert!(matches!(change.put(&svc, false).await, Err(StoreError::Misuse { .. })));
    change.rollback().await.unwrap();
    let mut change = store.begin(Intent::MasterData, "test", NOW).await.unwrap();
    change.put(&region, false).await.unwrap();
    change.rollback().await.unwrap();
    assert_eq!(store.head().await.unwrap().revision, Revision(0));
    assert_eq!(store.get(Kind::Region, "r0").await.unwrap(), None);
}
