//! `tenure resolve` and `tenure explain`: what is delivered, and why.
//!
//! Prints what the server says and adds nothing; an explanation whose replay differs from its record fails (I9).

use reqwest::Method;
use serde_json::Value;
use wire::explanation::{ExplanationBody, to_text};
use wire::resolution::ResolutionBody;

use super::{Connection, Failure};
use crate::output::{Format, Output, table};

/// The delivery formats there are.
const DELIVERIES: &[&str] = &["json"];

/// Prints what is delivered to an instance.
///
/// # Errors
/// [`Failure`] when there is no such instance.
pub async fn resolve(
    at: &Connection,
    output: Output,
    instance: &str,
    delivery: Option<&str>,
    near: Option<&str>,
) -> Result<(), Failure> {
    if let Some(name) = delivery.filter(|name| !DELIVERIES.contains(name)) {
        return Err(Failure::usage(format!("no delivery format {name:?}; there is {}", DELIVERIES.join(", "))));
    }
    let query: Vec<(&str, &str)> = near.map(|near| ("near", near)).into_iter().collect();
    let request = at.request(Method::GET, &format!("/v1/instances/{instance}/resolution")).query(&query);
    let answer: Value = at.ask(request).await?;
    let format = if delivery.is_some() { Format::Json } else { output.format };
    if format != Format::Table {
        return Output { format, ..output }.value(&answer);
    }
    let body: ResolutionBody =
        serde_json::from_value(answer).map_err(|error| Failure::new(format!("the answer cannot be read: {error}")))?;
    output.text(&resolution_text(&body))
}

fn resolution_text(body: &ResolutionBody) -> String {
    let owner = match &body.ownership {
        Some(owner) => format!(", owned by {} in {} (generation {})", owner.group, owner.region, owner.generation),
        None => String::new(),
    };
    let reason = body.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let head = format!(
        "{}: {}{reason}{owner}; {} by {}; revision {}",
        body.instance, body.status, body.mode, body.order, body.revision
    );
    if body.nodes.is_empty() {
        return head;
    }
    let rows = body.nodes.iter().map(|node| {
        let endpoints: Vec<String> =
            node.endpoints.iter().map(|it| format!("{}:{}/{}", it.address, it.port, it.protocol)).collect();
        vec![
            node.id.clone(),
            node.group.clone(),
            endpoints.join(" "),
            node.priority.to_string(),
            node.weight.to_string(),
            node.runtime.template.clone(),
            node.outbound.template.clone(),
        ]
    });
    let nodes = table(&["NODE", "GROUP", "ENDPOINTS", "PRIORITY", "WEIGHT", "RUNTIME", "OUTBOUND"], rows.collect());
    format!("{head}\n{nodes}")
}

/// Prints why an instance is where it is.
///
/// # Errors
/// [`Failure`] when there is no such instance; exit code 1 when a verified replay differs.
pub async fn explain(
    at: &Connection,
    output: Output,
    instance: &str,
    why_not: Option<&str>,
    is_verify: bool,
) -> Result<(), Failure> {
    let mut query: Vec<(&str, &str)> = why_not.map(|group| ("why_not", group)).into_iter().collect();
    if is_verify {
        query.push(("verify", "true"));
    }
    let request = at.request(Method::GET, &format!("/v1/instances/{instance}/explanation")).query(&query);
    let answer: Value = at.ask(request).await?;
    let is_refuted = answer.pointer("/replay/verified") == Some(&Value::Bool(false));
    if output.format == Format::Table {
        let body: ExplanationBody = serde_json::from_value(answer)
            .map_err(|error| Failure::new(format!("the answer cannot be read: {error}")))?;
        output.text(&to_text(&body))?;
    } else {
        output.value(&answer)?;
    }
    if is_refuted {
        return Err(Failure::new("the replay gives another outcome than the record: please report this as a defect"));
    }
    Ok(())
}
