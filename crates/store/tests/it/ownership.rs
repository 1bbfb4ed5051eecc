//! The allocator's commit: what it takes, what it refuses, and what can be rebuilt from it.

use std::collections::BTreeMap;

use domain::ids::*;
use domain::master_data::*;
use domain::orchestration::*;
use domain::reason::Reason;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use store::{Intent, MoveState, PlanMove, PlanMoveOf, PlanRow, Store, StoreError};

use crate::fleet::{self, LEASE_TTL_US, Leader};
use crate::ground::{Ground, NOW, on_both_engines};

on_both_engines! {
    a_fill_is_balanced_and_counted,
    a_changed_instance_voids_its_request,
    a_foreign_write_voids_without_a_trace,
    a_moved_topology_is_refused,
    a_leader_that_slept_writes_nothing,
    a_release_keeps_the_generation,
    every_decision_is_rebuilt,
    a_chain_ends_in_time,
    counters_equal_a_recount,
    broken_counters_are_found_and_corrected,
    moves_of_a_plan_are_settled_with_their_batch,
    ramps_are_kept_with_the_batch,
    a_batch_keeps_its_limits,
}

/// A fleet of two regions with three groups each, and some instances of both products.
async fn populate(store: &Store, instances: usize) {
    fleet::put_all(store, &fleet::fleet(2, 3), NOW).await;
    let product = |n: usize| if n.is_multiple_of(3) { "roaming" } else { "basic" };
    let all: Vec<Instance> = (0..instances).map(|n| fleet::instance(&fleet::instance_id(n), product(n))).collect();
    fleet::put_instances(store, &all, NOW).await;
}

async fn assert_counted(store: &Store) {
    let recount = store.recount().await.unwrap();
    assert_eq!(recount.differences, []);
    let owned = fleet::all_rows(store)
        .await
        .iter()
        .filter(|row| row.ownership.as_ref().is_some_and(|it| it.0.group().is_some()))
        .count();
    assert_eq!(recount.owners, owned as u64);
}

/// Equal groups differ by at most one (I4), and the second run does nothing (I2).
async fn a_fill_is_balanced_and_counted(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 600).await;
    let mut leader = Leader::begin(&store, "a", LEASE_TTL_US).await;
    assert_eq!(leader.allocate_all(97).await, 600);
    let rows = fleet::all_rows(&store).await;
    assert_eq!(fleet::owners(&rows).into_values().collect::<Vec<_>>(), [100; 6]);
    assert_counted(&store).await;
    for row in &rows {
        let (ownership, revision) = row.ownership.as_ref().unwrap();
        assert_eq!((ownership.generation, ownership.version, ownership.since), (Generation(1), 1, NOW));
        assert!(revision.0 >= 3 && ownership.decision.batch == revision.0 - 2);
    }
    let books = store.load_books().await.unwrap();
    assert_eq!((books.last_batch, books.head), (7, store.head().await.unwrap()));
    assert_eq!(State::from_rows(&leader.frame, &books.loads, &books.ramps), leader.state);
    assert_eq!(leader.allocate_all(97).await, 0, "the second run does nothing");
}

async fn a_changed_instance_voids_its_request(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 20).await;
    let mut leader = Leader::begin(&store, "a", LEASE_TTL_US).await;
    let rows = fleet::all_rows(&store).await;
    let mut meanwhile = fleet::instance(&fleet::instance_id(7), "basic");
    meanwhile.status = InstanceStatus::Suspended;
    fleet::put_instances(&store, &[meanwhile], NOW).await;
    let asked: Vec<_> = rows.iter().map(|row| (row, Ask::Allocate)).collect();
    let committed = leader.commit(&asked, &[]).await.unwrap();
    let void: Vec<usize> = (0..20).filter(|at| committed.decided[*at].outcome == Outcome::Void).collect();
    assert_eq!(void, [7]);
    assert_eq!(committed.next_base, None, "the next batch begins from new start values");
    assert_counted(&store).await;
    let books = store.load_books().await.unwrap();
    assert_eq!(State::from_rows(&leader.frame, &books.loads, &books.ramps), committed.end);
    assert_eq!(leader.allocate_all(100).await, 1, "it is decided again");
    assert_counted(&store).await;
    for batch in 1..=2 {
        let rebuilt = store.rebuild(DecisionId { batch, ordinal: 0 }).await.unwrap().unwrap().batch;
        verify(&rebuilt.frame, &mut rebuilt.start.clone(), &rebuilt.decided).unwrap();
    }
}

