//! One explanation, as JSON and as text; and the page of the codes, held against the lists in the code.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::{
    AccessTemplateId, DecisionId, Generation, GroupId, InstanceId, NodeId, OutboundTemplateId, ProductId, RegionId,
    Revision, RuntimeTemplateId,
};
use domain::master_data::{
    AccessTemplate, GroupState, InstanceStatus, Limits, Mode, Node, NodeLocation, OnBroken, Order, OutboundTemplate,
    Product, Region, ResourceGroup, RuntimeTemplate, Switch,
};
use domain::orchestration::{
    Ask, Batch, Frame, Holder, Outcome, Ownership, Parts, Request, Stamped, State, Subject, Topology, decide_all,
};
use domain::reason::Reason;
use domain::resolution::explain::{CHECK_CODES, DecisionRecord, Inputs, Missing, ScaleEventKind, explain};
use domain::time::Micros;
use expect_test::expect;

use super::*;

fn stamped<T>(object: T, revision: u64) -> Stamped<T> {
    Stamped { object, revision: Revision(revision), change: 1 }
}

fn group_id(at: u32) -> GroupId {
    GroupId::parse(&format!("g{at:02}")).unwrap()
}

/// One region, a dozen groups of growing capacity with a node each; the node of g03 is disabled.
fn topology() -> Topology {
    let region = RegionId::parse("eu-west").unwrap();
    let labels = BTreeMap::new();
    let mut parts = Parts { revision: Revision(9), ..Parts::default() };
    let (id, name, state) = (region.clone(), String::new(), Switch::Active);
    parts.regions.push(stamped(Region { id, name, jurisdiction: None, state, labels: labels.clone() }, 1));
    let (runtime, outbound) = (RuntimeTemplateId::parse("edge").unwrap(), OutboundTemplateId::parse("direct").unwrap());
    let body = "{}".to_owned();
    parts
        .runtime_templates
        .push(stamped(RuntimeTemplate { id: runtime.clone(), state, body: body.clone(), labels: labels.clone() }, 2));
    parts
        .outbound_templates
        .push(stamped(OutboundTemplate { id: outbound.clone(), state, body, labels: labels.clone() }, 2));
    for at in 0..12 {
        let (id, region) = (group_id(at), region.clone());
        let group = ResourceGroup { id, region, weight: at + 1, state: GroupState::Active, labels: labels.clone() };
        parts.groups.push(stamped(group, 3));
        let node = Node {
            id: NodeId::parse(&format!("n{at:02}")).unwrap(),
            groups: BTreeSet::from([group_id(at)]),
            runtime_template: runtime.clone(),
            outbound_template: outbound.clone(),
            state: if at == 3 { Switch::Off } else { Switch::Active },
            endpoints: Vec::new(),
            priority: 10,
            weight: 100,
            location: NodeLocation::default(),
            labels: labels.clone(),
        };
        parts.nodes.push(stamped(node, 4));
    }
    let mode = Mode::Shard { groups: (0..12).map(group_id).collect() };
    let id = AccessTemplateId::parse("standard").unwrap();
    let (order, limit, on_broken) = (Order::Priority, Some(4), OnBroken::Repair);
    let product = Product {
        id: ProductId::parse("basic").unwrap(),
        access_template: id.clone(),
        quota: None,
        limits: Limits::default(),
        policies: Vec::new(),
        labels: labels.clone(),
    };
    parts.access_templates.push(stamped(AccessTemplate { id, mode, order, limit, on_broken, labels }, 5));
    parts.products.push(stamped(product, 6));
    Topology::build(parts).unwrap()
}

