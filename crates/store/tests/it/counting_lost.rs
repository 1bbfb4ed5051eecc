//! Counting after a loss: a lost disk, a retired replica, items that wait, rows that went for their age.

use domain::aggregation::{Hour, ShardIndex, Traffic};
use domain::master_data::Instance;
use domain::time::Micros;
use store::{
    Between, Correction, Intent, LedgerFilter, LedgerState, ParkedFate, ParkedKey, ReporterTotals, Settled, Store,
    StoreError,
};

use crate::counting::{assert_conserved, bytes_of, shard, usage_of};
use crate::fleet;
use crate::ground::{Ground, NOW, on_both_engines};
use crate::intake::{Fate, Intake, Item, Report, Said, generation, instance, item, node, report};

on_both_engines! {
    a_replay_after_a_lost_disk_counts_once,
    running_totals_after_a_lost_disk_count_once,
    a_disk_lost_twice_counts_once,
    a_shard_that_is_ahead_stays_ahead,
    a_retired_replica_flushes_nothing_more,
    a_new_home_takes_over_where_the_old_one_stood,
    parked_items_count_once_their_instance_exists,
    parked_items_wait_for_every_shard,
    old_rows_leave_their_bytes_in_totals,
    old_lives_are_forgotten,
    corrections_are_signed_entries,
    a_recount_names_what_differs,
}

/// Two instances of different shards.
const ONE: &str = "svc-1";
const TWO: &str = "svc-2";

fn both(up: u64) -> [Item; 2] {
    [item(ONE, up, 0), item(TWO, up, 0)]
}

async fn replay(store: &Store, intake: &mut Intake, reports: &[Report]) {
    for it in reports {
        assert!(!matches!(intake.accept(store, it).await, Said::Gap { .. } | Said::Elsewhere(_)), "{it:?}");
    }
    intake.flush(store).await;
}

/// Three reports, the first durable everywhere, the second in one shard, the third only acknowledged.
async fn lose(store: &Store, reports: &[Report]) -> Intake {
    assert_ne!(shard(ONE), shard(TWO));
    let mut intake = Intake::open(store, "here").await;
    intake.accept(store, &reports[0]).await;
    intake.flush(store).await;
    intake.accept(store, &reports[1]).await;
    intake.cut();
    intake.put_blobs(store).await.unwrap();
    let from = store.replica_marks(&intake.replica).await.unwrap().unwrap().of(shard(ONE));
    intake.commit(store, shard(ONE), from, intake.last_cut).await.unwrap();
    intake.accept(store, &reports[2]).await;
    intake
}

async fn a_replay_after_a_lost_disk_counts_once(ground: Ground) {
    let store = ground.open().await;
    let reports: Vec<Report> = (1..=3).map(|n| report("n1", n, &both(10 * n))).collect();
    drop(lose(&store, &reports).await);
    let mut intake = Intake::recover(&store, "here").await;
    assert_eq!(intake.last_cut, generation(2));
    let state = store.load_reporter(&node("n1"), 1).await.unwrap().unwrap();
    assert_eq!((state.vector.through(), state.vector.ahead().get(&shard(ONE))), (1, Some(&2)));
    assert_eq!(state.totals.received, 20, "the replay counts the second whole for its reporter");
    let lost = LedgerFilter { state: Some(LedgerState::Lost), ..LedgerFilter::default() };
    let lost = store.list_ledger(&lost, None, 100).await.unwrap();
    assert_eq!(lost.len(), 63, "every shard but one lost something, or nothing");
    assert!(lost.iter().all(|row| (row.since, row.key.generation) == (generation(1), generation(2))));
    replay(&store, &mut intake, &reports).await;
    assert_eq!((bytes_of(&store, ONE).await, bytes_of(&store, TWO).await), (60, 60));
    let state = store.load_reporter(&node("n1"), 1).await.unwrap().unwrap();
    assert_eq!((state.vector.through(), state.totals.received), (3, 120));
    intake.fold(&store).await;
    let again = store.load_reporter(&node("n1"), 1).await.unwrap().unwrap();
    assert_eq!((again.vector.ahead().len(), again.totals.received), (0, 120));
    let mut raw = ground.raw().await;
    let left = sqlx::query("SELECT 1 FROM reporter_ahead").fetch_all(&mut raw).await.unwrap();
    assert_eq!(left.len(), 0, "what every shard has passed is forgotten");
    drop(raw);
    assert_conserved(&store).await;
}

