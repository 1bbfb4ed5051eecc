//! What people send by mistake, and what they send on purpose.

use reqwest::{Body, Method};
use serde_json::json;

use crate::fixture::{FLEET, Server, send};
use crate::on_both_engines;

on_both_engines! {
    broken_manifests_are_named_by_line_and_field
    an_overlong_id_is_refused
    two_applies_at_once_both_land
    unknown_paths_methods_and_parameters_are_problems
}

mod sqlite_only {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_endless_body_is_refused() {
        super::an_endless_body_is_refused(crate::fixture::Server::sqlite().await).await;
    }
}

async fn broken_manifests_are_named_by_line_and_field(server: Server) {
    server.apply("", FLEET).await.expect(200);
    for (text, code, line, field, suggestion) in [
        ("kind: Region\nid: [", "syntax", None, None, None),
        ("kind: Region\nid: x\nstat: active\n", "unknown-field", Some(3), Some("stat"), Some("state")),
        ("kind: Regoin\nid: x\n", "unknown-kind", Some(1), Some("kind"), Some("Region")),
        (
            "kind: ResourceGroup\nid: x\nregion: eu-wets\n",
            "missing-reference",
            Some(1),
            Some("region"),
            Some("eu-west"),
        ),
        (
            "kind: Instance\nid: x\nproduct: basic\njurisdiction: Eu\n",
            "unknown-jurisdiction",
            Some(1),
            Some("jurisdiction"),
            Some("EU"),
        ),
        ("kind: Instance\nid: x\nproduct: basci\n", "missing-reference", Some(1), Some("product"), Some("basic")),
        (
            "kind: Node\nid: x\ngroups: [eu-west-a, us-east-a]\nruntime_template: edge-v3\noutbound_template: direct\n",
            "mixed-jurisdictions",
            Some(1),
            Some("groups"),
            None,
        ),
        ("kind: Region\nid: x\n---\nkind: Region\nid: x\n", "duplicate-object", Some(4), None, None),
    ] {
        let refused = server.apply("", text).await.problem(422, "invalid-manifest");
        let fault = &refused["faults"][0];
        assert_eq!(fault["code"], code, "{refused}");
        line.into_iter().for_each(|line| assert_eq!(fault["line"], line, "{refused}"));
        assert_eq!(fault["field"].as_str(), field, "{refused}");
        assert_eq!(fault["suggestion"].as_str(), suggestion, "{refused}");
    }
    let two = "kind: ResourceGroup\nid: a\nregion: no\n---\nkind: ResourceGroup\nid: b\nregion: no\n";
    let refused = server.apply("", two).await.problem(422, "invalid-manifest");
    assert_eq!(refused["faults"].as_array().unwrap().len(), 2, "all faults are listed");
    let both = "kind: ResourceGroup\nid: a\nregion: no\n---\nkind: Instance\nid: x\nproduct: basci\n---\nkind: Product\nid: \
                gold\naccess_template: standard\n---\nkind: Instance\nid: y\nproduct: gold\njurisdiction: Mars\n";
    let refused = server.apply("", both).await.problem(422, "invalid-manifest");
    let found: Vec<&str> =
        refused["faults"].as_array().unwrap().iter().map(|fault| fault["code"].as_str().unwrap()).collect();
    assert_eq!(found, ["missing-reference", "missing-reference", "unknown-jurisdiction"], "those of instances too");
    let mixed = "kind: ResourceGroup\nid: eu-west-a\nregion: us-east\n---\nkind: Node\nid: ams-01\ngroups: \
                 [eu-west-a, eu-west-b]\nruntime_template: edge-v3\noutbound_template: direct\n";
    server.apply("", mixed).await.problem(422, "invalid-manifest");
    server.put("/v1/regions/one", json!({"id": "two"})).await.problem(422, "invalid-manifest");
    let broken = server.request(Method::PUT, "/v1/regions/one").header("content-type", "application/json");
    let broken = send(broken.body("{\n \"name\": }")).await.problem(400, "malformed-json");
    assert_eq!(broken["line"], 2);
    let media = server.request(Method::POST, "/v1/apply").header("content-type", "text/csv").body("a");
    send(media).await.problem(415, "unsupported-media-type");
}