/// Whoever writes an owner past the leader costs the leader that request and nothing of the history.
async fn a_foreign_write_voids_without_a_trace(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 6).await;
    let mut leader = Leader::begin(&store, "a", LEASE_TTL_US).await;
    leader.allocate_all(100).await;
    let rows = fleet::all_rows(&store).await;
    let mut raw = ground.raw().await;
    let foreign = "UPDATE ownership SET version = version + 1 WHERE instance_id = 'svc-0000002'";
    sqlx::query(foreign).execute(&mut raw).await.unwrap();
    let asked: Vec<_> = rows.iter().map(|row| (row, fleet::RELEASE)).collect();
    let committed = leader.commit(&asked, &[]).await.unwrap();
    let void: Vec<usize> = (0..6).filter(|at| committed.decided[*at].outcome == Outcome::Void).collect();
    assert_eq!(void, [2]);
    assert_counted(&store).await;
    let histories = [1, 2].map(|n| InstanceId::parse(&fleet::instance_id(n)).unwrap());
    assert_eq!(store.history(&histories[0], 10).await.unwrap().len(), 2);
    assert_eq!(store.history(&histories[1], 10).await.unwrap().len(), 1, "the copy was taken back");
}

async fn a_moved_topology_is_refused(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 10).await;
    let mut leader = Leader::begin(&store, "a", LEASE_TTL_US).await;
    let rows = fleet::all_rows(&store).await;
    let mut change = store.begin(Intent::MasterData, "test", NOW).await.unwrap();
    change.put(&Object::ResourceGroup(fleet::group("r0", "r0-g0", 7)), false).await.unwrap();
    change.commit().await.unwrap();
    let before = store.head().await.unwrap();
    let asked: Vec<_> = rows.iter().map(|row| (row, Ask::Allocate)).collect();
    let refused = leader.commit(&asked, &[]).await;
    assert!(matches!(refused, Err(StoreError::TopologyMoved { seen: 1, found: 2 })), "{refused:?}");
    assert_eq!(store.head().await.unwrap(), before);
    assert!(fleet::all_rows(&store).await.iter().all(|row| row.ownership.is_none()));
    leader.load().await;
    leader.commit(&asked, &[]).await.unwrap();
    assert_counted(&store).await;
}

/// A lease that ran out commits nothing, whether another holds it by now or not (I6, I25).
async fn a_leader_that_slept_writes_nothing(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 10).await;
    let mut sleeper = Leader::begin(&store, "a", 100_000).await;
    assert_eq!(store.acquire_lease(fleet::LEASE, "b", LEASE_TTL_US).await.unwrap(), None, "it still runs");
    tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    let rows = fleet::all_rows(&store).await;
    let asked: Vec<_> = rows.iter().map(|row| (row, Ask::Allocate)).collect();
    let late = sleeper.commit(&asked, &[]).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })), "nobody else leads, yet its time is over: {late:?}");
    let mut next = Leader::begin(&store, "b", LEASE_TTL_US).await;
    assert_eq!(next.lease.term, 2);
    next.commit(&asked[..5], &[]).await.unwrap();
    let before = store.head().await.unwrap();
    let late = sleeper.commit(&asked, &[]).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })), "{late:?}");
    assert!(matches!(store.renew_lease(&sleeper.lease.proof(), LEASE_TTL_US).await, Err(StoreError::LeaseLost { .. })));
    assert_eq!(store.head().await.unwrap(), before);
    assert_eq!(fleet::all_rows(&store).await.iter().filter(|row| row.ownership.is_some()).count(), 5);
    assert_counted(&store).await;
}