async fn running_totals_after_a_lost_disk_count_once(ground: Ground) {
    let store = ground.open().await;
    let total = |n| Report { is_cumulative: true, ..report("n1", n, &both(100 * n)) };
    let reports: Vec<Report> = (1..=3).map(total).collect();
    drop(lose(&store, &reports).await);
    let mut intake = Intake::recover(&store, "here").await;
    let baselines = store.cumulative_baselines(&node("n1"), 1).await.unwrap();
    let of = |up| Traffic { up, down: 0 };
    assert_eq!(baselines, [(instance(ONE), of(200)), (instance(TWO), of(100))], "each where its usage stands");
    replay(&store, &mut intake, &reports).await;
    assert_eq!((bytes_of(&store, ONE).await, bytes_of(&store, TWO).await), (300, 300));
    assert_conserved(&store).await;
}

async fn a_disk_lost_twice_counts_once(ground: Ground) {
    let store = ground.open().await;
    let reports: Vec<Report> = (1..=5).map(|n| report("n1", n, &both(10 * n))).collect();
    drop(lose(&store, &reports).await);
    let mut intake = Intake::recover(&store, "here").await;
    // The second life replays, commits the other shard alone, and is lost as well.
    for it in &reports[1..4] {
        intake.accept(&store, it).await;
    }
    intake.cut();
    intake.put_blobs(&store).await.unwrap();
    intake.commit(&store, shard(TWO), generation(2), generation(3)).await.unwrap();
    drop(intake);
    let mut intake = Intake::recover(&store, "here").await;
    let state = store.load_reporter(&node("n1"), 1).await.unwrap().unwrap();
    let ahead = [shard(ONE), shard(TWO)].map(|it| state.vector.ahead().get(&it).copied());
    assert_eq!((state.vector.through(), ahead), (1, [Some(2), Some(4)]));
    replay(&store, &mut intake, &reports).await;
    assert_eq!((bytes_of(&store, ONE).await, bytes_of(&store, TWO).await), (150, 150));
    // An empty disk that lost nothing changes nothing.
    intake.fold(&store).await;
    let recovered = store.recover(&intake.replica, NOW, "test").await.unwrap();
    assert_eq!((recovered.raised.len(), recovered.reporters, recovered.bytes_known_missing), (0, 0, 0));
    assert_conserved(&store).await;
}

/// The second life has repeated less than the first had committed when it is lost as well.
async fn a_shard_that_is_ahead_stays_ahead(ground: Ground) {
    let store = ground.open().await;
    let reports: Vec<Report> = (1..=3).map(|n| report("n1", n, &both(10 * n))).collect();
    let mut intake = Intake::open(&store, "here").await;
    for it in &reports {
        intake.accept(&store, it).await;
    }
    intake.cut();
    intake.put_blobs(&store).await.unwrap();
    intake.commit(&store, shard(ONE), generation(0), generation(1)).await.unwrap();
    let mut intake = Intake::recover(&store, "here").await;
    intake.accept(&store, &reports[0]).await;
    intake.cut();
    intake.put_blobs(&store).await.unwrap();
    intake.commit(&store, shard(ONE), generation(1), generation(2)).await.unwrap();
    let mut intake = Intake::recover(&store, "here").await;
    let state = store.load_reporter(&node("n1"), 1).await.unwrap().unwrap();
    assert_eq!((state.vector.through(), state.vector.ahead().get(&shard(ONE))), (0, Some(&3)));
    replay(&store, &mut intake, &reports).await;
    assert_eq!((bytes_of(&store, ONE).await, bytes_of(&store, TWO).await), (60, 60));
    assert_conserved(&store).await;
}

async fn a_retired_replica_flushes_nothing_more(ground: Ground) {
    let store = ground.open().await;
    let reports: Vec<Report> = (1..=3).map(|n| report("n1", n, &both(10 * n))).collect();
    let mut zombie = lose(&store, &reports).await;
    zombie.cut();
    zombie.put_blobs(&store).await.unwrap();
    let preview = store.preview_retire(&zombie.replica).await.unwrap().unwrap();
    assert_eq!((preview.is_closed, preview.smallest, preview.largest), (false, generation(1), generation(2)));
    assert_eq!((preview.reporters, preview.generations_in_part, preview.bytes_known_missing), (1, 2, 80));
    let retired = store.retire(&zombie.replica, NOW, "test").await.unwrap();
    assert_eq!((retired.reporters, retired.bytes_known_missing, retired.raised.len()), (1, 80, 63));
    let (two, three) = (generation(2), generation(3));
    let errors = [
        zombie.commit(&store, shard(TWO), two, three).await.unwrap_err(),
        store.skip_shards(&zombie.replica, &[ShardIndex::ZERO], two, three, NOW).await.unwrap_err(),
        zombie.put_blobs(&store).await.unwrap_err(),
        store.recover(&zombie.replica, NOW, "test").await.unwrap_err(),
    ];
    assert!(errors.iter().all(|it| matches!(it, StoreError::ReplicaClosed { .. })), "{errors:?}");
    let again = store.retire(&zombie.replica, NOW.plus_seconds(9), "test").await.unwrap();
    assert_eq!((again.raised.len(), again.bytes_known_missing), (0, 0));
    let marks = store.open_replica(&zombie.replica, NOW).await.unwrap();
    assert_eq!(marks.closed, Some(NOW), "the first retirement stands");
    assert_eq!((bytes_of(&store, ONE).await, bytes_of(&store, TWO).await), (30, 10));
    assert_conserved(&store).await;
}

