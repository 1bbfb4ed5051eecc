//! `tenure usage`, `conservation`, `ledger`, `reporters`, `presence` and `intake`: what was counted, and whether it is all there.
//!
//! Figures are exact bytes, also in tables: whoever asks wants to compare them. What does not balance is the exit code
//! too, so a script can ask.

use domain::time::Micros;
use reqwest::Method;
use serde_json::json;
use wire::conservation::{Conservation, Deep, Figures};
use wire::instant;
use wire::intake::{Replica, ReplicaList};
use wire::ledger::{LedgerPage, LedgerRow};
use wire::presence::Presence;
use wire::reporters::{LostRange, ReporterList};
use wire::usage::{Usage, UsageBy};

use super::apply::count;
use super::{Connection, Failure};
use crate::cli::{IntakeCommand, LedgerArgs, UsageArgs};
use crate::output::{Output, table};

/// Lines of conservation that do not balance and are shown; JSON has them all.
const UNBALANCED_SHOWN_MAX: usize = 20;

/// Rows of the ledger that are asked for at once.
const LEDGER_PAGE: u64 = 1_000;

/// A number with its digits in threes, so that two of them can be compared by eye.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn time(at: Option<Micros>) -> String {
    at.map_or_else(|| "-".to_owned(), instant::format)
}

/// Prints what an instance used.
///
/// # Errors
/// [`Failure`] when there is no such instance, or a time cannot be read.
pub async fn usage(at: &Connection, output: Output, args: &UsageArgs) -> Result<(), Failure> {
    let mut query: Vec<(&str, String)> = args.by.iter().map(|by| ("by", by.to_string())).collect();
    for (name, text) in [("from", &args.from), ("to", &args.to)] {
        let Some(text) = text else { continue };
        let read = read_time(text).map_err(|error| Failure::usage(format!("--{name}: {error}")))?;
        query.push((name, instant::format(read)));
    }
    let path = format!("/v1/instances/{}/usage", args.instance);
    let usage: Usage = at.ask(at.request(Method::GET, &path).query(&query)).await?;
    output.text_or(&usage, || usage_text(&args.instance, &usage))?;
    if !usage.complete {
        output.remark("a replica could not be read: there may be more");
    }
    Ok(())
}

/// A time, or a day, which begins at midnight UTC.
fn read_time(text: &str) -> Result<Micros, instant::InstantError> {
    instant::parse(text).or_else(|error| instant::parse(&format!("{text}T00:00:00Z")).map_err(|_| error))
}

fn usage_text(instance: &str, usage: &Usage) -> String {
    let (up, down) = (usage.visible.up, usage.visible.down);
    // A product without reset has one period, which begins with time itself.
    let from = if usage.from.0 > 0 { format!(" from {}", instant::format(usage.from)) } else { String::new() };
    let to = usage.to.map(|to| format!(" to {}", instant::format(to))).unwrap_or_default();
    let pending = match usage.pending.up.saturating_add(usage.pending.down) {
        0 => "all of it in the database".to_owned(),
        bytes => format!("{} bytes of it logged and not in the database yet", grouped(bytes)),
    };
    let total = grouped(up.saturating_add(down));
    let head = format!("{instance}{from}{to}: {total} bytes, {} up and {} down; {pending}", grouped(up), grouped(down));
    if usage.rows.is_empty() {
        return head;
    }
    let start = match usage.by {
        UsageBy::Hour => "HOUR",
        UsageBy::Day => "DAY",
        UsageBy::Period => "PERIOD",
    };
    let rows = usage.rows.iter().map(|row| {
        let total = grouped(row.up.saturating_add(row.down));
        vec![instant::format(row.start), grouped(row.up), grouped(row.down), total]
    });
    format!("{head}\n{}", table(&[start, "UP", "DOWN", "TOTAL"], rows.collect()))
}

/// Prints whether every byte is where it should be.
///
/// # Errors
/// [`Failure`] when it is not, or the server refuses.
pub async fn conservation(at: &Connection, output: Output, is_deep: bool) -> Result<(), Failure> {
    let query: &[(&str, &str)] = if is_deep { &[("deep", "true")] } else { &[] };
    let found: Conservation = at.ask(at.request(Method::GET, "/v1/conservation").query(query)).await?;
    output.text_or(&found, || conservation_text(&found))?;
    if !found.complete {
        output.remark("a replica could not be read: its lines are missing");
    }
    if found.balanced { Ok(()) } else { Err(Failure::new("counting does not balance")) }
}