/// The explanation of the hundredth instance of a boundary, with the group that was asked for.
fn explanation(why_not: u32) -> ExplanationBody {
    let topology = topology();
    let frame = Frame::build(&topology, &BTreeSet::new());
    let start = State::from_rows(&frame, &[], &[]);
    let request = |name: String| Request {
        instance: InstanceId::parse(&name).unwrap(),
        product: 0,
        template: Some(0),
        jurisdiction: None,
        weight: 1,
        ask: Ask::Allocate,
        held: None,
    };
    let mut state = start.clone();
    let decided = decide_all(&frame, &mut state, (0..100).map(|at| request(format!("svc-{at}"))).collect());
    let Outcome::Owned { group } = decided[99].outcome else { panic!("a boundary with candidates gives an owner") };
    let (id, product) = (InstanceId::parse("svc-99").unwrap(), ProductId::parse("basic").unwrap());
    let decision = DecisionId { batch: 812, ordinal: 99 };
    let at = Micros(1_769_853_600_000_000);
    let ownership = Ownership {
        holder: Holder::Group {
            region: RegionId::parse("eu-west").unwrap(),
            group: frame.group(group).id.clone(),
            weight: 1,
            product: product.clone(),
        },
        generation: Generation(1),
        version: 1,
        decision,
        since: at,
    };
    let batch = Batch { frame: frame.clone(), start, decided };
    let record = DecisionRecord::from_batch(decision, at, "allocator".to_owned(), "0f3c".to_owned(), batch).unwrap();
    let subject = Subject {
        id: &id,
        product: &product,
        jurisdiction: None,
        status: InstanceStatus::Active,
        is_expired: false,
        weight: 1,
        location: None,
        ownership: Some(&ownership),
        revision: Revision(8),
    };
    let explanation = explain(&Inputs {
        topology: &topology,
        frame: &frame,
        state: Some(&state),
        subject,
        decision: Some(&record),
        former: &[],
        why_not: Some(&group_id(why_not)),
        verified: Some(true),
    });
    ExplanationBody::from(&explanation)
}

