//! Speaks for the machines of the sample fleet: sends their reports over HTTP, as real nodes would.
//!
//! A report that gets no answer is sent again as it was, since it counts once; one that is refused begins a new life of
//! its reporter. That is the rule for real ones too.

use std::time::Duration;

use control::view::View;
use futures::{StreamExt, stream};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use wire::report::{Encoding, NodePart, NodeStatus, Report, ReportKind};

use super::fleet::DARK;
use super::traffic::{LOOK_EVERY_S, Traffic};
use super::weather::{Weather, Word};
use crate::client::Connection;

/// Reports under way at once: enough for the second in which a group goes dark.
const AT_ONCE: usize = 8;

/// A machine that reports.
struct Reporter {
    node: String,
    incarnation: u64,
    /// Of the last report that was acknowledged.
    sequence: u64,
    /// A report that may have been taken or not: it is sent again before any other.
    unanswered: Option<Vec<u8>>,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Taken,
    Refused,
    Unknown,
}

/// Reports for the nodes of some manifests until the caller drops it. `incarnation` is larger than at any start before.
pub async fn report(at: &Connection, view: &View, manifests: &[Value], seed: u64, incarnation: u64) {
    let nodes: Vec<&Value> = manifests.iter().filter(|it| it["kind"] == "Node").collect();
    let is_in_the_dark =
        |node: &&Value| node["groups"].as_array().is_some_and(|it| it.iter().any(|group| group == DARK));
    let mut weather = Weather::new(seed, nodes.iter().map(is_in_the_dark));
    let mut traffic = Traffic::new(seed, &nodes);
    let life = |node: &&Value| Reporter {
        node: node["id"].as_str().unwrap_or_default().to_owned(),
        incarnation,
        sequence: 0,
        unanswered: None,
    };
    let mut reporters: Vec<Reporter> = nodes.iter().map(life).collect();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for second in 0u64.. {
        ticks.tick().await;
        tell_of_darkness(second);
        if second.is_multiple_of(LOOK_EVERY_S) {
            traffic.look(view);
        }
        let mut due = Vec::new();
        for (place, word) in weather.pass(second) {
            let reporter = &mut reporters[place];
            if reporter.unanswered.is_none() {
                reporter.unanswered = Some(next_report(reporter, word, &mut traffic, place));
            }
            due.push(place);
        }
        let sendings = due.iter().map(|place| {
            let reporter = &reporters[*place];
            async move { (*place, send(at, reporter).await) }
        });
        let answers: Vec<(usize, Fate)> = stream::iter(sendings).buffer_unordered(AT_ONCE).collect().await;
        answers.into_iter().for_each(|(place, fate)| reporters[place].learn(fate));
    }
}

fn tell_of_darkness(second: u64) {
    if second > 0 && Weather::is_dark(second) != Weather::is_dark(second - 1) {
        let what = match Weather::is_dark(second) {
            true => "goes dark: its owners are repaired",
            false => "is back: nobody returns to it",
        };
        eprintln!("group {DARK} {what}");
    }
}

impl Reporter {
    fn learn(&mut self, fate: Fate) {
        match fate {
            Fate::Taken => self.sequence += 1,
            Fate::Refused => (self.incarnation, self.sequence) = (self.incarnation + 1, 0),
            Fate::Unknown => return,
        }
        self.unanswered = None;
    }
}

/// The next report of a machine. One that is down carries nothing.
fn next_report(reporter: &Reporter, word: Word, traffic: &mut Traffic, place: usize) -> Vec<u8> {
    let status = if word.is_up { NodeStatus::Up } else { NodeStatus::Down };
    let (traffic, online) = if word.is_up { traffic.carried(place) } else { Default::default() };
    let report = Report {
        reporter: reporter.node.clone(),
        incarnation: reporter.incarnation,
        sequence: reporter.sequence + 1,
        kind: ReportKind::Delta,
        observed_at: None,
        traffic,
        online,
        node: Some(NodePart { status: Some(status), load_permille: Some(word.load_permille) }),
        in_force: None,
    };
    report.to_bytes(Encoding::Protobuf)
}

/// Sends what is unanswered.
async fn send(at: &Connection, reporter: &Reporter) -> Fate {
    let body = reporter.unanswered.clone().unwrap_or_default();
    let request = at.request(Method::POST, "/v1/reports").header(CONTENT_TYPE, Encoding::Protobuf.media_type());
    let failure = match at.send(request.body(body)).await {
        Ok(_) => return Fate::Taken,
        Err(failure) => failure,
    };
    tracing::debug!(node = reporter.node, %failure, "a report was not taken");
    match failure.status() {
        // The reporter speaks wrongly; no repetition would help.
        Some(status @ 400..500) if status != 429 && status != 421 => Fate::Refused,
        _ => Fate::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_moves_a_reporter_on() {
        let mut reporter = Reporter { node: "n".into(), incarnation: 5, sequence: 3, unanswered: Some(vec![1]) };
        reporter.learn(Fate::Unknown);
        assert_eq!((reporter.incarnation, reporter.sequence, &reporter.unanswered), (5, 3, &Some(vec![1])));
        reporter.learn(Fate::Taken);
        assert_eq!((reporter.incarnation, reporter.sequence, &reporter.unanswered), (5, 4, &None));
        reporter.unanswered = Some(vec![2]);
        reporter.learn(Fate::Refused);
        assert_eq!((reporter.incarnation, reporter.sequence, &reporter.unanswered), (6, 0, &None));
    }
}