fn conservation_text(found: &Conservation) -> String {
    let (shards, reporters) = (found.shards.len(), found.reporters.len());
    let (of_shards, of_reporters) = (count(shards, "shard"), count(reporters, "reporter"));
    let sum = |figures: &mut dyn Iterator<Item = Figures>| figures.fold(Figures::default(), |sum, it| sum.plus(&it));
    let verdict = match found.balanced {
        true => format!("balanced to the byte: {of_shards}, {of_reporters}"),
        false => format!("NOT BALANCED: {of_shards}, {of_reporters}; the lines that differ are listed"),
    };
    let mut rows = vec![
        line("all shards", &sum(&mut found.shards.iter().map(|it| it.figures))),
        line("all reporters", &sum(&mut found.reporters.iter().map(|it| it.figures))),
    ];
    let bad_shards = found.shards.iter().filter(|it| !it.balanced);
    let bad_shards = bad_shards.map(|it| line(&format!("shard {} of {}", it.shard, it.replica), &it.figures));
    let bad_reporters = found.reporters.iter().filter(|it| !it.balanced);
    let bad_reporters = bad_reporters.map(|it| line(&format!("reporter {}", it.reporter), &it.figures));
    rows.extend(bad_shards.chain(bad_reporters).take(UNBALANCED_SHOWN_MAX));
    let head = ["OF", "RECEIVED", "DURABLE", "PENDING", "PARKED", "REJECTED", "DIFFERENCE"];
    let deep = found.deep.as_ref().map(deep_text).unwrap_or_default();
    format!("{verdict}\n{}{deep}", table(&head, rows))
}

fn line(name: &str, it: &Figures) -> Vec<String> {
    let became = [it.durable, it.pending, it.parked, it.rejected].into_iter().map(i128::from).sum::<i128>();
    let difference = i128::from(it.received) - became;
    let figures = [it.received, it.durable, it.pending, it.parked, it.rejected].map(grouped);
    let mut row = vec![name.to_owned()];
    row.extend(figures);
    row.push(difference.to_string());
    row
}

fn deep_text(deep: &Deep) -> String {
    let counted = format!(
        "\ncounted again: {}, {}, {}",
        count_of(deep.usage_rows, "row of usage", "rows of usage"),
        count_of(deep.ledger_rows, "row of the ledger", "rows of the ledger"),
        count_of(deep.log_records, "record of the log", "records of the log"),
    );
    let Some(it) = &deep.difference else { return format!("{counted}; no difference") };
    let place = [
        it.replica.as_ref().map(|it| format!("replica {it}")),
        it.shard.map(|it| format!("shard {it}")),
        it.generation.map(|it| format!("generation {it}")),
        it.instance.as_ref().map(|it| format!("instance {it}")),
    ];
    let place: Vec<String> = place.into_iter().flatten().collect();
    let (expected, found) = (grouped(it.expected), grouped(it.found));
    let place = place.join(", ");
    format!("{counted}\nfirst difference, {}, {place}: {expected} expected, {found} found; {}", it.between, it.detail)
}