async fn a_new_home_takes_over_where_the_old_one_stood(ground: Ground) {
    let store = ground.open().await;
    let reports: Vec<Report> = (1..=3).map(|n| report("n1", n, &both(10 * n))).collect();
    let old = lose(&store, &reports).await;
    let mut new = Intake::open(&store, "new").await;
    assert_eq!(new.accept(&store, &reports[1]).await, Said::Elsewhere(old.replica.clone()));
    store.retire(&old.replica, NOW, "test").await.unwrap();
    replay(&store, &mut new, &reports).await;
    assert_eq!((bytes_of(&store, ONE).await, bytes_of(&store, TWO).await), (60, 60));
    let state = store.load_reporter(&node("n1"), 1).await.unwrap().unwrap();
    assert_eq!((state.home.replica, state.home.term), (new.replica.clone(), 2));
    assert_eq!((state.vector.through(), state.totals.received), (3, 120));
    assert_eq!(usage_of(&store, ONE).await.marks.len(), 2);
    assert_conserved(&store).await;
}

pub async fn create(store: &Store, ids: &[&str]) {
    let instances: Vec<Instance> = ids.iter().map(|id| fleet::instance(id, "basic")).collect();
    fleet::put_instances(store, &instances, NOW).await;
}

/// Settles all that is ready, in the current hour of no period.
pub async fn unpark(store: &Store) -> Settled {
    let ready = store.parked_ready(None, 1_000).await.unwrap();
    let fate = ParkedFate::Count { period: Micros(0), hour: Hour::of(NOW) };
    let fates: Vec<(ParkedKey, ParkedFate)> = ready.into_iter().map(|row| (row.key, fate)).collect();
    store.settle_parked(&fates, NOW).await.unwrap()
}

async fn parked_items_count_once_their_instance_exists(ground: Ground) {
    let store = ground.open().await;
    let mut intake = Intake::open(&store, "here").await;
    let parked = |id: &str, up| Item { fate: Fate::Park, ..item(id, up, 1) };
    let items = [parked("new-1", 10), parked("new-1", 20), parked("new-2", 5), item(ONE, 1, 0)];
    intake.accept(&store, &report("n1", 1, &items)).await;
    intake.flush(&store).await;
    assert_eq!(store.parked_counts().await.unwrap(), [(node("n1"), 3, 38)]);
    assert_eq!(unpark(&store).await, Settled::default());
    create(&store, &["new-1"]).await;
    let ready = store.parked_ready(None, 1_000).await.unwrap();
    assert_eq!(ready.len(), 2);
    assert_eq!(store.parked_ready(Some(&ready[0].key), 1_000).await.unwrap(), ready[1..]);
    let fate = ParkedFate::Count { period: Micros(0), hour: Hour::of(NOW) };
    let fates: Vec<_> = ready.into_iter().map(|row| (row.key, fate)).collect();
    let race = futures::future::join(
        store::retry(|| store.settle_parked(&fates, NOW)),
        store::retry(|| store.settle_parked(&fates, NOW)),
    );
    let (first, second) = race.await;
    assert_eq!(first.unwrap().items + second.unwrap().items, 2, "no item is settled twice");
    assert_eq!(usage_of(&store, "new-1").await.durable, Traffic { up: 30, down: 2 });
    assert_conserved(&store).await;
    let left = store.list_parked(None, 10).await.unwrap();
    assert_eq!(left.iter().map(|row| row.item.instance.as_str()).collect::<Vec<_>>(), ["new-2"]);
    let rejected = store.settle_parked(&[(left[0].key.clone(), ParkedFate::Reject)], NOW).await.unwrap();
    assert_eq!(rejected, Settled { items: 1, bytes: 6 });
    assert_eq!(bytes_of(&store, "new-2").await, 0);
    let totals = ReporterTotals { received: 39, counted: 33, parked: 0, rejected: 6 };
    assert_eq!(store.load_reporter(&node("n1"), 1).await.unwrap().unwrap().totals, totals);
    intake.fold(&store).await;
    assert_eq!(store.load_reporter(&node("n1"), 1).await.unwrap().unwrap().totals, totals);
    assert_conserved(&store).await;
}

