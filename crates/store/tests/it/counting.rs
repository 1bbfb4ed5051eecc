//! Counting: what is flushed counts once, whoever flushes, however often, and whatever reply is lost.

use domain::aggregation::{GenerationIndex, Hour, ShardIndex, Traffic};
use domain::ids::Revision;
use domain::time::Micros;
use store::{
    Homing, LedgerFilter, LedgerKey, LedgerState, Location, ReporterTotals, Store, StoreError, UsageRange, UsageRead,
};

use crate::ground::{Ground, NOW, WRITER, on_both_engines, on_postgres};
use crate::intake::{Fate, Intake, Item, Said, generation, instance, item, node, report};
use crate::proxy::{Fault, Proxy};

on_both_engines! {
    a_flush_counts_and_moves_every_watermark,
    nothing_is_written_where_the_watermark_stands_elsewhere,
    two_flushers_of_one_range_count_once,
    a_crash_between_blobs_and_shards_counts_once,
    nothing_is_committed_without_its_blob,
    a_blob_that_stands_decides_who_is_stranded,
    a_second_log_of_one_name_is_found_out,
    a_former_life_writes_nothing,
    a_blob_that_no_shard_has_goes_with_its_life,
    a_ledger_that_contradicts_the_rows_is_refused,
    folding_changes_no_figure,
    a_home_is_claimed_once,
    what_was_skipped_and_never_came_is_lost,
    usage_is_read_with_its_watermarks,
    a_reader_beside_a_flusher_sees_each_byte_once,
    the_ledger_is_listed_newest_first,
}

pub async fn usage_of(store: &Store, id: &str) -> UsageRead {
    let range = UsageRange::Hours { from: Hour(0), to: Hour(u32::MAX) };
    store.usage(&instance(id), range).await.unwrap()
}

/// Usage of an instance, both ways together.
pub async fn bytes_of(store: &Store, id: &str) -> u64 {
    usage_of(store, id).await.durable.bytes().unwrap()
}

/// Everything counted again comes out even.
pub async fn assert_conserved(store: &Store) {
    assert_eq!(store.recount_counting().await.unwrap().differences, []);
}

pub fn shard(id: &str) -> ShardIndex {
    ShardIndex::of(&instance(id))
}

fn with_fate(id: &str, bytes: u64, fate: Fate) -> Item {
    Item { fate, ..item(id, bytes, 0) }
}

async fn a_flush_counts_and_moves_every_watermark(ground: Ground) {
    let store = ground.open().await;
    let mut intake = Intake::open(&store, "here").await;
    let items = [item("svc-1", 10, 100), item("svc-2", 1, 2), with_fate("svc-2", 7, Fate::Reject)];
    assert_eq!(intake.accept(&store, &report("n1", 1, &items)).await, Said::Applied);
    intake.cut();
    let items = [item("svc-1", 5, 0), with_fate("new-1", 9, Fate::Park)];
    assert_eq!(intake.accept(&store, &report("n1", 2, &items)).await, Said::Applied);
    intake.flush(&store).await;
    assert_eq!(usage_of(&store, "svc-1").await.durable, Traffic { up: 15, down: 100 });
    let marks = store.replica_marks(&intake.replica).await.unwrap().unwrap();
    assert_eq!((marks.smallest(), marks.largest()), (generation(2), generation(2)));
    let of_one = marks.shards[shard("svc-1").index()].totals;
    assert_eq!((of_one.received, of_one.durable, of_one.parked, of_one.rejected), (115, 115, 0, 0));
    let of_new = marks.shards[shard("new-1").index()].totals;
    assert_eq!((of_new.received, of_new.durable, of_new.parked), (9, 0, 9));
    let state = store.load_reporter(&node("n1"), 1).await.unwrap().unwrap();
    assert_eq!(state.vector.through(), 2);
    assert_eq!(state.totals, ReporterTotals { received: 134, counted: 118, parked: 9, rejected: 7 });
    assert_conserved(&store).await;
    assert_eq!(store.head().await.unwrap().revision, Revision(0), "counting makes no revision");
}