fn count_of(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// Prints the ledger, newest first.
///
/// # Errors
/// [`Failure`] when the server refuses.
pub async fn ledger(at: &Connection, output: Output, args: &LedgerArgs) -> Result<(), Failure> {
    let mut rows: Vec<LedgerRow> = Vec::new();
    let mut cursor: Option<String> = None;
    let is_more = loop {
        let left = args.limit.saturating_sub(rows.len() as u64);
        let mut query = vec![("limit", left.clamp(1, LEDGER_PAGE).to_string())];
        query.extend(cursor.take().map(|it| ("cursor", it)));
        query.extend(args.replica.clone().map(|it| ("replica", it)));
        query.extend(args.shard.map(|it| ("shard", it.to_string())));
        let page: LedgerPage = at.ask(at.request(Method::GET, "/v1/ledger").query(&query)).await?;
        rows.extend(page.rows);
        match page.next {
            Some(next) if (rows.len() as u64) < args.limit => cursor = Some(next),
            next => break next.is_some(),
        }
    };
    let lines = rows.iter().map(|it| {
        vec![
            it.replica.clone(),
            it.shard.to_string(),
            it.generation.to_string(),
            instant::format(it.bucket_from),
            instant::format(it.bucket_to),
            grouped(it.rows),
            grouped(it.up),
            grouped(it.down),
            it.state.name().to_owned(),
            instant::format(it.at),
            it.by.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    let head = ["REPLICA", "SHARD", "GENERATION", "BUCKETS FROM", "TO", "ROWS", "UP", "DOWN", "STATE", "SINCE", "BY"];
    output.rows(&head, lines.collect(), || json!({"rows": rows}))?;
    if is_more {
        output.remark(&format!("the first {}; --limit N shows more", args.limit));
    }
    Ok(())
}

/// Prints the reporters.
///
/// # Errors
/// [`Failure`] when the server refuses.
pub async fn reporters(at: &Connection, output: Output) -> Result<(), Failure> {
    let list: ReporterList = at.get("/v1/reporters").await?;
    let rows = list.reporters.iter().map(|it| {
        vec![
            it.id.clone(),
            it.incarnation.to_string(),
            it.sequence.to_string(),
            it.committed_through.to_string(),
            it.lag_s.to_string(),
            it.home.clone(),
            lost_text(&it.lost),
        ]
    });
    let head = ["REPORTER", "INCARNATION", "SEQUENCE", "COMMITTED", "LAG S", "HOME", "LOST"];
    output.rows(&head, rows.collect(), || json!(list))
}

fn lost_text(lost: &[LostRange]) -> String {
    if lost.is_empty() {
        return "-".to_owned();
    }
    let range = |it: &LostRange| format!("{}:{}-{}", it.incarnation, it.from, it.to);
    lost.iter().map(range).collect::<Vec<_>>().join(" ")
}

/// Prints the devices of an instance.
///
/// # Errors
/// [`Failure`] when there is no such instance.
pub async fn presence(at: &Connection, output: Output, instance: &str) -> Result<(), Failure> {
    let found: Presence = at.get(&format!("/v1/instances/{instance}/presence")).await?;
    let rows =
        found.devices.iter().map(|it| vec![it.device.clone(), it.reporter.clone(), instant::format(it.last_seen)]);
    output.rows(&["DEVICE", "REPORTER", "LAST SEEN"], rows.collect(), || json!(found))?;
    if found.online > found.devices.len() as u64 {
        output.remark(&format!("the latest {} of {}", found.devices.len(), found.online));
    }
    Ok(())
}

/// Prints the intake replicas, or retires one.
///
/// # Errors
/// [`Failure`] when there is no such replica, or the server refuses.
pub async fn intake(at: &Connection, output: Output, command: IntakeCommand) -> Result<(), Failure> {
    let list = match command {
        IntakeCommand::List => at.get::<ReplicaList>("/v1/intake").await?,
        IntakeCommand::Retire { name } => {
            let retired: Replica = at.ask(at.request(Method::POST, &format!("/v1/intake/{name}/retire"))).await?;
            ReplicaList { replicas: vec![retired] }
        }
    };
    let rows = list.replicas.iter().map(replica_row);
    let head = ["REPLICA", "STATE", "REPORTERS", "COMMITTED", "OPEN", "SEALED", "LOG BYTES", "OLDEST", "RETIRED"];
    output.rows(&head, rows.collect(), || json!(list))?;
    let missing = list.replicas.iter().filter_map(|it| Some((it, it.here.as_ref()?.missing.as_ref()?)));
    missing.for_each(|(it, missing)| output.remark(&format!("{}: {missing}", it.name)));
    Ok(())
}

fn replica_row(it: &Replica) -> Vec<String> {
    let committed = match it.committed_min == it.committed_max {
        true => it.committed_min.to_string(),
        false => format!("{}-{}", it.committed_min, it.committed_max),
    };
    let dash = || "-".to_owned();
    let here = it.here.as_ref();
    vec![
        it.name.clone(),
        it.state.name().to_owned(),
        it.reporters.to_string(),
        committed,
        here.map_or_else(dash, |it| it.open_generation.to_string()),
        here.map_or_else(dash, |it| it.sealed_generations.to_string()),
        here.map_or_else(dash, |it| format!("{} of {}", grouped(it.log_bytes), grouped(it.log_bytes_max))),
        here.map_or_else(dash, |it| time(it.oldest_uncommitted)),
        time(it.closed),
    ]
}

#[cfg(test)]
mod tests;
