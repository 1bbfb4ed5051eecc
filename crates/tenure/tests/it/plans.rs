//! Plans of every kind: a preview that changes nothing, moves at a rate, pause, resume, abort, undo.

use std::time::Duration;

use serde_json::Value;

use crate::fleet::{owner, owners, serve};
use crate::ground::{Ground, Server, eventually, says};

/// Far more than a plan of these tests takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn made(server: &Server, arguments: &[&str]) -> Value {
    let plan = server.json(&[&["plan"], arguments].concat());
    assert_eq!(plan["state"], "draft", "{plan}");
    plan
}

fn id(plan: &Value) -> &str {
    plan["id"].as_str().unwrap()
}

fn of(plan: &Value, path: &str) -> u64 {
    plan.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} in {plan}"))
}

fn all(server: &Server, instances: usize) -> std::collections::BTreeMap<String, usize> {
    owners(server, (0..instances).map(|at| format!("svc-{at}")))
}

#[test]
fn a_drain_is_previewed_applied_and_taken_back() {
    let ground = Ground::new();
    let server = serve(&ground, 80);
    let before = all(&server, 80);
    assert_eq!(before["eu-a"], 20, "{before:?}");
    let text = server.ok(&["plan", "drain", "eu-a"]);
    says(
        &text,
        &[
            "drain plan",
            "eu-a",
            "-20",
            "Plan: 20 to move, 0 to repair, 0 blocked",
            "apply it with: ",
            " plan apply plan-",
            "--rate 100/s",
        ],
    );
    assert_eq!(all(&server, 80), before, "a preview moves nobody");
    let plan = text.lines().last().unwrap().split(" plan apply ").nth(1).unwrap().split(' ').next().unwrap();
    says(&server.ok(&["plan", "apply", plan]), &["is done", "20 moved, 0 skipped, 0 pending"]);
    assert_eq!(server.json(&["get", "group", "eu-a"])["state"], "draining");
    assert!(!all(&server, 80).contains_key("eu-a"));
    let undo = made(&server, &["undo", plan]);
    assert_eq!(undo["undo_of"], plan, "{undo}");
    server.ok(&["plan", "apply", id(&undo), "--rate", "1000/s"]);
    assert_eq!(all(&server, 80), before);
    assert_eq!(server.json(&["get", "group", "eu-a"])["state"], "active");
    says(&server.ok(&["plan", "list"]), &["drain", "undo", "done"]);
    says(&server.ok(&["plan", "show", plan, "--moves"]), &["svc-", "eu-a", "done"]);
    server.ok(&["doctor"]);
}

#[test]
fn a_plan_is_paused_resumed_and_aborted() {
    let ground = Ground::new();
    let server = serve(&ground, 200);
    let plan = made(&server, &["drain", "eu-a"]);
    says(&server.ok(&["plan", "apply", id(&plan), "--rate", "4/s", "--no-wait"]), &["is applying"]);
    let shown = |server: &Server| server.json(&["plan", "show", id(&plan)]);
    eventually(PATIENCE, || match of(&shown(&server), "/progress/done") {
        0 => Err("nothing has moved".to_owned()),
        some => Ok(some),
    });
    says(&server.ok(&["plan", "pause", id(&plan)]), &["is paused"]);
    std::thread::sleep(Duration::from_millis(500));
    let paused = of(&shown(&server), "/progress/done");
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(of(&shown(&server), "/progress/done"), paused, "a paused plan moves nobody");
    says(&server.ok(&["plan", "resume", id(&plan), "--rate", "5/s"]), &["is applying"]);
    eventually(PATIENCE, || match of(&shown(&server), "/progress/done") {
        same if same == paused => Err("nothing more has moved".to_owned()),
        some => Ok(some),
    });
    says(&server.ok(&["plan", "abort", id(&plan)]), &["is aborted"]);
    std::thread::sleep(Duration::from_millis(500));
    let aborted = of(&shown(&server), "/progress/done");
    assert!(aborted < 50, "{aborted}");
    says(&server.refused(&["plan", "resume", id(&plan)]), &["aborted"]);
    assert_eq!(all(&server, 200).values().sum::<usize>(), 200, "nobody is half owned");
    server.ok(&["doctor"]);
}

#[test]
fn a_move_whose_row_has_drifted_is_skipped_with_its_reason_and_voids_no_other() {
    let ground = Ground::new();
    let server = serve(&ground, 40);
    let from = owner(&server, "svc-3");
    let to = if from == "us-a" { "us-b" } else { "us-a" };
    let others: Vec<String> =
        (0..40).map(|at| format!("svc-{at}")).filter(|id| id != "svc-3" && owner(&server, id) != to).take(3).collect();
    let mut arguments = vec!["move", "--to", to, "--instance", "svc-3"];
    others.iter().for_each(|id| arguments.extend(["--instance", id.as_str()]));
    let plan = made(&server, &arguments);
    assert_eq!(of(&plan, "/summary/move"), 4, "{plan}");
    let first = made(&server, &["move", "--to", to, "--instance", "svc-3"]);
    server.ok(&["plan", "apply", id(&first)]);
    let text = server.ok(&["plan", "apply", id(&plan)]);
    says(&text, &["3 moved, 1 skipped", "svc-3", "generation-drifted"]);
    assert!(others.iter().all(|id| owner(&server, id) == to));
    says(&server.refused(&["plan", "move", "--to", "nowhere", "--instance", "svc-3"]), &["nowhere"]);
}

