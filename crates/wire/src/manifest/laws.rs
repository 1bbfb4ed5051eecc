//! What holds for every object and every text, not only for the examples: reading back what was written gives the
//! same object, in both languages and both ways of reading, and no text makes a reader panic.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::{
    AccessTemplateId, GroupId, InstanceId, Jurisdiction, NodeId, OutboundTemplateId, ProductId, RegionId,
    RuntimeTemplateId,
};
use domain::master_data::{
    AccessTemplate, Action, Anchor, Endpoint, Every, GROUP_WEIGHT_MAX, GroupState, INSTANCE_WEIGHT_MAX, Instance,
    InstanceStatus, Kind, Labels, Limits, Mode, Node, NodeLocation, Object, OnBroken, Order, OutboundTemplate, Place,
    Policy, Product, Quota, Region, Reset, ResourceGroup, RuntimeTemplate, Switch, Trigger,
};
use domain::time::Micros;
use proptest::prelude::*;
use proptest::strategy::Union;

use super::*;

const NOW: Micros = Micros(1_700_000_000_000_000);

fn id_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9]([a-z0-9._-]{0,20}[a-z0-9])?",
        "[a-z0-9][a-z0-9._-]{126}[a-z0-9]",
        // What YAML would take for something else, were it not quoted.
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just("12".to_owned()),
        Just("1.5".to_owned()),
        Just("1e3".to_owned()),
        Just("0x1f".to_owned()),
        Just("nan".to_owned()),
        Just("no".to_owned()),
    ]
}

/// Texts of one line, with everything that a quoting rule could forget.
fn line_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "\\PC{0,20}",
        "[-?:,\\[\\]{}#&*!|>'\"%@` ~.]{0,8}",
        id_text(),
        "[\u{2028}\u{feff}\u{fffe}a]{0,3}"
    ]
}

fn labels() -> impl Strategy<Value = Labels> {
    proptest::collection::btree_map(line_text().prop_filter("a name", |name| !name.is_empty()), line_text(), 0..4)
}

fn json_body() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<f64>()
            .prop_filter("finite", |value| value.is_finite())
            .prop_map(|value| serde_json::to_string(&value).unwrap()),
        Just("1.30".to_owned()),
        Just("-0".to_owned()),
        Just("1E400".to_owned()),
        Just("123456789012345678901234567890".to_owned()),
        "\\PC{0,12}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            json_map(inner),
        ]
    });
    json_map(value)
}

fn json_map(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    proptest::collection::btree_map(any::<String>(), value, 0..4).prop_map(|entries| {
        let entry = |(name, value): (&String, &String)| format!("{}:{value}", serde_json::to_string(name).unwrap());
        format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
    })
}

fn place() -> impl Strategy<Value = Place> {
    (-90_000_000..=90_000_000i32, -180_000_000..=180_000_000i32)
        .prop_map(|(latitude, longitude)| Place::new(latitude, longitude).unwrap())
}

fn time() -> impl Strategy<Value = Micros> {
    (0..253_402_207_200_000_000i64).prop_map(Micros)
}

fn switch() -> impl Strategy<Value = Switch> {
    prop_oneof![Just(Switch::Active), Just(Switch::Off)]
}

fn ids<T: Ord + std::fmt::Debug>(parse: fn(&str) -> T) -> impl Strategy<Value = BTreeSet<T>> {
    proptest::collection::btree_set(id_text().prop_map(move |text| parse(&text)), 1..4)
}

fn jurisdiction() -> impl Strategy<Value = Option<Jurisdiction>> {
    proptest::option::of("[!-~]{1,32}".prop_map(|text| Jurisdiction::parse(&text).unwrap()))
}

fn node() -> impl Strategy<Value = Object> {
    let endpoint = ("[!-~]{1,40}", 1..=u16::MAX, "[!-~]{1,8}");
    let endpoints = endpoint.prop_map(|(address, port, protocol)| Endpoint { address, port, protocol });
    let location =
        (proptest::option::of(line_text()), proptest::option::of(line_text()), proptest::option::of(place()));
    let location = location.prop_map(|(city, country, place)| NodeLocation { city, country, place });
    let named = (id_text(), ids(|text| GroupId::parse(text).unwrap()), id_text(), id_text());
    let rest = (switch(), proptest::collection::vec(endpoints, 0..3), any::<u32>(), any::<u32>(), location, labels());
    (named, rest).prop_map(
        |((id, groups, runtime, outbound), (state, endpoints, priority, weight, location, labels))| {
            Object::Node(Node {
                id: NodeId::parse(&id).unwrap(),
                groups,
                runtime_template: RuntimeTemplateId::parse(&runtime).unwrap(),
                outbound_template: OutboundTemplateId::parse(&outbound).unwrap(),
                state,
                endpoints,
                priority,
                weight,
                location,
                labels,
            })
        },
    )
}