async fn nothing_is_written_where_the_watermark_stands_elsewhere(ground: Ground) {
    let store = ground.open().await;
    let mut intake = Intake::open(&store, "here").await;
    intake.accept(&store, &report("n1", 1, &[item("svc-1", 10, 0)])).await;
    intake.cut();
    intake.put_blobs(&store).await.unwrap();
    let at = shard("svc-1");
    let rows = intake.rows(at, generation(0), generation(1), &[]);
    let early = rows.commit(&intake.replica, at, generation(0), generation(1));
    store.commit_shard(early).await.unwrap();
    let again = store.commit_shard(early).await.unwrap_err();
    assert!(
        matches!(again, StoreError::WatermarkMoved { shard, expected, found }
            if shard == at && expected == generation(0) && found == generation(1)),
        "{again:?}"
    );
    let all: Vec<ShardIndex> = ShardIndex::all().collect();
    let skipped = store.skip_shards(&intake.replica, &all, generation(0), generation(1), NOW).await.unwrap_err();
    assert!(matches!(skipped, StoreError::WatermarkMoved { found, .. } if found == generation(1)), "{skipped:?}");
    let marks = store.replica_marks(&intake.replica).await.unwrap().unwrap();
    assert_eq!((marks.smallest(), marks.of(at)), (generation(0), generation(1)), "all are skipped, or none");
    assert_eq!(bytes_of(&store, "svc-1").await, 10);
    assert_conserved(&store).await;
}

async fn two_flushers_of_one_range_count_once(ground: Ground) {
    let store = ground.open().await;
    let mut intake = Intake::open(&store, "here").await;
    for sequence in 1..=8 {
        intake.accept(&store, &report("n1", sequence, &[item("svc-1", 10, 1), item("svc-1b", 3, 0)])).await;
        intake.cut();
        intake.put_blobs(&store).await.unwrap();
        for at in [shard("svc-1"), shard("svc-1b")] {
            let (from, to) = (generation(sequence - 1), generation(sequence));
            let race = futures::future::join(
                store::retry(|| intake.commit(&store, at, from, to)),
                store::retry(|| intake.commit(&store, at, from, to)),
            );
            let (one, two) = race.await;
            let (won, lost): (Vec<_>, Vec<_>) = [one, two].into_iter().partition(Result::is_ok);
            assert_eq!(won.len(), 1, "{lost:?}");
            let lost = lost.into_iter().next().unwrap().unwrap_err();
            assert!(matches!(lost, StoreError::WatermarkMoved { found, .. } if found == to), "{lost:?}");
        }
    }
    assert_eq!((bytes_of(&store, "svc-1").await, bytes_of(&store, "svc-1b").await), (88, 24));
    assert_conserved(&store).await;
}

async fn a_crash_between_blobs_and_shards_counts_once(ground: Ground) {
    let store = ground.open().await;
    let mut intake = Intake::open(&store, "here").await;
    intake.accept(&store, &report("n1", 1, &[item("svc-1", 10, 0), item("svc-2", 20, 0)])).await;
    intake.cut();
    assert_eq!(intake.put_blobs(&store).await.unwrap(), []);
    intake.commit(&store, shard("svc-1"), generation(0), generation(1)).await.unwrap();
    let state = store.load_reporter(&node("n1"), 1).await.unwrap().unwrap();
    assert_eq!((state.vector.through(), state.totals), (0, ReporterTotals::default()), "not every shard has it");
    assert_eq!(state.vector.ahead().get(&shard("svc-1")), Some(&1));
    store.close().await;
    // The next life has the log, so it has the same generations, and begins again.
    let store = ground.open().await;
    store.open_replica(&intake.replica, NOW).await.unwrap();
    intake.flush(&store).await;
    assert_eq!((bytes_of(&store, "svc-1").await, bytes_of(&store, "svc-2").await), (10, 20));
    let state = store.load_reporter(&node("n1"), 1).await.unwrap().unwrap();
    assert_eq!((state.vector.through(), state.totals.received), (1, 30));
    assert_conserved(&store).await;
}

