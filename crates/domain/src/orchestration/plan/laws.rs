//! Laws of plans: what is previewed is what happens (I2, I3, I4, I8).

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::change::objects_of;
use super::world::*;
use super::*;
use crate::ids::{AccessTemplateId, GroupId, InstanceId, NodeId};
use crate::master_data::{InstanceStatus, Mode, Object};
use crate::orchestration::{Ask, Choice, Parts, Series, Topology, Validity, choose, decide, validate, wanted};
use crate::reason::Reason;
use crate::resolution::{Status, resolve};

/// The change that makes one topology of another.
fn change_between(old: &Topology, new: &Topology) -> Change {
    let (before, after) = (objects_of(&old.to_parts()), objects_of(&new.to_parts()));
    let puts = after.iter().filter(|(key, object)| before.get(key) != Some(object)).map(|it| it.1.clone()).collect();
    let gone = before.keys().filter(|key| !after.contains_key(key));
    Change { puts, deletions: gone.map(|(kind, id)| Deletion { kind: *kind, id: id.clone() }).collect() }
}

/// A world that the allocator has filled.
fn filled(parts: Parts, instances: Vec<Held>) -> World {
    let mut world = World::new(Topology::build(parts).unwrap(), instances);
    world.allocate();
    world
}

/// The parts without one group, and without what stood only in it.
fn without_group(mut parts: Parts, group: &str) -> Parts {
    let id = GroupId::parse(group).unwrap();
    parts.groups.retain(|it| it.object.id != id);
    for node in &mut parts.nodes {
        node.object.groups.remove(&id);
    }
    let lost: BTreeSet<NodeId> =
        parts.nodes.iter().filter(|it| it.object.groups.is_empty()).map(|it| it.object.id.clone()).collect();
    parts.nodes.retain(|it| !lost.contains(&it.object.id));
    for template in &mut parts.access_templates {
        match &mut template.object.mode {
            Mode::Fixed { nodes } => nodes.retain(|node| !lost.contains(node)),
            Mode::Merge { groups } | Mode::Shard { groups } => drop(groups.remove(&id)),
            Mode::Regional { .. } => {}
        }
    }
    parts
}

/// A topology and one that follows it: it may lack a group, and have one more.
fn successive() -> impl Strategy<Value = (Parts, Parts)> {
    (some_pair(), prop::sample::select(vec!["", "", "g1", "g3", "g5"]), any::<bool>()).prop_map(
        |((old, parts), gone, grows)| {
            let mut parts = if gone.is_empty() { parts } else { without_group(parts, gone) };
            if grows {
                parts.groups.push(stamped(group_in("g7", "r2")));
                parts.nodes.push(stamped(node_in("n20", &["g7"], "run")));
                for template in &mut parts.access_templates {
                    if let Mode::Shard { groups } = &mut template.object.mode {
                        groups.insert(GroupId::parse("g7").unwrap());
                    }
                }
            }
            (old, parts)
        },
    )
}

fn is_broken(topology: &Topology, held: &Held) -> bool {
    let validity = validate(topology, &held.subject()).map(|it| it.validity);
    held.status != InstanceStatus::Terminated && matches!(validity, Some(Validity::Broken { .. }))
}

fn is_delivered(topology: &Topology, held: &Held) -> bool {
    resolve(topology, &held.subject(), None).is_some_and(|it| it.status == Status::Deliverable)
}

fn delivered(topology: &Topology, held: &Held) -> BTreeSet<NodeId> {
    let nodes = resolve(topology, &held.subject(), None).map(|it| it.nodes).unwrap_or_default();
    nodes.iter().map(|it| topology.node(it.node).object.id.clone()).collect()
}

fn live(world: &World) -> u64 {
    world.instances.iter().filter(|it| it.status != InstanceStatus::Terminated).count() as u64
}