fn access_template() -> impl Strategy<Value = Object> {
    let mode = prop_oneof![
        ids(|text| NodeId::parse(text).unwrap()).prop_map(|nodes| Mode::Fixed { nodes }),
        ids(|text| GroupId::parse(text).unwrap()).prop_map(|groups| Mode::Merge { groups }),
        ids(|text| GroupId::parse(text).unwrap()).prop_map(|groups| Mode::Shard { groups }),
        ids(|text| RegionId::parse(text).unwrap()).prop_map(|regions| Mode::Regional { regions }),
    ];
    let on_broken = prop_oneof![Just(OnBroken::Repair), Just(OnBroken::Hold)];
    let order = proptest::sample::select(Order::ALL.to_vec());
    (id_text(), mode, order, proptest::option::of(1..=u32::MAX), on_broken, labels()).prop_map(
        |(id, mode, order, limit, on_broken, labels)| {
            let id = AccessTemplateId::parse(&id).unwrap();
            Object::AccessTemplate(AccessTemplate { id, mode, order, limit, on_broken, labels })
        },
    )
}

fn product() -> impl Strategy<Value = Object> {
    let words = [Every::Never, Every::Hour, Every::Day, Every::Week, Every::Month, Every::Year];
    let every = prop_oneof![proptest::sample::select(words.to_vec()), (1..=3660u32).prop_map(Every::Days)];
    let anchor = prop_oneof![Just(Anchor::Calendar), Just(Anchor::Instance), (1..=31u8).prop_map(Anchor::Day)];
    let timezone = proptest::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]);
    let reset = (every, anchor, timezone);
    let reset = reset.prop_map(|(every, anchor, timezone)| Reset { every, anchor, timezone: timezone.to_owned() });
    let quota = (0..(1u64 << 53), reset).prop_map(|(bytes, reset)| Quota { bytes, reset });
    let trigger =
        prop_oneof![(1..=10_000u32).prop_map(Trigger::AtPermille), "[!-~][ -~\n\t]{0,30}".prop_map(Trigger::When),];
    let actions = vec![Action::Notify, Action::Suspend, Action::Throttle, Action::Webhook];
    let policy = (trigger, proptest::sample::select(actions)).prop_map(|(trigger, action)| Policy { trigger, action });
    let limits = proptest::option::of(1..=u32::MAX).prop_map(|devices| Limits { devices });
    let policies = proptest::collection::vec(policy, 0..3);
    (id_text(), id_text(), proptest::option::of(quota), limits, policies, labels()).prop_map(
        |(id, template, quota, limits, policies, labels)| {
            let access_template = AccessTemplateId::parse(&template).unwrap();
            Object::Product(Product {
                id: ProductId::parse(&id).unwrap(),
                access_template,
                quota,
                limits,
                policies,
                labels,
            })
        },
    )
}

fn instance() -> impl Strategy<Value = Object> {
    let statuses = vec![InstanceStatus::Active, InstanceStatus::Suspended, InstanceStatus::Terminated];
    let status = proptest::sample::select(statuses);
    let named = (id_text(), id_text(), jurisdiction(), status, 1..=INSTANCE_WEIGHT_MAX);
    let rest = (proptest::option::of(place()), time(), proptest::option::of(time()), labels());
    (named, rest).prop_map(|((id, product, jurisdiction, status, weight), (location, created, expires, labels))| {
        let (id, product) = (InstanceId::parse(&id).unwrap(), ProductId::parse(&product).unwrap());
        Object::Instance(Instance { id, product, jurisdiction, status, weight, location, created, expires, labels })
    })
}

