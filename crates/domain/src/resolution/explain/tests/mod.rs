//! Explanation by example: one world, the states that an instance can be in, and the sentences that come out.

mod laws;
mod world;

use std::collections::BTreeSet;

use expect_test::{Expect, expect};

use super::*;
use crate::master_data::{GroupState, InstanceStatus, OnBroken};
use crate::orchestration::{Ask, Health, Outcome, State};
use crate::reason::Reason;
use world::{Drawn, GroupSketch, HEALTHY, InstanceSketch, NodeSketch, WorldSketch, decided, group_id, ownership};

/// Two regions, three groups: g0 and g1 in r0 (EU), g2 in r1 (US) with one disabled node.
fn world() -> WorldSketch {
    let group = |region, weight, nodes| GroupSketch { region, weight, state: GroupState::Active, nodes };
    WorldSketch {
        regions: vec![(Some("EU"), true), (Some("US"), true)],
        groups: vec![
            group(0, 2, vec![HEALTHY, HEALTHY]),
            group(0, 1, vec![HEALTHY]),
            group(1, 1, vec![NodeSketch { is_active: false, ..HEALTHY }]),
        ],
        boundary: 0b111,
        limit: None,
        on_broken: OnBroken::Repair,
    }
}

const SVC: InstanceSketch = InstanceSketch {
    product: "shard",
    jurisdiction: None,
    status: InstanceStatus::Active,
    is_expired: false,
    owner: None,
};

/// The instance as its decision left it.
fn after(held: &Drawn, record: &DecisionRecord) -> Drawn {
    let holder = match record.outcome {
        Outcome::Owned { group } => Holder::Group {
            region: record.frame.region_of(group).id.clone(),
            group: record.frame.group(group).id.clone(),
            weight: 1,
            product: held.product.clone(),
        },
        Outcome::Nobody { why } => Holder::Nobody { why },
        other => panic!("{other:?}"),
    };
    Drawn { ownership: Some(ownership(holder, record.id)), ..held.clone() }
}

/// Everything that is said in words, line by line.
fn told(world: &WorldSketch, held: &Drawn, record: Option<&DecisionRecord>, why_not: Option<usize>) -> String {
    let topology = world.topology();
    let frame = Frame::build(&topology, &BTreeSet::new());
    let state = match record {
        Some(record) => record.state_before.carry_over(&record.frame, &frame),
        None => State::from_rows(&frame, &[], &[]),
    };
    let why_not = why_not.map(group_id);
    let explanation = explain(&Inputs {
        topology: &topology,
        frame: &frame,
        state: Some(&state),
        subject: held.subject(),
        decision: record,
        former: &[],
        why_not: why_not.as_ref(),
        verified: None,
    });
    let mut lines = vec![prose::answer(&explanation)];
    lines.extend(explanation.tie_break.iter().map(prose::tie_break));
    lines.extend(explanation.why_not.iter().map(|it| prose::why_not(it, &held.id)));
    lines.extend(explanation.why_not_moved.iter().map(|it| prose::why_not_moved(it, &held.id)));
    for remedy in &explanation.what_would_change_it {
        let command = prose::command(&remedy.action).map(|it| format!(" $ {it}")).unwrap_or_default();
        lines.push(format!("- [{}] {}{command}", remedy.reason, prose::action(&remedy.action)));
    }
    lines.extend(explanation.scale_events_since.iter().map(|event| format!("* {}", prose::scale_event(event))));
    lines.extend(explanation.missing.iter().map(|it| format!("? {}", prose::missing(*it))));
    lines.join("\n") + "\n"
}

fn check(world: &WorldSketch, held: &Drawn, record: Option<&DecisionRecord>, why_not: Option<usize>, expected: Expect) {
    expected.assert_eq(&told(world, held, record, why_not));
}

