//! An explanation as text for a terminal: the answer first, then each part with its table.
//!
//! People read it top down and stop when they know enough. Long tables are cut and say how many rows are left out;
//! the JSON always has all of them.

use super::body::{ExplainedCandidate, ExplainedCheck, ExplainedScore, ExplanationBody};
use domain::reason::Reason;
use domain::resolution::explain::prose::decimal;

/// The ten best and the group that was asked for answer nearly every question, and fit a screen.
pub const CANDIDATES_IN_TEXT_MAX: usize = 10;

/// Nodes are told apart up to a screen of them.
const NODES_IN_TEXT_MAX: usize = 20;

/// The explanation as text, with a line break at its end.
pub fn to_text(body: &ExplanationBody) -> String {
    let mut text = format!("{}\n", body.answer);
    subject(&mut text, body);
    verdict(&mut text, body);
    decision(&mut text, body);
    candidates(&mut text, body);
    for (title, line) in [
        ("TIE BREAK", body.tie_break.as_ref().map(|it| format!("[{}] {}", it.code, it.text))),
        ("WHY NOT", body.why_not.as_ref().map(|it| format!("[{}] {}", it.code, it.text))),
        ("WHY NOT MOVED", body.why_not_moved.as_ref().map(|it| format!("[{}] {}", it.code, it.text))),
    ] {
        if let Some(line) = line {
            section(&mut text, title, &[line]);
        }
    }
    let acts = body.what_would_change_it.iter().flat_map(|act| {
        let command = act.command.as_ref().map(|command| format!("    $ {command}"));
        [Some(format!("- {} [{}]", act.action, act.code)), command].into_iter().flatten()
    });
    section(&mut text, "WHAT WOULD CHANGE IT", &acts.collect::<Vec<_>>());
    history(&mut text, body);
    let events =
        body.scale_events_since.iter().map(|it| format!("[{}] {} (revision {})", it.code, it.text, it.revision));
    section(&mut text, "SINCE THE DECISION", &events.collect::<Vec<_>>());
    let missing = body.missing.iter().map(|it| format!("[{}] {}", it.code, it.text));
    section(&mut text, "WHAT CANNOT BE TOLD", &missing.collect::<Vec<_>>());
    replay(&mut text, body);
    text
}

/// A title and its lines; nothing when there are none.
fn section(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    text.push_str(&format!("\n{title}\n"));
    for line in lines {
        text.push_str(&format!("  {line}\n"));
    }
}

/// Rows with their columns aligned; the last column is left as it is.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|it| it.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn subject(text: &mut String, body: &ExplanationBody) {
    let it = &body.subject;
    let or_dash = |it: &Option<String>| it.clone().unwrap_or_else(|| "-".to_owned());
    let policy =
        format!("{} (access template {}, mode {})", it.product, or_dash(&it.access_template), or_dash(&it.mode));
    let expiry = if it.is_expired { ", expired" } else { "" };
    let owner = match (&it.group, &it.region) {
        (Some(group), Some(region)) => format!(
            "{group} in {region}, generation {}, since {}",
            it.generation.unwrap_or_default(),
            or_dash(&it.since)
        ),
        _ => "nobody".to_owned(),
    };
    let rows = [
        row(["instance", &it.instance]),
        row(["product", &policy]),
        row(["jurisdiction", it.jurisdiction.as_deref().unwrap_or("any")]),
        row(["status", &format!("{}{expiry}, weight {}", it.status, it.weight)]),
        row(["owner", &owner]),
    ];
    section(text, "SUBJECT", &aligned(&rows));
}

fn verdict(text: &mut String, body: &ExplanationBody) {
    let verdict = &body.verdict_now;
    let status = verdict.status.as_deref().unwrap_or("unknown");
    let title = format!(
        "VERDICT NOW  {status} [{}], {} delivered, revision {}",
        verdict.code,
        if verdict.delivered == 1 { "1 node".to_owned() } else { format!("{} nodes", verdict.delivered) },
        body.subject.revision
    );
    let (of_nodes, of_instance): (Vec<_>, Vec<_>) = verdict.checks.iter().partition(|check| check.node.is_some());
    let mut rows: Vec<Vec<String>> = of_instance.into_iter().map(check_row).collect();
    let (mut nodes, mut behind) = (0, 0);
    for checks in of_nodes.chunk_by(|a, b| a.node == b.node && a.group == b.group) {
        if is_behind_the_limit(checks) {
            behind += 1;
            continue;
        }
        nodes += 1;
        if nodes > NODES_IN_TEXT_MAX {
            continue;
        }
        let failing: Vec<_> = checks.iter().filter(|check| !check.pass).collect();
        if failing.is_empty() {
            let node = checks[0].node.as_deref().unwrap_or("-");
            rows.push(row(["ok", "node", &format!("{node}: {} checks pass", checks.len())]));
        }
        rows.extend(failing.into_iter().map(|check| check_row(check)));
    }
    if behind > 0 {
        let limit = format!("{behind} more pass every other check [{}]", Reason::BeyondLimit);
        rows.push(row(["behind", "node-within-limit", &limit]));
    }
    let mut lines = aligned(&rows);
    if nodes > NODES_IN_TEXT_MAX {
        lines.push(format!("and {} nodes more", nodes - NODES_IN_TEXT_MAX));
    }
    section(text, &title, &lines);
}