/// Everything that holds of every draft.
fn check_draft(world: &World, draft: &Draft) -> Result<(), TestCaseError> {
    let Summary { stay, moves, repair, blocked } = draft.summary;
    prop_assert_eq!(stay + moves + repair + blocked, live(world), "every instance is counted once");
    prop_assert_eq!(moves + repair, draft.moves.len() as u64);
    prop_assert_eq!(blocked, draft.blocked.values().sum::<u64>());
    prop_assert_eq!(draft.moves.len() as u64, draft.groups.iter().map(|it| it.arriving).sum::<u64>());
    let moved: BTreeSet<&InstanceId> = draft.moves.iter().map(|it| &it.instance).collect();
    prop_assert_eq!(moved.len(), draft.moves.len(), "nobody is moved twice");
    prop_assert!(draft.moves.iter().all(|it| it.from.as_ref() != Some(&it.to)));
    Ok(())
}

fn repair(world: &World) -> Draft {
    plan_over(RepairPlanner::new(&world.topology, &world.frame, &world.state), world.subjects())
}

fn rebalance(world: &World, to_ppm: u64) -> Draft {
    plan_over(RebalancePlanner::new(&world.frame, &world.state, to_ppm), world.subjects())
}

proptest! {
    /// I1, I8: decisions in a row come out as decisions one by one do, ramps and all.
    #[test]
    fn a_series_decides_as_single_decisions_do(
        (parts, other) in some_pair(),
        instances in some_instances(),
        asks in prop::collection::vec((0u8..5, 0u32..6, any::<bool>()), 60),
    ) {
        let mut world = filled(parts, instances);
        world.set_topology(Topology::build(other).unwrap(), &BTreeSet::new());
        for ramp in world.state.ramps.iter_mut().flatten().zip(&asks).filter(|(_, ask)| ask.2).map(|it| it.0) {
            ramp.phase = crate::orchestration::Phase::Ramping;
        }
        let requests = || world.subjects().zip(&asks).filter_map(|(subject, (kind, to, _))| {
            let ask = match kind {
                0 => Ask::Allocate,
                1 => Ask::Move { to: *to },
                2 => Ask::Recount,
                3 => Ask::Release { why: Reason::InstanceTerminated },
                _ => Ask::Repair,
            };
            find_request(&world.frame, &subject, ask)
        });
        let (mut one, mut other) = (world.state.clone(), world.state.clone());
        let mut series = Series::new(&world.frame, &mut other);
        for request in requests() {
            prop_assert_eq!(series.decide(&request), decide(&world.frame, &mut one, &request));
        }
        prop_assert_eq!(&one, series.state());
    }

    /// I8: after a fill there is nothing to repair.
    #[test]
    fn after_a_fill_repair_proposes_nothing(parts in some_parts(), instances in some_instances()) {
        let world = filled(parts, instances);
        let draft = repair(&world);
        check_draft(&world, &draft)?;
        prop_assert_eq!(draft.moves, Vec::new());
        prop_assert_eq!(draft.before_ppm, draft.after_ppm);
    }

    /// I2, I3: whoever is broken and has a candidate is repaired, nobody else is touched, and then nothing is left.
    #[test]
    fn repair_mends_exactly_who_is_broken(
        (parts, other) in some_pair(), instances in some_instances(),
    ) {
        let mut world = filled(parts, instances);
        world.set_topology(Topology::build(other).unwrap(), &BTreeSet::new());
        let broken: BTreeSet<InstanceId> =
            world.instances.iter().filter(|it| is_broken(&world.topology, it)).map(|it| it.id.clone()).collect();
        let draft = repair(&world);
        check_draft(&world, &draft)?;
        prop_assert!(draft.moves.iter().all(|it| broken.contains(&it.instance)));
        prop_assert_eq!(draft.summary.moves, 0);
        prop_assert_eq!(world.make(&draft.moves), Vec::<InstanceId>::new());
        for it in &draft.moves {
            let at = world.instances.binary_search_by(|held| held.id.cmp(&it.instance)).unwrap();
            prop_assert!(!is_broken(&world.topology, &world.instances[at]));
        }
        let left = world.instances.iter().filter(|it| is_broken(&world.topology, it)).count();
        prop_assert_eq!(left, broken.len() - draft.moves.len());
        prop_assert_eq!(repair(&world).moves, Vec::new());
    }

    /// I8: a rebalance leaves nothing to rebalance; its moves are all taken and break nobody (I3).
    #[test]
    fn rebalance_after_rebalance_proposes_nothing(
        (parts, other) in some_pair(), instances in some_instances(), to_ppm in 900_000u64..1_500_000,
    ) {
        let mut world = filled(parts, instances);
        world.set_topology(Topology::build(other).unwrap(), &BTreeSet::new());
        let draft = rebalance(&world, to_ppm);
        check_draft(&world, &draft)?;
        prop_assert_eq!(draft.summary.repair + draft.summary.blocked, 0);
        for it in &draft.moves {
            let at = world.instances.binary_search_by(|held| held.id.cmp(&it.instance)).unwrap();
            prop_assert!(!is_broken(&world.topology, &world.instances[at]), "only valid ownerships move");
        }
        prop_assert_eq!(world.make(&draft.moves), Vec::<InstanceId>::new());
        prop_assert_eq!(max_over_mean_ppm(&world.frame, &world.state), draft.after_ppm);
        for it in &draft.moves {
            let at = world.instances.binary_search_by(|held| held.id.cmp(&it.instance)).unwrap();
            prop_assert!(!is_broken(&world.topology, &world.instances[at]));
        }
        prop_assert_eq!(rebalance(&world, to_ppm).moves, Vec::new());
    }

    /// I4, I8: one boundary, unit weights, no churn: the allocator has left nothing to even out.
    #[test]
    fn after_a_fill_of_one_boundary_rebalance_proposes_nothing(
        weights in prop::collection::vec(1u32..9, 6), count in 1usize..200, is_regional in any::<bool>(),
    ) {
        let world = one_boundary(&weights, count, is_regional);
        prop_assert_eq!(rebalance(&world, PPM).moves, Vec::new());
    }

    /// I4: with one boundary and unit weights the fullest group comes as low as it can in the minimum of moves, and
    /// filling up the starved adds no more than they lack.
    #[test]
    fn rebalance_makes_the_minimum_of_moves(
        weights in prop::collection::vec(1u32..9, 6),
        count in 1usize..200,
        lures in prop::collection::vec(0u32..6, 200),
        is_skewed in any::<bool>(),
    ) {
        let mut world = one_boundary(&weights, count, false);
        prop_assert!(rebalance(&world, PPM + 1).moves.is_empty());
        for (at, to) in lures.iter().enumerate().take(count) {
            world.ask(at, Ask::Move { to: if is_skewed { to / 2 } else { *to } });
        }
        let loads: Vec<u64> = world.state.loads.iter().map(|load| load.weight).collect();
        let level = lowest_level(&weights, count as u64);
        let room = |weight: &u32| level.0 * u64::from(*weight) / level.1;
        let capacity: u64 = weights.iter().map(|it| u64::from(*it)).sum();
        let floor = |weight: &u32| (4 * u64::from(*weight) * count as u64).div_ceil(5 * capacity);
        let pairs = || loads.iter().zip(&weights);
        let above: u64 = pairs().map(|(load, weight)| load.saturating_sub(room(weight))).sum();
        let below: u64 = pairs().map(|(load, weight)| floor(weight).saturating_sub(*load)).sum();
        // Just above the mean: the mark lifts no level, and only the fullest count.
        let fullest_only = rebalance(&world, PPM + 1);
        prop_assert_eq!(fullest_only.moves.len() as u64, above);
        let draft = rebalance(&world, PPM);
        let (moves, spare) = (draft.moves.len() as u64, weights.len() as u64);
        // Filling up costs no more than what is missing, but for one instance a group that cannot be split.
        prop_assert!(above <= moves && moves <= above.max(below) + spare, "{above} above, {below} below, {moves} moves");
        for draft in [fullest_only, draft] {
            let mut world = world.clone();
            prop_assert_eq!(world.make(&draft.moves), Vec::<InstanceId>::new());
            for (load, weight) in world.state.loads.iter().zip(&weights) {
                prop_assert!(load.weight <= room(weight), "no group stands above the lowest level");
            }
        }
    }

    /// A rebalance to a mark stops there: max/mean is at most the mark, or as low as it can come, and no lower than
    /// one move under it.
    #[test]
    fn rebalance_stops_at_its_mark(
        count in 50usize..200, lures in prop::collection::vec(0u32..6, 200), to_ppm in 1_000_000u64..2_000_000,
    ) {
        let mut world = one_boundary(&[1; 6], count, false);
        for (at, to) in lures.iter().enumerate().take(count) {
            world.ask(at, Ask::Move { to: *to / 2 });
        }
        let (perfect, draft) = (rebalance(&world, PPM), rebalance(&world, to_ppm));
        prop_assert!(draft.after_ppm <= to_ppm.max(perfect.after_ppm));
        prop_assert!(draft.moves.len() <= perfect.moves.len());
    }

    /// The blast radius equals what is found by resolving every instance before and after the plan (I3, I8).
    #[test]
    fn the_blast_radius_is_exact((parts, other) in successive(), instances in some_instances()) {
        let mut world = filled(parts, instances);
        let new = Topology::build(other).unwrap();
        let change = change_between(&world.topology, &new);
        let planner = TopologyPlanner::new(&world.topology, &world.frame, &world.state, &change).unwrap();
        let draft = plan_over(planner, world.subjects());
        check_draft(&world, &draft)?;
        let before = world.clone();
        let (steps, middle) = plan_steps(&world.topology, &new);
        prop_assert_eq!(&steps, &draft.steps);
        world.set_topology(middle, &steps.leaving);
        prop_assert_eq!(world.make(&draft.moves), Vec::<InstanceId>::new());
        world.set_topology(new, &BTreeSet::new());
        let mut by_allocator = (0, 0);
        for at in 0..world.instances.len() {
            if let Some(ask @ (Ask::Allocate | Ask::Repair)) = wanted(&world.topology, &world.instances[at].subject()) {
                let group = world.instances[at].group().cloned();
                world.ask(at, ask);
                if world.instances[at].group() != group.as_ref() {
                    *(if ask == Ask::Allocate { &mut by_allocator.0 } else { &mut by_allocator.1 }) += 1;
                }
            }
        }
        let impact = draft.impact.unwrap();
        prop_assert_eq!((impact.allocated, impact.repaired), by_allocator);
        prop_assert_eq!(impact.by_product, brute_impact(&before, &world));
    }

    /// I2, I3: whoever is delivered before is delivered in the middle, before and after its move, and at the end if it
    /// has a target; and at the end the topology is the wanted one.
    #[test]
    fn the_steps_of_a_topology_plan_break_nobody_who_can_be_moved(
        (parts, other) in successive(), instances in some_instances(),
    ) {
        let mut world = filled(parts, instances);
        let new = Topology::build(other).unwrap();
        let change = change_between(&world.topology, &new);
        let planner = TopologyPlanner::new(&world.topology, &world.frame, &world.state, &change).unwrap();
        let draft = plan_over(planner, world.subjects());
        let served: Vec<usize> =
            (0..world.instances.len()).filter(|at| is_delivered(&world.topology, &world.instances[*at])).collect();
        let widen = Change { puts: draft.steps.widen.clone(), deletions: Vec::new() };
        let middle = changed(&world.topology, &widen).unwrap();
        let end = changed(&middle, &draft.steps.narrow).unwrap();
        prop_assert_eq!(objects_of(&end.to_parts()), objects_of(&new.to_parts()));
        world.set_topology(middle, &draft.steps.leaving);
        for at in &served {
            prop_assert!(is_delivered(&world.topology, &world.instances[*at]), "{:?}", world.instances[*at]);
        }
        prop_assert_eq!(world.make(&draft.moves), Vec::<InstanceId>::new());
        for at in &served {
            prop_assert!(is_delivered(&world.topology, &world.instances[*at]), "{:?}", world.instances[*at]);
        }
        let moved: BTreeSet<&InstanceId> = draft.moves.iter().map(|it| &it.instance).collect();
        for held in world.instances.iter().filter(|it| moved.contains(&it.id)) {
            prop_assert!(!is_broken(&end, held), "{held:?}");
        }
        let back = changed(&end, &draft.revert).unwrap();
        prop_assert_eq!(change_between(&before_of(&draft, &end), &back), Change::default());
    }

    /// I8: a drain empties the group but for those who have no other candidate, and undo brings everybody back (I2).
    #[test]
    fn a_drain_empties_its_group(parts in some_parts(), instances in some_instances(), which in 1u8..7) {
        let mut world = filled(parts, instances);
        let before = world.clone();
        let group = GroupId::parse(&format!("g{which}")).unwrap();
        let planner = DrainPlanner::new(&world.topology, &world.frame, &world.state, &group).unwrap();
        let draft = plan_over(planner, world.subjects());
        check_draft(&world, &draft)?;
        let owned = |world: &World| {
            let is_owned = |it: &&Held| it.group() == Some(&group) && it.status != InstanceStatus::Terminated;
            world.instances.iter().filter(is_owned).count() as u64
        };
        let all = owned(&world);
        let widen = Change { puts: draft.steps.widen.clone(), deletions: Vec::new() };
        let drained = changed(&world.topology, &widen).unwrap();
        world.set_topology(drained, &BTreeSet::new());
        prop_assert_eq!(world.make(&draft.moves), Vec::<InstanceId>::new());
        prop_assert_eq!(owned(&world), draft.summary.blocked);
        prop_assert_eq!(all, draft.moves.len() as u64 + draft.summary.blocked);
        let done = draft.moves.iter().map(|it| DoneMove {
            instance: it.instance.clone(),
            from: it.from.clone(),
            to: it.to.clone(),
            generation: crate::ids::Generation(it.from_generation.0 + 1),
        });
        let back = reverse_moves(done);
        let undone = changed(&world.topology, &draft.revert).unwrap();
        world.set_topology(undone, &BTreeSet::new());
        let takes = world.frame.templates.iter().flat_map(|it| &it.members).any(|it| {
            world.frame.group(it.group).id == group && it.verdict == Reason::Ok
        });
        let refused = world.make(&back);
        prop_assert!(refused.is_empty() || !takes, "{refused:?}");
        if takes {
            let groups = |world: &World| world.instances.iter().map(|it| it.group().cloned()).collect::<Vec<_>>();
            prop_assert_eq!(groups(&world), groups(&before));
        }
    }

    /// I8: a list of moves is judged by the verdict of a candidate, one by one.
    #[test]
    fn a_listed_move_is_taken_exactly_if_the_group_is_a_candidate(
        parts in some_parts(), instances in some_instances(), targets in prop::collection::vec(1u8..7, 60),
    ) {
        let mut world = filled(parts, instances);
        let list: Vec<(InstanceId, GroupId)> = world
            .instances
            .iter()
            .zip(targets)
            .map(|(held, to)| (held.id.clone(), GroupId::parse(&format!("g{to}")).unwrap()))
            .collect();
        let planner = MovePlanner::new(&world.topology, &world.frame, &world.state, &list).unwrap();
        let draft = plan_over(planner, world.subjects());
        let terminated = world.instances.len() as u64 - live(&world);
        prop_assert_eq!(draft.blocked.get(&Reason::InstanceTerminated).copied().unwrap_or(0), terminated);
        let planned: BTreeSet<&InstanceId> = draft.moves.iter().map(|it| &it.instance).collect();
        for ((id, to), held) in list.iter().zip(world.instances.clone()) {
            let is_there = held.group() == Some(to);
            let mut alone = held.clone();
            alone.ownership = None;
            let candidates = candidates_of(&world, &alone);
            let is_expected = held.status != InstanceStatus::Terminated && !is_there && candidates.contains(to);
            prop_assert_eq!(planned.contains(id), is_expected, "{} to {}", id, to);
        }
        prop_assert_eq!(world.make(&draft.moves), Vec::<InstanceId>::new());
    }

    /// The guard counts every boundary exactly.
    #[test]
    fn the_disruption_guard_counts_exactly(
        (parts, other) in some_pair(), instances in some_instances(), times in 1u64..30,
    ) {
        let world = filled(parts, instances);
        let new = Topology::build(other).unwrap();
        let mut counts = ClassCounts::default();
        for key in world.subjects().filter_map(|it| ClassKey::of(&it)) {
            (0..times).for_each(|_| counts.add(key.clone()));
        }
        prop_assert_eq!(disruptions(&world.topology, &new, &counts), brute_disruptions(&world, &new, times));
    }
}

