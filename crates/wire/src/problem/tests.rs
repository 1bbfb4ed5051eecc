//! The problems as programs and people see them, and their documentation held to the code, in both directions.

use std::collections::BTreeSet;

use domain::ids::NodeId;
use domain::master_data::Kind;
use expect_test::{Expect, expect};

use super::*;
use crate::manifest::{FaultCode, parse_yaml};

const PAGE: &str = include_str!("../../../../docs/reference/problems.md");

#[track_caller]
fn check(problem: &Problem, json: Expect, text: Expect) {
    let written = serde_json::to_string(problem).unwrap();
    json.assert_eq(&written);
    assert_eq!(&serde_json::from_str::<Problem>(&written).unwrap(), problem);
    text.assert_eq(&problem.to_string());
}

#[test]
fn a_problem_is_told_to_programs_and_to_people() {
    check(
        &Problem::no_object(Kind::Node, "ams-01"),
        expect![[
            r#"{"type":"urn:tenure:problem:not-found","title":"there is no such thing","status":404,"detail":"there is no Node \"ams-01\"","remedy":"check the id and the kind: tenure get KIND lists what there is","kind":"Node","id":"ams-01"}"#
        ]],
        expect![[r#"
        refused: there is no Node "ams-01"
        hint: check the id and the kind: tenure get KIND lists what there is"#]],
    );
    check(
        &Problem::internal().with_request("r-17"),
        expect![[
            r#"{"type":"urn:tenure:problem:internal","title":"something went wrong inside","status":500,"detail":"the cause is in the log of the server","remedy":"look for the request id in the log of the server; please report it","instance":"r-17"}"#
        ]],
        expect![[r#"
        failed: the cause is in the log of the server
        hint: look for the request id in the log of the server; please report it
        request: r-17"#]],
    );
    check(
        &Problem::sequence_gap("ams-01", 5, 9),
        expect![[
            r#"{"type":"urn:tenure:problem:sequence-gap","title":"reports of this reporter are missing before this one","status":409,"detail":"reporter \"ams-01\" sent sequence 9, 5 is expected next","remedy":"send the reports from `expected` on; a reporter that no longer has them starts a new incarnation","expected":5}"#
        ]],
        expect![[r#"
        refused: reporter "ams-01" sent sequence 9, 5 is expected next
        hint: send the reports from `expected` on; a reporter that no longer has them starts a new incarnation"#]],
    );
    check(
        &Problem::payload_too_large(1024),
        expect![[
            r#"{"type":"urn:tenure:problem:payload-too-large","title":"the body is too large","status":413,"detail":"this path takes at most 1024 bytes","remedy":"send less at once; import takes any number of lines as a stream","limit_bytes":1024}"#
        ]],
        expect![[r#"
        refused: this path takes at most 1024 bytes
        hint: send less at once; import takes any number of lines as a stream"#]],
    );
}

#[test]
fn a_bad_manifest_lists_its_faults() {
    let now = domain::time::Micros(0);
    let one = parse_yaml("kind: Region\nid: a\nstaet: closed\n", "fleet.yaml", now).unwrap_err();
    check(
        &Problem::invalid_manifest(&one),
        expect![[
            r#"{"type":"urn:tenure:problem:invalid-manifest","title":"the manifest has faults","status":422,"detail":"fleet.yaml:3: field \"staet\": unknown field; did you mean \"state\"?","remedy":"correct what `faults` lists; nothing was changed","faults":[{"file":"fleet.yaml","line":3,"column":1,"kind":"Region","id":"a","field":"staet","code":"unknown-field","message":"unknown field","suggestion":"state"}]}"#
        ]],
        expect![[r#"
        refused: fleet.yaml:3: field "staet": unknown field; did you mean "state"?
        hint: correct what `faults` lists; nothing was changed"#]],
    );
    let two = parse_yaml("kind: Region\nid: A\nstaet: closed\n", "fleet.yaml", now).unwrap_err();
    check(
        &Problem::invalid_manifest(&two),
        expect![[
            r#"{"type":"urn:tenure:problem:invalid-manifest","title":"the manifest has faults","status":422,"detail":"fleet.yaml:2: field \"id\": an id holds only a-z, 0-9, '.', '_' and '-', not 'A' (character 1); did you mean \"a\"? (and 1 more)","remedy":"correct what `faults` lists; nothing was changed","faults":[{"file":"fleet.yaml","line":2,"column":5,"kind":"Region","id":"A","field":"id","code":"invalid-id","message":"an id holds only a-z, 0-9, '.', '_' and '-', not 'A' (character 1)","suggestion":"a"},{"file":"fleet.yaml","line":3,"column":1,"kind":"Region","id":"A","field":"staet","code":"unknown-field","message":"unknown field","suggestion":"state"}]}"#
        ]],
        expect![[r#"
        refused: the manifest has faults, 2 of them
          fleet.yaml:2: field "id": an id holds only a-z, 0-9, '.', '_' and '-', not 'A' (character 1); did you mean "a"?
          fleet.yaml:3: field "staet": unknown field; did you mean "state"?
        hint: correct what `faults` lists; nothing was changed"#]],
    );
    assert_eq!(Problem::invalid_manifest(&two).faults(), two);
}

#[test]
fn a_refused_change_lists_whom_it_would_hurt() {
    let by: Vec<Referrer> = (0..REFERRERS_MAX + 1)
        .map(|n| Referrer { kind: "Node".into(), id: format!("n{n}"), field: "groups".into() })
        .collect();
    let problem = Problem::still_referenced(Kind::ResourceGroup, "g", &by[..2], 2);
    check(
        &problem,
        expect![[
            r#"{"type":"urn:tenure:problem:still-referenced","title":"other objects still refer to this","status":409,"detail":"2 objects refer to ResourceGroup \"g\", first of all Node \"n0\"","remedy":"change or delete the objects that `by` lists first","kind":"ResourceGroup","id":"g","by":[{"kind":"Node","id":"n0","field":"groups"},{"kind":"Node","id":"n1","field":"groups"}],"total":2}"#
        ]],
        expect![[r#"
        refused: 2 objects refer to ResourceGroup "g", first of all Node "n0"
          Node "n0" in its field groups
          Node "n1" in its field groups
        hint: change or delete the objects that `by` lists first"#]],
    );
    let many = Problem::still_referenced(Kind::ResourceGroup, "g", &by, 700);
    assert_eq!(many.referrers().len(), REFERRERS_MAX);
    let shown = many.to_string();
    assert_eq!(shown.matches("\n  Node ").count(), REFERRERS_SHOWN);
    assert!(shown.contains("\n  … and 680 more\n"), "{shown}");
    let boundary = DisruptedBoundary { access_template: "standard".into(), owners: 5000, invalid: 900, limit: 500 };
    check(
        &Problem::too_disruptive(&[boundary]),
        expect![[
            r#"{"type":"urn:tenure:problem:too-disruptive","title":"the change would break too many ownerships at once","status":409,"detail":"900 ownerships within standard would be invalid","remedy":"look at it as a plan first: tenure plan topology -f FILE; --allow-disruption applies it at once","boundaries":[{"access_template":"standard","owners":5000,"invalid":900,"limit":500}],"total":1,"plan":{"kind":"topology"}}"#
        ]],
        expect![[r#"
        refused: 900 ownerships within standard would be invalid
          standard: 900 of 5000 would be invalid, 500 may be
        hint: look at it as a plan first: tenure plan topology -f FILE; --allow-disruption applies it at once"#]],
    );
}

#[test]
fn a_problem_of_a_newer_server_is_still_told() {
    let json =
        r#"{"type":"urn:tenure:problem:brand-new","title":"new","status":418,"detail":"the pot is empty","x":[1]}"#;
    let problem: Problem = serde_json::from_str(json).unwrap();
    assert_eq!(problem.problem_type(), None);
    assert_eq!(problem.to_string(), "refused: the pot is empty");
    assert_eq!(problem.members["x"], serde_json::json!([1]));
}

#[test]
fn every_type_has_its_own_slug() {
    let slugs: BTreeSet<&str> = ProblemType::ALL.iter().map(|it| it.slug()).collect();
    assert_eq!(slugs.len(), ProblemType::ALL.len());
    for it in ProblemType::ALL {
        assert_eq!(ProblemType::from_uri(&it.uri()), Some(*it));
        assert!(NodeId::parse(it.slug()).is_ok() && (400..600).contains(&it.status()), "{it:?}");
    }
}

/// The headings of one level below the heading of a part of the page.
fn headings(part: &str) -> BTreeSet<&'static str> {
    let start = PAGE.find(part).unwrap_or_else(|| panic!("the page has no part {part:?}"));
    let text = &PAGE[start + part.len()..];
    let end = text.find("\n## ").unwrap_or(text.len());
    text[..end].lines().filter_map(|line| line.strip_prefix("### ")).collect()
}

#[test]
fn the_page_documents_exactly_the_types_of_the_code() {
    let code: BTreeSet<String> =
        ProblemType::ALL.iter().map(|it| format!("`{}` ({})", it.slug(), it.status())).collect();
    let page: BTreeSet<String> = headings("\n## Types\n").into_iter().map(str::to_owned).collect();
    assert_eq!(page, code);
    for it in ProblemType::ALL {
        let heading = format!("### `{}` ({})\n", it.slug(), it.status());
        let section = PAGE.split(&heading).nth(1).and_then(|rest| rest.split("\n### ").next()).unwrap_or_default();
        assert!(section.contains(it.title()), "the section of {} does not say: {}", it.slug(), it.title());
        assert!(section.contains(it.remedy()), "the section of {} does not say: {}", it.slug(), it.remedy());
    }
}

#[test]
fn the_page_documents_exactly_the_codes_of_faults() {
    let start = PAGE.find("\n## Codes of faults\n").expect("the page has that part");
    let rows = PAGE[start..].lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.collect::<BTreeSet<_>>(), FaultCode::ALL.iter().map(|code| code.as_str()).collect());
}
