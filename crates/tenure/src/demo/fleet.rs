//! The sample fleet as manifests: what stands from the start, what changes while customers arrive, what the tour adds.
//!
//! Addresses are from the ranges kept for documentation (RFC 5737, RFC 3849), so nothing here is anybody's.
//! Everything is the same at each start; nothing is drawn.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::places::{ADDED, AREAS, Area, City, area};

/// Machines of a group: a rack that can lose some and still serve.
const NODES_PER_GROUP: usize = 8;

/// Every so many machines of a region's first group also serve in its second, as shared hardware does.
const SHARED_EVERY: usize = 4;

/// The ranges for documentation, each with its 254 hosts.
const DOCUMENTATION: [&str; 3] = ["192.0.2", "198.51.100", "203.0.113"];

/// Takes nobody any more, and still serves those that it owns.
pub const DRAINING: &str = "eu-central-d";

/// Comes when most customers have a group already, and therefore ramps.
pub const FRESH: &str = "eu-west-e";

/// Goes dark after a while, so that a repair is seen.
pub const DARK: &str = "us-west-c";

/// The group that the tour drains in a preview.
pub const DRAINED: &str = "us-east-b";

/// Everything that stands before customers arrive.
pub fn base() -> Vec<Value> {
    let mut numbers = Numbers::default();
    let mut objects: Vec<Value> = AREAS.iter().map(region).collect();
    objects.extend(AREAS.iter().flat_map(groups));
    objects.extend(templates());
    objects.extend(AREAS.iter().flat_map(|it| nodes(it, &mut numbers)));
    objects.extend(access_templates(false));
    objects.extend(products());
    objects
}

/// What happens when most customers are there: a group begins to drain, a fresh one joins.
pub fn later() -> Vec<Value> {
    let mut numbers = Numbers::after_the_base();
    let west = area("eu-west");
    let mut objects = vec![
        group(DRAINING, "eu-central", area("eu-central").group_weights[3], "draining"),
        group(FRESH, west.region, 150, "active"),
    ];
    objects.extend((0..NODES_PER_GROUP).map(|at| {
        let city = &west.cities[at % west.cities.len()];
        node(city, at, vec![FRESH.to_owned()], &mut numbers)
    }));
    objects.extend(access_templates(true).into_iter().filter(|it| it["id"] == "europe"));
    objects
}

/// The manifest of the tour: a new region with a group, and a group more in an old region.
pub fn scale_out() -> Vec<Value> {
    let mut numbers = Numbers::after_the_base();
    later().iter().filter(|it| it["kind"] == "Node").for_each(|it| numbers.skip(it["id"].as_str().unwrap_or_default()));
    let london = area("uk");
    let mut objects = vec![region(&ADDED)];
    objects.extend(groups(&ADDED));
    objects.push(group("uk-d", london.region, 150, "active"));
    objects.extend(nodes(&ADDED, &mut numbers));
    objects.extend((0..NODES_PER_GROUP).map(|at| {
        let city = &london.cities[at % london.cities.len()];
        node(city, at, vec!["uk-d".to_owned()], &mut numbers)
    }));
    objects
}

/// Numbers of machines, which go on where the last ones ended.
#[derive(Default)]
struct Numbers {
    of_city: BTreeMap<String, usize>,
    all: usize,
}

impl Numbers {
    fn after_the_base() -> Self {
        let mut numbers = Self::default();
        AREAS.iter().for_each(|it| {
            nodes(it, &mut numbers);
        });
        numbers
    }

    fn draw(&mut self, city: &City) -> (usize, usize) {
        let number = self.of_city.entry(city.code.to_owned()).or_default();
        *number += 1;
        self.all += 1;
        (*number, self.all)
    }

    fn skip(&mut self, node: &str) {
        let code = node.split('-').next().unwrap_or_default();
        *self.of_city.entry(code.to_owned()).or_default() += 1;
        self.all += 1;
    }
}

fn region(area: &Area) -> Value {
    json!({"kind": "Region", "id": area.region, "name": area.name, "jurisdiction": area.jurisdiction})
}

fn groups(area: &Area) -> Vec<Value> {
    area.groups().zip(area.group_weights).map(|(id, weight)| group(&id, area.region, *weight, "active")).collect()
}

fn group(id: &str, region: &str, weight: u32, state: &str) -> Value {
    json!({"kind": "ResourceGroup", "id": id, "region": region, "weight": weight, "state": state})
}

fn nodes(area: &Area, numbers: &mut Numbers) -> Vec<Value> {
    let groups: Vec<String> = area.groups().collect();
    let mut nodes = Vec::new();
    for (place, group) in groups.iter().enumerate() {
        for at in 0..NODES_PER_GROUP {
            // A group has two cities at most: it is one boundary of failure, near one population.
            let city = &area.cities[(place + at % 2) % area.cities.len()];
            let mut owners = vec![group.clone()];
            if place == 0 && at % SHARED_EVERY == SHARED_EVERY - 1 {
                owners.extend(groups.get(1).cloned());
            }
            nodes.push(node(city, at, owners, numbers));
        }
    }
    nodes
}

