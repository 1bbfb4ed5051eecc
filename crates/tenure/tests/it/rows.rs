//! Rows: import of CSV and NDJSON with mappings, bad rows named while the rest lands, and export that import takes back.

use crate::fleet::{self, serve};
use crate::ground::{Ground, says};

#[test]
fn a_foreign_file_is_imported_through_a_mapping() {
    let ground = Ground::new();
    let server = serve(&ground, 0);
    ground.write("customers.csv", "Account No,Plan,Country\nA 1,basic,EU\nA 2,basic,US\nA 3,basic,\n");
    let arguments = [
        "import",
        "instances",
        "customers.csv",
        "--map",
        "id=slug(Account No)",
        "--map",
        "product=Plan",
        "--map",
        "jurisdiction=Country",
    ];
    says(&server.ok(&arguments), &["3 accepted: 3 created, 0 updated, 0 unchanged; 0 refused"]);
    assert_eq!(server.json(&["get", "instance", "a-1"])["jurisdiction"], "EU");
    assert!(fleet::owner(&server, "a-2").starts_with("us-"));
    says(&server.ok(&arguments), &["3 unchanged"]);
    let ran = server.run(&["import", "instances", "customers.csv", "--map", "id=Acount No"]);
    assert_eq!(ran.code, 2);
    says(&ran.err, &["Acount No", "Account No"]);
    let ran = server.run(&["import", "instances", "customers.csv", "--map", "idd=Account No"]);
    assert_eq!(ran.code, 2);
}

#[test]
fn nodes_and_groups_come_from_an_inventory_too() {
    let ground = Ground::new();
    let server = serve(&ground, 0);
    ground.write("pops.csv", "host,pool,lat,lon\nAMS 1,eu-a,52.37,4.90\nAMS 2,eu-b,52.37,4.90\n");
    let arguments = [
        "import",
        "nodes",
        "pops.csv",
        "--map",
        "id=slug(host)",
        "--map",
        "groups=pool",
        "--map",
        "runtime_template='edge'",
        "--map",
        "outbound_template='direct'",
        "--map",
        "location.latitude=lat",
        "--map",
        "location.longitude=lon",
    ];
    says(&server.ok(&arguments), &["2 created"]);
    assert_eq!(server.json(&["get", "node", "ams-1"])["location"]["latitude"], 52.37);
}

