//! `POST /v1/reports`: what nodes say. The part about the node becomes a fact; a token speaks for its reporter only.
//!
//! Traffic and presence are not counted by this server. Each such item is rejected by name, so that no reporter takes
//! for acknowledged what is kept nowhere.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use domain::aggregation::NodeReport;
use domain::ids::NodeId;
use domain::master_data::Kind;
use wire::problem::{Problem, ProblemType};
use wire::report::{INTEGER_MAX, NodeStatus, REPORT_ITEMS_MAX, RejectedItem, Report, ReportResult, Reported};

use super::Shared;
use super::body::{REPORT_BYTES_MAX, read_json};
use super::failure::{Answer, Failure};
use super::query::{NoParams, Params};
use crate::access::Bearer;
use crate::aggregation::{IncomingReport, ReportRefusal};

/// The code of an item that this server does not count.
const NOT_COUNTED: &str = "not-counted";

/// A hundred times full: beyond that a load is a mistake of the reporter.
const LOAD_PERMILLE_MAX: u32 = 100_000;

/// `POST /v1/reports`
pub async fn report(
    State(parts): State<Shared>,
    Extension(bearer): Extension<Arc<Bearer>>,
    Params(NoParams {}): Params<NoParams>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let report: Report = read_json(&headers, body, REPORT_BYTES_MAX).await?;
    if !bearer.may_report_for(&report.reporter) {
        let detail = format!("the token speaks for another reporter than {:?}", report.reporter);
        return Err(Problem::new(ProblemType::Forbidden, detail).with("scope", "report").into());
    }
    let incoming = incoming(&report)?;
    let taken = parts.intake.report(incoming).await.map_err(|refusal| refused(&report, refusal))?;
    let result = if taken.is_duplicate { ReportResult::Duplicate } else { ReportResult::Applied };
    let answer = Reported {
        result,
        accepted: 0,
        parked: 0,
        rejected: rejected(&report),
        logged_through: taken.logged_through,
        committed_through: taken.logged_through,
        enforce: Vec::new(),
        credit: Vec::new(),
    };
    Ok(Json(answer).into_response())
}

/// The report, as far as the intake reads it.
fn incoming(report: &Report) -> Result<IncomingReport, Failure> {
    let field = |field: &str, said: String| -> Failure {
        Problem::bad_request(format!("field {field:?}: {said}")).with("field", field).into()
    };
    let reporter = NodeId::parse(&report.reporter).map_err(|error| field("reporter", error.to_string()))?;
    for (name, value) in [("incarnation", report.incarnation), ("sequence", report.sequence)] {
        if value > INTEGER_MAX {
            return Err(field(name, format!("at most {INTEGER_MAX}")));
        }
    }
    if report.sequence == 0 {
        return Err(field("sequence", "the first message of a life has sequence 1".to_owned()));
    }
    if report.traffic.len() + report.online.len() > REPORT_ITEMS_MAX {
        return Err(field("traffic", format!("a report has at most {REPORT_ITEMS_MAX} items")));
    }
    let node = report.node.unwrap_or_default();
    if node.load_permille.is_some_and(|load| load > LOAD_PERMILLE_MAX) {
        return Err(field("node.load_permille", format!("at most {LOAD_PERMILLE_MAX}")));
    }
    let is_up = node.status.map(|status| status == NodeStatus::Up);
    Ok(IncomingReport {
        reporter,
        incarnation: report.incarnation,
        sequence: report.sequence,
        node: NodeReport { is_up, load_permille: node.load_permille },
    })
}

fn rejected(report: &Report) -> Vec<RejectedItem> {
    let traffic = report.traffic.iter().map(|item| ("traffic", &item.instance));
    let online = report.online.iter().map(|item| ("presence", &item.instance));
    let item = |(index, (what, instance)): (u64, (&str, &String))| RejectedItem {
        index,
        code: NOT_COUNTED.to_owned(),
        detail: format!("this server does not count {what}; nothing of instance {instance:?} was kept"),
    };
    (0..).zip(traffic.chain(online)).map(item).collect()
}

fn refused(report: &Report, refusal: ReportRefusal) -> Failure {
    let reporter = &report.reporter;
    match refusal {
        ReportRefusal::Gap { expected } => Problem::sequence_gap(reporter, expected, report.sequence).into(),
        ReportRefusal::Stale { current } => Problem::stale_incarnation(reporter, current, report.incarnation).into(),
        ReportRefusal::UnknownNode { reporter } => Problem::no_object(Kind::Node, reporter.as_str()).into(),
        ReportRefusal::Busy => {
            Problem::new(ProblemType::TooManyRequests, "too many facts wait to be written; nothing was kept").into()
        }
        ReportRefusal::NotCommitted => {
            Problem::new(ProblemType::DatabaseUnavailable, "the fact was not committed; repeat the report").into()
        }
        ReportRefusal::Store(error) => error.into(),
    }
}