fn node(city: &City, at: usize, groups: Vec<String>, numbers: &mut Numbers) -> Value {
    let (number, of_all) = numbers.draw(city);
    let range = DOCUMENTATION[(of_all / 254) % DOCUMENTATION.len()];
    let runtime = ["edge-v3", "edge-v3", "edge-v3", "relay-v2"][at % 4];
    let weight = [100, 100, 200, 50][at % 4];
    let (priority, tier) = if at < 6 { (10, "primary") } else { (20, "spare") };
    let outbound = if at % 8 == 5 { "scrubbed" } else { "direct" };
    json!({
        "kind": "Node",
        "id": format!("{}-{number:02}", city.code),
        "groups": groups,
        "runtime_template": runtime,
        "outbound_template": outbound,
        "endpoints": [
            {"address": format!("{range}.{}", of_all % 254 + 1), "port": 443, "protocol": "tcp"},
            {"address": format!("2001:db8:{of_all:x}::1"), "port": 443, "protocol": "udp"},
        ],
        "priority": priority,
        "weight": weight,
        "location": {
            "city": city.name, "country": city.country, "latitude": city.latitude, "longitude": city.longitude,
        },
        "labels": {"tier": tier},
    })
}

fn templates() -> Vec<Value> {
    vec![
        json!({"kind": "RuntimeTemplate", "id": "edge-v3", "body": {"engine": "envoy", "version": "1.31", "workers": 8}}),
        json!({"kind": "RuntimeTemplate", "id": "relay-v2", "body": {"engine": "wireguard", "mtu": 1420}}),
        json!({"kind": "RuntimeTemplate", "id": "edge-v4", "state": "disabled", "body": {"engine": "envoy", "version": "1.33"}}),
        json!({"kind": "OutboundTemplate", "id": "direct", "body": {}}),
        json!({"kind": "OutboundTemplate", "id": "scrubbed", "body": {"via": "scrubbing-centre", "region": "nearest"}}),
    ]
}

/// Boundaries of each mode, each with another order. `is_later`: with the group that came later.
fn access_templates(is_later: bool) -> Vec<Value> {
    let of = |regions: &[&str]| regions.iter().flat_map(|it| area(it).groups()).collect::<Vec<String>>();
    let mut europe = of(&["eu-west", "eu-central"]);
    if is_later {
        europe.push(FRESH.to_owned());
    }
    let everywhere: Vec<&str> = AREAS.iter().map(|it| it.region).collect();
    let mirrors: Vec<String> = ["eu-west-a", "us-east-a", "us-west-a", "sg-a", "br-a"].map(str::to_owned).to_vec();
    let anycast = ["ams-01", "fra-01", "lon-01", "iad-01", "lax-01", "sin-01", "tyo-01", "gru-01", "syd-01", "jnb-01"];
    vec![
        json!({"kind": "AccessTemplate", "id": "europe", "mode": "shard", "groups": europe, "order": "priority", "limit": 8}),
        json!({"kind": "AccessTemplate", "id": "united-states", "mode": "shard", "groups": of(&["us-east", "us-west"]), "order": "load", "limit": 6}),
        json!({"kind": "AccessTemplate", "id": "nordic-and-british", "mode": "shard", "groups": of(&["eu-north", "uk"]), "order": "stable_shuffle", "limit": 4}),
        json!({"kind": "AccessTemplate", "id": "americas", "mode": "shard", "groups": of(&["ca", "br"]), "order": "weight", "on_broken": "hold"}),
        json!({"kind": "AccessTemplate", "id": "worldwide", "mode": "regional", "regions": everywhere, "order": "proximity", "limit": 5}),
        json!({"kind": "AccessTemplate", "id": "asia-pacific", "mode": "regional", "regions": ["in", "sg", "jp", "au"], "order": "proximity", "limit": 4}),
        json!({"kind": "AccessTemplate", "id": "mirrors", "mode": "merge", "groups": mirrors, "order": "weight", "limit": 12}),
        json!({"kind": "AccessTemplate", "id": "anycast", "mode": "fixed", "nodes": anycast, "order": "priority"}),
    ]
}