/// The generation outlives the release (I2).
async fn a_release_keeps_the_generation(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 1).await;
    let mut leader = Leader::begin(&store, "a", LEASE_TTL_US).await;
    let asks = [Ask::Allocate, Ask::Recount, fleet::RELEASE, Ask::Allocate];
    for ask in asks {
        let rows = fleet::all_rows(&store).await;
        leader.commit(&[(&rows[0], ask)], &[]).await.unwrap();
        assert_counted(&store).await;
    }
    let id = InstanceId::parse(&fleet::instance_id(0)).unwrap();
    let history = store.history(&id, 10).await.unwrap();
    let steps: Vec<_> = history.iter().map(|(it, _)| (it.version, it.generation.0, it.group().is_some())).collect();
    assert_eq!(steps, [(4, 2, true), (3, 1, false), (2, 1, true), (1, 1, true)], "newest first");
    let revisions: Vec<u64> = history.iter().map(|(_, revision)| revision.0).collect();
    assert_eq!(revisions, [6, 5, 4, 3]);
    assert_eq!(store.history(&id, 2).await.unwrap(), history[..2]);
}

/// Every ownership has its decision, and its batch replays to the record (I9).
async fn every_decision_is_rebuilt(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 90).await;
    let mut leader = Leader::begin(&store, "a", LEASE_TTL_US).await;
    let rows = fleet::all_rows(&store).await;
    let mut recorded = BTreeMap::new();
    for part in rows.chunks(7) {
        let asked: Vec<_> = part.iter().map(|row| (row, Ask::Allocate)).collect();
        let committed = leader.commit(&asked, &[]).await.unwrap();
        recorded.insert(committed.batch, committed.decided);
    }
    for (batch, decided) in &recorded {
        let rebuilt = store.rebuild(DecisionId { batch: *batch, ordinal: 0 }).await.unwrap().unwrap();
        assert_eq!(&rebuilt.batch.decided, decided);
        assert_eq!(rebuilt.row.base, (*batch > 1).then_some(1));
        assert_eq!((rebuilt.row.term, rebuilt.row.count), (1, decided.len() as u32));
        verify(&rebuilt.batch.frame, &mut rebuilt.batch.start.clone(), &rebuilt.batch.decided).unwrap();
    }
    for row in fleet::all_rows(&store).await {
        let (ownership, _) = row.ownership.unwrap();
        let rebuilt = store.rebuild(ownership.decision).await.unwrap().unwrap().batch;
        let decided = &rebuilt.decided[ownership.decision.ordinal as usize];
        assert_eq!(decided.request.instance, row.id);
        let Outcome::Owned { group } = decided.outcome else { panic!("{decided:?}") };
        assert_eq!(Some(&rebuilt.frame.group(group).id), ownership.group());
    }
    assert_eq!(store.rebuild(DecisionId { batch: 99, ordinal: 0 }).await.unwrap(), None);
    assert_eq!(store.rebuild(DecisionId { batch: 1, ordinal: 7 }).await.unwrap(), None);
    assert_eq!(store.batch(3).await.unwrap().unwrap().base, Some(1));
}

