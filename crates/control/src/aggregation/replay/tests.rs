//! What is replayed equals what was counted, whatever was reported; what was taken back left no trace.

use std::collections::BTreeMap;

use domain::aggregation::{GenerationIndex, Minute, Vector};
use domain::ids::NodeId;
use domain::time::Micros;
use proptest::prelude::*;
use wire::report::{Encoding, read};

use super::*;
use crate::aggregation::hot::{Hot, Introduction, Submission, Verdict};
use crate::aggregation::log::encode;

/// A report of a test: who, cumulative or not, and (instance, bytes); instances from 6 on are unknown.
type Told = (u8, bool, Vec<(u8, u64)>);

fn submission(reporter: u8, sequence: u64, told: &Told) -> Submission {
    let items: Vec<String> =
        told.2.iter().map(|(id, up)| format!(r#"{{"instance":"i-{id}","up":{up},"down":1}}"#)).collect();
    let kind = if told.1 { "cumulative" } else { "delta" };
    let json = format!(
        r#"{{"reporter":"r-{reporter}","incarnation":1,"sequence":{sequence},"kind":"{kind}","traffic":[{}]}}"#,
        items.join(",")
    );
    let report = read(json.as_bytes(), Encoding::Json).unwrap();
    // Every third report falls into another minute.
    let mut it = Submission::new(report, Micros(60_000_000 * (1_000 + (sequence % 3) as i64)));
    it.introduction =
        Some(Introduction { incarnation: 1, vector: Vector::default(), received: 0, baselines: Some(Vec::new()) });
    it
}

fn knows(id: &str) -> bool {
    id.strip_prefix("i-").and_then(|it| it.parse::<u8>().ok()).is_some_and(|it| it < 6)
}

/// Counts by (instance, minute), sums, parts, parked items and the last totals: what two generations are equal by.
fn content(open: &Open, names: &Names) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut counts: BTreeMap<(String, Minute), (u64, u64)> = BTreeMap::new();
    for slot in open.slots.iter().filter(|it| it.up + it.down > 0) {
        let sum = counts.entry((names.text(slot.name).to_owned(), slot.minute)).or_default();
        *sum = (sum.0 + slot.up, sum.1 + slot.down);
    }
    let parked: Vec<_> =
        open.parked.iter().map(|it| (names.text(it.name).to_owned(), it.minute, it.sequence, it.up, it.down)).collect();
    let totals: BTreeMap<_, _> =
        open.totals.iter().map(|it| ((it.reporter.clone(), names.text(it.name).to_owned()), it.total)).collect();
    (counts, parked, totals, open.sums.to_vec(), open.parts.clone(), open.bucket)
}

fn told() -> impl Strategy<Value = Told> {
    (0..3u8, any::<bool>(), prop::collection::vec((0..9u8, 0..1_000u64), 0..8))
}

proptest! {
    #[test]
    fn a_replay_equals_what_was_counted(groups in prop::collection::vec((prop::collection::vec(told(), 1..5), any::<bool>()), 1..8)) {
        let data = tempfile::tempdir().unwrap();
        let mut log = Log::open(&data.path().join("log.redb")).unwrap();
        let mut hot = Hot::new(GenerationIndex(0), [0; 64], [0; 64]);
        let mut sequences = [0u64; 3];
        for (reports, is_refused) in &groups {
            let mut stage = hot.begin();
            let before = sequences;
            for told in reports {
                let at = usize::from(told.0);
                let submission = submission(told.0, sequences[at] + 1, told);
                match hot.stage(&mut stage, &submission, 7, &knows) {
                    Verdict::Staged(_) => sequences[at] += 1,
                    Verdict::TooManyParked => {}
                    other => panic!("{other:?}"),
                }
            }
            if *is_refused {
                hot.abandon(stage);
                sequences = before;
            } else {
                let bytes = encode(&stage.group, &hot.open.slots, &hot.names);
                if !stage.group.is_empty() {
                    log.append(&bytes).unwrap();
                }
                hot.apply(stage);
            }
        }
        let mut names = Names::default();
        let logged = log.generations().unwrap();
        let open = replay(&log, &logged[0], &mut names, &Withheld::new(), |_, _, _| {}).unwrap();
        prop_assert_eq!(content(&open, &names), content(&hot.open, &hot.names));
        let received: u64 = open.sums.iter().map(|it| it.received).sum();
        let became: u64 = open.sums.iter().map(|it| it.counted() + it.parked + it.rejected).sum();
        prop_assert_eq!(received, became, "every byte received is somewhere");
        for part in &open.parts {
            let it = part.totals;
            prop_assert_eq!(it.received, it.counted + it.parked + it.rejected, "also of each reporter");
        }
        // Whoever is withheld leaves nothing behind, and takes nothing of others along.
        let one = NodeId::parse("r-1").unwrap();
        let withheld = Withheld::from([(GenerationIndex(1), one.clone(), 1)]);
        let mut names = Names::default();
        let rest = replay(&log, &logged[0], &mut names, &withheld, |_, _, _| {}).unwrap();
        prop_assert!(rest.parts.iter().all(|it| it.reporter != one));
        let received: u64 = rest.sums.iter().map(|it| it.received).sum();
        prop_assert_eq!(received, rest.parts.iter().map(|it| it.totals.received).sum::<u64>());
    }
}
