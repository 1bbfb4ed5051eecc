//! Plans among other work: who is named as the author, what is fenced off, what an undo leaves alone.

use serde_json::{Value, json};

use crate::fixture::{FLEET, Server};
use crate::on_both_engines;

on_both_engines! {
    the_moves_of_a_plan_are_explained_by_it
    what_a_plan_takes_away_is_fenced_off_with_its_first_step
    an_undo_leaves_alone_what_was_edited_since
    a_product_in_use_is_not_planned_away
}

/// Half of them on each group of Western Europe.
async fn fill(server: &Server, instances: u32) {
    server.apply("", FLEET).await.expect(200);
    let rows: String = (0..instances).map(|n| format!("{{\"id\":\"svc-{n}\",\"product\":\"basic\"}}\n")).collect();
    server.import("?wait=true", rows).await.expect(200);
}

async fn made(server: &Server, body: Value) -> String {
    server.post("/v1/plans", body).await.expect(201)["id"].as_str().unwrap().to_owned()
}

async fn apply(server: &Server, plan: &str, rate: u32) {
    server.post(&format!("/v1/plans/{plan}/apply"), json!({"rate_per_s": rate})).await.expect(200);
}

async fn carry_out(server: &Server, plan: &str) {
    apply(server, plan, 10_000).await;
    server.until(&format!("/v1/plans/{plan}"), |it| it["state"] == "done").await;
}

async fn actor(server: &Server, instance: &str) -> Value {
    server.get(&format!("/v1/instances/{instance}/explanation")).await.expect(200)["decision"]["actor"].clone()
}

async fn the_moves_of_a_plan_are_explained_by_it(server: Server) {
    fill(&server, 40).await;
    let moves: Vec<Value> = (0..40).map(|n| json!({"instance": format!("svc-{n}"), "to": "eu-west-a"})).collect();
    let (first, second) =
        (json!({"kind": "move", "moves": moves[..20]}), json!({"kind": "move", "moves": moves[20..]}));
    let plans = [made(&server, first).await, made(&server, second).await];
    for plan in &plans {
        apply(&server, plan, 10_000).await;
    }
    // Others come and go at the same time, and none is mistaken for another.
    for n in 0..30 {
        server.put(&format!("/v1/instances/new-{n}"), json!({"product": "basic"})).await.expect(201);
        assert_eq!(actor(&server, &format!("new-{n}")).await, "allocator");
    }
    for plan in &plans {
        server.until(&format!("/v1/plans/{plan}"), |it| it["state"] == "done").await;
    }
    let mut moved = 0;
    for (n, plan) in (0..40).zip([&plans[0]; 20].into_iter().chain([&plans[1]; 20])) {
        let history = server.get(&format!("/v1/instances/svc-{n}/history")).await.expect(200);
        let expected = match history["rows"].as_array().unwrap().len() {
            1 => "allocator".to_owned(),
            _ => format!("plan:{plan}"),
        };
        moved += u32::from(expected != "allocator");
        assert_eq!(actor(&server, &format!("svc-{n}")).await, expected);
    }
    assert_eq!(moved, 20, "half of them were there already");
}

async fn what_a_plan_takes_away_is_fenced_off_with_its_first_step(server: Server) {
    fill(&server, 40).await;
    // The template loses a group: nothing widens, so no row of the topology is written before the owners have moved.
    let narrower = json!([{"kind": "AccessTemplate", "id": "standard", "mode": "shard", "groups": ["eu-west-a"]}]);
    let plan = made(&server, json!({"kind": "topology", "manifests": narrower})).await;
    let before = server.running.parts().store.head().await.unwrap().topology_version;
    apply(&server, &plan, 1).await;
    server.until(&format!("/v1/plans/{plan}"), |it| it["progress"]["done"] != 0).await;
    let head = server.running.parts().store.head().await.unwrap();
    assert_eq!(head.topology_version, before + 1, "a batch that was decided before the plan decides again");
    server.post(&format!("/v1/plans/{plan}/abort"), json!({})).await.expect(200);
}

async fn an_undo_leaves_alone_what_was_edited_since(server: Server) {
    fill(&server, 10).await;
    let change = json!([
        {"kind": "ResourceGroup", "id": "eu-west-a", "region": "eu-west", "weight": 50},
        {"kind": "ResourceGroup", "id": "eu-west-b", "region": "eu-west", "weight": 50},
        {"kind": "ResourceGroup", "id": "eu-west-c", "region": "eu-west"},
        {"kind": "ResourceGroup", "id": "eu-west-d", "region": "eu-west"},
        {"kind": "Region", "id": "us-east", "jurisdiction": "US"},
    ]);
    let plan = made(&server, json!({"kind": "topology", "manifests": change})).await;
    carry_out(&server, &plan).await;
    let edit = json!({"region": "eu-west", "weight": 70});
    for group in ["eu-west-b", "eu-west-d"] {
        server.put(&format!("/v1/groups/{group}"), edit.clone()).await.expect(200);
    }
    // What the plan named and found as it wanted it is none of its business.
    server.put("/v1/regions/us-east", json!({"jurisdiction": "US", "name": "East"})).await.expect(200);
    let undo = server.post(&format!("/v1/plans/{plan}/undo"), json!({})).await.expect(201);
    let left = json!([
        {"kind": "ResourceGroup", "id": "eu-west-b"},
        {"kind": "ResourceGroup", "id": "eu-west-d"},
    ]);
    assert_eq!(undo["left_alone"], left, "{undo}");
    carry_out(&server, undo["id"].as_str().unwrap()).await;
    let weight = async |group: &str| server.get(&format!("/v1/groups/{group}")).await.expect(200)["weight"].clone();
    assert_eq!((weight("eu-west-a").await, weight("eu-west-b").await), (json!(100), json!(70)));
    assert_eq!(weight("eu-west-d").await, 70);
    server.get("/v1/groups/eu-west-c").await.problem(404, "not-found");
    assert_eq!(server.get("/v1/regions/us-east").await.expect(200)["name"], "East");
}

async fn a_product_in_use_is_not_planned_away(server: Server) {
    fill(&server, 2).await;
    let gone = |id: &str| json!({"kind": "topology", "delete": [{"kind": "Product", "id": id}]});
    let refused = server.post("/v1/plans", gone("basic")).await.problem(409, "still-referenced");
    assert_eq!(refused["by"][0], json!({"kind": "Instance", "id": "svc-0", "field": "product"}), "{refused}");
    let plan = made(&server, gone("union")).await;
    carry_out(&server, &plan).await;
    server.get("/v1/products/union").await.problem(404, "not-found");
}