/// The database loses its last commit, which wrote the blobs, and nothing else.
async fn nothing_is_committed_without_its_blob(ground: Ground) {
    let store = ground.open().await;
    let mut intake = Intake::open(&store, "here").await;
    for sequence in 1..=2 {
        intake.accept(&store, &report("n1", sequence, &[item("svc-1", 10, 0)])).await;
        intake.cut();
    }
    intake.put_blobs(&store).await.unwrap();
    let mut raw = ground.raw().await;
    sqlx::query("DELETE FROM reporter_blob WHERE generation = 2").execute(&mut raw).await.unwrap();
    drop(raw);
    let (from, to) = (generation(0), generation(2));
    for at in [shard("svc-1"), shard("svc-2")] {
        let error = intake.commit(&store, at, from, to).await.unwrap_err();
        assert!(matches!(error, StoreError::BlobMissing { .. }), "{error:?}");
    }
    assert_eq!(store.replica_marks(&intake.replica).await.unwrap().unwrap().largest(), generation(0));
    intake.flush(&store).await;
    assert_eq!(bytes_of(&store, "svc-1").await, 20);
    assert_conserved(&store).await;
}

async fn a_blob_that_stands_decides_who_is_stranded(ground: Ground) {
    let store = ground.open().await;
    let mut here = Intake::open(&store, "here").await;
    let there = Intake::open(&store, "there").await;
    here.accept(&store, &report("n1", 1, &[item("svc-1", 10, 0)])).await;
    here.accept(&store, &report("n2", 1, &[item("svc-1", 5, 0)])).await;
    here.cut();
    // The database forgets both homes, as one does that loses its last commits, and n1 is heard elsewhere.
    let mut raw = ground.raw().await;
    sqlx::query("DELETE FROM reporter_home").execute(&mut raw).await.unwrap();
    let claimed = store.claim_reporter_home(&node("n1"), 1, &there.replica, NOW).await.unwrap();
    assert!(matches!(claimed, Homing::Here(_)));
    for _ in 0..2 {
        let stranded = here.put_blobs(&store).await.unwrap();
        assert_eq!(stranded.iter().map(|it| it.reporter.as_str()).collect::<Vec<_>>(), ["n1"]);
        // Whatever the homes are now: the blob stands, and so does who is in it.
        sqlx::query("DELETE FROM reporter_home WHERE reporter_id = 'n1'").execute(&mut raw).await.unwrap();
    }
    let home = store.find_reporter_home(&node("n2"), 1).await.unwrap().unwrap();
    assert_eq!(home.replica, here.replica, "the home of n2 is restored");
    here.flush(&store).await;
    assert_eq!(bytes_of(&store, "svc-1").await, 5);
    assert_conserved(&store).await;
}

async fn a_second_log_of_one_name_is_found_out(ground: Ground) {
    let store = ground.open().await;
    let mut one = Intake::open(&store, "here").await;
    let mut two = Intake::open(&store, "here").await;
    one.accept(&store, &report("n1", 1, &[item("svc-1", 10, 0)])).await;
    two.accept(&store, &report("n1", 1, &[item("svc-1", 11, 0)])).await;
    one.cut();
    two.cut();
    one.put_blobs(&store).await.unwrap();
    let error = two.put_blobs(&store).await.unwrap_err();
    assert!(matches!(error, StoreError::TwoLogs { generation: it, .. } if it == generation(1)), "{error:?}");
}