async fn parked_items_wait_for_every_shard(ground: Ground) {
    let store = ground.open().await;
    create(&store, &["new-1"]).await;
    let mut intake = Intake::open(&store, "here").await;
    let reports = [report("n1", 1, &[Item { fate: Fate::Park, ..item("new-1", 10, 0) }, item(ONE, 1, 0)])];
    intake.accept(&store, &reports[0]).await;
    intake.cut();
    intake.put_blobs(&store).await.unwrap();
    intake.commit(&store, shard("new-1"), generation(0), generation(1)).await.unwrap();
    assert_eq!(store.parked_ready(None, 10).await.unwrap(), []);
    let parked = store.list_parked(None, 10).await.unwrap();
    let fates = [(parked[0].key.clone(), ParkedFate::Reject)];
    assert_eq!(store.settle_parked(&fates, NOW).await.unwrap(), Settled::default());
    drop(intake);
    // With the disk lost the replay counts the report for its reporter; the item still counts for its instance.
    let mut intake = Intake::recover(&store, "here").await;
    assert_eq!(unpark(&store).await, Settled { items: 1, bytes: 10 });
    replay(&store, &mut intake, &reports).await;
    assert_eq!((bytes_of(&store, "new-1").await, bytes_of(&store, ONE).await), (10, 1));
    let totals = store.load_reporter(&node("n1"), 1).await.unwrap().unwrap().totals;
    assert_eq!(totals, ReporterTotals { received: 11, counted: 11, parked: 0, rejected: 0 });
    assert_conserved(&store).await;
}

async fn old_rows_leave_their_bytes_in_totals(ground: Ground) {
    let store = ground.open().await;
    let mut intake = Intake::open(&store, "here").await;
    intake.accept(&store, &report("n1", 1, &both(10))).await;
    intake.flush(&store).await;
    let at = shard(ONE);
    let now = Hour::of(NOW);
    let kept = store.expire_usage(at, now, None, 100).await.unwrap();
    assert_eq!((kept.rows, kept.bytes, kept.next), (0, 0, None));
    let page = store.expire_usage(at, now, None, 1).await.unwrap();
    assert_eq!(page.next.as_ref().map(|it| it.instance.as_str()), Some(ONE), "the page was full: there may be more");
    assert_eq!(store.expire_usage(at, now, page.next.as_ref(), 1).await.unwrap().next, None);
    let gone = store.expire_usage(at, Hour(now.0 + 1), None, 100).await.unwrap();
    assert_eq!((gone.rows, gone.bytes), (1, 10));
    assert_eq!((bytes_of(&store, ONE).await, bytes_of(&store, TWO).await), (0, 10));
    let snapshot = store.counting_snapshot().await.unwrap();
    assert_eq!((snapshot.shards[at.index()].expired, snapshot.replicas[0].shards[at.index()].totals.durable), (10, 10));
    assert_conserved(&store).await;
    let later = NOW.plus_seconds(1);
    assert_eq!(store.prune_ledger(later, 100).await.unwrap(), 0, "a generation that is not cleaned keeps its rows");
    intake.fold(&store).await;
    assert_eq!(store.prune_ledger(NOW, 100).await.unwrap(), 0);
    assert_eq!(store.prune_ledger(later, 1).await.unwrap(), 1);
    assert_eq!(store.prune_ledger(later, 100).await.unwrap(), 1);
    assert_eq!(store.list_ledger(&LedgerFilter::default(), None, 10).await.unwrap(), []);
    assert_conserved(&store).await;
    // The watermark does not live by the ledger.
    intake.accept(&store, &report("n1", 2, &both(1))).await;
    intake.flush(&store).await;
    assert_conserved(&store).await;
}