/// Whether the limit alone keeps a node from being delivered. A group may have hundreds of those, and each is well.
fn is_behind_the_limit(checks: &[&ExplainedCheck]) -> bool {
    let mut failing = checks.iter().filter(|check| !check.pass);
    failing.next().is_some_and(|check| check.reason == Reason::BeyondLimit.code()) && failing.next().is_none()
}

fn check_row(check: &ExplainedCheck) -> Vec<String> {
    let revision = format!("{} @{}", check.source, check.revision);
    if check.pass {
        row(["ok", &check.code, &check.observed, "", &revision])
    } else {
        let wanted = format!("wants {} [{}]", check.required, check.reason);
        row(["FAILS", &check.code, &check.observed, &wanted, &revision])
    }
}

fn decision(text: &mut String, body: &ExplanationBody) {
    let Some(it) = &body.decision else { return };
    let number = |it: Option<u64>| it.map_or("-".to_owned(), |number| number.to_string());
    let line = format!(
        "{} at {}, by {}, topology revision {}, rules {}",
        it.kind.as_deref().unwrap_or("decided"),
        it.at,
        it.actor.as_deref().unwrap_or("-"),
        number(it.revision),
        number(it.rules.map(u64::from))
    );
    section(text, &format!("DECISION {}", it.id), &[line]);
}

fn candidates(text: &mut String, body: &ExplanationBody) {
    let all = &body.candidates;
    if all.is_empty() {
        return;
    }
    let asked = body.why_not.as_ref().map(|it| &it.group);
    let is_shown = |(at, row): &(usize, &ExplainedCandidate)| *at < CANDIDATES_IN_TEXT_MAX || Some(&row.group) == asked;
    let shown: Vec<&ExplainedCandidate> = all.iter().enumerate().filter(is_shown).map(|(_, row)| row).collect();
    let mut rows = vec![row([
        "RANK",
        "GROUP",
        "REGION",
        "VERDICT",
        "UTILISATION",
        "MARGIN",
        "WEIGHT",
        "CAPACITY",
        "SAME PRODUCT",
        "REASON",
    ])];
    rows.extend(shown.iter().map(|it| candidate_row(it)));
    let mut lines = aligned(&rows);
    if shown.len() < all.len() {
        lines.push(format!("and {} more; -o json has all of them", all.len() - shown.len()));
    }
    section(text, &format!("CANDIDATES  {}", all.len()), &lines);
}

fn candidate_row(it: &ExplainedCandidate) -> Vec<String> {
    let ExplainedScore { active_weight, own_weight, capacity, same_product, utilisation_ppm } = &it.score;
    let ramp = if it.ramp.is_ramping() {
        format!(" (ramping: took {} of {} arrived)", it.ramp.taken, it.ramp.arrived)
    } else {
        String::new()
    };
    let sign = if it.margin.is_some_and(|margin| margin < 0) { "-" } else { "+" };
    vec![
        it.rank.map_or("-".to_owned(), |rank| rank.to_string()),
        it.group.clone(),
        it.region.clone(),
        it.verdict.clone(),
        decimal(*utilisation_ppm),
        it.margin.map_or("-".to_owned(), |margin| format!("{sign}{}", decimal(margin.unsigned_abs()))),
        format!("{active_weight} + {own_weight}"),
        capacity.to_string(),
        same_product.to_string(),
        format!("{}{ramp}", it.reason),
    ]
}

fn history(text: &mut String, body: &ExplanationBody) {
    let rows = body.history.iter().map(|it| {
        let owner = match (&it.group, &it.region) {
            (Some(group), Some(region)) => format!("{group} in {region}"),
            _ => "nobody".to_owned(),
        };
        let reason = it.reason.as_ref().map(|reason| format!("[{reason}]")).unwrap_or_default();
        row([&it.at, &format!("generation {}", it.generation), &format!("decision {}", it.decision), &owner, &reason])
    });
    section(text, "HISTORY", &aligned(&rows.collect::<Vec<_>>()));
}

fn replay(text: &mut String, body: &ExplanationBody) {
    let Some(hash) = &body.replay.hash else { return };
    let verified = match body.replay.verified {
        Some(true) => "the decision came out again",
        Some(false) => "THE DECISION DID NOT COME OUT AGAIN",
        None => "not run again; --verify does",
    };
    section(text, "REPLAY", &[format!("batch {hash}: {verified}")]);
}
