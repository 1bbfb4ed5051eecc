//! How a view is loaded and kept current: one state at the start, then every change in commit order, none missed.

use std::collections::BTreeSet;

use domain::ids::*;
use domain::master_data::*;
use domain::orchestration::*;
use store::{Claim, FactWrite, Home, Intent};

use crate::fleet::{self, Leader};
use crate::ground::{Ground, NOW, on_both_engines};

on_both_engines! {
    a_snapshot_shows_one_state,
    instances_load_in_pages_of_any_size,
    a_tail_tells_what_each_change_touched,
    revision_order_is_commit_order,
    facts_are_written_when_they_change,
    silence_is_written_only_at_home,
    homes_go_to_the_first_or_to_the_taker,
}

async fn a_snapshot_shows_one_state(ground: Ground) {
    let store = ground.open().await;
    fleet::put_all(&store, &fleet::fleet(2, 2), NOW).await;
    let instances: Vec<Instance> = (0..20).map(|n| fleet::instance(&fleet::instance_id(n), "basic")).collect();
    fleet::put_instances(&store, &instances, NOW).await;
    let mut snapshot = store.snapshot().await.unwrap();
    let first = snapshot.instances(None, 5).await.unwrap();
    let more: Vec<Instance> = (20..40).map(|n| fleet::instance(&fleet::instance_id(n), "basic")).collect();
    fleet::put_instances(&store, &more, NOW).await;
    fleet::put_all(&store, &[Object::Region(fleet::region("r9"))], NOW).await;
    let rest = snapshot.instances(Some(&first[4].id), 1000).await.unwrap();
    assert_eq!((first.len(), rest.len(), snapshot.head().revision), (5, 15, Revision(2)));
    let parts = snapshot.topology().await.unwrap();
    assert_eq!((parts.regions.len(), parts.revision), (2, Revision(1)));
    snapshot.close().await.unwrap();
    let head = store.head().await.unwrap();
    assert_eq!((head.revision, head.topology_version), (Revision(4), 2));
    assert_eq!(fleet::all_rows(&store).await.len(), 40);
}

async fn instances_load_in_pages_of_any_size(ground: Ground) {
    let store = ground.open().await;
    fleet::put_all(&store, &fleet::fleet(1, 3), NOW).await;
    let instances: Vec<Instance> = (0..50).map(|n| fleet::instance(&fleet::instance_id(n), "basic")).collect();
    fleet::put_instances(&store, &instances, NOW).await;
    let mut leader = Leader::begin(&store, "a", fleet::LEASE_TTL_US).await;
    let rows = fleet::all_rows(&store).await;
    let asked: Vec<_> = rows.iter().step_by(2).map(|row| (row, Ask::Allocate)).collect();
    leader.commit(&asked, &[]).await.unwrap();
    let released = [(&fleet::all_rows(&store).await[0], fleet::RELEASE)];
    leader.commit(&released, &[]).await.unwrap();
    let whole = fleet::all_rows(&store).await;
    assert_eq!(whole.iter().filter(|row| row.ownership.is_some()).count(), 25);
    for limit in [1, 7, 49, 50, 51] {
        let mut snapshot = store.snapshot().await.unwrap();
        let mut rows: Vec<store::InstanceRow> = Vec::new();
        while let page @ [_, ..] = snapshot.instances(rows.last().map(|row| &row.id), limit).await.unwrap().as_slice() {
            rows.extend_from_slice(page);
        }
        assert_eq!(rows, whole, "by {limit}");
    }
    for row in &whole {
        assert_eq!(store.ownership(&row.id).await.unwrap(), row.ownership);
        assert_eq!(row.created, instances[0].created);
    }
    let nobody = &whole[0].ownership.as_ref().unwrap().0;
    assert_eq!(nobody.holder, Holder::Nobody { why: domain::reason::Reason::InstanceTerminated });
    assert_eq!((nobody.generation, nobody.version), (Generation(1), 2), "the generation outlives the release");
    let ids: Vec<InstanceId> = whole[3..6].iter().map(|row| row.id.clone()).collect();
    let mut some = store.instance_rows(&ids).await.unwrap();
    some.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(some, whole[3..6]);
}