/// A plan's revert undoes its change; so the topology before it is what reverting gives.
fn before_of(draft: &Draft, end: &Topology) -> Topology {
    changed(end, &draft.revert).unwrap()
}

/// The groups that would take an instance, found by trying each alone.
fn candidates_of(world: &World, held: &Held) -> Vec<GroupId> {
    let Some(mut request) = find_request(&world.frame, &held.subject(), Ask::Allocate) else { return Vec::new() };
    let Some(template) = request.template else { return Vec::new() };
    let mut frame = world.frame.clone();
    let members = std::mem::take(&mut frame.templates[template as usize].members);
    request.held = None;
    members
        .into_iter()
        .filter(|member| {
            frame.templates[template as usize].members = vec![*member];
            let mut state = world.state.clone();
            state.ramps[template as usize].truncate(1);
            matches!(choose(&frame, &state, &request), Choice::Group(_))
        })
        .map(|member| world.frame.group(member.group).id.clone())
        .collect()
}

/// One boundary over six groups in two regions, filled with instances of weight 1.
fn one_boundary(weights: &[u32], count: usize, is_regional: bool) -> World {
    let mut parts = small_parts();
    for (group, weight) in parts.groups.iter_mut().zip(weights) {
        group.object.weight = *weight;
    }
    let mode = if is_regional { regional(&["r1", "r2", "r3"]) } else { shard(&["g1", "g2", "g3", "g4", "g5", "g6"]) };
    parts.access_templates[0].object.mode = mode;
    filled(parts, (0..count).map(|at| Held::new(at, "basic")).collect())
}