async fn a_chain_ends_in_time(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 70).await;
    let mut leader = Leader::begin(&store, "a", LEASE_TTL_US).await;
    leader.allocate_all(1).await;
    let bases: Vec<Option<u64>> = {
        let mut bases = Vec::new();
        for batch in 1..=70 {
            bases.push(store.batch(batch).await.unwrap().unwrap().base);
        }
        bases
    };
    let snapshots: Vec<usize> = (0..70).filter(|at| bases[*at].is_none()).map(|at| at + 1).collect();
    assert_eq!(snapshots, [1, 66], "a snapshot, then 64 batches that stand on it");
    let last = store.rebuild(DecisionId { batch: 65, ordinal: 0 }).await.unwrap().unwrap().batch;
    verify(&last.frame, &mut last.start.clone(), &last.decided).unwrap();
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Ask { instance: usize, ask: u8 },
    Edit { instance: usize, weight: u32, is_roaming: bool },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ask = (0..12usize, 0..5u8).prop_map(|(instance, ask)| Step::Ask { instance, ask });
    let edit = (0..12usize, 1..9u32, any::<bool>()).prop_map(|(instance, weight, is_roaming)| Step::Edit {
        instance,
        weight,
        is_roaming,
    });
    proptest::collection::vec(prop_oneof![6 => ask, 2 => edit, 1 => Just(Step::Restart)], 1..40)
}

/// Counters equal a recount and every batch replays to its record, after any history. (I6)
async fn counters_equal_a_recount(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 12).await;
    let mut runner = TestRunner::deterministic();
    for round in 0..6 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let mut leader = Leader::begin(&store, "a", LEASE_TTL_US).await;
        for part in steps.chunks(5) {
            run_steps(&store, &mut leader, part).await;
        }
        assert_counted(&store).await;
        let books = store.load_books().await.unwrap();
        assert_eq!(
            State::from_rows(&leader.frame, &books.loads, &books.ramps),
            leader.state,
            "round {round}: {steps:?}"
        );
    }
    let last = store.load_books().await.unwrap().last_batch;
    assert!(last > 10);
    for batch in 1..=last {
        let rebuilt = store.rebuild(DecisionId { batch, ordinal: 0 }).await.unwrap().unwrap().batch;
        verify(&rebuilt.frame, &mut rebuilt.start.clone(), &rebuilt.decided).unwrap();
    }
}

/// Decides on the rows as they stood before the edits of this part, so that edited instances are void.
async fn run_steps(store: &Store, leader: &mut Leader, steps: &[Step]) {
    let rows = fleet::all_rows(store).await;
    let mut asked = BTreeMap::new();
    for step in steps {
        match step {
            Step::Restart => leader.load().await,
            Step::Edit { instance, weight, is_roaming } => {
                let product = if *is_roaming { "roaming" } else { "basic" };
                let mut svc = fleet::instance(&fleet::instance_id(*instance), product);
                svc.weight = *weight;
                fleet::put_instances(store, &[svc], NOW).await;
            }
            Step::Ask { instance, ask } => {
                let is_held = rows[*instance].ownership.as_ref().is_some_and(|it| it.0.group().is_some());
                let ask = match (ask, is_held) {
                    (0 | 1, false) => Ask::Allocate,
                    (0, true) => Ask::Recount,
                    (1, true) => Ask::Repair,
                    (2, true) => fleet::RELEASE,
                    (3, true) => Ask::Move { to: u32::from(*ask) },
                    (4, true) => Ask::Move { to: 0 },
                    _ => continue,
                };
                asked.insert(*instance, ask);
            }
        }
    }
    let asked: Vec<_> = asked.into_iter().map(|(at, ask)| (&rows[at], ask)).collect();
    if !asked.is_empty() {
        leader.commit(&asked, &[]).await.unwrap();
    }
}

async fn broken_counters_are_found_and_corrected(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 30).await;
    let mut leader = Leader::begin(&store, "a", LEASE_TTL_US).await;
    leader.allocate_all(100).await;
    let mut raw = ground.raw().await;
    let breaks = "UPDATE group_load SET owners = owners + 1 WHERE group_id = 'r0-g1' AND product_id = 'basic'";
    sqlx::query(breaks).execute(&mut raw).await.unwrap();
    let found = store.recount().await.unwrap();
    assert_eq!(found.differences.len(), 1);
    let difference = &found.differences[0];
    assert_eq!(difference.recorded.owners, difference.counted.owners + 1);
    assert_eq!((difference.counted.group.as_str(), found.owners), ("r0-g1", 30));
    let stale = store::LeaseProof { term: 9, ..leader.lease.proof() };
    assert!(matches!(store.correct_loads(&stale, "doctor", NOW).await, Err(StoreError::LeaseLost { .. })));
    store.correct_loads(&leader.lease.proof(), "doctor", NOW).await.unwrap();
    assert_counted(&store).await;
}