/// The process of a former life wakes up: its disk was put back elsewhere, and it has generations to flush.
async fn a_former_life_writes_nothing(ground: Ground) {
    let stores = [ground.open_as(1).await, ground.open_as(2).await];
    let mut former = Intake::open(&stores[0], "here").await;
    for sequence in 1..=3 {
        former.accept(&stores[0], &report("n1", sequence, &[item("svc-1", 10, 0), item("svc-2", 1, 0)])).await;
        former.cut();
    }
    former.put_blobs(&stores[0]).await.unwrap();
    let at = shard("svc-1");
    former.commit(&stores[0], at, generation(0), generation(1)).await.unwrap();
    let mut present = Intake::recover(&stores[1], "here").await;
    assert_eq!(present.last_cut, generation(1));
    let (one, two) = (generation(1), generation(2));
    let errors = [
        former.commit(&stores[0], at, one, two).await.unwrap_err(),
        former.commit(&stores[0], shard("svc-2"), generation(0), one).await.unwrap_err(),
        stores[0].skip_shards(&former.replica, &[ShardIndex::ZERO], one, two, NOW).await.unwrap_err(),
        former.put_blobs(&stores[0]).await.unwrap_err(),
        stores[0].fold_generations(&former.replica, two, NOW).await.unwrap_err(),
        stores[0].recover(&former.replica, NOW, "test").await.unwrap_err(),
        stores[0].claim_reporter_home(&node("n9"), 1, &former.replica, NOW).await.unwrap_err(),
    ];
    assert!(errors.iter().all(|it| matches!(it, StoreError::FormerLife { .. })), "{errors:?}");
    for sequence in 1..=3 {
        present.accept(&stores[1], &report("n1", sequence, &[item("svc-1", 10, 0), item("svc-2", 1, 0)])).await;
    }
    present.flush(&stores[1]).await;
    assert_eq!((bytes_of(&stores[1], "svc-1").await, bytes_of(&stores[1], "svc-2").await), (30, 3));
    assert_conserved(&stores[1]).await;
    let stranger = stores[0].skip_shards(&"there".to_owned().try_into().unwrap(), &[at], one, two, NOW).await;
    assert!(matches!(stranger, Err(StoreError::Misuse { .. })), "it was never opened: {stranger:?}");
}

/// The first process dies between its blob and its first shard, and its disk with it.
async fn a_blob_that_no_shard_has_goes_with_its_life(ground: Ground) {
    let store = ground.open().await;
    let mut former = Intake::open(&store, "here").await;
    former.accept(&store, &report("n1", 1, &[item("svc-1", 10, 0)])).await;
    former.accept(&store, &report("n2", 1, &[item("svc-1", 20, 0)])).await;
    former.cut();
    former.put_blobs(&store).await.unwrap();
    drop(former);
    let mut present = Intake::open(&store, "here").await;
    let state = store.load_reporter(&node("n2"), 1).await.unwrap().unwrap();
    assert_eq!((state.vector.through(), state.vector.ahead().len()), (0, 0));
    present.accept(&store, &report("n2", 1, &[item("svc-1", 20, 0)])).await;
    present.flush(&store).await;
    assert_eq!(bytes_of(&store, "svc-1").await, 20);
    assert_conserved(&store).await;
}

async fn a_ledger_that_contradicts_the_rows_is_refused(ground: Ground) {
    let store = ground.open().await;
    let mut intake = Intake::open(&store, "here").await;
    let items = [item("svc-1", 10, 0), with_fate("svc-1", 4, Fate::Park), with_fate("svc-1", 3, Fate::Reject)];
    intake.accept(&store, &report("n1", 1, &items)).await;
    intake.cut();
    intake.put_blobs(&store).await.unwrap();
    let at = shard("svc-1");
    let (from, to) = (generation(0), generation(1));
    let right = intake.rows(at, from, to, &[]);
    let mut wrong = vec![right.clone(); 6];
    wrong[0].ledger[0].traffic.up += 1;
    wrong[1].ledger[0].parked -= 1;
    wrong[2].ledger[0].rejected += 1;
    wrong[3].received += 1;
    wrong[4].usage_rows.extend_from_within(..);
    wrong[5].ledger[0].generation = GenerationIndex(2);
    for rows in &wrong {
        let error = store.commit_shard(rows.commit(&intake.replica, at, from, to)).await.unwrap_err();
        assert!(matches!(error, StoreError::Misuse { .. }), "{error:?}");
    }
    let error = store.commit_shard(right.commit(&intake.replica, at, to, to)).await.unwrap_err();
    assert!(matches!(error, StoreError::Misuse { .. }), "{error:?}");
    assert_eq!(store.recount_counting().await.unwrap().usage_rows, 0);
    store.commit_shard(right.commit(&intake.replica, at, from, to)).await.unwrap();
}