#[test]
fn words_are_translated_and_rows_left_out() {
    let ground = Ground::new();
    let server = serve(&ground, 0);
    ground.write("pops.csv", "host,pool,status\nams-1,eu-a,online\nams-2,eu-b,offline\nsyd-1,au-a,online\n");
    let import = |state: &str, more: &[&str]| {
        let fixed = ["import", "nodes", "pops.csv", "--map", "id=host", "--map", "groups=pool"];
        let same = ["--map", "runtime_template='edge'", "--map", "outbound_template='direct'", "--map", state];
        server.run(&[&fixed[..], &same, more].concat())
    };
    let ran = import("state=status{online: active, *: disabled}", &["--where", "pool!=au-a"]);
    says(&ran.err, &["1 row left out by --where"]);
    says(&ran.ok(), &["2 created"]);
    assert_eq!(server.json(&["get", "node", "ams-1"])["state"], "active");
    assert_eq!(server.json(&["get", "node", "ams-2"])["state"], "disabled");
    let ran = import("state=status{online: active}", &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    says(&ran.err, &["pops.csv:3:", "state", "\"offline\""]);
    let ran = import("state=status", &["--where", "pol=eu-a"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    says(&ran.err, &["--where pol=eu-a", "did you mean \"pool\"?"]);
    ground.write("customers.csv", "id,product,tier\na,basic,gold\nb,none,free\nc,basic,gold\nd,nothing,gold\n");
    let ran = server.run(&["import", "instances", "customers.csv", "--where", "tier=gold"]);
    says(&ran.out, &["line 5:", "nothing", "2 accepted", "1 refused"]);
    ground.write("rows.ndjson", "{\"id\":\"a\",\"product\":\"basic\"}\n");
    assert_eq!(server.run(&["import", "instances", "rows.ndjson", "--where", "id=a"]).code, 2);
}

#[test]
fn regions_and_groups_come_from_the_same_file_as_their_servers() {
    let ground = Ground::new();
    let server = serve(&ground, 0);
    ground.write("servers.csv", "host,city,code\na1,New York,XA\na2,New York,XA\na3,Paris,XB\n");
    says(
        &server.ok(&["import", "regions", "servers.csv", "--map", "id=slug(code)", "--map", "jurisdiction=code"]),
        &["2 created"],
    );
    let groups = [
        "import",
        "groups",
        "servers.csv",
        "--map",
        "id=slug(city)",
        "--map",
        "region=slug(code)",
        "--map",
        "weight=count()",
    ];
    says(&server.ok(&groups), &["2 created"]);
    assert_eq!(server.json(&["get", "group", "new-york"])["weight"], 2);
    assert_eq!(server.run(&["import", "groups", "servers.csv", "--map", "id=city", "--map", "region=count()"]).code, 2);
}

#[test]
fn bad_rows_are_named_with_their_line_and_the_rest_lands() {
    let ground = Ground::new();
    let server = serve(&ground, 0);
    let mut lines: Vec<String> = fleet::rows("svc", 500, "basic").lines().map(str::to_owned).collect();
    lines[10] = r#"{"id":"svc-10","produkt":"basic"}"#.to_owned();
    lines[100] = r#"{"id":"svc-100","product":"unknown"}"#.to_owned();
    lines[200] = "{broken".to_owned();
    lines[300] = r#"{"id":"svc-300","product":"basic","jurisdiction":"XX"}"#.to_owned();
    lines[400] = String::new();
    ground.write("rows.ndjson", &lines.join("\n"));
    let ran = server.run(&["import", "instances", "rows.ndjson"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    says(
        &ran.out,
        &[
            "line 11:",
            "produkt",
            "line 101:",
            "unknown",
            "line 201:",
            "line 301:",
            "XX",
            "495 accepted: 495 created",
            "4 refused",
        ],
    );
    says(&ran.err, &["4 rows refused"]);
    assert_eq!(server.json(&["get", "instances"]).as_array().unwrap().len(), 495);
}

#[test]
fn bad_cells_of_csv_keep_their_line_numbers() {
    let ground = Ground::new();
    let server = serve(&ground, 0);
    ground.write(
        "rows.csv",
        "id,product,weight\na,basic,1\nb,basic,many\nc,basic,3\nd,nothing,1\n\"e\ne\",basic,1\nf,basic,2\n",
    );
    let ran = server.run(&["import", "instances", "rows.csv", "-o", "json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((answer["accepted"].as_u64(), answer["refused_total"].as_u64()), (Some(3), Some(3)), "{answer}");
    let lines: Vec<u64> = answer["refused"].as_array().unwrap().iter().map(|it| it["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 5, 6], "{answer}");
}

#[test]
fn what_export_writes_import_takes_back() {
    let ground = Ground::new();
    let server = serve(&ground, 1_203);
    let other = ground.serve_with("other", &[]);
    fleet::put(&ground, &other, 0);
    let rows = server.ok(&["export", "instances"]);
    assert_eq!(rows.lines().count(), 1_203);
    ground.write("export.ndjson", &rows);
    says(&other.ok(&["import", "instances", "export.ndjson"]), &["1203 created"]);
    says(&server.ok(&["import", "instances", "export.ndjson"]), &["1203 unchanged"]);
    assert_eq!(other.ok(&["export", "instances"]), rows);
    let nodes = server.ok(&["export", "nodes"]);
    ground.write("nodes.ndjson", &nodes);
    says(&server.ok(&["import", "nodes", "nodes.ndjson"]), &["6 unchanged"]);
}

#[test]
fn standard_input_is_a_file_of_rows() {
    let ground = Ground::new();
    let server = serve(&ground, 0);
    let rows = fleet::rows("svc", 20, "basic");
    let ran = server.run_fed(&["import", "instances", "-", "--format", "ndjson"], Some(&rows));
    says(&ran.ok(), &["20 created"]);
    assert_eq!(server.run_fed(&["import", "instances", "-"], Some(&rows)).code, 2);
}