fn any_object() -> impl Strategy<Value = Object> {
    let region = (id_text(), line_text(), jurisdiction(), switch(), labels()).prop_map(
        |(id, name, jurisdiction, state, labels)| {
            Object::Region(Region { id: RegionId::parse(&id).unwrap(), name, jurisdiction, state, labels })
        },
    );
    let states = proptest::sample::select(vec![GroupState::Active, GroupState::Draining, GroupState::Closed]);
    let group = (id_text(), id_text(), 1..=GROUP_WEIGHT_MAX, states, labels()).prop_map(
        |(id, region, weight, state, labels)| {
            let (id, region) = (GroupId::parse(&id).unwrap(), RegionId::parse(&region).unwrap());
            Object::ResourceGroup(ResourceGroup { id, region, weight, state, labels })
        },
    );
    let runtime = (id_text(), switch(), json_body(), labels()).prop_map(|(id, state, body, labels)| {
        Object::RuntimeTemplate(RuntimeTemplate { id: RuntimeTemplateId::parse(&id).unwrap(), state, body, labels })
    });
    let outbound = (id_text(), switch(), json_body(), labels()).prop_map(|(id, state, body, labels)| {
        Object::OutboundTemplate(OutboundTemplate { id: OutboundTemplateId::parse(&id).unwrap(), state, body, labels })
    });
    Union::new([
        region.boxed(),
        group.boxed(),
        runtime.boxed(),
        outbound.boxed(),
        node().boxed(),
        access_template().boxed(),
        product().boxed(),
        instance().boxed(),
    ])
}