async fn a_tail_tells_what_each_change_touched(ground: Ground) {
    let store = ground.open().await;
    fleet::put_all(&store, &fleet::fleet(1, 2), NOW).await;
    let svc = |n: usize| fleet::instance(&fleet::instance_id(n), "basic");
    fleet::put_instances(&store, &[svc(0), svc(1), svc(2)], NOW).await;
    let mut leader = Leader::begin(&store, "a", fleet::LEASE_TTL_US).await;
    leader.allocate_all(100).await;
    let mut heavier = svc(1);
    heavier.weight = 5;
    fleet::put_instances(&store, &[svc(0), heavier], NOW).await;
    let mut change = store.begin(Intent::Facts, "home", NOW).await.unwrap();
    let facts = NodeFacts { health: Health::Down, band: LoadBand(3), since: NOW };
    let node = NodeId::parse("r0-g0-n0").unwrap();
    change.put_facts(&[FactWrite { node: node.clone(), facts, home: None }]).await.unwrap();
    change.commit().await.unwrap();

    let changes = store.changes_since(Revision(0), 1000).await.unwrap();
    let revisions: Vec<u64> = changes.iter().map(|it| it.revision.0).collect();
    assert_eq!(revisions, [1, 2, 3, 4, 5]);
    let touched: Vec<[bool; 4]> = changes
        .iter()
        .map(|it| {
            [it.touched.has_topology(), it.touched.has_instances(), it.touched.has_ownership(), it.touched.has_facts()]
        })
        .collect();
    let (yes, no) = (true, false);
    assert_eq!(
        touched,
        [[yes, no, no, no], [no, yes, no, no], [no, no, yes, no], [no, yes, no, no], [no, no, no, yes]]
    );
    assert_eq!(store.change_at(Revision(4)).await.unwrap(), Some(changes[3].change));
    assert_eq!(store.change_at(Revision(9)).await.unwrap(), None);

    let after = |from: usize, to: usize| {
        let (store, changes) = (store.clone(), changes.clone());
        async move { store.rows_of(&changes[from..to]).await.unwrap() }
    };
    let ids = |changed: &store::Changed| changed.instances.iter().map(|row| row.id.to_string()).collect::<Vec<_>>();
    let topology = after(0, 1).await;
    assert!(topology.is_topology && topology.instances.is_empty() && topology.facts.is_empty());
    let written = after(1, 2).await;
    assert_eq!(ids(&written), ["svc-0000000", "svc-0000002"], "the other was written again later");
    let owned = after(2, 3).await;
    assert_eq!(ids(&owned), ["svc-0000000", "svc-0000001", "svc-0000002"]);
    assert_eq!(owned.instances, fleet::all_rows(&store).await);
    let again = after(3, 5).await;
    assert_eq!(ids(&again), ["svc-0000001"]);
    assert_eq!((again.instances[0].weight, again.instances[0].revision), (5, Revision(4)));
    assert_eq!(again.facts, [(node, facts, Revision(5))]);
    let all = after(0, 5).await;
    assert_eq!(all.instances, fleet::all_rows(&store).await, "each instance once");
}

/// A reader that follows the head sees every change, whatever the writers do: no revision appears below it later.
async fn revision_order_is_commit_order(ground: Ground) {
    const WRITERS: usize = 4;
    const CHANGES: usize = 12;
    let store = ground.open().await;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.push(tokio::spawn(async move {
            for round in 0..CHANGES {
                let mut change = store.begin(Intent::Instances, "writer", NOW).await.unwrap();
                let svc = fleet::instance(&format!("svc-{writer}-{round}"), "basic");
                change.put(&Object::Instance(svc), false).await.unwrap();
                // A slow writer: it has begun long before others, and commits after them.
                let pause = (writer * 7 + round * 5) % 11;
                tokio::time::sleep(std::time::Duration::from_millis(pause as u64)).await;
                change.commit().await.unwrap();
            }
        }));
    }
    let (mut at, mut seen) = (Revision(0), BTreeSet::new());
    while seen.len() < WRITERS * CHANGES {
        let changes = store.changes_since(at, 3).await.unwrap();
        let changed = store.rows_of(&changes).await.unwrap();
        for change in &changes {
            assert_eq!(change.revision.0, at.0 + 1, "no gap");
            at = change.revision;
        }
        seen.extend(changed.instances.into_iter().map(|row| row.id.to_string()));
        assert!(seen.len() as u64 >= at.0, "a change was seen without its rows");
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.head().await.unwrap().revision, at);
    assert_eq!(fleet::all_rows(&store).await.len(), WRITERS * CHANGES);
}