fn products() -> Vec<Value> {
    let gigabytes = |number: u64| number << 30;
    let monthly = json!({"every": "month", "anchor": "instance", "timezone": "Europe/Berlin"});
    let stop = json!([{"at": "80%", "do": "notify"}, {"at": "100%", "do": "suspend"}]);
    vec![
        json!({"kind": "Product", "id": "basic", "access_template": "europe",
            "quota": {"bytes": gigabytes(100), "reset": monthly}, "limits": {"devices": 5}, "policies": stop}),
        json!({"kind": "Product", "id": "plus", "access_template": "united-states",
            "quota": {"bytes": gigabytes(500), "reset": {"every": "month", "anchor": "calendar", "timezone": "America/New_York"}},
            "limits": {"devices": 10}, "policies": [{"at": "90%", "do": "notify"}, {"at": "100%", "do": "throttle"}]}),
        json!({"kind": "Product", "id": "premium", "access_template": "worldwide",
            "quota": {"bytes": gigabytes(2_000), "reset": {"every": "month", "anchor": "instance"}}, "limits": {"devices": 20}}),
        json!({"kind": "Product", "id": "business", "access_template": "worldwide",
            "policies": [{"when": "usage.day > 200000000000", "do": "webhook"}], "labels": {"contract": "yearly"}}),
        json!({"kind": "Product", "id": "pacific", "access_template": "asia-pacific",
            "quota": {"bytes": gigabytes(50), "reset": {"every": {"days": 30}, "anchor": "instance"}}, "limits": {"devices": 3}, "policies": stop}),
        json!({"kind": "Product", "id": "north", "access_template": "nordic-and-british",
            "quota": {"bytes": gigabytes(20), "reset": {"every": "week"}}, "limits": {"devices": 2}, "policies": stop}),
        json!({"kind": "Product", "id": "mirror", "access_template": "mirrors",
            "quota": {"bytes": gigabytes(10_000), "reset": {"every": "month", "anchor": {"day": 15}}}}),
        json!({"kind": "Product", "id": "dns", "access_template": "anycast", "limits": {"devices": 1}}),
        json!({"kind": "Product", "id": "americas", "access_template": "americas",
            "quota": {"bytes": gigabytes(300), "reset": monthly}, "policies": [{"at": "100%", "do": "notify"}]}),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::time::Micros;
    use wire::manifest::{ContentType, find_duplicates, parse};

    use super::*;

    fn parsed(objects: Vec<Value>) -> Vec<wire::manifest::Parsed> {
        parse(&Value::Array(objects).to_string(), ContentType::Json, "fleet", Micros(0)).expect("a sound fleet")
    }

    #[test]
    fn the_fleet_is_sound_and_believable() {
        let mut objects = base();
        objects.extend(later().into_iter().filter(|it| it["kind"] != "AccessTemplate" && it["id"] != DRAINING));
        objects.extend(scale_out());
        let parsed = parsed(objects.clone());
        assert_eq!(find_duplicates(&parsed), []);
        let count = |kind: &str| objects.iter().filter(|it| it["kind"] == kind).count();
        assert_eq!((count("Region"), count("ResourceGroup"), count("Node"), count("Product")), (14, 43, 344, 9));
        let mut modes: BTreeMap<&str, usize> = BTreeMap::new();
        for it in objects.iter().filter(|it| it["kind"] == "AccessTemplate") {
            *modes.entry(it["mode"].as_str().expect("a mode")).or_default() += 1;
        }
        assert_eq!(modes, BTreeMap::from([("fixed", 1), ("merge", 1), ("regional", 2), ("shard", 4)]));
    }

    #[test]
    fn every_reference_and_every_address_is_its_own() {
        let mut objects = base();
        objects.extend(later());
        let ids = |kind: &str| -> BTreeSet<String> {
            objects
                .iter()
                .filter(|it| it["kind"] == kind)
                .map(|it| it["id"].as_str().expect("an id").to_owned())
                .collect()
        };
        let (groups, nodes) = (ids("ResourceGroup"), ids("Node"));
        let mut addresses = BTreeSet::new();
        for it in &objects {
            for named in it["groups"].as_array().into_iter().flatten() {
                assert!(groups.contains(named.as_str().expect("an id")), "{named} in {it}");
            }
            for named in it["nodes"].as_array().into_iter().flatten() {
                assert!(nodes.contains(named.as_str().expect("an id")), "{named} in {it}");
            }
            for endpoint in it["endpoints"].as_array().into_iter().flatten() {
                assert!(addresses.insert(endpoint["address"].to_string()), "{endpoint} twice");
            }
        }
        for name in [DRAINING, FRESH, DARK, DRAINED] {
            assert!(groups.contains(name), "{name}");
        }
    }

    #[test]
    fn cities_lie_where_they_say() {
        let cities: Vec<&City> = AREAS.iter().chain([&ADDED]).flat_map(|it| it.cities).collect();
        assert_eq!(cities.len(), 48);
        let codes: BTreeSet<&str> = cities.iter().map(|it| it.code).collect();
        assert_eq!(codes.len(), cities.len());
        // Farther than 15 km apart: a copied line would show as two cities in one place.
        for (at, one) in cities.iter().enumerate() {
            for other in &cities[at + 1..] {
                assert!(
                    (one.latitude - other.latitude).abs() + (one.longitude - other.longitude).abs() > 0.2,
                    "{} {}",
                    one.name,
                    other.name
                );
            }
        }
    }
}
