//! Laws of reading: both languages say the same, every item is in one list, no bytes make the reader panic.

use proptest::prelude::*;

use super::*;
use crate::report::proto;

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-z0-9]([a-z0-9._-]{0,12}[a-z0-9])?",
        1 => "\\PC{0,20}",
        1 => Just("a".repeat(129)),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..1_000_000u64, 1 => Just(INTEGER_MAX), 1 => Just(INTEGER_MAX + 1), 1 => Just(i64::MAX as u64), 1 => Just(0)]
}

fn traffic() -> impl Strategy<Value = TrafficItem> {
    let lease = prop_oneof![4 => Just(None), 1 => "\\PC{1,10}".prop_map(Some), 1 => Just(Some("x".repeat(129)))];
    (id(), number(), number(), lease).prop_map(|(instance, up, down, lease)| TrafficItem { instance, up, down, lease })
}

fn online() -> impl Strategy<Value = OnlineItem> {
    (id(), prop_oneof![3 => "\\PC{0,8}", 1 => "(?s).{0,8}", 1 => Just("d".repeat(129))])
        .prop_map(|(instance, device)| OnlineItem { instance, device })
}

fn node() -> impl Strategy<Value = NodePart> {
    let status = proptest::option::of(prop_oneof![Just(NodeStatus::Up), Just(NodeStatus::Down)]);
    (status, proptest::option::of(0..LOAD_PERMILLE_MAX + 2))
        .prop_map(|(status, load_permille)| NodePart { status, load_permille })
}

fn report() -> impl Strategy<Value = Report> {
    let kind = prop_oneof![Just(ReportKind::Delta), Just(ReportKind::Cumulative)];
    // The years that RFC 3339 can write.
    let at = proptest::option::of((-62_167_219_200_000_000..253_402_207_200_000_000i64).prop_map(domain::time::Micros));
    (
        (prop_oneof![20 => Just("ams-01".to_owned()), 1 => id()], number(), number(), kind, at),
        (
            proptest::collection::vec(traffic(), 0..12),
            proptest::collection::vec(online(), 0..6),
            proptest::option::of(node()),
            proptest::option::of(number()),
        ),
    )
        .prop_map(|((reporter, incarnation, sequence, kind, observed_at), (traffic, online, node, in_force))| {
            Report { reporter, incarnation, sequence, kind, observed_at, traffic, online, node, in_force }
        })
}

type Parts<'a> = (Vec<Traffic<'a>>, Vec<Online<'a>>, &'a [Refused]);

fn parts(report: &ReadReport) -> Parts<'_> {
    (report.traffic().collect(), report.online().collect(), &report.rejected)
}

fn envelope(it: &ReadReport) -> impl PartialEq + std::fmt::Debug + '_ {
    (it.reporter.as_str(), it.incarnation, it.sequence, it.kind, it.observed_at, it.node, it.in_force, it.items())
}

/// What a schema compiler's reader makes of the bytes, as far as items are good.
fn by_the_schema(bytes: &[u8]) -> proto::Report {
    prost::Message::decode(bytes).unwrap()
}