async fn facts_are_written_when_they_change(ground: Ground) {
    let store = ground.open().await;
    fleet::put_all(&store, &fleet::fleet(1, 3), NOW).await;
    let fact = |n: usize, health, band| {
        let node = NodeId::parse(&format!("r0-g{n}-n0")).unwrap();
        let since = NOW.plus_seconds(i64::from(band));
        FactWrite { node, facts: NodeFacts { health, band: LoadBand(band), since }, home: None }
    };
    let put = |facts: Vec<FactWrite>| {
        let store = store.clone();
        async move {
            let mut change = store.begin(Intent::Facts, "home", NOW).await.unwrap();
            let written = change.put_facts(&facts).await.unwrap();
            (written.len(), change.commit().await.unwrap().0)
        }
    };
    assert_eq!(put(vec![fact(1, Health::Up, 1), fact(0, Health::Down, 2)]).await, (2, 2));
    assert_eq!(put(vec![fact(0, Health::Down, 2), fact(1, Health::Up, 1)]).await, (0, 2), "nothing new");
    assert_eq!(put(vec![fact(0, Health::Up, 2), fact(1, Health::Up, 1)]).await, (1, 3));
    let stranger = FactWrite { node: NodeId::parse("stranger").unwrap(), ..fact(0, Health::Up, 0) };
    assert_eq!(put(vec![stranger]).await, (0, 3), "a node that does not exist has no facts");
    let facts = store.list_facts().await.unwrap();
    let found: Vec<_> = facts.iter().map(|(node, facts, revision)| (node.as_str(), facts.health, revision.0)).collect();
    assert_eq!(found, [("r0-g0-n0", Health::Up, 3), ("r0-g1-n0", Health::Up, 2)]);
    let mut snapshot = store.snapshot().await.unwrap();
    let parts = snapshot.topology().await.unwrap();
    assert_eq!((parts.facts, parts.revision), (facts, Revision(3)));
    assert_eq!(store.head().await.unwrap().topology_version, 1, "facts do not move the topology");
}

/// (I7)
async fn silence_is_written_only_at_home(ground: Ground) {
    let store = ground.open().await;
    fleet::put_all(&store, &fleet::fleet(1, 2), NOW).await;
    let node = |n: usize| NodeId::parse(&format!("r0-g{n}-n0")).unwrap();
    let homes = store.claim_homes(&[node(0), node(1)], "replica-a", Claim::IfFree).await.unwrap();
    store.claim_homes(&[node(1)], "replica-b", Claim::Take).await.unwrap();
    let silent = NodeFacts { health: Health::Silent, band: LoadBand(0), since: NOW };
    let judged = homes.into_iter().map(|(node, home)| FactWrite { node, facts: silent, home: Some(home) });
    let mut change = store.begin(Intent::Facts, "replica-a", NOW).await.unwrap();
    let written = change.put_facts(&judged.collect::<Vec<_>>()).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(written, [node(0)], "the other reports elsewhere by now");
}

async fn homes_go_to_the_first_or_to_the_taker(ground: Ground) {
    let store = ground.open().await;
    let node = NodeId::parse("n").unwrap();
    let home = |replica: &str, term| vec![(node.clone(), Home { replica: replica.to_owned(), term })];
    let nodes = [node.clone()];
    assert_eq!(store.claim_homes(&nodes, "a", Claim::IfFree).await.unwrap(), home("a", 1));
    assert_eq!(store.claim_homes(&nodes, "b", Claim::IfFree).await.unwrap(), home("a", 1));
    assert_eq!(store.claim_homes(&nodes, "b", Claim::Take).await.unwrap(), home("b", 2));
    assert_eq!(store.claim_homes(&nodes, "b", Claim::Take).await.unwrap(), home("b", 2));
    assert_eq!(store.list_homes().await.unwrap(), home("b", 2));
    assert_eq!(store.head().await.unwrap().revision, Revision(0), "homes stand outside the revisions");
}