async fn folding_changes_no_figure(ground: Ground) {
    let store = ground.open().await;
    let mut intake = Intake::open(&store, "here").await;
    intake.accept(&store, &report("n1", 1, &[item("svc-1", 10, 0)])).await;
    intake.accept(&store, &report("n2", 1, &[item("svc-2", 1, 0)])).await;
    intake.cut();
    let first = intake.parts();
    intake.flush(&store).await;
    intake.accept(&store, &report("n1", 2, &[item("svc-1", 5, 0), item("svc-2", 1, 0)])).await;
    intake.cut();
    intake.put_blobs(&store).await.unwrap();
    intake.commit(&store, shard("svc-1"), generation(1), generation(2)).await.unwrap();
    let before = (store.load_reporters_of(&intake.replica, None, 10).await.unwrap(), store.counting_snapshot().await);
    let early = store.fold_generations(&intake.replica, generation(2), NOW).await.unwrap();
    assert_eq!((early.folded, early.generations), (generation(0), vec![]), "what is younger than the time asked stays");
    let folded = store.fold_generations(&intake.replica, generation(2), NOW.plus_seconds(1)).await.unwrap();
    assert_eq!((folded.folded, folded.generations), (generation(1), vec![generation(1)]), "2 is not in every shard");
    assert_eq!(store.load_reporters_of(&intake.replica, None, 10).await.unwrap(), before.0);
    let after = store.counting_snapshot().await.unwrap();
    assert_eq!(after.reporters, before.1.unwrap().reporters);
    assert_eq!(after.replicas[0].folded, generation(1));
    // A flusher that slept brings the blob of 1 again: it must not be folded twice.
    assert_eq!(store.put_reporter_blobs(&intake.replica, &first, NOW).await.unwrap(), []);
    assert_eq!(intake.fold(&store).await, generation(1));
    assert_eq!(store.counting_snapshot().await.unwrap().reporters, after.reporters);
    intake.flush(&store).await;
    assert_eq!(intake.fold(&store).await, generation(2));
    let rows = store.list_ledger(&LedgerFilter::default(), None, 100).await.unwrap();
    assert!(rows.iter().all(|row| row.state == LedgerState::Cleaned), "{rows:?}");
    assert_conserved(&store).await;
}

async fn a_home_is_claimed_once(ground: Ground) {
    let stores = [ground.open_as(1).await, ground.open_as(2).await];
    let (one, two) = (Intake::open(&stores[0], "one").await, Intake::open(&stores[1], "two").await);
    for n in 0..10 {
        let reporter = node(&format!("n{n}"));
        let race = futures::future::join(
            store::retry(|| stores[0].claim_reporter_home(&reporter, 1, &one.replica, NOW)),
            store::retry(|| stores[1].claim_reporter_home(&reporter, 1, &two.replica, NOW)),
        );
        let (first, second) = race.await;
        let (first, second) = (first.unwrap(), second.unwrap());
        let is_one_here = matches!(first, Homing::Here(_));
        assert_ne!(is_one_here, matches!(second, Homing::Here(_)), "{first:?} {second:?}");
    }
    let store = &stores[0];
    let Homing::Here(home) = store.claim_reporter_home(&node("x"), 3, &one.replica, NOW).await.unwrap() else {
        panic!("nobody has it")
    };
    assert_eq!(home.term, 1);
    let stale = stores[1].claim_reporter_home(&node("x"), 2, &two.replica, NOW).await.unwrap();
    assert_eq!(stale, Homing::Stale { current: 3 });
    assert_eq!(store.find_reporter_home(&node("x"), 2).await.unwrap(), None, "nothing was claimed");
    assert_eq!(store.latest_incarnation(&node("x")).await.unwrap(), Some(3));
    store.retire(&one.replica, NOW, "test").await.unwrap();
    let closed = store.claim_reporter_home(&node("y"), 1, &one.replica, NOW).await.unwrap_err();
    assert!(matches!(closed, StoreError::ReplicaClosed { .. }), "{closed:?}");
    let Homing::Here(home) = stores[1].claim_reporter_home(&node("x"), 3, &two.replica, NOW).await.unwrap() else {
        panic!("its home is retired")
    };
    assert_eq!((home.replica, home.term), (two.replica, 2));
}

