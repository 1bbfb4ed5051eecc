//! Resolution and explanation: what is delivered, in each mode, and why.

use std::time::Duration;

use crate::fleet::{owner, serve};
use crate::ground::{Ground, eventually, says};

#[test]
fn each_mode_delivers_what_it_promises() {
    let ground = Ground::new();
    let server = serve(&ground, 4);
    let rows = [("r", "regional"), ("m", "merge"), ("f", "fixed")]
        .map(|(id, product)| format!("{{\"id\":\"{id}\",\"product\":\"{product}\"}}"));
    server.run_fed(&["import", "instances", "-", "--format", "ndjson"], Some(&rows.join("\n"))).ok();
    let nodes = |id: &str| -> Vec<String> {
        let answer = server.json(&["resolve", id]);
        assert_eq!(answer["status"], "deliverable", "{answer}");
        answer["nodes"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(nodes("f"), ["eu-a-1", "us-a-1"]);
    assert_eq!(nodes("m"), ["eu-a-1", "eu-a-2", "us-a-1"]);
    assert_eq!(nodes("r").len(), 1);
    let group = owner(&server, "svc-0");
    assert!(nodes("svc-0").iter().all(|node| node.starts_with(&group)));
    says(&server.ok(&["resolve", "svc-0"]), &["deliverable", "owned by", &group, "NODE"]);
    says(&server.ok(&["resolve", "svc-0", "--format", "json"]), &["\"instance\": \"svc-0\""]);
    assert_eq!(server.run(&["resolve", "svc-0", "--format", "clash"]).code, 2);
    says(&server.refused(&["resolve", "nobody"]), &["nobody"]);
}

#[test]
fn an_owner_is_explained_with_its_rivals_and_verified_by_replay() {
    let ground = Ground::new();
    let server = serve(&ground, 40);
    let group = owner(&server, "svc-7");
    let other = if group == "eu-a" { "eu-b" } else { "eu-a" };
    let text = server.ok(&["explain", "svc-7", "--why-not", other, "--verify"]);
    says(&text, &["svc-7", &group, other]);
    let whole = server.json(&["explain", "svc-7", "--why-not", other, "--verify"]);
    assert_eq!(whole["replay"]["verified"], true, "{whole}");
    assert_eq!(whole["candidates"].as_array().unwrap().len(), 4, "{whole}");
    for part in [
        "answer",
        "subject",
        "verdict_now",
        "decision",
        "tie_break",
        "why_not",
        "why_not_moved",
        "what_would_change_it",
        "history",
        "scale_events_since",
        "missing",
    ] {
        assert!(whole.get(part).is_some(), "{part} is missing in {whole}");
    }
    says(&server.refused(&["explain", "svc-7", "--why-not", "nowhere"]), &["nowhere"]);
}

#[test]
fn an_instance_without_an_owner_is_told_what_to_change() {
    let ground = Ground::new();
    let server = serve(&ground, 0);
    ground.write("more.yaml", "{kind: Region, id: jp, jurisdiction: JP}\n---\n{kind: Instance, id: lonely, product: basic, jurisdiction: JP}\n");
    server.ok(&["apply", "-f", "more.yaml"]);
    eventually(Duration::from_secs(10), || match owner(&server, "lonely").as_str() {
        "jurisdiction-mismatch" => Ok(()),
        other => Err(other.to_owned()),
    });
    let whole = server.json(&["explain", "lonely"]);
    assert!(!whole["what_would_change_it"].as_array().unwrap().is_empty(), "{whole}");
    says(&server.ok(&["explain", "lonely"]), &["lonely", "jurisdiction"]);
    says(&server.ok(&["resolve", "lonely"]), &["unowned"]);
}
