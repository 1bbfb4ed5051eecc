//! What is reported: entries all over the instances, written once in each language before any clock runs.
//!
//! A report is its envelope and a block of entries. The blocks are kept as bytes, so the load costs a copy and the
//! sender's own encoder is not measured; the envelope with its sequence is written anew for each report.

use wire::report::{Encoding, Report, ReportKind, TrafficItem};

use crate::fleet::instance_text;

/// A prime beyond every size: numbers times it, modulo a size, are all numbers of the size in an order that no cache
/// foresees.
const STRIDE: usize = 2_654_435_761;

/// Entries of one report: the instances from `first` on in the scattered order.
pub fn items(first: usize, entries: usize, instances: usize) -> impl Iterator<Item = TrafficItem> {
    (first..first + entries).map(move |at| {
        let number = at.wrapping_mul(STRIDE) % instances;
        TrafficItem {
            instance: instance_text(number),
            up: 1_200 + number as u64 % 40_000,
            down: 88_000 + number as u64 % 900_000,
            lease: None,
        }
    })
}

/// A report of these entries.
pub fn report(reporter: String, sequence: u64, traffic: Vec<TrafficItem>) -> Report {
    Report {
        reporter,
        incarnation: 1,
        sequence,
        kind: ReportKind::Delta,
        observed_at: None,
        traffic,
        online: Vec::new(),
        node: None,
        in_force: None,
    }
}

/// How many reports name every instance once.
pub fn reports_of_all(entries: usize, instances: usize) -> usize {
    instances.div_ceil(entries)
}

/// The entries of a report as a sender of this language writes them, without the envelope.
pub fn block(encoding: Encoding, traffic: Vec<TrafficItem>) -> Vec<u8> {
    match encoding {
        // Fields of a message may come in any order and in parts; those at their default are not written.
        Encoding::Protobuf => Report { incarnation: 0, ..report(String::new(), 0, traffic) }.to_bytes(encoding),
        Encoding::Json => serde_json::to_vec(&traffic).expect("plain structs of texts and numbers are always JSON"),
    }
}

/// The bytes of a report before its block, and after.
pub fn envelope(encoding: Encoding, reporter: &str, incarnation: u64, sequence: u64) -> (Vec<u8>, &'static [u8]) {
    match encoding {
        Encoding::Protobuf => {
            let empty = Report { incarnation, ..report(reporter.to_owned(), sequence, Vec::new()) };
            (empty.to_bytes(encoding), b"")
        }
        Encoding::Json => {
            let before = format!(
                "{{\"reporter\":\"{reporter}\",\"incarnation\":{incarnation},\"sequence\":{sequence},\
                 \"kind\":\"delta\",\"traffic\":"
            );
            (before.into_bytes(), b"}")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wire::report::read;

    use super::*;

    #[test]
    fn an_envelope_and_a_block_are_a_report_in_both_languages() {
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            let (mut bytes, after) = envelope(encoding, "n0000-00", 7, 42);
            bytes.extend(block(encoding, items(0, 100, 1_000).collect()));
            bytes.extend_from_slice(after);
            let report = read(&bytes, encoding).unwrap();
            assert_eq!((report.reporter.as_str(), report.incarnation, report.sequence), ("n0000-00", 7, 42));
            assert_eq!((report.traffic().count(), report.rejected.len()), (100, 0));
        }
    }

    #[test]
    fn all_instances_are_named_once() {
        let named: BTreeSet<String> = items(0, 10_000, 10_000).map(|it| it.instance).collect();
        assert_eq!(named.len(), 10_000);
    }
}