#[test]
fn a_rebalance_moves_the_fewest_and_the_next_proposes_nothing() {
    let ground = Ground::new();
    let server = serve(&ground, 80);
    let more = "{kind: ResourceGroup, id: eu-c, region: eu}
---
{kind: Node, id: eu-c-1, groups: [eu-c], runtime_template: edge, outbound_template: direct}
---
{kind: AccessTemplate, id: sharded, mode: shard, groups: [eu-a, eu-b, eu-c, us-a, us-b]}";
    ground.write("more.yaml", more);
    let before = all(&server, 80);
    let blast = made(&server, &["topology", "-f", "more.yaml"]);
    assert_eq!((of(&blast, "/ownership_changed"), of(&blast, "/summary/stay")), (0, 80), "{blast}");
    server.ok(&["apply", "-f", "more.yaml"]);
    assert_eq!(all(&server, 80), before, "capacity that came moves nobody");
    let plan = made(&server, &["rebalance"]);
    assert_eq!(of(&plan, "/summary/move"), 16, "{plan}");
    server.ok(&["plan", "apply", id(&plan), "--rate", "1000/s"]);
    assert!(all(&server, 80).values().all(|number| *number == 16));
    assert_eq!(of(&made(&server, &["rebalance"]), "/summary/move"), 0);
    assert_eq!(of(&made(&server, &["repair"]), "/summary/repair"), 0);
}

#[test]
fn a_topology_plan_says_its_blast_radius_and_writes_what_it_said() {
    let ground = Ground::new();
    let server = serve(&ground, 80);
    let less = "{kind: AccessTemplate, id: sharded, mode: shard, groups: [eu-a, eu-b, us-a]}";
    ground.write("less.yaml", less);
    let text = server.ok(&["plan", "topology", "-f", "less.yaml"]);
    says(&text, &["Over all 80 instances", "ownership changes for 20", "us-b", "-20"]);
    let plan = made(&server, &["topology", "-f", "less.yaml"]);
    server.ok(&["plan", "apply", id(&plan), "--rate", "1000/s"]);
    assert!(!all(&server, 80).contains_key("us-b"));
    assert_eq!(server.json(&["get", "access-template", "sharded"])["groups"].as_array().unwrap().len(), 3);
    // A plan whose objects changed since is refused whole.
    ground.write("back.yaml", "{kind: AccessTemplate, id: sharded, mode: shard, groups: [eu-a, eu-b, us-a, us-b]}");
    let stale = made(&server, &["topology", "-f", "back.yaml"]);
    server
        .run_fed(
            &["apply", "-f", "-"],
            Some("{kind: AccessTemplate, id: sharded, mode: shard, groups: [eu-a, eu-b, us-a], limit: 9}"),
        )
        .ok();
    let error = server.refused(&["plan", "apply", id(&stale)]);
    says(&error, &["failed"]);
    assert_eq!(server.json(&["get", "access-template", "sharded"])["limit"], 9);
    says(&server.refused(&["plan", "apply", "plan-nowhere"]), &["plan-nowhere"]);
    assert_eq!(server.run(&["plan", "apply", id(&stale), "--rate", "fast"]).code, 2);
}

#[test]
fn a_repair_plan_finds_owners_where_the_template_holds_them() {
    let ground = Ground::new();
    let server = serve(&ground, 0);
    let held = "{kind: AccessTemplate, id: held, mode: shard, groups: [eu-a, eu-b], on_broken: hold}\n---\n{kind: Product, id: held, access_template: held}";
    ground.write("held.yaml", held);
    server.ok(&["apply", "-f", "held.yaml"]);
    server
        .run_fed(&["import", "instances", "-", "--format", "ndjson"], Some(&crate::fleet::rows("h", 40, "held")))
        .ok();
    server.run_fed(&["apply", "-f", "-"], Some("{kind: ResourceGroup, id: eu-a, region: eu, state: closed}")).ok();
    let held = |server: &Server| owners(server, (0..40).map(|at| format!("h-{at}")));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(held(&server)["eu-a"], 20, "held until somebody decides");
    says(&server.ok(&["resolve", "h-0"]), &["h-0"]);
    let plan = made(&server, &["repair"]);
    assert_eq!((of(&plan, "/summary/repair"), of(&plan, "/summary/stay")), (20, 20), "{plan}");
    server.ok(&["plan", "apply", id(&plan), "--rate", "1000/s"]);
    assert_eq!(held(&server), [("eu-b".to_owned(), 40)].into());
}
