//! A small fleet for tests: two regions, four groups, eight nodes, a product for each mode.

use std::fmt::Write;

/// Regions, groups, nodes, templates and products.
pub const FLEET: &str = "\
kind: Region
id: eu
name: Europe
jurisdiction: EU
---
kind: Region
id: us
jurisdiction: US
---
{kind: ResourceGroup, id: eu-a, region: eu}
---
{kind: ResourceGroup, id: eu-b, region: eu}
---
{kind: ResourceGroup, id: us-a, region: us}
---
{kind: ResourceGroup, id: us-b, region: us}
---
{kind: RuntimeTemplate, id: edge, body: {engine: envoy}}
---
{kind: OutboundTemplate, id: direct}
---
{kind: Node, id: eu-a-1, groups: [eu-a], runtime_template: edge, outbound_template: direct, endpoints: [{address: 192.0.2.1, port: 443}]}
---
{kind: Node, id: eu-a-2, groups: [eu-a], runtime_template: edge, outbound_template: direct}
---
{kind: Node, id: eu-b-1, groups: [eu-b], runtime_template: edge, outbound_template: direct}
---
{kind: Node, id: eu-b-2, groups: [eu-b], runtime_template: edge, outbound_template: direct}
---
{kind: Node, id: us-a-1, groups: [us-a], runtime_template: edge, outbound_template: direct}
---
{kind: Node, id: us-b-1, groups: [us-b], runtime_template: edge, outbound_template: direct}
---
{kind: AccessTemplate, id: sharded, mode: shard, groups: [eu-a, eu-b, us-a, us-b]}
---
{kind: AccessTemplate, id: by-region, mode: regional, regions: [eu, us], limit: 1}
---
{kind: AccessTemplate, id: merged, mode: merge, groups: [eu-a, us-a]}
---
{kind: AccessTemplate, id: named, mode: fixed, nodes: [eu-a-1, us-a-1]}
---
{kind: Product, id: basic, access_template: sharded, quota: {bytes: 1000000, reset: {every: month, anchor: instance}}}
---
{kind: Product, id: regional, access_template: by-region}
---
{kind: Product, id: merge, access_template: merged}
---
{kind: Product, id: fixed, access_template: named}
";

/// Rows of instances `NAME-0 … NAME-(number-1)` of a product.
pub fn rows(name: &str, number: usize, product: &str) -> String {
    (0..number).fold(String::new(), |mut rows, at| {
        writeln!(rows, r#"{{"id":"{name}-{at}","product":"{product}"}}"#).unwrap();
        rows
    })
}

/// A server with the fleet and so many instances of `basic`, imported and owned.
pub fn serve(ground: &crate::ground::Ground, instances: usize) -> crate::ground::Server {
    let server = ground.serve();
    put(ground, &server, instances);
    server
}

/// Writes the fleet and instances of `basic` to a server.
pub fn put(ground: &crate::ground::Ground, server: &crate::ground::Server, instances: usize) {
    ground.write("fleet.yaml", FLEET);
    server.ok(&["apply", "-f", "fleet.yaml"]);
    if instances > 0 {
        ground.write("instances.ndjson", &rows("svc", instances, "basic"));
        server.ok(&["import", "instances", "instances.ndjson"]);
    }
}

/// How many instances each group owns, from `export` and `get`: `(group, number)` by id.
pub fn owners(
    server: &crate::ground::Server,
    ids: impl IntoIterator<Item = String>,
) -> std::collections::BTreeMap<String, usize> {
    let mut owners = std::collections::BTreeMap::new();
    for id in ids {
        let group = owner(server, &id);
        *owners.entry(group).or_default() += 1;
    }
    owners
}

/// The group that owns an instance, or the reason why none does.
pub fn owner(server: &crate::ground::Server, id: &str) -> String {
    let whole = server.json(&["describe", "instance", id]);
    let ownership = &whole["ownership"];
    ownership["group"].as_str().or(ownership["reason"].as_str()).unwrap_or("neither").to_owned()
}