/// Fragments of manifests, to get further into the readers than arbitrary text does.
fn manifest_like() -> impl Strategy<Value = String> {
    let fragments = vec![
        "kind: Node\n",
        "kind: Product\n",
        "id: a\n",
        "id: [a]\n",
        "---\n",
        "...\n",
        "groups: [a, b]\n",
        "groups:\n- a\n",
        "quota: {bytes: 1, reset: {every: {days: 3}}}\n",
        "endpoints: [{port: 70000}]\n",
        "location: {latitude: .nan}\n",
        "  ",
        "\t",
        "&a ",
        "*a ",
        "<<: *a\n",
        "? ",
        ": ",
        "- ",
        "|\n",
        ">-\n",
        "!!binary ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\"",
        "'",
        "#",
        "\\",
        "\u{feff}",
        "%YAML 1.2\n",
        "body: {a: {b: [1, 1e999, 0x1]}}\n",
        "policies: [{at: 80%}]\n",
        "\r\n",
    ];
    let fragment = prop_oneof![proptest::sample::select(fragments).prop_map(str::to_owned), "\\PC{0,6}"];
    proptest::collection::vec(fragment, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn an_object_reads_back_from_json_and_yaml(object in any_object()) {
        let json = to_json(&object);
        let parsed = parse_json(&json, "json", NOW).map_err(|faults| TestCaseError::fail(format!("{faults:?} in {json}")))?;
        prop_assert_eq!(parsed.iter().map(|it| &it.object).collect::<Vec<_>>(), vec![&object], "{}", json);
        let yaml = to_yaml(&object);
        let parsed = parse_yaml(&yaml, "yaml", NOW).map_err(|faults| TestCaseError::fail(format!("{faults:?} in {yaml}")))?;
        prop_assert_eq!(parsed.iter().map(|it| &it.object).collect::<Vec<_>>(), vec![&object], "{}", yaml);
        prop_assert_eq!(ContentType::detect(&json), ContentType::Json);
        prop_assert_eq!(ContentType::detect(&yaml), ContentType::Yaml);
    }

    #[test]
    fn an_import_reads_what_an_export_wrote(object in instance()) {
        let Object::Instance(instance) = &object else { unreachable!("only instances are made") };
        prop_assert_eq!(parse_import_row(&to_json(&object), 1, NOW), Ok((instance.clone(), true)));
    }

    #[test]
    fn two_objects_in_one_text_are_both_read(first in any_object(), second in any_object()) {
        prop_assume!((first.kind(), first.id()) != (second.kind(), second.id()));
        let text = format!("{}---\n{}", to_yaml(&first), to_yaml(&second));
        let parsed = parse_yaml(&text, "yaml", NOW).map_err(|faults| TestCaseError::fail(format!("{faults:?} in {text}")))?;
        prop_assert_eq!(parsed.into_iter().map(|it| it.object).collect::<Vec<_>>(), vec![first, second]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_text_makes_a_reader_panic(text in prop_oneof![any::<String>(), manifest_like()], kind in 0..8usize) {
        for content in [ContentType::Yaml, ContentType::Json] {
            if let Err(faults) = parse(&text, content, "any", NOW) {
                prop_assert!(!faults.is_empty());
            }
            let _ = parse_one(&text, content, (Kind::ALL[kind], "a"), "any", NOW);
        }
        let _ = parse_import_row(&text, 1, NOW);
        let _ = json_to_yaml(&text);
        let _ = row_to_json(Kind::ALL[kind], &[("id", &text), (&text, "1")]);
    }

    #[test]
    fn an_id_is_made_of_any_text_and_stays_the_same(text in any::<String>()) {
        let id = to_id(&text);
        prop_assert!(id.is_empty() || InstanceId::parse(&id).is_ok(), "{:?}", id);
        prop_assert_eq!(to_id(&id), id);
    }

    #[test]
    fn both_ways_of_reading_a_row_agree(
        latitude in "-?[0-9]{1,3}(\\.[0-9]{0,9})?([eE][-+]?[0-9]{1,2})?",
        weight in "-?[0-9]{1,8}(\\.0)?",
        id in "[a-zA-Z0-9._-]{1,5}",
    ) {
        let row = format!(
            "{{\"kind\":\"Instance\",\"id\":\"{id}\",\"product\":\"p\",\"weight\":{weight},\
             \"location\":{{\"latitude\":{latitude},\"longitude\":1}}}}"
        );
        let fast = parse_import_row(&row, 1, NOW).map(|(instance, _)| Object::Instance(instance));
        let slow = parse_json(&row, "", NOW).map(|parsed| parsed.into_iter().next().map(|it| it.object));
        prop_assert_eq!(fast.ok(), slow.ok().flatten());
    }
}

#[test]
fn every_field_that_a_column_may_fill_is_a_field_of_the_kind() {
    let by_kind: BTreeMap<Kind, Vec<(&str, &str)>> = BTreeMap::from([
        (Kind::Region, vec![("id", "a"), ("name", "A b"), ("jurisdiction", "EU"), ("state", "closed")]),
        (Kind::ResourceGroup, vec![("id", "a"), ("region", "b"), ("weight", "7"), ("state", "draining")]),
        (Kind::RuntimeTemplate, vec![("id", "a"), ("state", "disabled"), ("body", "{\"a\":[1]}")]),
        (Kind::OutboundTemplate, vec![("id", "a"), ("state", "disabled"), ("body", "{}")]),
        (
            Kind::Node,
            vec![
                ("id", "a"),
                ("groups", "b; c"),
                ("runtime_template", "r"),
                ("outbound_template", "o"),
                ("state", "disabled"),
                ("endpoints[*].address", "192.0.2.1"),
                ("endpoints[*].port", "443"),
                ("endpoints[*].protocol", "udp"),
                ("priority", "1"),
                ("weight", "2"),
                ("location.city", "Oslo"),
                ("location.country", "NO"),
                ("location.latitude", "59.91"),
                ("location.longitude", "+10.75"),
            ],
        ),
        (
            Kind::AccessTemplate,
            vec![
                ("id", "a"),
                ("mode", "shard"),
                ("groups", "b,c"),
                ("nodes", ""),
                ("regions", " "),
                ("order", "load"),
                ("limit", "3"),
                ("on_broken", "hold"),
            ],
        ),
        (
            Kind::Product,
            vec![
                ("id", "a"),
                ("access_template", "t"),
                ("quota.bytes", "1000"),
                ("quota.reset.every", "{\"days\":30}"),
                ("quota.reset.anchor", "instance"),
                ("quota.reset.timezone", "UTC"),
                ("limits.devices", "5"),
                ("policies", "[{\"at\":\"80%\",\"do\":\"notify\"}]"),
            ],
        ),
        (
            Kind::Instance,
            vec![
                ("id", "a"),
                ("product", "p"),
                ("jurisdiction", "EU"),
                ("status", "suspended"),
                ("weight", "3"),
                ("location.latitude", "1.5"),
                ("location.longitude", "2"),
                ("created", "2026-01-31T10:00:00Z"),
                ("expires", "2027-01-31T10:00:00Z"),
            ],
        ),
    ]);
    for (kind, cells) in by_kind {
        let mut paths: BTreeSet<&str> = cells.iter().map(|(path, _)| *path).collect();
        assert!(paths.insert("labels.*"));
        assert_eq!(paths, fields_of(kind).iter().map(|field| field.path).collect(), "{kind}");
        let named: Vec<(String, &str)> = cells
            .iter()
            .map(|(path, text)| (path.replace("[*]", "[0]"), *text))
            .chain([("labels.a.b".into(), "x")])
            .collect();
        let named: Vec<(&str, &str)> = named.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let row = row_to_json(kind, &named).unwrap();
        let text = serde_json::to_string(&row).unwrap();
        let parsed = parse_json(&text, "row", NOW).unwrap_or_else(|faults| panic!("{faults:?} in {text}"));
        assert_eq!(parsed.len(), 1);
        let written: serde_json::Value = serde_json::from_str(&to_json(&parsed[0].object)).unwrap();
        assert_eq!(written["labels"]["a.b"], "x", "{kind}");
        assert_eq!(written.get("location").is_some(), row.contains_key("location"), "{kind}");
    }
}