async fn moves_of_a_plan_are_settled_with_their_batch(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 12).await;
    let mut leader = Leader::begin(&store, "a", LEASE_TTL_US).await;
    leader.allocate_all(100).await;
    let rows = fleet::all_rows(&store).await;
    let plan = PlanId::parse("plan-1").unwrap();
    let group_of = |at: usize| rows[at].ownership.as_ref().unwrap().0.group().unwrap().clone();
    let to = |at: usize| leader.frame.groups.iter().map(|it| it.id.clone()).find(|it| *it != group_of(at)).unwrap();
    let moves: Vec<PlanMove> = (0..5)
        .map(|at| PlanMove {
            ordinal: at as u32,
            instance: rows[at].id.clone(),
            from: Some(group_of(at)),
            from_generation: Generation(1),
            // The second is there already.
            to: if at == 1 { group_of(at) } else { to(at) },
            state: MoveState::Pending,
            reason: None,
            decision: None,
        })
        .collect();
    let mut change = store.begin(Intent::Plans, "operator", NOW).await.unwrap();
    change.create_plan(&plan_row("plan-1", "applying")).await.unwrap();
    change.add_plan_moves(&plan, &moves).await.unwrap();
    let revision = change.commit().await.unwrap();
    assert!(store.changes_since(Revision(revision.0 - 1), 1).await.unwrap()[0].touched.has_plans());
    fleet::put_instances(
        &store,
        &[{
            let mut it = fleet::instance(rows[2].id.as_str(), "basic");
            it.weight = 4;
            it
        }],
        NOW,
    )
    .await;
    let find = |id: &GroupId| leader.frame.find_group(id).unwrap();
    let asked: Vec<_> = (0..4).map(|at| (&rows[at], Ask::Move { to: find(&moves[at].to) })).collect();
    let settled: Vec<PlanMoveOf> =
        (0..4).map(|at| PlanMoveOf { plan: plan.clone(), ordinal: at, request: at }).collect();
    let committed = leader.commit(&asked, &settled).await.unwrap();
    let mut change = store.begin(Intent::Plans, "operator", NOW).await.unwrap();
    assert_eq!(change.skip_plan_moves(&plan, &[(4, Reason::GenerationDrifted), (0, Reason::Void)]).await.unwrap(), 1);
    change.commit().await.unwrap();
    let found = store.plan_moves(&plan, None, 100).await.unwrap();
    let states: Vec<_> = found.iter().map(|it| (it.state, it.reason)).collect();
    let (done, skipped) = (MoveState::Done, MoveState::Skipped);
    let drifted = (skipped, Some(Reason::GenerationDrifted));
    assert_eq!(
        states,
        [(done, None), (skipped, Some(Reason::AlreadyThere)), (MoveState::Pending, None), (done, None), drifted]
    );
    assert_eq!(found[3].decision, Some(DecisionId { batch: committed.batch, ordinal: 3 }));
    assert_eq!((&found[0].instance, &found[0].from, &found[0].to), (&moves[0].instance, &moves[0].from, &moves[0].to));
    let pending = store.pending_moves(&plan, None, 10).await.unwrap();
    assert_eq!(pending.iter().map(|it| it.ordinal).collect::<Vec<_>>(), [2]);
    let counts = store.move_counts(&plan).await.unwrap();
    assert_eq!((counts.pending, counts.done, counts.skipped), (1, 2, 2));
    assert_eq!(store.plan_moves(&plan, Some(1), 2).await.unwrap(), found[2..4]);
    assert_counted(&store).await;
}

