//! Who may do what: the admin token that is found, scopes that are enforced, tokens that are revoked.

use std::os::unix::fs::PermissionsExt;

use crate::caller::{Caller, runtime};
use crate::fleet::serve;
use crate::ground::{Ground, Server, says};

fn create(server: &Server, scope: &str) -> String {
    server.ok(&["token", "create", "--scope", scope]).trim().to_owned()
}

#[test]
fn the_admin_token_is_found_on_this_machine_and_readable_by_its_owner_alone() {
    let ground = Ground::new();
    let server = ground.serve();
    let mode = std::fs::metadata(ground.path("data/admin.token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    server.ok(&["get", "regions"]);
    // From elsewhere nothing is found, and the failure says so.
    let elsewhere = Ground::new();
    let mut command = crate::ground::program(elsewhere.home.path());
    command.env("TENURE_SERVER", &server.url).args(["get", "regions"]);
    let ran = crate::ground::Ran::of(&mut command, None);
    assert_eq!(ran.code, 1);
    says(&ran.err, &["TENURE_TOKEN"]);
    command.env("TENURE_TOKEN", server.token("data"));
    crate::ground::Ran::of(&mut command, None).ok();
}

#[test]
fn a_token_does_what_its_scope_says_and_nothing_else() {
    let ground = Ground::new();
    let server = serve(&ground, 2);
    let (resolve, read, write) = (create(&server, "resolve"), create(&server, "read"), create(&server, "write"));
    let code = |token: &str, arguments: &[&str]| server.run(&[arguments, &["--token", token]].concat());
    assert_eq!(code(&resolve, &["resolve", "svc-0"]).code, 0);
    assert_eq!(code(&read, &["get", "nodes"]).code, 0);
    ground.write("region.yaml", "{kind: Region, id: more}");
    assert_eq!(code(&write, &["apply", "-f", "region.yaml"]).code, 0);
    for (token, arguments) in [
        (&resolve, &["get", "nodes"][..]),
        (&resolve, &["explain", "svc-0"]),
        (&read, &["apply", "-f", "region.yaml"]),
        (&read, &["plan", "repair"]),
        (&read, &["token", "list"]),
        (&write, &["token", "create", "--scope", "admin"]),
        (&write, &["apply", "-f", "region.yaml", "--allow-disruption"]),
    ] {
        let ran = code(token, arguments);
        assert_eq!(ran.code, 1, "{arguments:?}");
        says(&ran.err, &["scope"]);
    }
    let ran = code("tenure_wrong", &["get", "nodes"]);
    assert_eq!(ran.code, 1);
}

#[test]
fn a_revoked_token_is_refused_and_no_list_shows_a_secret() {
    let ground = Ground::new();
    let server = ground.serve();
    let secret = create(&server, "read");
    let list = server.ok(&["token", "list", "-o", "json"]);
    assert!(!list.contains(&secret), "{list}");
    let tokens: serde_json::Value = serde_json::from_str(&list).unwrap();
    let made = tokens.as_array().unwrap().iter().find(|it| it["scopes"][0] == "read").unwrap();
    let id = made["id"].as_str().unwrap();
    assert_eq!(server.run(&["get", "nodes", "--token", &secret]).code, 0);
    says(&server.ok(&["token", "revoke", id]), &[id, "revoked"]);
    assert_eq!(server.run(&["get", "nodes", "--token", &secret]).code, 1);
    let database = std::fs::read(ground.path("data/tenure.db")).unwrap();
    let is_kept = database.windows(secret.len()).any(|window| window == secret.as_bytes());
    assert!(!is_kept, "the secret stands in the database");
}

#[test]
fn a_report_token_speaks_for_its_reporter_alone() {
    let ground = Ground::new();
    let server = serve(&ground, 0);
    let secret = server.ok(&["token", "create", "--scope", "report", "--reporter", "eu-a-1"]).trim().to_owned();
    let report = |reporter: &str| {
        let body = serde_json::json!({"reporter": reporter, "incarnation": 1, "sequence": 1, "node": {"status": "up", "load_permille": 100}});
        let caller = Caller::new(&server.url, &secret);
        runtime().block_on(caller.ask(reqwest::Method::POST, "/v1/reports", Some(body))).unwrap().0
    };
    assert_eq!(report("eu-a-1"), 200);
    assert_eq!(report("eu-a-1"), 200, "a duplicate is a success");
    assert_eq!(report("eu-a-2"), 403);
    says(&server.ok(&["reporters"]), &["eu-a-1"]);
}
