//! Examples of manifests, good and bad: what is read, and what a person is told.

use std::collections::BTreeSet;

use domain::master_data::Kind;
use domain::time::Micros;
use expect_test::{Expect, expect};

use super::*;

const NOW: Micros = Micros(1_700_000_000_000_000);

/// One line for each object as it would be exported, or for each fault as it would be printed.
fn outcome(result: Result<Vec<Parsed>, Vec<Fault>>) -> String {
    let lines: Vec<String> = match result {
        Ok(parsed) => parsed.iter().map(|it| format!("{}: {}", it.line, to_json(&it.object))).collect(),
        Err(faults) => faults.iter().map(|fault| format!("[{}] {fault}", fault.code)).collect(),
    };
    lines.join("\n")
}

#[track_caller]
fn check(text: &str, expected: Expect) {
    let content = ContentType::detect(text);
    expected.assert_eq(&outcome(parse(text, content, "fleet.yaml", NOW)));
}

#[test]
fn the_manifests_of_the_contract_are_read() {
    check(
        include_str!("contract.yaml"),
        expect![[r#"
        1: {"kind":"Region","id":"eu-west","name":"Western Europe","jurisdiction":"EU","state":"active"}
        7: {"kind":"ResourceGroup","id":"eu-west-a","region":"eu-west","weight":100,"state":"active"}
        13: {"kind":"RuntimeTemplate","id":"edge-v3","state":"active","body":{"engine":"envoy","version":"1.31"}}
        18: {"kind":"OutboundTemplate","id":"direct","state":"active","body":{}}
        23: {"kind":"Node","id":"ams-01","groups":["eu-west-a"],"runtime_template":"edge-v3","outbound_template":"direct","state":"active","endpoints":[{"address":"198.51.100.10","port":443,"protocol":"tcp"}],"priority":10,"weight":100,"location":{"city":"Amsterdam","country":"NL","latitude":52.37,"longitude":4.9}}
        34: {"kind":"AccessTemplate","id":"standard","mode":"shard","groups":["eu-west-a","eu-west-b"],"order":"priority","limit":8,"on_broken":"repair"}
        42: {"kind":"Product","id":"basic","access_template":"standard","quota":{"bytes":107374182400,"reset":{"every":"month","anchor":"instance","timezone":"Europe/Berlin"}},"limits":{"devices":5},"policies":[{"at":"80%","do":"notify"},{"at":"100%","do":"suspend"}]}
        51: {"kind":"Instance","id":"svc-1","product":"basic","jurisdiction":"EU","status":"active","weight":1,"location":{"latitude":48.1,"longitude":11.6},"created":"2026-01-31T10:00:00Z","expires":"2027-01-31T10:00:00Z"}"#]],
    );
}

#[test]
fn absent_fields_have_their_defaults() {
    check(
        "kind: ResourceGroup\nid: g\nregion: r\n---\nkind: Node\nid: n\ngroups: [g]\nruntime_template: t\noutbound_template: o\nendpoints: [{address: a, port: 1}]\nlocation: null\n---\n{kind: Instance, id: i, product: p}\n---\nkind: Product\nid: p\naccess_template: a\nquota: {bytes: 5}\n",
        expect![[r#"
            1: {"kind":"ResourceGroup","id":"g","region":"r","weight":100,"state":"active"}
            5: {"kind":"Node","id":"n","groups":["g"],"runtime_template":"t","outbound_template":"o","state":"active","endpoints":[{"address":"a","port":1,"protocol":"tcp"}],"priority":10,"weight":100}
            13: {"kind":"Instance","id":"i","product":"p","status":"active","weight":1,"created":"2023-11-14T22:13:20Z"}
            15: {"kind":"Product","id":"p","access_template":"a","quota":{"bytes":5,"reset":{"every":"never","anchor":"calendar","timezone":"UTC"}}}"#]],
    );
}

#[test]
fn a_misspelt_field_is_told_with_the_one_that_was_meant() {
    check(
        "kind: Node\nid: ams-01\ngroups: [a]\nruntime_template: r\noutbound_template: o\nprioritty: 10\nlocation:\n  latitdue: 1\n  longitude: 2\nendpoints:\n  - address: a\n    prot: 443\nzzz: 1\n",
        expect![[r#"
            [unknown-field] fleet.yaml:6: field "prioritty": unknown field; did you mean "priority"?
            [unknown-field] fleet.yaml:8: field "location.latitdue": unknown field; did you mean "latitude"?
            [unknown-field] fleet.yaml:12: field "endpoints[0].prot": unknown field; did you mean "port"?
            [unknown-field] fleet.yaml:13: field "zzz": unknown field"#]],
    );
}

#[test]
fn a_missing_field_is_told() {
    check(
        "kind: Node\nid: a\n---\nid: x\n---\nkind: Instance\n",
        expect![[r#"
        [missing-field] fleet.yaml:1: field "groups": this field is missing
        [missing-field] fleet.yaml:1: field "runtime_template": this field is missing
        [missing-field] fleet.yaml:1: field "outbound_template": this field is missing
        [missing-field] fleet.yaml:4: field "kind": this field is missing
        [missing-field] fleet.yaml:6: field "id": this field is missing
        [missing-field] fleet.yaml:6: field "product": this field is missing"#]],
    );
}

#[test]
fn a_wrong_type_is_told_with_what_was_found() {
    check(
        "kind: Node\nid: 12\ngroups: a\nruntime_template: [r]\noutbound_template: o\npriority: high\nweight: 1.5\nendpoints: [443]\nlocation: here\nlabels: {a: 1, b: [x]}\nstate: true\n",
        expect![[r#"
            [wrong-type] fleet.yaml:2: field "id": expected a text, found the number 12; in quotes it is one: "12"
            [wrong-type] fleet.yaml:3: field "groups": expected a list, found the text "a"
            [wrong-type] fleet.yaml:4: field "runtime_template": expected a text, found a list
            [wrong-type] fleet.yaml:6: field "priority": expected a whole number, found the text "high"
            [wrong-type] fleet.yaml:7: field "weight": expected a whole number, found the number 1.5
            [wrong-type] fleet.yaml:8: field "endpoints[0]": expected a map of fields, found the number 443
            [wrong-type] fleet.yaml:9: field "location": expected a map of fields, found the text "here"
            [wrong-type] fleet.yaml:10: field "labels.a": expected a text, found the number 1; in quotes it is one: "1"
            [wrong-type] fleet.yaml:10: field "labels.b": expected a text, found a list
            [wrong-type] fleet.yaml:11: field "state": expected a text, found the boolean true; in quotes it is one: "true""#]],
    );
}

#[test]
fn a_bad_value_is_told_with_the_one_that_was_meant() {
    check(
        "kind: Region\nid: Eu West\nstate: actve\njurisdiction: E U\n---\nkind: AccessTemplate\nid: t\nmode: shrad\ngroups: [a]\norder: stable-shuffle\nlimit: 0\n---\nkind: Product\nid: p\naccess_template: t\nquota: {bytes: -1, reset: {every: monthly, anchor: {day: 32}, timezone: Europe/Berln}}\npolicies: [{at: 80, do: notify}, {at: 1%, when: x, do: warn}, {do: notify}]\n",
        expect![[r#"
            [invalid-id] fleet.yaml:2: field "id": an id holds only a-z, 0-9, '.', '_' and '-', not 'E' (character 1); did you mean "eu-west"?
            [unknown-value] fleet.yaml:3: field "state": "actve" is none of active, closed; did you mean "active"?
            [invalid-text] fleet.yaml:4: field "jurisdiction": a jurisdiction is 1 to 32 printable ASCII characters without blanks, for example EU; found "E U"
            [unknown-value] fleet.yaml:8: field "mode": "shrad" is none of fixed, merge, shard, regional; did you mean "shard"?
            [unknown-value] fleet.yaml:10: field "order": "stable-shuffle" is none of priority, weight, stable_shuffle, load, proximity; did you mean "stable_shuffle"?
            [out-of-range] fleet.yaml:11: field "limit": the number 0 is not between 1 and 4294967295
            [out-of-range] fleet.yaml:16: field "quota.bytes": the number -1 is not between 0 and 9007199254740991
            [unknown-value] fleet.yaml:16: field "quota.reset.every": "monthly" is none of never, hour, day, week, month, year; did you mean "month"?
            [out-of-range] fleet.yaml:16: field "quota.reset.anchor.day": the number 32 is not between 1 and 31
            [unknown-value] fleet.yaml:16: field "quota.reset.timezone": "Europe/Berln" is no time zone; IANA names are known, for example Europe/Berlin; did you mean "Europe/Berlin"?
            [invalid-text] fleet.yaml:17: field "policies[0].at": a share is written as in "80%", from 0.1% to 1000%; did you mean "80%"?
            [conflict] fleet.yaml:17: field "policies[1].when": a policy has either at or when, not both
            [unknown-value] fleet.yaml:17: field "policies[1].do": "warn" is none of notify, suspend, throttle, webhook
            [missing-field] fleet.yaml:17: field "policies[2].at": this field is missing"#]],
    );
}

#[test]
fn fields_must_fit_the_mode() {
    check(
        "{kind: AccessTemplate, id: a, mode: shard, regions: [r]}\n---\n{kind: AccessTemplate, id: b, mode: fixed, nodes: []}\n---\n{kind: AccessTemplate, id: c, mode: regional, regions: [r, r], groups: [g]}\n---\n{kind: Node, id: n, groups: [], runtime_template: r, outbound_template: o}\n",
        expect![[r#"
            [missing-field] fleet.yaml:1: field "groups": this field is missing
            [conflict] fleet.yaml:1: field "regions": mode shard is bounded by groups, it takes no regions
            [empty-list] fleet.yaml:3: field "nodes": at least one belongs here
            [duplicate-item] fleet.yaml:5: field "regions": "r" stands twice in the list
            [conflict] fleet.yaml:5: field "groups": mode regional is bounded by regions, it takes no groups
            [empty-list] fleet.yaml:7: field "groups": at least one belongs here"#]],
    );
}

#[test]
fn what_stands_twice_is_told() {
    check(
        "kind: Region\nid: a\nname: x\nname: y\nstaet: closed\n---\nkind: Region\nid: b\n---\nkind: Region\nid: b\n",
        expect![[r#"
            [duplicate-field] fleet.yaml:4: the field "name" stands twice
            [unknown-field] fleet.yaml:5: field "staet": unknown field; did you mean "state"?
            [duplicate-object] fleet.yaml:10: Region "b" stands twice: here and in line 7"#]],
    );
    check(
        "[{\"kind\":\"Region\",\"id\":\"a\",\n\"name\":\"x\",\n\"name\":\"y\"}]",
        expect![[r#"[duplicate-field] fleet.yaml:3: field "name": the field stands twice"#]],
    );
}

#[test]
fn a_broken_document_spoils_no_other() {
    check(
        "kind: Region\nid: a\nstaet: active\n---\nkind: Region\n\tid: b\n---\nkind: Region\nid: [c\n---\nkind: Regoin\nid: d\n",
        expect![[r#"
            [unknown-field] fleet.yaml:3: field "staet": unknown field; did you mean "state"?
            [syntax] fleet.yaml:6: not YAML: while scanning a plain scalar, found a tab
            [syntax] fleet.yaml:9: not YAML: unclosed bracket '['
            [unknown-kind] fleet.yaml:11: field "kind": "Regoin" is none of Region, ResourceGroup, RuntimeTemplate, OutboundTemplate, Node, AccessTemplate, Product, Instance; did you mean "Region"?"#]],
    );
    check(
        "{\"kind\":\"Region\",\"id\":\"A\"}\n{\"kind\":\n\"Region\",,}",
        expect![[r#"
        [invalid-id] fleet.yaml:1: field "id": an id holds only a-z, 0-9, '.', '_' and '-', not 'A' (character 1); did you mean "a"?
        [syntax] fleet.yaml:3: not JSON: key must be a string"#]],
    );
}

#[test]
fn ids_have_a_length_and_a_spelling() {
    let long = "a".repeat(129);
    check(
        &format!("kind: Region\nid: {long}\n"),
        expect![[r#"[invalid-id] fleet.yaml:2: field "id": an id has at most 128 characters, this one has 129"#]],
    );
    check(
        &format!("kind: Region\nid: {}\n", &long[..128]).replace("Region", "Regions"),
        expect![[
            r#"[unknown-kind] fleet.yaml:1: field "kind": "Regions" is none of Region, ResourceGroup, RuntimeTemplate, OutboundTemplate, Node, AccessTemplate, Product, Instance; did you mean "Region"?"#
        ]],
    );
    check(
        "kind: Region\nid: -a\n---\nkind: Region\nid: US East (N. Virginia)\n---\nkind: Region\nid: ''\n",
        expect![[r#"
        [invalid-id] fleet.yaml:2: field "id": an id begins and ends with a letter or a digit, not with '-'; did you mean "a"?
        [invalid-id] fleet.yaml:5: field "id": an id holds only a-z, 0-9, '.', '_' and '-', not 'U' (character 1); did you mean "us-east-n-virginia"?
        [invalid-id] fleet.yaml:8: field "id": an id must not be empty"#]],
    );
}

#[test]
fn yes_and_no_are_texts() {
    check(
        "kind: Region\nid: 'no'\nname: yes\njurisdiction: NO\nlabels: {on: off}\n",
        expect![[
            r#"1: {"kind":"Region","id":"no","name":"yes","jurisdiction":"NO","state":"active","labels":{"on":"off"}}"#
        ]],
    );
    check(
        "kind: Region\nid: a\nname: true\njurisdiction: 5\nlabels: {x: 1.50}\n",
        expect![[r#"
        [wrong-type] fleet.yaml:3: field "name": expected a text, found the boolean true; in quotes it is one: "true"
        [wrong-type] fleet.yaml:4: field "jurisdiction": expected a text, found the number 5; in quotes it is one: "5"
        [wrong-type] fleet.yaml:5: field "labels.x": expected a text, found the number 1.50; in quotes it is one: "1.50""#]],
    );
}

#[test]
fn numbers_have_bounds_and_degrees_are_rounded() {
    check(
        "kind: Instance\nid: i\nproduct: p\nweight: 99999999999999999999999999\nlocation: {latitude: .nan, longitude: 181}\ncreated: 2026-01-31\nexpires: soon\n",
        expect![[r#"
            [out-of-range] fleet.yaml:4: field "weight": the number 99999999999999999999999999 is not between 1 and 1000000
            [wrong-type] fleet.yaml:5: field "location.latitude": expected degrees as a decimal number, found the number .nan
            [out-of-range] fleet.yaml:5: field "location.longitude": 181 degrees do not lie between -180 and 180
            [invalid-text] fleet.yaml:6: field "created": a time is written as in 2026-01-31T10:00:00Z (RFC 3339, with Z or an offset); found "2026-01-31"; did you mean "2026-01-31T00:00:00Z"?
            [invalid-text] fleet.yaml:7: field "expires": a time is written as in 2026-01-31T10:00:00Z (RFC 3339, with Z or an offset); found "soon""#]],
    );
    check(
        "kind: Instance\nid: i\nproduct: p\nweight: 1e3\nlocation: {latitude: 1e999, longitude: -180.0000004}\n",
        expect![[r#"
            [wrong-type] fleet.yaml:4: field "weight": expected a whole number, found the number 1e3
            [out-of-range] fleet.yaml:5: field "location.latitude": 1e999 degrees do not lie between -90 and 90"#]],
    );
    check(
        "kind: Instance\nid: i\nproduct: p\ncreated: 2026-01-31T11:00:00+01:00\nlocation: {latitude: 52.3700005, longitude: -4.9e-1}\n",
        expect![[
            r#"1: {"kind":"Instance","id":"i","product":"p","status":"active","weight":1,"location":{"latitude":52.370001,"longitude":-0.49},"created":"2026-01-31T10:00:00Z"}"#
        ]],
    );
    check(
        "kind: RuntimeTemplate\nid: t\nbody: {a: .inf}\n",
        expect![[r#"[out-of-range] fleet.yaml:3: field "body": a body is delivered as JSON, which has no .inf"#]],
    );
}

#[test]
fn an_opaque_body_is_kept_as_it_was_written() {
    check(
        "kind: RuntimeTemplate\nid: t\nbody:\n  z: 1.30\n  a: [1, \"1.31\", true, null, 0x10]\n  text: |\n    two\n    lines\n  \"no\": no\n",
        expect![[
            r#"1: {"kind":"RuntimeTemplate","id":"t","state":"active","body":{"z":1.30,"a":[1,"1.31",true,null,16],"text":"two\nlines\n","no":"no"}}"#
        ]],
    );
    check(
        "{\"kind\":\"OutboundTemplate\",\"id\":\"t\",\"body\":{ \"b\" : 1.30 , \"a\" : 12345678901234567890123 }}",
        expect![[
            r#"1: {"kind":"OutboundTemplate","id":"t","state":"active","body":{"b":1.30,"a":12345678901234567890123}}"#
        ]],
    );
    check(
        "{\"kind\":\"OutboundTemplate\",\"id\":\"t\",\"body\":[]}",
        expect![[r#"[wrong-type] fleet.yaml:1: field "body": expected a map, found a list"#]],
    );
    check(
        "{\"kind\":\"OutboundTemplate\",\"id\":\"t\",\"body\":{\"a\":{\"x\":1,\"x\":2}}}",
        expect![[r#"[duplicate-field] fleet.yaml:1: field "body": the name "x" stands twice in one map"#]],
    );
}

#[test]
fn nothing_is_nothing() {
    for text in [
        "",
        "\n\n",
        "# only\n  # comments\n",
        "---\n---\n# x\n...\n",
        "\u{feff}",
        "%YAML 1.2\n---\n",
        "[]",
        "---\nnull\n",
    ] {
        assert_eq!(outcome(parse(text, ContentType::detect(text), "x", NOW)), "", "{text:?}");
    }
}

#[test]
fn documents_are_told_apart_and_lines_counted() {
    check(
        "%YAML 1.2\n---\nkind: Region\nid: a\n...\n# between\n--- # second\nkind: Region\r\nid: b\r\n---\r\n- {kind: Region, id: c}\n- kind: Region\n  id: d\n--- {kind: Region, id: e}\n",
        expect![[r#"
            3: {"kind":"Region","id":"a","state":"active"}
            8: {"kind":"Region","id":"b","state":"active"}
            11: {"kind":"Region","id":"c","state":"active"}
            12: {"kind":"Region","id":"d","state":"active"}
            14: {"kind":"Region","id":"e","state":"active"}"#]],
    );
    check(
        "just text\n---\n- 5\n- {id: x}\n",
        expect![[r#"
        [not-an-object] fleet.yaml:1: expected an object with kind and id, found the text "just text"
        [not-an-object] fleet.yaml:3: expected an object with kind and id, found the number 5
        [missing-field] fleet.yaml:4: field "kind": this field is missing"#]],
    );
}

#[test]
fn kind_may_stand_anywhere() {
    check(
        "[\n {\"id\":\"a\",\"name\":\"A\",\"kind\":\"Region\"},\n {\"region\":\"a\",\"id\":\"g\",\"kind\":\"ResourceGroup\"}]",
        expect![[r#"
            2: {"kind":"Region","id":"a","name":"A","state":"active"}
            3: {"kind":"ResourceGroup","id":"g","region":"a","weight":100,"state":"active"}"#]],
    );
    check(
        "{\"id\":\"a\",\"kind\":\"node\"} {\"id\":\"b\",\"kind\":\"Prodcut\"} {\"kind\":5}",
        expect![[r#"
        [unknown-kind] fleet.yaml:1: field "kind": "node" is none of Region, ResourceGroup, RuntimeTemplate, OutboundTemplate, Node, AccessTemplate, Product, Instance; did you mean "Node"?
        [unknown-kind] fleet.yaml:1: field "kind": "Prodcut" is none of Region, ResourceGroup, RuntimeTemplate, OutboundTemplate, Node, AccessTemplate, Product, Instance; did you mean "Product"?
        [wrong-type] fleet.yaml:1: field "kind": expected one of Region, ResourceGroup, RuntimeTemplate, OutboundTemplate, Node, AccessTemplate, Product, Instance"#]],
    );
}

#[test]
fn anchors_and_merge_keys_work_and_bombs_do_not() {
    check(
        "kind: RuntimeTemplate\nid: t\nbody:\n  base: &base {a: 1}\n  more: {<<: *base, b: 2}\n  same: *base\n",
        expect![[
            r#"1: {"kind":"RuntimeTemplate","id":"t","state":"active","body":{"base":{"a":1},"more":{"b":2,"a":1},"same":{"a":1}}}"#
        ]],
    );
    let mut bomb = String::from("kind: RuntimeTemplate\nid: t\nbody:\n  a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let alias = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.push_str(&format!("  a{level}: &a{level} [{alias}]\n"));
    }
    check(&bomb, expect!["[too-large] fleet.yaml:8: the aliases repeat more than 100000 values"]);
    check(
        &format!("kind: RuntimeTemplate\nid: t\nbody: {{a: {}1{}}}\n", "[".repeat(200), "]".repeat(200)),
        expect!["[too-large] fleet.yaml:3: maps and lists stand deeper than 32 levels"],
    );
    let deep = format!(
        "{{\"kind\":\"RuntimeTemplate\",\"id\":\"t\",\"body\":{{\"a\":{}1{}}}}}",
        "[".repeat(5000),
        "]".repeat(5000)
    );
    check(&deep, expect!["[too-large] fleet.yaml:1: maps and lists stand deeper than 32 levels"]);
}

#[test]
fn faults_are_bounded() {
    let text = "{\"kind\":\"Region\",\"id\":\"A\"}\n".repeat(FAULTS_MAX + 5);
    let faults = parse_json(&text, "many", NOW).unwrap_err();
    assert_eq!(faults.len(), FAULTS_MAX + 1);
    assert_eq!(faults.last().unwrap().code, FaultCode::MoreFaults);
    assert_eq!(faults.last().unwrap().to_string(), "there may be more faults: correct these first");
    let fields: String = (0..FAULTS_MAX + 5).map(|n| format!("x{n}: 1\n")).collect();
    let faults = parse_yaml(&format!("kind: Region\nid: a\n{fields}"), "many", NOW).unwrap_err();
    assert_eq!(faults.len(), FAULTS_MAX + 1);
}

#[test]
fn objects_of_one_input_are_bounded() {
    let text: String = (0..=OBJECTS_MAX).map(|n| format!("{{\"kind\":\"Region\",\"id\":\"r{n}\"}}\n")).collect();
    let faults = parse_json(&text, "many", NOW).unwrap_err();
    assert_eq!(faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), [FaultCode::TooLarge]);
    let values = vec!["1"; limits::VALUES_MAX].join(",");
    for body in [format!("{{\"a\":[{values}]}}"), format!("{{a: [{values}]}}")] {
        let is_json = body.contains('"');
        let text = format!("{{\"kind\":\"RuntimeTemplate\",\"id\":\"t\",\"body\":{body}}}");
        let content = if is_json { ContentType::Json } else { ContentType::Yaml };
        let faults = parse(&text, content, "large", NOW).unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), [FaultCode::TooLarge]);
    }
}

#[test]
fn a_language_is_known_by_its_first_characters() {
    for (text, content) in [
        ("{\"kind\":1}", ContentType::Json),
        (" [ {\"kind\":1}]", ContentType::Json),
        ("[]", ContentType::Json),
        ("{}", ContentType::Json),
        ("{kind: Region}", ContentType::Yaml),
        ("[{kind: Region}]", ContentType::Yaml),
        ("kind: Region", ContentType::Yaml),
        ("", ContentType::Yaml),
    ] {
        assert_eq!(ContentType::detect(text), content, "{text}");
    }
}

#[test]
fn one_object_may_leave_out_what_its_address_says() {
    let one = |text: &str, expected: Expect| {
        let result = parse_one(text, ContentType::detect(text), (Kind::Region, "eu"), "body", NOW);
        expected.assert_eq(&outcome(result.map(|parsed| vec![parsed])));
    };
    one("{}", expect![[r#"1: {"kind":"Region","id":"eu","state":"active"}"#]]);
    one("name: Europe\n", expect![[r#"1: {"kind":"Region","id":"eu","name":"Europe","state":"active"}"#]]);
    one("kind: Region\nid: eu\n", expect![[r#"1: {"kind":"Region","id":"eu","state":"active"}"#]]);
    one(
        "kind: Node\nid: us\n",
        expect![[r#"
        [other-object] body:1: field "kind": the address names "Region", the text the text "Node"
        [other-object] body:2: field "id": the address names "eu", the text the text "us""#]],
    );
    one("", expect!["[not-an-object] body:1: exactly one object belongs here"]);
    one("[{}]", expect![[r#"1: {"kind":"Region","id":"eu","state":"active"}"#]]);
    one("a: 1\n---\nb: 2\n", expect!["[not-an-object] body:1: exactly one object belongs here"]);
    let bad_address = parse_one("{}", ContentType::Json, (Kind::Region, "EU"), "body", NOW);
    expect![[r#"[invalid-id] body:1: field "id": the id in the address is not an id"#]]
        .assert_eq(&outcome(bad_address.map(|parsed| vec![parsed])));
}

#[test]
fn rows_of_an_import_are_told_apart() {
    let row = |line: &str, expected: Expect| {
        let written = match parse_import_row(line, 7, NOW) {
            Ok((instance, has_created)) => {
                format!("{} {has_created}", to_json(&domain::master_data::Object::Instance(instance)))
            }
            Err(fault) => format!("[{}] {fault}", fault.code),
        };
        expected.assert_eq(&written);
    };
    row(
        r#"{"id":"a","product":"p"}"#,
        expect![[
            r#"{"kind":"Instance","id":"a","product":"p","status":"active","weight":1,"created":"2023-11-14T22:13:20Z"} false"#
        ]],
    );
    row(
        r#"{"kind":"Instance","id":"a","product":"p","weight":2,"labels":{"k":"v"},"created":"2026-01-31T10:00:00Z"}"#,
        expect![[
            r#"{"kind":"Instance","id":"a","product":"p","status":"active","weight":2,"created":"2026-01-31T10:00:00Z","labels":{"k":"v"}} true"#
        ]],
    );
    row(
        r#"{"id":"a","product":"p","location":{"latitude":52.3700005,"longitude":4.9},"weight":null}"#,
        expect![[
            r#"{"kind":"Instance","id":"a","product":"p","status":"active","weight":1,"location":{"latitude":52.370001,"longitude":4.9},"created":"2023-11-14T22:13:20Z"} false"#
        ]],
    );
    row(
        r#"{"id":"a","prodcut":"p"}"#,
        expect![[r#"[unknown-field] line 7: field "prodcut": unknown field; did you mean "product"?"#]],
    );
    row(
        r#"{"kind":"Node","id":"a","product":"p"}"#,
        expect![[r#"[unknown-value] line 7: field "kind": "Node" is none of Instance"#]],
    );
    row(
        r#"{"id":"A b","product":"p"}"#,
        expect![[
            r#"[invalid-id] line 7: field "id": an id holds only a-z, 0-9, '.', '_' and '-', not 'A' (character 1); did you mean "a-b"?"#
        ]],
    );
    row(
        r#"{"id":"a","product":"p","weight":0}"#,
        expect![[r#"[out-of-range] line 7: field "weight": the number 0 is not between 1 and 1000000"#]],
    );
    row(
        r#"{"id":"a","product":"p","status":"actve"}"#,
        expect![[
            r#"[unknown-value] line 7: field "status": "actve" is none of active, suspended, terminated; did you mean "active"?"#
        ]],
    );
    row(
        r#"{"id":"a","id":"b","product":"p"}"#,
        expect![[r#"[duplicate-field] line 7: field "id": the field stands twice"#]],
    );
    row(r#"{"id":"a","product":"p""#, expect!["[syntax] line 7: not JSON: EOF while parsing an object"]);
    row("", expect!["[syntax] line 7: not JSON: EOF while parsing a value"]);
    row("[]", expect!["[not-an-object] line 7: expected a map of fields, found a list"]);
    row(
        &format!(r#"{{"id":"{}","product":"p"}}"#, "a".repeat(129)),
        expect![[r#"[invalid-id] line 7: field "id": an id has at most 128 characters, this one has 129"#]],
    );
    row(
        &" ".repeat(IMPORT_LINE_BYTES_MAX + 1),
        expect!["[too-large] line 7: the line has 131073 bytes, at most 131072 are read"],
    );
}

#[test]
fn yaml_is_written_for_people() {
    let parsed = parse_yaml(include_str!("contract.yaml"), "c", NOW).unwrap();
    let node = parsed.iter().find(|it| it.object.kind() == Kind::Node).unwrap();
    expect![[r#"
        kind: Node
        id: ams-01
        groups: [eu-west-a]
        runtime_template: edge-v3
        outbound_template: direct
        state: active
        endpoints:
          - address: "198.51.100.10"
            port: 443
            protocol: tcp
        priority: 10
        weight: 100
        location:
          city: Amsterdam
          country: NL
          latitude: 52.37
          longitude: 4.9
    "#]]
    .assert_eq(&to_yaml(&node.object));
    expect![[r#"
        - a:
            b:
              - c: "yes"
              -
                - 1
                - [2]
            d: {}
            e: "x: y"
        - z
    "#]]
    .assert_eq(&json_to_yaml(r#"[{"a":{"b":[{"c":"yes"},[1,[2]]],"d":{},"e":"x: y"}},"z"]"#).unwrap());
}

#[test]
fn cells_are_told_apart() {
    let row = |kind, cells: &[(&str, &str)], expected: Expect| {
        let written = match row_to_json(kind, cells) {
            Ok(row) => serde_json::to_string(&row).unwrap(),
            Err(fault) => format!("[{}] {fault}", fault.code),
        };
        expected.assert_eq(&written);
    };
    row(
        Kind::Node,
        &[
            ("id", "a"),
            ("groups", "x; y,,z"),
            ("endpoint.address", "192.0.2.1"),
            ("endpoint.port", "443"),
            ("endpoints[2].port", "1"),
            ("location.city", ""),
        ],
        expect![[
            r#"{"kind":"Node","id":"a","groups":["x","y","z"],"endpoints":[{"address":"192.0.2.1","port":443},{"port":1}]}"#
        ]],
    );
    row(
        Kind::Node,
        &[("endpoint.prot", "443")],
        expect![[r#"[unknown-field] field "endpoint.prot": unknown field; did you mean "endpoint.port"?"#]],
    );
    row(
        Kind::Node,
        &[("weight", "many")],
        expect![[r#"[wrong-type] field "weight": expected a whole number, found the text "many""#]],
    );
    row(
        Kind::Instance,
        &[("location.latitude", "N/A")],
        expect![[r#"[wrong-type] field "location.latitude": expected a decimal number, found the text "N/A""#]],
    );
    row(Kind::Instance, &[("quota", "5")], expect![[r#"[unknown-field] field "quota": unknown field"#]]);
    let names = ["US East (N. Virginia)", "  Frankfurt/Main ", "---", "São Paulo", "A__b", &"x".repeat(200)];
    expect!["us-east-n-virginia | frankfurt-main |  | sao-paulo | a__b | xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]
        .assert_eq(&names.map(|name| to_id(name).chars().take(30).collect::<String>()).join(" | "));
}

#[test]
fn bytes_that_are_no_text_are_told() {
    assert_eq!(text_of(b"a\nb\n\xff", "f").unwrap_err().to_string(), "f:3: the text is not UTF-8");
    assert_eq!(text_of(b"ok", "f"), Ok("ok"));
}

/// The schema that OpenAPI shows has the fields that the reader knows.
#[test]
fn the_schema_names_the_fields_that_are_read() {
    use utoipa::PartialSchema;
    let schemas = [
        (Kind::Region, RegionSpec::schema()),
        (Kind::ResourceGroup, ResourceGroupSpec::schema()),
        (Kind::RuntimeTemplate, RuntimeTemplateSpec::schema()),
        (Kind::OutboundTemplate, OutboundTemplateSpec::schema()),
        (Kind::Node, NodeSpec::schema()),
        (Kind::AccessTemplate, AccessTemplateSpec::schema()),
        (Kind::Product, ProductSpec::schema()),
        (Kind::Instance, InstanceSpec::schema()),
    ];
    for (kind, schema) in schemas {
        let schema = serde_json::to_value(schema).unwrap();
        let described: BTreeSet<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let tops = fields_of(kind).iter().map(|field| field.path.split(['.', '[']).next().unwrap());
        assert_eq!(described, tops.collect(), "{kind}");
    }
}
