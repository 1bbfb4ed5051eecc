//! Reports as reporters send them, good and bad, and the page that documents what is wrong with an item.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};

use super::*;
use crate::problem::Problem;

const PAGE: &str = include_str!("../../../../docs/reference/reports.md");

const HEAD: &str = r#""reporter":"ams-01","incarnation":7,"sequence":42"#;

/// Everything that was read, one line each.
fn told(report: &ReadReport) -> String {
    let mut lines = vec![format!(
        "{} {} {} {:?} {:?} {:?} {:?}",
        report.reporter,
        report.incarnation,
        report.sequence,
        report.kind,
        report.observed_at,
        report.node,
        report.in_force
    )];
    lines.extend(report.traffic().map(|it| {
        let lease = it.lease.map(|lease| format!(" lease {lease}")).unwrap_or_default();
        format!("{} {} up {} down {}{lease}", it.index, it.instance, it.up, it.down)
    }));
    lines.extend(report.online().map(|it| format!("{} {} on {:?}", it.index, it.instance, it.device)));
    lines.extend(report.rejected.iter().map(|it| {
        let instance = it.instance.as_ref().map_or("?", |id| id.as_str());
        format!("{} {} [{instance} up {} down {}] {}", it.index, it.code.code(), it.up, it.down, it.detail)
    }));
    lines.join("\n")
}

#[track_caller]
fn check(json: &str, expected: Expect) {
    match read(json.as_bytes(), Encoding::Json) {
        Ok(report) => expected.assert_eq(&told(&report)),
        Err(error) => expected.assert_eq(&format!("refused: {error}")),
    }
}

#[track_caller]
fn check_items(items: &str, expected: Expect) {
    let report = read(format!("{{{HEAD},{items}}}").as_bytes(), Encoding::Json).unwrap();
    let text = told(&report);
    expected.assert_eq(text.split_once('\n').map_or("", |(_, rest)| rest));
}

