//! Speaks for the machines of the sample fleet: sends their reports over HTTP, as real nodes would.
//!
//! A report that gets no answer, or is refused, begins a new life of its reporter; that is the rule for real ones too.

use std::time::Duration;

use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::Value;
use wire::report::{NodePart, NodeStatus, Report, ReportKind, Reported};

use super::fleet::DARK;
use super::weather::{Weather, Word};
use crate::client::Connection;

/// Reports under way at once: enough for the second in which a group goes dark.
const AT_ONCE: usize = 8;

/// A machine that reports.
struct Reporter {
    node: String,
    incarnation: u64,
    sequence: u64,
}

/// Reports for the nodes of some manifests until the caller drops it. `incarnation` is larger than at any start before.
pub async fn report(at: &Connection, manifests: &[Value], seed: u64, incarnation: u64) {
    let nodes: Vec<&Value> = manifests.iter().filter(|it| it["kind"] == "Node").collect();
    let is_in_the_dark =
        |node: &&Value| node["groups"].as_array().is_some_and(|it| it.iter().any(|group| group == DARK));
    let mut weather = Weather::new(seed, nodes.iter().map(is_in_the_dark));
    let life =
        |node: &&Value| Reporter { node: node["id"].as_str().unwrap_or_default().to_owned(), incarnation, sequence: 0 };
    let mut reporters: Vec<Reporter> = nodes.iter().map(life).collect();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for second in 0u64.. {
        ticks.tick().await;
        if second > 0 && Weather::is_dark(second) != Weather::is_dark(second - 1) {
            let what = if Weather::is_dark(second) {
                "goes dark: its owners are repaired"
            } else {
                "is back: nobody returns to it"
            };
            eprintln!("group {DARK} {what}");
        }
        let words = weather.pass(second);
        let sendings = words.iter().map(|(place, word)| {
            let reporter = &reporters[*place];
            async move { (*place, send(at, reporter, *word).await) }
        });
        let answers: Vec<(usize, bool)> = stream::iter(sendings).buffer_unordered(AT_ONCE).collect().await;
        for (place, is_taken) in answers {
            let reporter = &mut reporters[place];
            if is_taken {
                reporter.sequence += 1;
            } else {
                (reporter.incarnation, reporter.sequence) = (reporter.incarnation + 1, 0);
            }
        }
    }
}

/// Sends the next report; whether it was taken.
async fn send(at: &Connection, reporter: &Reporter, word: Word) -> bool {
    let status = if word.is_up { NodeStatus::Up } else { NodeStatus::Down };
    let report = Report {
        reporter: reporter.node.clone(),
        incarnation: reporter.incarnation,
        sequence: reporter.sequence + 1,
        kind: ReportKind::Delta,
        observed_at: None,
        traffic: Vec::new(),
        online: Vec::new(),
        node: Some(NodePart { status: Some(status), load_permille: Some(word.load_permille) }),
        in_force: None,
    };
    match at.ask::<Reported>(at.request(Method::POST, "/v1/reports").json(&report)).await {
        Ok(_) => true,
        Err(failure) => {
            tracing::debug!(node = reporter.node, %failure, "a report was not taken");
            false
        }
    }
}