async fn what_was_skipped_and_never_came_is_lost(ground: Ground) {
    let store = ground.open().await;
    let mut intake = Intake::open(&store, "here").await;
    intake.accept(&store, &report("n1", 1, &[item("svc-1", 1, 0)])).await;
    assert_eq!(intake.accept(&store, &report("n1", 5, &[])).await, Said::Gap { expected: 2 });
    store.note_gap(&node("n1"), 1, 2, 5).await.unwrap();
    store.note_gap(&node("n1"), 1, 3, 4).await.unwrap();
    intake.accept(&store, &report("n1", 2, &[item("svc-1", 1, 0)])).await;
    intake.flush(&store).await;
    let listed = store.list_reporters(None, 10).await.unwrap();
    assert_eq!((listed[0].gap, listed[0].lost.len()), (Some((2, 4)), 0), "it may still come");
    store.claim_reporter_home(&node("n1"), 2, &intake.replica, NOW).await.unwrap();
    let listed = store.list_reporters(None, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].incarnation), (1, 2));
    let lost = listed[0].lost[0];
    assert_eq!((lost.incarnation, lost.from, lost.to), (1, 3, 4), "2 arrived");
}

async fn usage_is_read_with_its_watermarks(ground: Ground) {
    let store = ground.open().await;
    let mut intake = Intake::open(&store, "here").await;
    let other = Intake::open(&store, "there").await;
    intake.accept(&store, &report("n1", 1, &[item("svc-1", 10, 20)])).await;
    intake.cut();
    let at = shard("svc-1");
    let (from, to) = (generation(0), generation(1));
    let mut rows = intake.rows(at, from, to, &[]);
    // One hour in which a period turns has two rows.
    let (hour, first) = (Hour::of(NOW), rows.usage_rows[0].clone());
    let second = store::UsageAdd { period: NOW, ..first.clone() };
    let later = store::UsageAdd { period: NOW, hour: Hour(hour.0 + 1), ..first };
    rows.usage_rows.extend([second, later]);
    rows.ledger[0].traffic = Traffic { up: 30, down: 60 };
    (rows.received, rows.ledger[0].received) = (90, 90);
    intake.put_blobs(&store).await.unwrap();
    store.commit_shard(rows.commit(&intake.replica, at, from, to)).await.unwrap();
    let of_hour = UsageRange::Hours { from: hour, to: Hour(hour.0 + 1) };
    let read = store.usage(&instance("svc-1"), of_hour).await.unwrap();
    assert_eq!(read.rows.iter().map(|it| it.period).collect::<Vec<_>>(), [Micros(0), NOW]);
    assert_eq!(read.durable, Traffic { up: 20, down: 40 });
    assert_eq!(read.marks, [(intake.replica.clone(), generation(1)), (other.replica, generation(0))]);
    let read = store.usage(&instance("svc-1"), UsageRange::Period(NOW)).await.unwrap();
    assert_eq!(read.rows.iter().map(|it| it.hour.0 - hour.0).collect::<Vec<_>>(), [0, 1]);
    let none = store.usage(&instance("svc-2"), of_hour).await.unwrap();
    assert_eq!((none.rows.len(), none.durable), (0, Traffic::ZERO));
}

/// Every generation counts ten bytes, so what is durable and the watermark read with it say the same.
async fn a_reader_beside_a_flusher_sees_each_byte_once(ground: Ground) {
    let store = ground.open().await;
    let mut intake = Intake::open(&store, "here").await;
    let flusher = store.clone();
    let flush = tokio::spawn(async move {
        for sequence in 1..=60 {
            intake.accept(&flusher, &report("n1", sequence, &[item("svc-1", 10, 0)])).await;
            intake.cut();
            intake.put_blobs(&flusher).await.unwrap();
            let (from, to) = (generation(sequence - 1), generation(sequence));
            intake.commit(&flusher, shard("svc-1"), from, to).await.unwrap();
        }
    });
    let mut reads = 0;
    while !flush.is_finished() {
        let read = usage_of(&store, "svc-1").await;
        assert_eq!(read.durable.bytes().unwrap(), 10 * read.marks[0].1.0);
        reads += 1;
    }
    flush.await.unwrap();
    assert!(reads > 1, "nothing was read meanwhile");
}