/// The lowest level, as a fraction, at which whole instances still find room; by trying every level there can be.
fn lowest_level(weights: &[u32], count: u64) -> (u64, u64) {
    let all = weights.iter().flat_map(|weight| (0..=count).map(|load| (load, u64::from(*weight))));
    let fits = |(load, size): &(u64, u64)| weights.iter().map(|it| load * u64::from(*it) / size).sum::<u64>() >= count;
    all.filter(fits).min_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1))).unwrap()
}

fn brute_impact(before: &World, after: &World) -> BTreeMap<crate::ids::ProductId, ProductImpact> {
    let mut impact: BTreeMap<_, ProductImpact> = BTreeMap::new();
    for (was, is) in before.instances.iter().zip(&after.instances) {
        let (old, new) = (delivered(&before.topology, was), delivered(&after.topology, is));
        let it = impact.entry(was.product.clone()).or_default();
        it.ownership_changed += u64::from(was.group() != is.group());
        it.instances += u64::from(old != new);
        it.nodes_added += new.difference(&old).count() as u64;
        it.nodes_removed += old.difference(&new).count() as u64;
    }
    impact.retain(|_, it| *it != ProductImpact::default());
    impact
}

fn brute_disruptions(world: &World, new: &Topology, times: u64) -> Vec<Disruption> {
    let mut boundaries: BTreeMap<AccessTemplateId, (u64, u64, u64, u64)> = BTreeMap::new();
    let template_of = |topology: &Topology, held: &Held| topology.policy(&held.product).unwrap().1.object.clone();
    let is_served = |topology: &Topology, held: &Held| {
        let active = Held { status: InstanceStatus::Active, ..held.clone() };
        is_delivered(topology, &active)
    };
    for held in world.instances.iter().filter(|it| it.status != InstanceStatus::Terminated) {
        let (was, is) = (template_of(&world.topology, held), template_of(new, held));
        let is_owned = held.group().is_some();
        let was_valid = is_served(&world.topology, held);
        let mut is_valid = is_served(new, held);
        if is.mode.is_sticky() && !is_owned {
            if was.mode.is_sticky() || !was_valid {
                continue;
            }
            let mut later = World::new(new.clone(), vec![held.clone()]);
            later.ask(0, Ask::Allocate);
            is_valid = later.instances[0].group().is_some();
        }
        let was_owner = is_owned || !was.mode.is_sticky();
        for id in BTreeSet::from([was.id, is.id]) {
            let it = boundaries.entry(id).or_default();
            it.0 += times;
            it.1 += if was_owner && !was_valid { times } else { 0 };
            it.2 += if is_valid { 0 } else { times };
            it.3 += if is_valid || (was_owner && !was_valid) { 0 } else { times };
        }
    }
    let too_much = boundaries.into_iter().filter(|(_, it)| it.3 > 0 && it.2 > 100 && it.2 * 10 > it.0);
    too_much
        .map(|(template, it)| Disruption { template, owners: it.0, invalid_before: it.1, invalid_after: it.2 })
        .collect()
}