proptest! {
    #[test]
    fn both_languages_say_the_same(report in report()) {
        let json = read(&report.to_bytes(Encoding::Json), Encoding::Json);
        let protobuf = read(&report.to_bytes(Encoding::Protobuf), Encoding::Protobuf);
        match (&json, &protobuf) {
            (Ok(json), Ok(protobuf)) => {
                prop_assert_eq!(parts(json), parts(protobuf));
                prop_assert_eq!(envelope(json), envelope(protobuf));
            }
            (Err(json), Err(protobuf)) => prop_assert_eq!(json, protobuf),
            (json, protobuf) => prop_assert!(false, "{json:?} {protobuf:?}"),
        }
    }

    #[test]
    fn a_good_item_is_read_as_it_was_sent_and_a_bad_one_is_named(report in report()) {
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let Ok(read) = read(&report.to_bytes(encoding), encoding) else { continue };
            let mut seen = vec![0; report.traffic.len() + report.online.len()];
            for it in read.traffic() {
                let sent = &report.traffic[it.index as usize];
                let lease = sent.lease.as_deref();
                prop_assert_eq!((it.instance, it.up, it.down, it.lease), (&*sent.instance, sent.up, sent.down, lease));
                prop_assert!(sent.up <= INTEGER_MAX && sent.down <= INTEGER_MAX);
                prop_assert!(domain::ids::InstanceId::parse(it.instance).is_ok(), "{:?}", it.instance);
                seen[it.index as usize] += 1;
            }
            for it in read.online() {
                let sent = &report.online[it.index as usize - report.traffic.len()];
                prop_assert_eq!((it.instance, it.device), (&*sent.instance, &*sent.device));
                seen[it.index as usize] += 1;
            }
            let mut before = None;
            for it in &read.rejected {
                prop_assert!(before < Some(it.index), "in order");
                before = Some(it.index);
                seen[it.index as usize] += 1;
                if let Some(sent) = report.traffic.get(it.index as usize) {
                    // Bytes that could be read are told, whatever else is wrong with the item.
                    let readable = |bytes: u64| if bytes <= INTEGER_MAX { bytes } else { 0 };
                    prop_assert_eq!((it.up, it.down), (readable(sent.up), readable(sent.down)));
                    let id = domain::ids::InstanceId::parse(&sent.instance).ok();
                    prop_assert_eq!(&it.instance, &id);
                } else {
                    prop_assert_eq!((it.up, it.down), (0, 0));
                }
            }
            prop_assert!(seen.iter().all(|count| *count == 1), "{seen:?}");
            prop_assert_eq!(read.items(), seen.len() as u64);
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}", head in any::<bool>()) {
        let head = if head { r#"{"reporter":"n","incarnation":1,"sequence":1,"traffic":["# } else { "" };
        let _ = read(format!("{head}{text}").as_bytes(), Encoding::Json);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let _ = read(&bytes, encoding);
        }
    }

    #[test]
    fn a_damaged_report_is_refused_or_read_and_never_panics(
        report in report(), cut in 0usize..400, place in 0usize..400, byte in any::<u8>(),
    ) {
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let mut bytes = report.to_bytes(encoding);
            let length = bytes.len();
            bytes[place % length] = byte;
            bytes.truncate(length - cut.min(length));
            let _ = read(&bytes, encoding);
        }
    }

    #[test]
    fn damaged_protobuf_that_we_read_says_what_the_schema_says(
        report in report(), place in 0usize..400, byte in any::<u8>(),
    ) {
        let mut bytes = report.to_bytes(Encoding::Protobuf);
        let length = bytes.len();
        bytes[place % length] = byte;
        let Ok(ours) = read(&bytes, Encoding::Protobuf) else { return Ok(()) };
        // Bad items are named by us and fatal to the other; what we call good, both read alike.
        if ours.rejected.is_empty() {
            let theirs = by_the_schema(&bytes);
            let theirs: Vec<_> = theirs.traffic.iter().map(|it| (&*it.instance, it.up, it.down)).collect();
            prop_assert_eq!(ours.traffic().map(|it| (it.instance, it.up, it.down)).collect::<Vec<_>>(), theirs);
        }
    }

    #[test]
    fn an_answer_reads_back_in_both_languages(
        numbers in (number(), number(), number(), number()), is_new in any::<bool>(),
        texts in proptest::collection::vec("\\PC{0,12}", 3),
    ) {
        let [a, b, c] = [&texts[0], &texts[1], &texts[2]].map(Clone::clone);
        let answer = Reported {
            result: if is_new { ReportResult::Applied } else { ReportResult::Duplicate },
            accepted: numbers.0,
            parked: numbers.1,
            rejected: vec![RejectedItem { index: numbers.2, code: a.clone(), detail: b.clone() }],
            logged_through: numbers.2,
            committed_through: numbers.3,
            enforce: vec![Enforce { instance: a.clone(), state: b.clone(), revision: numbers.0 }],
            credit: vec![Credit { lease: a, instance: b, period: c, amount: numbers.1, ttl_ms: numbers.2 }],
        };
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            prop_assert_eq!(Reported::from_bytes(&answer.to_bytes(encoding), encoding), Ok(answer.clone()));
        }
    }
}
