//! Manifests: all or nothing, twice the same, and faults that name file, line, field and what was meant.

use crate::fleet::{self, FLEET, serve};
use crate::ground::{Ground, says};

#[test]
fn an_apply_writes_all_and_twice_changes_nothing() {
    let ground = Ground::new();
    let server = ground.serve();
    ground.write("fleet.yaml", FLEET);
    says(
        &server.ok(&["apply", "-f", "fleet.yaml"]),
        &["created   Region eu", "22 created, 0 updated, 0 deleted, 0 unchanged"],
    );
    says(&server.ok(&["apply", "-f", "fleet.yaml"]), &["0 created, 0 updated, 0 deleted, 22 unchanged"]);
    let nodes = server.json(&["get", "nodes"]);
    assert_eq!(nodes.as_array().unwrap().len(), 6, "{nodes}");
}

#[test]
fn a_directory_and_standard_input_are_manifests_too() {
    let ground = Ground::new();
    let server = ground.serve();
    std::fs::create_dir_all(ground.path("fleet/more")).unwrap();
    ground.write("fleet/a.yaml", "{kind: Region, id: eu, jurisdiction: EU}");
    ground.write("fleet/more/b.json", r#"[{"kind":"ResourceGroup","id":"eu-a","region":"eu"}]"#);
    ground.write("fleet/notes.txt", "not a manifest");
    says(&server.ok(&["apply", "-f", "fleet"]), &["2 created"]);
    let ran = server.run_fed(&["apply", "-f", "-"], Some("{kind: Region, id: us}"));
    says(&ran.ok(), &["created   Region us"]);
}

#[test]
fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let ground = Ground::new();
    let server = ground.serve();
    ground.write("fleet.yaml", FLEET);
    says(&server.ok(&["apply", "-f", "fleet.yaml", "--dry-run"]), &["dry run: would be 22 created"]);
    assert_eq!(server.json(&["get", "regions"]).as_array().unwrap().len(), 0);
}

#[test]
fn a_prune_deletes_what_the_set_made_before_and_no_longer_holds() {
    let ground = Ground::new();
    let server = ground.serve();
    ground.write("both.yaml", "{kind: Region, id: eu}\n---\n{kind: Region, id: us}\n");
    ground.write("one.yaml", "{kind: Region, id: eu}\n");
    server.ok(&["apply", "-f", "both.yaml", "--set", "fleet"]);
    server.run_fed(&["apply", "-f", "-"], Some("{kind: Region, id: foreign}")).ok();
    says(
        &server.ok(&["apply", "-f", "one.yaml", "--set", "fleet", "--prune"]),
        &["deleted   Region us", "1 deleted, 1 unchanged"],
    );
    let left = server.json(&["get", "regions"]);
    let ids: Vec<&str> = left.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["eu", "foreign"]);
    assert_eq!(server.run(&["apply", "-f", "one.yaml", "--prune"]).code, 2);
}

#[test]
fn faults_name_file_line_field_and_what_was_meant() {
    let ground = Ground::new();
    let server = ground.serve();
    ground.write(
        "bad.yaml",
        "kind: Region\nid: eu\njurisdicton: EU\n---\nkind: ResourceGroup\nid: eu-a\nregion: eu\nstate: drained\n",
    );
    let error = server.refused(&["apply", "-f", "bad.yaml"]);
    says(
        &error,
        &[
            "2 faults",
            "nothing was written",
            "bad.yaml:3",
            "jurisdicton",
            "jurisdiction",
            "bad.yaml:8",
            "state",
            "draining",
        ],
    );
    // What only the server can know is placed in the file all the same.
    ground.write("lost.yaml", "kind: Region\nid: eu\n---\nkind: ResourceGroup\nid: eu-a\nregion: eo\n");
    says(
        &server.refused(&["apply", "-f", "lost.yaml"]),
        &["1 fault in", "lost.yaml:4: field \"region\"", "\"eo\"", "\"eu\""],
    );
    ground.write("broken.yaml", "kind: Region\nid: [eu\n");
    says(&server.refused(&["apply", "-f", "broken.yaml"]), &["broken.yaml:"]);
    ground.write("long.yaml", &format!("kind: Region\nid: {}\n", "a".repeat(129)));
    says(&server.refused(&["apply", "-f", "long.yaml"]), &["long.yaml:2", "id", "128"]);
    ground.write("kind.yaml", "kind: Regoin\nid: a\n");
    says(&server.refused(&["apply", "-f", "kind.yaml"]), &["kind.yaml:1", "Region"]);
    ground.write("twice.yaml", "{kind: Region, id: a}\n---\n{kind: Region, id: a, name: other}\n");
    says(&server.refused(&["apply", "-f", "twice.yaml"]), &["twice.yaml:3", "line 1"]);
    assert_eq!(server.json(&["get", "regions"]).as_array().unwrap().len(), 0);
    says(&server.refused(&["apply", "-f", "nowhere.yaml"]), &["nowhere.yaml"]);
}