async fn an_overlong_id_is_refused(server: Server) {
    let id = "a".repeat(129);
    let refused = server.apply("", format!("kind: Region\nid: {id}\n")).await.problem(422, "invalid-manifest");
    assert_eq!(refused["faults"][0]["code"], "invalid-id");
    server.put(&format!("/v1/regions/{id}"), json!({})).await.problem(422, "invalid-manifest");
    server.put("/v1/instances/UPPER", json!({"product": "basic"})).await.problem(422, "invalid-manifest");
    server.get(&format!("/v1/regions/{id}")).await.problem(404, "not-found");
    server.get("/v1/regions/%ff%fe").await.problem(400, "bad-request");
}

async fn two_applies_at_once_both_land(server: Server) {
    let manifests = |prefix: &str| -> String {
        (0..50).map(|n| format!("---\nkind: Region\nid: {prefix}-{n}\n---\nkind: Region\nid: both-{n}\n")).collect()
    };
    let (first, second) = tokio::join!(server.apply("", manifests("a")), server.apply("", manifests("b")));
    let (first, second) = (first.expect(200), second.expect(200));
    assert_ne!(first["revision"], second["revision"]);
    let created = |applied: &serde_json::Value| {
        applied["changes"].as_array().unwrap().iter().filter(|it| it["action"] == "created").count()
    };
    assert_eq!(created(&first) + created(&second), 150, "what both write, one creates");
    assert_eq!(server.get("/v1/regions?limit=1000").await.expect(200)["items"].as_array().unwrap().len(), 150);
}

async fn unknown_paths_methods_and_parameters_are_problems(server: Server) {
    server.get("/v1/bananas").await.problem(404, "not-found");
    server.get("/").await.problem(404, "not-found");
    let wrong = send(server.request(Method::PATCH, "/v1/regions/x")).await;
    wrong.problem(405, "method-not-allowed");
    for method in ["GET", "PUT", "DELETE"] {
        assert!(wrong.header("allow").contains(method), "{:?}", wrong.headers);
    }
    let refused = server.apply("?dryrun=true", FLEET).await.problem(400, "bad-request");
    assert!(refused["detail"].as_str().unwrap().contains("dryrun"), "{refused}");
    server.apply("?dry_run=maybe", FLEET).await.problem(400, "bad-request");
    server.get("/v1/regions/x?verbose=1").await.problem(400, "bad-request");
    let packed = server.request(Method::POST, "/v1/apply").header("content-encoding", "br").body("x");
    send(packed).await.problem(415, "unsupported-media-type");
    let packed = server.request(Method::POST, "/v1/apply").header("content-encoding", "gzip").body("x");
    send(packed).await.problem(400, "bad-request");
    assert_eq!(server.get("/v1/regions").await.expect(200)["items"].as_array().unwrap().len(), 0);
}

/// I26: a body beyond its limit is refused with the limit, however long it would go on.
async fn an_endless_body_is_refused(server: Server) {
    const TWO_GB: u64 = 2 * 1024 * 1024 * 1024;
    // Announced: refused before it is read.
    let announced = server.request(Method::POST, "/v1/apply").header("content-type", "application/yaml");
    let endless = || futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'#'; 64 * 1024]));
    let announced = announced.header("content-length", TWO_GB.to_string()).body(Body::wrap_stream(endless()));
    let refused = send(announced).await.problem(413, "payload-too-large");
    assert_eq!(refused["limit_bytes"], wire::manifest::INPUT_BYTES_MAX);
    // Not announced: refused at the limit.
    let silent = server.request(Method::POST, "/v1/apply").header("content-type", "application/yaml");
    let bounded = futures::StreamExt::take(endless(), 2 * wire::manifest::INPUT_BYTES_MAX / (64 * 1024));
    send(silent.body(Body::wrap_stream(bounded))).await.problem(413, "payload-too-large");
    // A gigabyte of blanks in a megabyte of gzip.
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..1024 {
        std::io::Write::write_all(&mut packer, &[b' '; 256 * 1024]).unwrap();
    }
    let packed = server.request(Method::POST, "/v1/apply").header("content-encoding", "gzip");
    send(packed.body(packer.finish().unwrap())).await.problem(413, "payload-too-large");
    server.apply("", FLEET).await.expect(200);
}