#[test]
fn an_allocated_instance_knows_why_and_why_not() {
    let topology = world().topology();
    let record = decided(&topology, &SVC.held(), 7, None).unwrap();
    let held = after(&SVC.held(), &record);
    check(
        &world(),
        &held,
        Some(&record),
        Some(1),
        expect![[r#"
        svc-1 belongs to g1 in r0, because at decision 3.7 it was the least utilised of 2 candidates and, level with g0, held the fewest of the same product; 1 node is delivered.
        g1 and g0 were equally utilised; g1 held fewer of the same product.
        g1 is the owner of svc-1.
        g1 serves svc-1, and a valid ownership is kept whatever is lighter: only a plan moves it. It would be chosen again today.
        - [group-draining] drain group g1 by a plan: all its owners leave $ tenure plan drain g1
        - [instance-terminated] terminate svc-1: its ownership is released $ tenure delete instances svc-1
    "#]],
    );
    check(
        &world(),
        &held,
        Some(&record),
        Some(2),
        expect![[r#"
            svc-1 belongs to g1 in r0, because at decision 3.7 it was the least utilised of 2 candidates and, level with g0, held the fewest of the same product; 1 node is delivered.
            g1 and g0 were equally utilised; g1 held fewer of the same product.
            g2 could not take svc-1: no node of the group passes the whole chain. It would have had to be a candidate. That still holds.
            g1 serves svc-1, and a valid ownership is kept whatever is lighter: only a plan moves it. It would be chosen again today.
            - [group-draining] drain group g1 by a plan: all its owners leave $ tenure plan drain g1
            - [instance-terminated] terminate svc-1: its ownership is released $ tenure delete instances svc-1
            - [node-disabled] set node n2-0 to state active $ tenure get nodes n2-0 -o yaml | sed 's/^state:.*/state: active/' | tenure apply -f -
            - [chosen-by-plan] move svc-1 to g2 by a plan $ tenure plan move --instance svc-1 --to g2
        "#]],
    );
    check(
        &world(),
        &held,
        Some(&record),
        Some(6),
        expect![[r#"
            svc-1 belongs to g1 in r0, because at decision 3.7 it was the least utilised of 2 candidates and, level with g0, held the fewest of the same product; 1 node is delivered.
            g1 and g0 were equally utilised; g1 held fewer of the same product.
            g6 was not in the boundary of svc-1 when it was decided. Now it could not take it: the group is not inside the boundary of the access template.
            g1 serves svc-1, and a valid ownership is kept whatever is lighter: only a plan moves it. It would be chosen again today.
            - [group-draining] drain group g1 by a plan: all its owners leave $ tenure plan drain g1
            - [instance-terminated] terminate svc-1: its ownership is released $ tenure delete instances svc-1
        "#]],
    );
}

#[test]
fn scaling_out_moves_nobody_and_is_told() {
    let record = decided(&world().topology(), &SVC.held(), 30, None).unwrap();
    let held = after(&SVC.held(), &record);
    let mut larger = world();
    larger.groups[0].weight = 1;
    larger.groups[2].nodes.push(HEALTHY);
    larger.groups.push(GroupSketch { region: 1, weight: 5, state: GroupState::Active, nodes: vec![HEALTHY] });
    larger.boundary = 0b1101;
    check(
        &larger,
        &held,
        Some(&record),
        Some(3),
        expect![[r#"
            svc-1 belongs to g0 in r0, because at decision 3.30 it was the least utilised of 2 candidates, before g1; 2 nodes are delivered.
            g0 was less utilised than g1.
            g3 was not in the boundary of svc-1 when it was decided. Now it would be the first.
            g0 serves svc-1, and a valid ownership is kept whatever is lighter: only a plan moves it. Today g3 would be chosen, at utilisation 0.2 (0 + 1 over capacity 5) against utilisation 20 (19 + 1 over capacity 1) of g0.
            - [kept-valid] move svc-1 to g3 by a plan $ tenure plan move --instance svc-1 --to g3
            - [group-draining] drain group g0 by a plan: all its owners leave $ tenure plan drain g0
            - [instance-terminated] terminate svc-1: its ownership is released $ tenure delete instances svc-1
            * g0 went from capacity 2 to 1.
            * g1 left the boundary (it was candidate).
            * g2 became a candidate (it was no-qualified-node).
            * g3 came into the boundary (candidate).
        "#]],
    );
}

#[test]
fn whoever_has_no_owner_is_told_what_to_change() {
    check(
        &world(),
        &SVC.held(),
        None,
        None,
        expect![[r#"
        Nobody owns svc-1 yet: the allocator has not reached the instance yet.
        - [pending] wait a moment; if it lasts, see who leads the allocation $ tenure doctor
        ? No decision was taken yet; the candidates are those that it would look at now.
    "#]],
    );
    let mut broken = world();
    broken.groups[0].nodes.iter_mut().for_each(|node| node.health = Health::Silent);
    broken.groups[1].state = GroupState::Draining;
    broken.groups[2].nodes[0].is_runtime_active = false;
    let record = decided(&broken.topology(), &SVC.held(), 0, None).unwrap();
    let held = after(&SVC.held(), &record);
    check(
        &broken,
        &held,
        Some(&record),
        None,
        expect![[r#"
        Nobody owns svc-1: no group of the boundary can take the instance (1 × group-draining, 2 × no-qualified-node).
        - [node-silent] bring node n0-0 back, or its way to the centre: its next report with status up qualifies it $ tenure describe nodes n0-0
        - [group-draining] set group g1 to state active $ tenure get groups g1 -o yaml | sed 's/^state:.*/state: active/' | tenure apply -f -
        - [node-disabled] set node n2-0 to state active $ tenure get nodes n2-0 -o yaml | sed 's/^state:.*/state: active/' | tenure apply -f -
        - [runtime-template-disabled] set runtime template off to state active $ tenure get runtime-templates off -o yaml | sed 's/^state:.*/state: active/' | tenure apply -f -
    "#]],
    );
    let elsewhere = InstanceSketch { jurisdiction: Some("CH"), ..SVC };
    let record = decided(&broken.topology(), &elsewhere.held(), 0, None).unwrap();
    check(
        &broken,
        &after(&elsewhere.held(), &record),
        Some(&record),
        Some(1),
        expect![[r#"
            Nobody owns svc-1: the region lies in another jurisdiction than the instance demands (1 × group-draining, 2 × no-qualified-node).
            g1 could not take svc-1: the group is draining: it serves its owners and takes nobody. It would have had to be a candidate. Now it could not take it: the region lies in another jurisdiction than the instance demands; the group is draining: it serves its owners and takes nobody.
            - [jurisdiction-mismatch] put a region, group or node of jurisdiction CH into the boundary of access template shard $ tenure get access-templates shard -o yaml
        "#]],
    );
}

#[test]
fn a_broken_ownership_says_what_it_waits_for() {
    let record = decided(&world().topology(), &SVC.held(), 0, None).unwrap();
    let held = after(&SVC.held(), &record);
    let mut silent = world();
    silent.groups[0].nodes.iter_mut().for_each(|node| node.health = Health::Silent);
    check(
        &silent,
        &held,
        Some(&record),
        None,
        expect![[r#"
        svc-1 belongs to g0, which does not serve it: no node of the group passes the whole chain; lost health repairs only after a while and at a bounded rate.
        g0 was less utilised than g1.
        g0 lost health only: svc-1 is repaired after a while and at a bounded rate, unless it recovers. Today g1 would be chosen, at utilisation 1 (0 + 1 over capacity 1).
        - [held-by-pace] make a repair plan and apply it $ tenure plan repair
        - [node-silent] bring node n0-0 back, or its way to the centre: its next report with status up qualifies it $ tenure describe nodes n0-0
        * g0 ceased to be a candidate (no-qualified-node).
    "#]],
    );
    silent.on_broken = OnBroken::Hold;
    check(
        &silent,
        &held,
        Some(&record),
        None,
        expect![[r#"
        svc-1 belongs to g0, which does not serve it: no node of the group passes the whole chain; the access template holds broken ownerships until a plan repairs them.
        g0 was less utilised than g1.
        g0 does not serve svc-1, and its access template waits for a plan instead of repairing. Today g1 would be chosen, at utilisation 1 (0 + 1 over capacity 1).
        - [held-by-template] make a repair plan and apply it $ tenure plan repair
        - [node-silent] bring node n0-0 back, or its way to the centre: its next report with status up qualifies it $ tenure describe nodes n0-0
        * g0 ceased to be a candidate (no-qualified-node).
    "#]],
    );
    let mut closed = world();
    closed.groups[0].state = GroupState::Closed;
    check(
        &closed,
        &held,
        None,
        None,
        expect![[r#"
        svc-1 belongs to g0, which does not serve it: the group is closed: it neither serves nor takes; the allocator is about to repair it.
        g0 does not serve svc-1; the allocator is about to repair it. Today g1 would be chosen, at utilisation 1 (0 + 1 over capacity 1).
        - [pending] wait a moment; if it lasts, see who leads the allocation $ tenure doctor
        - [group-closed] set group g0 to state active $ tenure get groups g0 -o yaml | sed 's/^state:.*/state: active/' | tenure apply -f -
        ? The batch of the decision could not be loaded, so its candidates cannot be rebuilt.
    "#]],
    );
    closed.groups[1].state = GroupState::Closed;
    check(
        &closed,
        &held,
        Some(&record),
        None,
        expect![[r#"
        svc-1 belongs to g0, which does not serve it: the group is closed: it neither serves nor takes; and no other group of the boundary can take it.
        g0 was less utilised than g1.
        g0 does not serve svc-1, and no other group of the boundary can take it.
        - [group-closed] set group g0 to state active $ tenure get groups g0 -o yaml | sed 's/^state:.*/state: active/' | tenure apply -f -
        - [group-closed] set group g1 to state active $ tenure get groups g1 -o yaml | sed 's/^state:.*/state: active/' | tenure apply -f -
        - [node-disabled] set node n2-0 to state active $ tenure get nodes n2-0 -o yaml | sed 's/^state:.*/state: active/' | tenure apply -f -
        * g0 ceased to be a candidate (group-closed).
        * g1 ceased to be a candidate (group-closed).
    "#]],
    );
}

#[test]
fn the_operators_word_comes_first() {
    let owned = InstanceSketch { owner: Some(Some(0)), ..SVC };
    let terminated = InstanceSketch { status: InstanceStatus::Terminated, ..owned.clone() };
    check(
        &world(),
        &terminated.held(),
        None,
        None,
        expect![[r#"
            svc-1 is terminated: nothing is delivered, and g0 is about to be released.
            svc-1 is terminated: the allocator is about to release it.
            - [instance-terminated] set instance svc-1 to status active $ tenure get instances svc-1 -o yaml | sed 's/^status:.*/status: active/' | tenure apply -f -
            ? The batch of the decision could not be loaded, so its candidates cannot be rebuilt.
        "#]],
    );
    let expired = InstanceSketch { is_expired: true, ..owned.clone() };
    check(
        &world(),
        &expired.held(),
        None,
        None,
        expect![[r#"
            The time of svc-1 has run out: nothing is delivered; it keeps its owner g0.
            g0 serves svc-1, and a valid ownership is kept whatever is lighter: only a plan moves it. It would be chosen again today.
            - [instance-expired] write instance svc-1 with a later expires $ tenure get instances svc-1 -o yaml | sed "s/^expires:.*/expires: $(date -u -d '+30 days' +%Y-%m-%dT%H:%M:%SZ)/" | tenure apply -f -
            ? The batch of the decision could not be loaded, so its candidates cannot be rebuilt.
        "#]],
    );
    let suspended = InstanceSketch { status: InstanceStatus::Suspended, ..owned };
    check(
        &world(),
        &suspended.held(),
        None,
        None,
        expect![[r#"
        svc-1 is suspended: nothing is delivered; it keeps its owner g0.
        g0 serves svc-1, and a valid ownership is kept whatever is lighter: only a plan moves it. It would be chosen again today.
        - [instance-suspended] set instance svc-1 to status active $ tenure get instances svc-1 -o yaml | sed 's/^status:.*/status: active/' | tenure apply -f -
        ? The batch of the decision could not be loaded, so its candidates cannot be rebuilt.
    "#]],
    );
}

#[test]
fn modes_that_own_nobody_explain_their_delivery() {
    check(
        &world(),
        &InstanceSketch { product: "merge", ..SVC }.held(),
        None,
        Some(2),
        expect![[r#"
            svc-1 is delivered by access template merge in mode merge, which owns nobody; 3 nodes are delivered.
            g2 delivers nothing to svc-1: no node of the group passes the whole chain.
            - [instance-terminated] terminate svc-1: its ownership is released $ tenure delete instances svc-1
            - [node-disabled] set node n2-0 to state active $ tenure get nodes n2-0 -o yaml | sed 's/^state:.*/state: active/' | tenure apply -f -
            ? The mode owns nobody, so no decision is ever taken.
        "#]],
    );
    let american = InstanceSketch { product: "fixed", jurisdiction: Some("US"), ..SVC };
    check(
        &world(),
        &american.held(),
        None,
        None,
        expect![[r#"
            Nothing is delivered to svc-1: no node of the boundary is allowed and passes the whole chain.
            - [node-unknown] put a region, group or node of jurisdiction US into the boundary of access template fixed $ tenure get access-templates fixed -o yaml
            - [node-disabled] set node n2-0 to state active $ tenure get nodes n2-0 -o yaml | sed 's/^state:.*/state: active/' | tenure apply -f -
            ? The mode owns nobody, so no decision is ever taken.
        "#]],
    );
    check(
        &world(),
        &InstanceSketch { product: "gone", ..SVC }.held(),
        None,
        Some(0),
        expect![[r#"
            svc-1 names the product gone, which does not exist, so nothing is delivered.
            Nothing can be said of g0: the product of the instance does not exist.
            - [product-unknown] write product gone, or give the instance another $ tenure get products
            ? The product of the instance is unknown, so no boundary can be told.
        "#]],
    );
}

#[test]
fn a_plan_that_named_the_owner_says_so() {
    let topology = world().topology();
    let target = Frame::build(&topology, &BTreeSet::new()).find_group(&group_id(1)).unwrap();
    let record = decided(&topology, &SVC.held(), 5, Some(Ask::Move { to: target })).unwrap();
    let held = after(&SVC.held(), &record);
    check(
        &world(),
        &held,
        Some(&record),
        Some(0),
        expect![[r#"
        svc-1 belongs to g1 in r0, because a plan moved it there (decision 3.5); 1 node is delivered.
        A plan named g1; nothing was compared.
        g0 was number 1, at utilisation 2 (3 + 1 over capacity 2): a plan named another group. The owner was named, not compared. Now it would be number 2, at utilisation 2 (3 + 1 over capacity 2).
        g1 serves svc-1, and a valid ownership is kept whatever is lighter: only a plan moves it. It would be chosen again today.
        - [group-draining] drain group g1 by a plan: all its owners leave $ tenure plan drain g1
        - [instance-terminated] terminate svc-1: its ownership is released $ tenure delete instances svc-1
        - [chosen-by-plan] move svc-1 to g0 by a plan $ tenure plan move --instance svc-1 --to g0
    "#]],
    );
    let frame = Frame::build(&topology, &BTreeSet::new());
    let table = record::recorded_table(&record);
    let chosen = table.rows.iter().find(|row| row.verdict == CandidateVerdict::Chosen).unwrap();
    assert_eq!((chosen.group.clone(), chosen.reason), (frame.group(target).id.clone(), Reason::ChosenByPlan));
    assert_eq!(chosen.margin_ppm, Some(0));
}
