//! The log on a real disk: what is appended is read back, what was refused is not, what is removed is exactly that.

use domain::aggregation::GenerationIndex;
use domain::time::Micros;

use super::*;
use crate::faults;

fn records(log: &Log) -> Vec<(u64, Vec<Vec<u8>>)> {
    let mut all = Vec::new();
    for generation in log.generations().unwrap() {
        let mut of = Vec::new();
        log.visit(&generation, |bytes| {
            of.push(bytes.to_vec());
            Ok(())
        })
        .unwrap();
        all.push((generation.generation.0, of));
    }
    all
}

/// A process that dies between two pieces of a removal leaves a generation of which the first records are gone.
#[test]
fn a_generation_of_which_a_piece_was_removed_is_not_read() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("log.redb");
    let mut log = Log::open(&path).unwrap();
    for _ in 0..=REMOVED_AT_ONCE + 1 {
        log.append(&[1]).unwrap();
    }
    log.cut(GenerationIndex(1), Micros(5)).unwrap();
    log.append(&[2]).unwrap();
    assert!(log.remove_through(GenerationIndex(1)).unwrap());
    drop(log);
    let log = Log::open(&path).unwrap();
    assert_eq!(records(&log), [(2, vec![vec![2]])]);
}

#[test]
fn generations_are_read_back_and_removed_exactly() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("log.redb");
    let mut log = Log::open(&path).unwrap();
    assert!(log.is_new());
    for generation in 1..=3u8 {
        log.append(&[generation, 1]).unwrap();
        log.append(&[generation, 2]).unwrap();
        log.cut(GenerationIndex(u64::from(generation)), Micros(5)).unwrap();
    }
    log.append(&[4, 1]).unwrap();
    drop(log);
    let mut log = Log::open(&path).unwrap();
    assert_eq!((log.bytes(), log.last_cut()), (14, Some(GenerationIndex(3))));
    let found = records(&log);
    assert_eq!(found[1], (2, vec![vec![2, 1], vec![2, 2]]));
    assert_eq!(found[3], (4, vec![vec![4, 1]]));
    assert!(!log.remove_through(GenerationIndex(2)).unwrap());
    assert_eq!(records(&log), found[2..]);
    assert_eq!((log.bytes(), log.begins_after()), (6, GenerationIndex(2)));
    drop(log);
    let mut log = Log::open(&path).unwrap();
    assert_eq!(log.begins_after(), GenerationIndex(2));
    assert_eq!(records(&log), found[2..]);
    assert!(!log.remove_through(GenerationIndex(3)).unwrap());
    log.append(&[4, 2]).unwrap();
    assert_eq!(records(&log), [(4, vec![vec![4, 1], vec![4, 2]])]);
}

#[test]
fn a_record_that_was_refused_is_gone_even_when_it_reached_the_disk() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("log.redb");
    let mut log = Log::open(&path).unwrap();
    log.append(b"kept").unwrap();
    faults::arm("after-log-fsync:1:error").unwrap();
    log.append(b"refused").unwrap_err();
    log.append(b"next").unwrap();
    drop(log);
    assert_eq!(records(&Log::open(&path).unwrap()), [(1, vec![b"kept".to_vec(), b"next".to_vec()])]);
}
