//! A plan as people read it: what it would do, from the whole to the parts, and one line that sums it up.
//!
//! In the manner of `terraform plan`: everything that would happen stands there before it happens. Computes nothing.

use std::collections::BTreeMap;

use wire::plan::{Plan, PlanMove, ResolutionChange};

use crate::output::table;

/// Groups that are shown; a screen or two. `-o json` has all.
const GROUPS_SHOWN: usize = 40;

/// Skipped moves that are named; `plan show --moves` names all.
const SKIPPED_SHOWN: usize = 20;

/// What a plan would do.
pub fn preview(plan: &Plan) -> String {
    let mut parts = vec![head(plan), blast_radius(plan), groups(plan), blocked(plan), left_alone(plan)];
    parts.push(format!(
        "Balance, the fullest group over the mean of its boundary: {} → {}",
        plan.before.max_over_mean, plan.after.max_over_mean
    ));
    parts.push(sum(plan));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

fn head(plan: &Plan) -> String {
    let takes_back = plan.undo_of.as_ref().map(|id| format!(", takes back {id}")).unwrap_or_default();
    format!(
        "{} plan {}{takes_back}: {}, worked out at revision {}",
        plan.kind, plan.id, plan.state, plan.snapshot_revision
    )
}

/// What a change of the topology does to whom.
fn blast_radius(plan: &Plan) -> String {
    let (Some(owners), Some(delivered)) = (plan.ownership_changed, plan.resolution_changed) else {
        return String::new();
    };
    let summary = plan.summary;
    let all = summary.stay + summary.moves + summary.repair + summary.blocked;
    let mut text = format!(
        "Over all {all} instances:\n  ownership changes for {owners}\n  what is delivered changes for {}",
        change_text(delivered)
    );
    let rows: Vec<Vec<String>> = plan
        .by_product
        .iter()
        .flatten()
        .map(|(product, it)| {
            let delivered = it.resolution_changed;
            vec![
                product.clone(),
                it.ownership_changed.to_string(),
                delivered.instances.to_string(),
                format!("+{}", delivered.nodes_added),
                format!("-{}", delivered.nodes_removed),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let head = ["PRODUCT", "OWNERSHIP", "DELIVERY", "NODES ADDED", "NODES REMOVED"];
        text += &format!("\n{}", indented(&table(&head, rows)));
    }
    text
}

fn change_text(it: ResolutionChange) -> String {
    if it.instances == 0 {
        return "0".to_owned();
    }
    format!(
        "{}: {} nodes more, {} nodes fewer, counted for each instance",
        it.instances, it.nodes_added, it.nodes_removed
    )
}

fn groups(plan: &Plan) -> String {
    if plan.groups.is_empty() {
        return String::new();
    }
    let row = |it: &wire::plan::PlanGroup| vec![it.id.clone(), format!("+{}", it.arriving), format!("-{}", it.leaving)];
    let mut text = table(&["GROUP", "IN", "OUT"], plan.groups.iter().take(GROUPS_SHOWN).map(row).collect());
    let hidden = plan.groups.len().saturating_sub(GROUPS_SHOWN);
    if hidden > 0 {
        text += &format!("\n… and {hidden} more (-o json shows all)");
    }
    text
}

fn blocked(plan: &Plan) -> String {
    let line = |(code, number): (&String, &u64)| format!("  {number} {code}: {}", meaning(code));
    let lines: Vec<String> = plan.blocked.iter().map(line).collect();
    if lines.is_empty() { String::new() } else { format!("Blocked:\n{}", lines.join("\n")) }
}

/// What an undo does not take back.
fn left_alone(plan: &Plan) -> String {
    let line = |it: &wire::plan::PlanObject| format!("  {} {}", it.kind, it.id);
    let lines: Vec<String> = plan.left_alone.iter().map(line).collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("Left alone, since they were edited after the plan that is taken back:\n{}", lines.join("\n"))
}

fn meaning(code: &str) -> &str {
    code.parse::<domain::reason::Reason>().map_or("", |reason| reason.meaning())
}

fn sum(plan: &Plan) -> String {
    let it = plan.summary;
    let sum = format!("Plan: {} to move, {} to repair, {} blocked, {} stay", it.moves, it.repair, it.blocked, it.stay);
    match plan.estimate_s {
        0 => sum + ".",
        seconds => format!("{sum}; about {seconds} s at {}/s.", plan.rate_per_s),
    }
}

/// How far a plan has come, in one line.
pub fn standing(plan: &Plan) -> String {
    let it = plan.progress;
    let error = plan.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    format!(
        "plan {} is {}{error}; {} moved, {} skipped, {} pending",
        plan.id, plan.state, it.done, it.skipped, it.pending
    )
}

/// The moves that were not made, and why.
pub fn skipped_text(skipped: &[PlanMove]) -> String {
    let mut by_reason: BTreeMap<&str, Vec<&PlanMove>> = BTreeMap::new();
    for it in skipped {
        by_reason.entry(it.reason.as_deref().unwrap_or("unknown")).or_default().push(it);
    }
    let mut text = String::new();
    for (code, moves) in by_reason {
        text += &format!("\nskipped {}, {code}: {}", moves.len(), meaning(code));
        for it in moves.iter().take(SKIPPED_SHOWN) {
            text += &format!("\n  {} {} → {}", it.instance, it.from.as_deref().unwrap_or("-"), it.to);
        }
        let hidden = moves.len().saturating_sub(SKIPPED_SHOWN);
        if hidden > 0 {
            text += &format!("\n  … and {hidden} more");
        }
    }
    text
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use domain::time::Micros;
    use expect_test::expect;
    use wire::plan::{PlanBalance, PlanGroup, PlanProgress, PlanSummary, ProductChange};

    use super::*;

    fn plan() -> Plan {
        let delivered = ResolutionChange { instances: 40, nodes_added: 80, nodes_removed: 5 };
        Plan {
            id: "plan-1".to_owned(),
            kind: "topology".to_owned(),
            state: "draft".to_owned(),
            snapshot_revision: 12,
            summary: PlanSummary { stay: 900, moves: 90, repair: 8, blocked: 2 },
            before: PlanBalance { max_over_mean: 1.5 },
            after: PlanBalance { max_over_mean: 1.0 },
            groups: vec![PlanGroup { id: "eu-a".to_owned(), arriving: 0, leaving: 98 }],
            estimate_s: 1,
            ownership_changed: Some(98),
            resolution_changed: Some(delivered),
            by_product: Some(
                [("basic".to_owned(), ProductChange { ownership_changed: 98, resolution_changed: delivered })].into(),
            ),
            blocked: [("no-candidate".to_owned(), 2)].into(),
            progress: PlanProgress { pending: 98, done: 0, skipped: 0 },
            rate_per_s: 100,
            created: Micros(0),
            actor: "token:t".to_owned(),
            undo_of: None,
            left_alone: vec![wire::plan::PlanObject { kind: "Node".to_owned(), id: "ams-01".to_owned() }],
            error: None,
        }
    }

    #[test]
    fn a_preview_goes_from_the_whole_to_the_parts() {
        expect![[r#"
            topology plan plan-1: draft, worked out at revision 12

            Over all 1000 instances:
              ownership changes for 98
              what is delivered changes for 40: 80 nodes more, 5 nodes fewer, counted for each instance
              PRODUCT  OWNERSHIP  DELIVERY  NODES ADDED  NODES REMOVED
              basic    98         40        +80          -5

            GROUP  IN  OUT
            eu-a   +0  -98

            Blocked:
              2 no-candidate: no group of the boundary can take the instance

            Left alone, since they were edited after the plan that is taken back:
              Node ams-01

            Balance, the fullest group over the mean of its boundary: 1.5 → 1

            Plan: 90 to move, 8 to repair, 2 blocked, 900 stay; about 1 s at 100/s."#]]
        .assert_eq(&preview(&plan()));
        assert_eq!(standing(&plan()), "plan plan-1 is draft; 0 moved, 0 skipped, 98 pending");
    }

    #[test]
    fn a_plan_without_a_blast_radius_shows_none() {
        let plan = Plan { ownership_changed: None, resolution_changed: None, by_product: None, ..plan() };
        assert!(!preview(&plan).contains("Over all"));
    }

    #[test]
    fn skipped_moves_are_listed_by_their_reason() {
        let it = |instance: &str, reason: &str| PlanMove {
            ordinal: 0,
            instance: instance.to_owned(),
            from: Some("eu-a".to_owned()),
            to: "eu-b".to_owned(),
            generation: 1,
            state: "skipped".to_owned(),
            reason: Some(reason.to_owned()),
            decision: None,
        };
        expect![[r#"

            skipped 1, already-there: the target of the move owns the instance already
              c eu-a → eu-b
            skipped 2, generation-drifted: the ownership changed after the plan was made
              a eu-a → eu-b
              b eu-a → eu-b"#]]
        .assert_eq(&skipped_text(&[
            it("a", "generation-drifted"),
            it("b", "generation-drifted"),
            it("c", "already-there"),
        ]));
    }
}