pub fn plan_row(id: &str, state: &str) -> PlanRow {
    PlanRow {
        id: PlanId::parse(id).unwrap(),
        kind: "move".to_owned(),
        state: state.to_owned(),
        created: NOW,
        actor: "operator".to_owned(),
        snapshot_revision: Revision(3),
        request: r#"{"kind":"move"}"#.to_owned(),
        summary: "{}".to_owned(),
        rate_per_s: Some(100),
        step: 0,
        error: None,
    }
}

/// The rows of ramps are those of the state after the batch (I5).
async fn ramps_are_kept_with_the_batch(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 120).await;
    let mut leader = Leader::begin(&store, "a", LEASE_TTL_US).await;
    leader.allocate_all(50).await;
    let full = store.load_books().await.unwrap().ramps;
    assert!(full.len() == 12 && full.iter().all(|row| row.ramp.phase == Phase::Full));
    // A new group in both boundaries ramps; what it took is in the books of the next leader.
    let mut objects = fleet::fleet(2, 4);
    objects.retain(|it| it.id() != "r1-g3" && it.id() != "r1-g3-n0");
    for object in &mut objects {
        if let Object::AccessTemplate(AccessTemplate { mode: Mode::Shard { groups }, .. }) = object {
            groups.remove("r1-g3");
        }
    }
    fleet::put_all(&store, &objects, NOW).await;
    let more: Vec<Instance> = (120..150).map(|n| fleet::instance(&fleet::instance_id(n), "basic")).collect();
    fleet::put_instances(&store, &more, NOW).await;
    leader.load().await;
    leader.allocate_all(10).await;
    let books = store.load_books().await.unwrap();
    let new =
        books.ramps.iter().find(|row| row.template.as_str() == "by-group" && row.group.as_str() == "r0-g3").unwrap();
    assert_eq!(new.ramp.phase, Phase::Ramping);
    assert!(new.ramp.arrived == 30 && (1..30).contains(&new.ramp.taken), "{new:?}");
    assert_eq!(books.ramps, {
        let mut rows = leader.state.ramp_rows(&leader.frame);
        rows.sort_by(|a, b| (&a.template, &a.group).cmp(&(&b.template, &b.group)));
        rows
    });
    // It leaves a boundary, and its row goes with the next batch.
    let only = Mode::Shard { groups: [GroupId::parse("r0-g0").unwrap()].into() };
    fleet::put_all(&store, &[Object::AccessTemplate(fleet::access_template("by-group", only))], NOW).await;
    fleet::put_instances(&store, &[fleet::instance("late", "basic")], NOW).await;
    leader.load().await;
    leader.allocate_all(10).await;
    let books = store.load_books().await.unwrap();
    assert_eq!(books.ramps.iter().filter(|row| row.template.as_str() == "by-group").count(), 1);
    assert_counted(&store).await;
}

/// I26: a batch beyond its limits is refused by name and writes nothing. (I26)
async fn a_batch_keeps_its_limits(ground: Ground) {
    let store = ground.open().await;
    populate(&store, 3).await;
    let mut leader = Leader::begin(&store, "a", LEASE_TTL_US).await;
    let rows = fleet::all_rows(&store).await;
    assert!(matches!(leader.commit(&[], &[]).await, Err(StoreError::Misuse { .. })));
    let twice = [(&rows[0], Ask::Allocate), (&rows[0], Ask::Allocate)];
    assert!(matches!(leader.commit(&twice, &[]).await, Err(StoreError::Misuse { .. })));
    let beyond = [PlanMoveOf { plan: PlanId::parse("p").unwrap(), ordinal: 0, request: 1 }];
    assert!(matches!(leader.commit(&[(&rows[0], Ask::Allocate)], &beyond).await, Err(StoreError::Misuse { .. })));
    assert_eq!(store.load_books().await.unwrap().last_batch, 0);
}