/// A shard boundary over the first `open` of a number of groups, filled evenly.
fn wide_world(groups: usize, open: usize, count: usize) -> World {
    let mut parts = small_parts();
    let ids: Vec<String> = (0..groups).map(|at| format!("x{at:05}")).collect();
    parts.groups = ids.iter().map(|id| stamped(group_in(id, "r1"))).collect();
    parts.nodes = ids.iter().map(|id| stamped(node_in(id, &[id], "run"))).collect();
    parts.access_templates.truncate(1);
    parts.products.truncate(1);
    parts.access_templates[0].object.mode = shard(&ids.iter().map(String::as_str).take(open).collect::<Vec<_>>());
    filled(parts, (0..count).map(|at| Held::new(at, "basic")).collect())
}

/// The change that opens all groups to the boundary.
fn opening(world: &World) -> Change {
    let mut wide = world.topology.access_templates()[0].object.clone();
    wide.mode = Mode::Shard { groups: world.topology.groups().iter().map(|it| it.object.id.clone()).collect() };
    Change { puts: vec![Object::AccessTemplate(wide)], deletions: Vec::new() }
}

/// I2, and the example of the documents on a smaller scale: ten groups join a hundred.
#[test]
fn growth_moves_nobody_and_rebalance_makes_nine_percent_of_it_good() {
    let mut world = wide_world(110, 100, 10_000);
    let change = opening(&world);
    let planner = TopologyPlanner::new(&world.topology, &world.frame, &world.state, &change).unwrap();
    let draft = plan_over(planner, world.subjects());
    assert_eq!(draft.summary, Summary { stay: 10_000, ..Summary::default() });
    assert_eq!(draft.impact, Some(Impact::default()));
    assert_eq!((draft.before_ppm, draft.after_ppm), (1_000_000, 1_100_000));
    world.set_topology(changed(&world.topology, &change).unwrap(), &BTreeSet::new());
    let draft = rebalance(&world, PPM);
    // Every old group gives 9, down to 91; the mean is 90.9.
    assert_eq!((draft.moves.len(), draft.before_ppm, draft.after_ppm), (900, 1_100_000, 1_001_000));
    assert_eq!(draft.groups.len(), 110);
    assert!(draft.groups.iter().all(|it| (it.arriving, it.leaving) == (0, 9) || (it.arriving, it.leaving) == (90, 0)));
    // The newest decisions of each group went.
    assert!(draft.moves.iter().all(|it| it.instance.as_str() >= "svc-0009100"));
    let marked = rebalance(&world, 1_050_000);
    assert_eq!((marked.moves.len(), marked.after_ppm), (500, 1_045_000));
}

/// One new group among so many that the fullest cannot come lower is not left empty.
#[test]
fn no_group_stays_empty() {
    let mut world = wide_world(101, 100, 10_000);
    let change = opening(&world);
    world.set_topology(changed(&world.topology, &change).unwrap(), &BTreeSet::new());
    let draft = rebalance(&world, PPM);
    assert_eq!((draft.moves.len(), draft.after_ppm), (80, 1_010_000));
    assert_eq!(world.make(&draft.moves), Vec::<InstanceId>::new());
    assert_eq!(rebalance(&world, PPM).moves, Vec::new());
}