#[test]
fn the_report_of_the_contract_is_read() {
    check(
        r#"{"reporter":"ams-01","incarnation":7,"sequence":42,"kind":"delta","observed_at":"2026-11-20T20:00:31Z",
            "traffic":[{"instance":"svc-1","up":1200,"down":88000}],
            "online":[{"instance":"svc-1","device":"a1"}],
            "node":{"status":"up","load_permille":310}}"#,
        expect![[r#"
            ams-01 7 42 Delta Some(Micros(1795204831000000)) Some(NodePart { status: Some(Up), load_permille: Some(310) }) None
            0 svc-1 up 1200 down 88000
            1 svc-1 on "a1""#]],
    );
    check(
        r#"{"online":[{"device":"a1","instance":"a"}],"traffic":[{"down":2,"lease":"l","up":1,"instance":"b"},{"up":0,"down":0,"instance":"c","lease":null}],
            "sequence":1,"incarnation":0,"reporter":"n","kind":"cumulative","in_force":9,"node":null,"observed_at":null}"#,
        expect![[r#"
            n 0 1 Cumulative None None Some(9)
            0 b up 1 down 2 lease l
            1 c up 0 down 0
            2 a on "a1""#]],
    );
    check(
        r#"{"reporter":"n","incarnation":1,"sequence":1,"traffic":null,"online":[]}"#,
        expect!["n 1 1 Delta None None None"],
    );
}

#[test]
fn a_bad_item_is_named_with_what_could_be_read_and_the_rest_counts() {
    check_items(
        r#""traffic":[
            {"instance":"good-1","up":1,"down":2},
            {"instance":"svc-1","up":-1,"down":7},
            {"instance":"svc-1","up":9007199254740991,"down":9007199254740992},
            {"instance":"svc-1","up":18446744073709551616,"down":1},
            {"instance":"svc-1","up":1.5,"down":1},
            {"instance":"svc-1","up":"5","down":6},
            {"instance":"svc-1","up":null,"down":6},
            {"instance":"svc-1","up":5},
            {"up":5,"down":6},
            {"instance":"","up":5,"down":6},
            {"instance":"Not An Id","up":5,"down":6},
            {"instance":7,"up":5,"down":6},
            {"instance":"svc-1","up":5,"down":6,"upp":[{"x":1}]},
            {"instance":"svc-1","up":5,"down":6,"up":50},
            {"instance":"svc-1","up":5,"down":6,"lease":"a\nb"},
            {"instance":"svc-1","up":[5],"down":{"a":6}},
            [], "svc-1", 5, -5, 1.5, true, null, {},
            {"instance":"good-\u0032","up":3,"down":4}
        ]"#,
        expect![[r#"
            0 good-1 up 1 down 2
            24 good-2 up 3 down 4
            1 negative [svc-1 up 0 down 7] field "up": a number of bytes is never negative
            2 too-large [svc-1 up 9007199254740991 down 0] field "down": at most 9007199254740991
            3 too-large [svc-1 up 0 down 1] field "up": at most 9007199254740991
            4 wrong-type [svc-1 up 0 down 1] field "up": expected an integer, found a number with a fraction
            5 wrong-type [svc-1 up 0 down 6] field "up": expected an integer
            6 wrong-type [svc-1 up 0 down 6] field "up": expected an integer, found null
            7 missing-field [svc-1 up 5 down 0] field "down": is missing
            8 missing-field [? up 5 down 6] field "instance": is missing
            9 missing-field [? up 5 down 6] field "instance": is missing
            10 invalid-id [? up 5 down 6] field "instance": "Not An Id": an id holds only a-z, 0-9, '.', '_' and '-', not 'N' (character 1)
            11 wrong-type [? up 5 down 6] field "instance": expected a text
            12 unknown-field [svc-1 up 5 down 6] unknown field "upp"
            13 duplicate-field [svc-1 up 5 down 6] field "up": stands twice
            14 invalid-lease [svc-1 up 5 down 6] field "lease": at most 128 bytes without control characters
            15 wrong-type [svc-1 up 0 down 0] field "up": expected an integer, found a list
            16 malformed-item [? up 0 down 0] expected an object, found a list
            17 malformed-item [? up 0 down 0] expected an object, found a text
            18 malformed-item [? up 0 down 0] expected an object, found an integer
            19 malformed-item [? up 0 down 0] expected an object, found an integer
            20 malformed-item [? up 0 down 0] expected an object, found a number with a fraction
            21 malformed-item [? up 0 down 0] expected an object, found true or false
            22 malformed-item [? up 0 down 0] expected an object, found null
            23 missing-field [? up 0 down 0] field "instance": is missing"#]],
    );
    check_items(
        r#""online":[
            {"instance":"svc-1"},
            {"instance":"svc-1","device":""},
            {"instance":"svc-1","device":"a\u0000"},
            {"instance":"svc-1","device":5},
            {"instance":"svc-1","device":"d","up":5},
            {"device":"d"},
            {"instance":"svc-1","device":"mein Telefon ☎"}
        ],"traffic":[{"instance":"svc-1","up":0,"down":0},7]"#,
        expect![[r#"
            0 svc-1 up 0 down 0
            8 svc-1 on "mein Telefon ☎"
            1 malformed-item [? up 0 down 0] expected an object, found an integer
            2 missing-field [svc-1 up 0 down 0] field "device": is missing
            3 missing-field [svc-1 up 0 down 0] field "device": is missing
            4 invalid-device [svc-1 up 0 down 0] field "device": 1 to 128 bytes without control characters
            5 wrong-type [svc-1 up 0 down 0] field "device": expected a text
            6 unknown-field [svc-1 up 0 down 0] unknown field "up"
            7 missing-field [? up 0 down 0] field "instance": is missing"#]],
    );
}

#[test]
fn a_bad_envelope_refuses_the_whole_and_names_the_field() {
    for (json, expected) in [
        (r#"{"incarnation":1,"sequence":1}"#, expect![[r#"refused: field "reporter": is missing"#]]),
        (
            r#"{"reporter":"N","incarnation":1,"sequence":1}"#,
            expect![[
                r#"refused: field "reporter": an id holds only a-z, 0-9, '.', '_' and '-', not 'N' (character 1)"#
            ]],
        ),
        (
            r#"{"reporter":5,"incarnation":1,"sequence":1}"#,
            expect![[r#"refused: field "reporter": expected the id of the reporter, found an integer"#]],
        ),
        (r#"{"reporter":"n","sequence":1}"#, expect![[r#"refused: field "incarnation": is missing"#]]),
        (
            r#"{"reporter":"n","incarnation":-1,"sequence":1}"#,
            expect![[r#"refused: field "incarnation": expected an integer from 0, found an integer"#]],
        ),
        (
            r#"{"reporter":"n","incarnation":9007199254740992,"sequence":1}"#,
            expect![[r#"refused: field "incarnation": at most 9007199254740991"#]],
        ),
        (
            r#"{"reporter":"n","incarnation":1e30,"sequence":1}"#,
            expect![[r#"refused: field "incarnation": at most 9007199254740991"#]],
        ),
        (r#"{"reporter":"n","incarnation":1}"#, expect![[r#"refused: field "sequence": is missing"#]]),
        (
            r#"{"reporter":"n","incarnation":1,"sequence":0}"#,
            expect![[r#"refused: field "sequence": the first message of a life has sequence 1"#]],
        ),
        (
            r#"{"reporter":"n","incarnation":1,"sequence":"1"}"#,
            expect![[r#"refused: field "sequence": expected an integer from 0, found a text"#]],
        ),
        (
            r#"{"reporter":"n","incarnation":1,"sequence":1,"kind":"total"}"#,
            expect![[r#"refused: field "kind": expected delta or cumulative, found "total""#]],
        ),
        (
            r#"{"reporter":"n","incarnation":1,"sequence":1,"observed_at":"yesterday"}"#,
            expect![[
                r#"refused: field "observed_at": a time is written as in 2026-01-31T10:00:00Z (RFC 3339, with Z or an offset); found "yesterday""#
            ]],
        ),
        (
            r#"{"reporter":"n","incarnation":1,"sequence":1,"observed_at":5}"#,
            expect![[r#"refused: field "observed_at": expected a time, found an integer"#]],
        ),
        (
            r#"{"reporter":"n","incarnation":1,"sequence":1,"traffic":{}}"#,
            expect![[r#"refused: field "traffic": expected a list of items"#]],
        ),
        (
            r#"{"reporter":"n","incarnation":1,"sequence":1,"online":"x"}"#,
            expect![[r#"refused: field "online": expected a list of items"#]],
        ),
        (
            r#"{"reporter":"n","incarnation":1,"sequence":1,"node":{"status":"away"}}"#,
            expect![[r#"refused: field "node.status": unknown variant `away`, expected `up` or `down`"#]],
        ),
        (
            r#"{"reporter":"n","incarnation":1,"sequence":1,"node":{"load_permille":100001}}"#,
            expect![[r#"refused: field "node.load_permille": at most 100000"#]],
        ),
        (
            r#"{"reporter":"n","incarnation":1,"sequence":1,"node":[]}"#,
            expect![[r#"refused: field "node": expected an object, found a list"#]],
        ),
        (
            r#"{"reporter":"n","incarnation":1,"sequence":1,"trafic":[]}"#,
            expect![[r#"refused: field "trafic": unknown field"#]],
        ),
        (
            r#"{"reporter":"n","incarnation":1,"sequence":1,"sequence":2}"#,
            expect![[r#"refused: field "sequence": stands twice"#]],
        ),
        (
            r#"{"reporter":"n","incarnation":1,"sequence":1,"traffic":[{"instance":"a","up":1,"down":2},]}"#,
            expect!["refused: line 1, column 90: trailing comma"],
        ),
        (
            r#"{"reporter":"n","incarnation":1,"sequence":1} x"#,
            expect!["refused: line 1, column 47: trailing characters"],
        ),
        ("[]", expect!["refused: line 1, column 0: invalid type: sequence, expected a report: an object"]),
        ("", expect!["refused: line 1, column 0: EOF while parsing a value"]),
    ] {
        check(json, expected);
    }
}

#[test]
fn protobuf_that_is_none_is_refused_or_named() {
    let head = proto::Report { reporter: "n".into(), incarnation: 1, sequence: 1, ..proto::Report::default() };
    let head = prost::Message::encode_to_vec(&head);
    let with = |tail: &[u8]| [&head[..], tail].concat();
    for (tail, expected) in [
        // An item that breaks off inside, then a good one.
        (&b"\x32\x05\x0a\x09abc\x32\x07\x0a\x01a\x10\x05\x18\x06"[..], expect![[r#"
            1 a up 5 down 6
            0 malformed-item [? up 0 down 0] byte 2 of the item: a field is longer than what holds it"#]]),
        // An unknown field; a text where a number should be; a number for an id; bytes that are no text; a fixed number.
        (b"\x32\x07\x0a\x01a\x10\x05\x28\x06\x32\x06\x0a\x01a\x12\x01b\x32\x02\x08\x01\x32\x03\x0a\x01\xff\x32\x05\x15\0\0\0\0", expect![[r#"
            0 unknown-field [a up 5 down 0] unknown field "5"
            1 wrong-type [a up 0 down 0] field "up": expected an integer
            2 wrong-type [? up 0 down 0] field "instance": expected a text
            3 invalid-id [? up 0 down 0] field "instance": is not UTF-8
            4 wrong-type [? up 0 down 0] field "up": has the wire type of a fixed number"#]]),
        // Minus one of a sender with signed integers.
        (b"\x32\x0e\x0a\x01a\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", expect![[r#"0 negative [a up 0 down 0] field "up": a number of bytes is never negative"#]]),
        // The last of two holds.
        (b"\x32\x07\x0a\x01a\x10\x05\x10\x07", expect!["0 a up 7 down 0"]),
        (b"\x52\x01a", expect![[r#"refused: field "10": unknown field"#]]),
        (b"\x20\x02", expect![[r#"refused: field "kind": there is no kind 2"#]]),
        (b"\x30\x02", expect![[r#"refused: field "traffic": has the wire type of something else"#]]),
        (b"\x32\x7f", expect!["refused: byte 9: a field is longer than what holds it"]),
        (b"\x33", expect!["refused: byte 8: a field has a wire type that is none, or a group"]),
        (b"\x00\x00", expect!["refused: byte 8: a field has no number that protobuf knows"]),
        (b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", expect!["refused: byte 17: a number has more than 64 bits"]),
        (b"\x42\x02\x08\x07", expect![[r#"refused: field "node.status": there is no status 7"#]]),
        (b"\x42\x02\x18\x07", expect![[r#"refused: field "node": field 3 is unknown or of another type"#]]),
    ] {
        match read(&with(tail), Encoding::Protobuf) {
            Ok(report) => expected.assert_eq(told(&report).split_once('\n').map_or("", |(_, rest)| rest)),
            Err(error) => expected.assert_eq(&format!("refused: {error}")),
        }
    }
}

#[test]
fn limits_refuse_the_whole() {
    let items = |count: usize| format!("{{{HEAD},\"traffic\":[{}]}}", vec!["{}"; count].join(","));
    assert_eq!(read(items(REPORT_ITEMS_MAX).as_bytes(), Encoding::Json).unwrap().items(), REPORT_ITEMS_MAX as u64);
    let over = read(items(REPORT_ITEMS_MAX + 1).as_bytes(), Encoding::Json).unwrap_err();
    assert_eq!(over, ReportError::TooManyItems);
    assert_eq!(Problem::from(over).status, 400);
    let item = b"\x3a\x00".repeat(REPORT_ITEMS_MAX + 1);
    assert_eq!(read(&item, Encoding::Protobuf).unwrap_err(), ReportError::TooManyItems);
    let long = vec![b' '; usize::try_from(REPORT_BYTES_MAX).unwrap() + 1];
    for encoding in [Encoding::Json, Encoding::Protobuf] {
        assert_eq!(read(&long, encoding).unwrap_err(), ReportError::TooManyBytes);
    }
    assert_eq!(Problem::from(ReportError::TooManyBytes).status, 413);
    // The longest of everything fits its place.
    let (id, device) = ("a".repeat(128), "ü".repeat(64));
    check_items(
        &format!(
            r#""traffic":[{{"instance":"{id}a","up":1,"down":1}}],"online":[{{"instance":"b","device":"{device}x"}}]"#
        ),
        expect![[r#"
            0 invalid-id [? up 1 down 1] field "instance": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"…: an id has at most 128 characters, this one has 129
            1 invalid-device [b up 0 down 0] field "device": 1 to 128 bytes without control characters"#]],
    );
    let text = format!(
        r#"{{{HEAD},"traffic":[{{"instance":"{id}","up":1,"down":1,"lease":"{id}"}}],"online":[{{"instance":"{id}","device":"{device}"}}]}}"#
    );
    let report = read(text.as_bytes(), Encoding::Json).unwrap();
    let (traffic, online) = (report.traffic().next().unwrap(), report.online().next().unwrap());
    assert_eq!((traffic.instance, traffic.lease, online.device), (&*id, Some(&*id), &*device));
}

#[test]
fn media_types_are_known_by_both_names() {
    for (name, encoding) in [
        ("application/json", Some(Encoding::Json)),
        ("Application/JSON", Some(Encoding::Json)),
        ("application/x-protobuf", Some(Encoding::Protobuf)),
        ("application/protobuf", Some(Encoding::Protobuf)),
        ("text/plain", None),
    ] {
        assert_eq!(Encoding::of_media_type(name), encoding, "{name}");
    }
    for encoding in [Encoding::Json, Encoding::Protobuf] {
        assert_eq!(Encoding::of_media_type(encoding.media_type()), Some(encoding));
        assert!(Encoding::ACCEPTED.contains(&encoding.media_type()));
    }
}

#[test]
fn the_page_documents_exactly_the_codes_of_items() {
    let start = PAGE.find("\n## Codes of items\n").expect("the page has that part");
    let part = PAGE[start + 1..].split("\n## ").next().unwrap();
    let rows: BTreeSet<&str> = part.lines().filter(|line| line.starts_with("| `")).collect();
    let code: BTreeSet<String> =
        ItemFault::ALL.iter().map(|it| format!("| `{}` | {} |", it.code(), it.meaning())).collect();
    assert_eq!(rows, code.iter().map(String::as_str).collect());
}

#[test]
fn the_page_shows_the_schema_that_is_shipped() {
    const SCHEMA: &str = include_str!("../../proto/tenure/report/v1/report.proto");
    for line in SCHEMA.lines().filter(|line| line.contains(" = ") && !line.contains("syntax") && !line.contains("0;")) {
        assert!(PAGE.contains(line.trim()), "docs/reference/reports.md does not show: {}", line.trim());
    }
}