async fn old_lives_are_forgotten(ground: Ground) {
    let store = ground.open().await;
    let mut intake = Intake::open(&store, "here").await;
    let first = Report { is_cumulative: true, ..report("n1", 1, &both(10)) };
    intake.accept(&store, &first).await;
    intake.flush(&store).await;
    intake.fold(&store).await;
    let second = Report { incarnation: 2, ..first.clone() };
    intake.accept(&store, &second).await;
    intake.flush(&store).await;
    assert_eq!(store.forget_reporters(NOW, 10).await.unwrap(), 0, "its successor is too young");
    assert_eq!(store.forget_reporters(NOW.plus_seconds(1), 10).await.unwrap(), 1);
    assert_eq!(store.cumulative_baselines(&node("n1"), 1).await.unwrap(), []);
    assert_eq!(store.cumulative_baselines(&node("n1"), 2).await.unwrap().len(), 2);
    assert_eq!(store.load_reporter(&node("n1"), 1).await.unwrap(), None);
    assert_eq!(store.counting_snapshot().await.unwrap().reporters[0].totals.received, 40, "bytes are not forgotten");
    assert_conserved(&store).await;
}

async fn correct(store: &Store, corrections: &[Correction]) -> Result<u64, StoreError> {
    let mut change = store.begin(Intent::Plans, "finance", NOW).await?;
    let written = change.put_corrections(corrections).await?;
    change.commit().await?;
    Ok(written)
}

async fn corrections_are_signed_entries(ground: Ground) {
    let store = ground.open().await;
    let mut intake = Intake::open(&store, "here").await;
    intake.accept(&store, &report("n1", 1, &both(10))).await;
    intake.flush(&store).await;
    let correction = |id: &str, up| Correction {
        id: id.to_owned(),
        instance: instance(ONE),
        period: Micros(0),
        hour: Hour::of(NOW),
        up,
        down: 0,
        reason: "counted twice upstream".to_owned(),
        plan: None,
    };
    assert_eq!(correct(&store, &[correction("c1", -4), correction("c2", -6)]).await.unwrap(), 2);
    assert_eq!(bytes_of(&store, ONE).await, 0);
    let below = correct(&store, &[correction("c3", -1)]).await.unwrap_err();
    assert!(matches!(below, StoreError::Misuse { .. }), "{below:?}");
    assert_eq!(correct(&store, &[correction("c1", -4)]).await.unwrap(), 0, "an entry is written once");
    assert_eq!(correct(&store, &[correction("c1-undo", 4)]).await.unwrap(), 1);
    assert_eq!(usage_of(&store, ONE).await.durable, Traffic { up: 4, down: 0 });
    assert_eq!(store.counting_snapshot().await.unwrap().shards[shard(ONE).index()].corrected, -6);
    let listed = store.list_corrections(Some(&instance(ONE)), Some("c1"), 10).await.unwrap();
    assert_eq!(listed.iter().map(|it| it.correction.id.as_str()).collect::<Vec<_>>(), ["c1-undo", "c2"]);
    assert_eq!((listed[0].at, listed[0].actor.as_str()), (NOW, "finance"));
    assert_eq!(store.append_audit(100).await.unwrap(), 3);
    assert_conserved(&store).await;
}

/// Each figure is broken behind the store's back, found, and put right again.
async fn a_recount_names_what_differs(ground: Ground) {
    let store = ground.open().await;
    let mut intake = Intake::open(&store, "here").await;
    let items = [item(ONE, 10, 0), Item { fate: Fate::Park, ..item("new-1", 5, 0) }];
    intake.accept(&store, &report("n1", 1, &items)).await;
    intake.flush(&store).await;
    intake.fold(&store).await;
    let recount = store.recount_counting().await.unwrap();
    assert_eq!((recount.usage_rows, recount.ledger_rows, recount.parked_rows), (1, 2, 1));
    let mut raw = ground.raw().await;
    for (column, between, expected) in [
        ("usage_hour SET up = up + 1", Between::MarksAndUsage, (10, 11)),
        ("ledger SET up = up + 1 WHERE up > 0", Between::MarkAndLedger, (10, 11)),
        ("parked_item SET up = up + 1", Between::MarkAndParked, (5, 6)),
        ("watermark SET rejected = rejected + 1 WHERE received = 10", Between::ReceivedAndAccounted, (10, 11)),
        ("reporter_total SET counted = counted + 1", Between::ReporterAccount, (15, 16)),
    ] {
        let broken = format!("UPDATE {column}");
        let mended = broken.replace("+ 1", "- 1");
        sqlx::query(sqlx::AssertSqlSafe(broken)).execute(&mut raw).await.unwrap();
        let differences = store.recount_counting().await.unwrap().differences;
        assert_eq!(differences.len(), 1, "{differences:?}");
        let it = &differences[0];
        assert_eq!((it.between, (it.recorded, it.counted)), (between, expected));
        assert_eq!(it.reporter.is_some(), between == Between::ReporterAccount);
        sqlx::query(sqlx::AssertSqlSafe(mended)).execute(&mut raw).await.unwrap();
        assert_conserved(&store).await;
    }
}