#[test]
fn a_missing_reference_and_an_impossible_jurisdiction_are_refused_with_their_line() {
    let ground = Ground::new();
    let server = serve(&ground, 0);
    ground.write("group.yaml", "kind: ResourceGroup\nid: eu-c\nregion: ue\n");
    says(
        &server.refused(&["apply", "-f", "group.yaml"]),
        &["group.yaml:1: field \"region\"", "\"ue\"", "did you mean \"eu\"?"],
    );
    ground.write("instance.yaml", "kind: Instance\nid: svc-1\nproduct: basic\njurisdiction: XX\n");
    says(&server.refused(&["apply", "-f", "instance.yaml"]), &["jurisdiction", "XX", "instance.yaml:1"]);
    ground.write(
        "node.yaml",
        "{kind: Node, id: n, groups: [eu-a, us-a], runtime_template: edge, outbound_template: direct}",
    );
    says(&server.refused(&["apply", "-f", "node.yaml"]), &["jurisdiction"]);
}

#[test]
fn a_deletion_that_others_need_is_refused_with_the_list_of_who() {
    let ground = Ground::new();
    let server = serve(&ground, 3);
    says(&server.refused(&["delete", "group", "eu-a"]), &["eu-a-1", "eu-a-2", "sharded", "merged"]);
    says(&server.refused(&["delete", "product", "basic"]), &["svc-0"]);
    says(&server.refused(&["delete", "region", "nowhere"]), &["nowhere"]);
    says(&server.ok(&["delete", "product", "fixed"]), &["deleted"]);
    says(&server.ok(&["delete", "instance", "svc-0"]), &["terminated"]);
    assert_eq!(server.json(&["get", "instance", "svc-0"])["status"], "terminated");
}

#[test]
fn objects_are_shown_as_table_as_manifest_and_with_what_surrounds_them() {
    let ground = Ground::new();
    let server = serve(&ground, 3);
    says(&server.ok(&["get", "groups"]), &["ID", "REGION", "eu-a", "us-b"]);
    let manifest = server.ok(&["get", "access-template", "sharded"]);
    says(&manifest, &["kind: AccessTemplate", "id: sharded"]);
    let node = server.ok(&["get", "node", "eu-a-1", "-o", "yaml"]);
    says(&node, &["id: eu-a-1", "192.0.2.1"]);
    assert!(server.run_fed(&["apply", "-f", "-"], Some(&node)).ok().contains("1 unchanged"));
    says(&server.ok(&["describe", "instance", "svc-1"]), &["svc-1", "ownership", "group", "history", "decision"]);
    says(&server.ok(&["describe", "group", "eu-a"]), &["eu-a", "named_by", "eu-a-1", "sharded"]);
    let limited = server.json(&["get", "nodes", "--limit", "2"]);
    assert_eq!(limited.as_array().unwrap().len(), 2);
    let ran = server.run(&["get", "noodles"]);
    assert_eq!(ran.code, 2);
    says(&ran.err, &["noodles", "nodes"]);
}

#[test]
fn a_write_that_breaks_too_many_owners_is_refused_and_names_the_plan() {
    let ground = Ground::new();
    let server = serve(&ground, 800);
    ground.write("closed.yaml", "{kind: ResourceGroup, id: eu-a, region: eu, state: closed}");
    let error = server.refused(&["apply", "-f", "closed.yaml"]);
    says(&error, &["sharded", "plan"]);
    assert_eq!(server.json(&["get", "group", "eu-a"])["state"], "active");
    server.ok(&["apply", "-f", "closed.yaml", "--allow-disruption"]);
    // Configuration that invalidates an ownership repairs at once.
    let left = crate::ground::eventually(std::time::Duration::from_secs(10), || {
        let owners = fleet::owners(&server, (0..40).map(|at| format!("svc-{at}")));
        if owners.contains_key("eu-a") { Err(format!("{owners:?}")) } else { Ok(owners) }
    });
    assert_eq!(left.values().sum::<usize>(), 40);
    says(&server.ok(&["doctor"]), &["ok"]);
}