#[test]
fn the_text_begins_with_the_answer_and_cuts_long_tables() {
    expect![[r#"
        svc-99 belongs to g11 in eu-west, because at decision 812.99 it was the least utilised of 11 candidates, before g06; 1 node is delivered.

        SUBJECT
          instance      svc-99
          product       basic (access template standard, mode shard)
          jurisdiction  any
          status        active, weight 1
          owner         g11 in eu-west, generation 1, since 2026-01-31T10:00:00Z

        VERDICT NOW  deliverable [ok], 1 node delivered, revision 8
          ok  product-known            known                     Product basic @6
          ok  instance-not-terminated  active                    Instance svc-99 @8
          ok  instance-not-expired     not expired               Instance svc-99 @8
          ok  instance-not-suspended   active                    Instance svc-99 @8
          ok  owned                    group g11                 Instance svc-99 @8
          ok  group-inside-boundary    inside                    AccessTemplate standard @5
          ok  group-in-jurisdiction    none                      Region eu-west @1
          ok  group-region-active      active                    Region eu-west @1
          ok  group-open               active                    ResourceGroup g11 @3
          ok  group-qualified-nodes    1 of 1 nodes qualified    ResourceGroup g11 @4
          ok  node                     n11: 7 checks pass

        DECISION 812.99
          allocate at 2026-01-31T10:00:00Z, by allocator, topology revision 9, rules 1

        CANDIDATES  12
          RANK  GROUP  REGION   VERDICT   UTILISATION  MARGIN     WEIGHT  CAPACITY  SAME PRODUCT  REASON
          1     g11    eu-west  chosen    1.416666     +0         16 + 1  12        16            least-utilised
          2     g06    eu-west  eligible  1.428571     +0.011905  9 + 1   7         9             more-utilised
          3     g08    eu-west  eligible  1.444444     +0.027778  12 + 1  9         12            more-utilised
          4     g10    eu-west  eligible  1.454545     +0.037879  15 + 1  11        15            more-utilised
          5     g01    eu-west  eligible  1.5          +0.083334  2 + 1   2         2             more-utilised
          6     g05    eu-west  eligible  1.5          +0.083334  8 + 1   6         8             more-utilised
          7     g07    eu-west  eligible  1.5          +0.083334  11 + 1  8         11            more-utilised
          8     g09    eu-west  eligible  1.5          +0.083334  14 + 1  10        14            more-utilised
          9     g04    eu-west  eligible  1.6          +0.183334  7 + 1   5         7             more-utilised
          10    g02    eu-west  eligible  1.666666     +0.25      4 + 1   3         4             more-utilised
          11    g00    eu-west  eligible  2            +0.583334  1 + 1   1         1             more-utilised
          and 1 more; -o json has all of them

        TIE BREAK
          [least-utilised] g11 was less utilised than g06.

        WHY NOT
          [more-utilised] g00 was number 11, at utilisation 2 (1 + 1 over capacity 1): the group is more utilised than the one that was chosen. It would have been chosen with an active weight of at most 0 instead of 1, or a capacity of at least 2 instead of 1. Now it would be number 11, at utilisation 2 (1 + 1 over capacity 1).

        WHY NOT MOVED
          [kept-valid] g11 serves svc-99, and a valid ownership is kept whatever is lighter: only a plan moves it. It would be chosen again today.

        WHAT WOULD CHANGE IT
          - drain group g11 by a plan: all its owners leave [group-draining]
              $ tenure plan drain g11
          - terminate svc-99: its ownership is released [instance-terminated]
              $ tenure delete instances svc-99
          - move svc-99 to g00 by a plan [chosen-by-plan]
              $ tenure plan move --instance svc-99 --to g00

        HISTORY
          2026-01-31T10:00:00Z  generation 1  decision 812.99  g11 in eu-west

        REPLAY
          batch 0f3c: the decision came out again
    "#]].assert_eq(&to_text(&explanation(0)));
}

/// The contract's order of the parts, and of the keys that it names in them.
#[test]
fn the_keys_stand_in_the_order_of_the_contract() {
    let json = serde_json::to_value(explanation(0)).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(
        keys(&json),
        "answer subject verdict_now decision candidates tie_break why_not why_not_moved what_would_change_it history \
         scale_events_since missing replay"
    );
    assert!(keys(&json["verdict_now"]).starts_with("code checks"));
    assert!(keys(&json["verdict_now"]["checks"][0]).starts_with("code pass observed required source revision"));
    assert_eq!(keys(&json["decision"]), "id at kind actor revision rules");
    assert!(keys(&json["candidates"][0]).starts_with("group verdict reason score rank margin"));
    assert_eq!(keys(&json["replay"]), "hash rules verified");
    assert_eq!(json["candidates"].as_array().unwrap().len(), 12, "the JSON has all of them");
}

#[test]
fn the_body_reads_back() {
    let body = explanation(3);
    let text = serde_json::to_string(&body).unwrap();
    assert_eq!(serde_json::from_str::<ExplanationBody>(&text).unwrap(), body);
}

const PAGE: &str = include_str!("../../../../docs/reference/reasons.md");

/// The codes that have a section, in the order of the page.
fn sections() -> Vec<&'static str> {
    let title = |line: &'static str| line.strip_prefix("### `")?.strip_suffix('`');
    PAGE.lines().filter_map(title).collect()
}

/// The codes in the first column of the table under a heading.
fn table(heading: &str) -> Vec<&'static str> {
    let (_, below) = PAGE.split_once(heading).unwrap();
    let section = below.split("\n## ").next().unwrap();
    section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

#[test]
fn the_page_of_reasons_and_the_code_agree() {
    let codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(sections(), codes, "a section for each code, in the order of the list, and no other");
    for reason in Reason::ALL {
        let (_, below) = PAGE.split_once(&format!("### `{reason}`\n")).unwrap();
        let section = below.split("\n#").next().unwrap();
        // The page begins a sentence with a capital letter.
        assert!(section.contains(&reason.meaning()[1..]), "{reason}: the page gives another meaning");
        assert!(section.contains("**When.** ") && section.contains("**Remedy.** "), "{reason}: a part is missing");
        let remedy = reason.remedy().get(1..).unwrap_or("othing needs to change");
        assert!(section.contains(remedy), "{reason}: the page gives another remedy");
    }
}

#[test]
fn the_other_lists_of_the_page_and_the_code_agree() {
    let codes = |list: &[(&'static str, &str)]| list.iter().map(|(code, _)| *code).collect::<Vec<_>>();
    assert_eq!(table("## Checks"), codes(CHECK_CODES));
    assert_eq!(table("## What happened since"), ScaleEventKind::ALL.iter().map(|it| it.code()).collect::<Vec<_>>());
    assert_eq!(table("## What cannot be told"), Missing::ALL.iter().map(|it| it.code()).collect::<Vec<_>>());
    for (code, meaning) in CHECK_CODES {
        assert!(PAGE.contains(&format!("| `{code}` | {meaning} |")), "{code}: the page says something else");
    }
}