async fn the_ledger_is_listed_newest_first(ground: Ground) {
    let store = ground.open().await;
    for name in ["a", "b"] {
        let mut intake = Intake::open(&store, name).await;
        for sequence in 1..=3 {
            let reporter = format!("n-{name}");
            intake.accept(&store, &report(&reporter, sequence, &[item("svc-1", 1, 0), item("svc-2", 1, 0)])).await;
            intake.flush(&store).await;
        }
    }
    let mut keys: Vec<LedgerKey> = Vec::new();
    loop {
        let page = store.list_ledger(&LedgerFilter::default(), keys.last(), 5).await.unwrap();
        let Some(last) = page.last() else { break };
        assert_eq!((last.traffic, last.rows, last.since.0 + 1), (Traffic { up: 1, down: 0 }, 1, last.key.generation.0));
        keys.extend(page.into_iter().map(|row| row.key));
    }
    assert_eq!(keys.len(), 12);
    assert!(keys.is_sorted_by(|a, b| a > b), "{keys:?}");
    let filter = LedgerFilter {
        replica: Some(keys[0].replica.clone()),
        shard: Some(shard("svc-1")),
        state: Some(LedgerState::Committed),
    };
    let page = store.list_ledger(&filter, None, 100).await.unwrap();
    assert_eq!(page.iter().map(|row| row.key.generation.0).collect::<Vec<_>>(), [3, 2, 1]);
    let none = LedgerFilter { state: Some(LedgerState::Lost), ..LedgerFilter::default() };
    assert_eq!(store.list_ledger(&none, None, 100).await.unwrap(), []);
}

/// Flushes a shard through a proxy that breaks the commit, and says what the flusher was told.
async fn flush_through(ground: &Ground, fault: Fault) -> (Store, Intake, Result<(), StoreError>, Proxy) {
    let Location::Postgres(url) = &ground.location else { panic!("a proxy needs a server") };
    let proxy = Proxy::start(url).await;
    let store = Store::open(&Location::Postgres(proxy.url.clone()), WRITER).await.unwrap();
    let mut intake = Intake::open(&store, "here").await;
    intake.accept(&store, &report("n1", 1, &[item("svc-1", 10, 0)])).await;
    intake.cut();
    intake.put_blobs(&store).await.unwrap();
    proxy.arm(fault);
    let outcome = intake.commit(&store, shard("svc-1"), generation(0), generation(1)).await;
    (store, intake, outcome, proxy)
}

#[test]
fn a_lost_reply_of_a_flush_is_looked_up() {
    on_postgres(|ground| async move {
        let (store, _, outcome, _proxy) = flush_through(&ground, Fault::LoseReply).await;
        outcome.unwrap();
        assert_eq!(bytes_of(&store, "svc-1").await, 10);
        assert_conserved(&store).await;
    });
}

#[test]
fn a_flush_that_was_lost_is_done_again() {
    on_postgres(|ground| async move {
        let (store, intake, outcome, _proxy) = flush_through(&ground, Fault::LoseRequest).await;
        assert!(matches!(outcome, Err(StoreError::Unavailable { .. })), "{outcome:?}");
        assert_eq!(bytes_of(&store, "svc-1").await, 0);
        intake.commit(&store, shard("svc-1"), generation(0), generation(1)).await.unwrap();
        assert_eq!(bytes_of(&store, "svc-1").await, 10);
    });
}

#[test]
fn a_flush_that_nobody_can_tell_of_counts_once() {
    on_postgres(|ground| async move {
        let (store, intake, outcome, proxy) = flush_through(&ground, Fault::LoseReplyAndServer).await;
        assert!(matches!(outcome, Err(StoreError::Unavailable { .. })), "{outcome:?}");
        proxy.arm(Fault::None);
        let again = intake.commit(&store, shard("svc-1"), generation(0), generation(1)).await.unwrap_err();
        assert!(matches!(again, StoreError::WatermarkMoved { found, .. } if found == generation(1)), "{again:?}");
        assert_eq!(bytes_of(&store, "svc-1").await, 10);
        assert_conserved(&store).await;
    });
}
