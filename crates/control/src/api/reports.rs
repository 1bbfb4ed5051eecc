//! `POST /v1/reports`: what nodes say, in JSON or protobuf, plain, gzip or zstd. A token speaks for its reporter only.
//!
//! The answer is in the language of the report and comes when the report is kept: its counts in the log, the fact that
//! it states in the database. What is refused is a problem, always in JSON.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use domain::ids::NodeId;
use domain::master_data::Kind;
use wire::problem::{Problem, ProblemType};
use wire::report::{Encoding, REPORT_BYTES_MAX, RejectedItem, ReportResult, Reported, read};

use super::Shared;
use super::body;
use super::failure::{Answer, Failure};
use super::headers::media_type;
use super::query::{NoParams, Params};
use crate::access::Bearer;
use crate::aggregation::{Accepted, ReportRefusal};

/// Below this size a report is read where it arrived; above, on a thread that may take its time.
const READ_AT_ONCE_BYTES: usize = 64 * 1024;

/// `POST /v1/reports`
pub async fn report(
    State(parts): State<Shared>,
    Extension(bearer): Extension<Arc<Bearer>>,
    Params(NoParams {}): Params<NoParams>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let encoding = encoding(&headers)?;
    let bytes = body::read(&headers, body, REPORT_BYTES_MAX).await?;
    let report = if bytes.len() <= READ_AT_ONCE_BYTES {
        read(&bytes, encoding)
    } else {
        tokio::task::spawn_blocking(move || read(&bytes, encoding)).await.map_err(Failure::internal)?
    };
    let report = report.map_err(Problem::from)?;
    if !bearer.may_report_for(report.reporter.as_str()) {
        let detail = format!("the token speaks for another reporter than {:?}", report.reporter);
        return Err(Problem::new(ProblemType::Forbidden, detail).with("scope", "report").into());
    }
    let (reporter, incarnation, sequence) = (report.reporter.clone(), report.incarnation, report.sequence);
    let taken = parts.intake.report(report).await.map_err(|refusal| {
        let replica = parts.intake.counting().replica.as_str();
        let bounds = parts.intake.counting().bounds;
        refused(refusal, &reporter, (incarnation, sequence), replica, (bounds.log_bytes_max, bounds.parked_max))
    })?;
    let answer = answer_of(taken).to_bytes(encoding);
    Ok(([(header::CONTENT_TYPE, encoding.media_type())], answer).into_response())
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Failure> {
    match media_type(headers) {
        None => Ok(Encoding::Json),
        Some(found) => Encoding::of_media_type(found)
            .ok_or_else(|| Problem::unsupported_media_type(Some(found), Encoding::ACCEPTED).into()),
    }
}

fn answer_of(taken: Accepted) -> Reported {
    let Accepted { staged, logged_through, committed_through } = taken;
    let result = if staged.is_some() { ReportResult::Applied } else { ReportResult::Duplicate };
    let staged = staged.unwrap_or_default();
    Reported {
        result,
        accepted: staged.accepted,
        parked: staged.parked,
        rejected: staged.rejected.into_iter().map(RejectedItem::from).collect(),
        logged_through,
        committed_through,
        enforce: Vec::new(),
        credit: Vec::new(),
    }
}

fn refused(
    refusal: ReportRefusal,
    reporter: &NodeId,
    (incarnation, sequence): (u64, u64),
    replica: &str,
    (log_bytes_max, parked_max): (u64, u64),
) -> Failure {
    let reporter = reporter.as_str();
    match refusal {
        ReportRefusal::Gap { expected } => Problem::sequence_gap(reporter, expected, sequence).into(),
        ReportRefusal::Stale { current } => Problem::stale_incarnation(reporter, current, incarnation).into(),
        ReportRefusal::UnknownNode { reporter } => Problem::no_object(Kind::Node, reporter.as_str()).into(),
        ReportRefusal::NotHome { replica, .. } => Problem::not_home(reporter, &replica).into(),
        ReportRefusal::Closed => Problem::replica_closed(replica).into(),
        ReportRefusal::TooManyParked => Problem::too_many_parked(reporter, parked_max).into(),
        ReportRefusal::LogFull => Problem::log_full(log_bytes_max).into(),
        ReportRefusal::Busy => Problem::busy().into(),
        ReportRefusal::NotLogged { is_disk_full: true } => {
            Problem::new(ProblemType::DiskFull, "the disk of the log is full; nothing of this report was kept").into()
        }
        ReportRefusal::NotLogged { is_disk_full: false } => {
            Problem::new(ProblemType::Overloaded, "the log did not take the report; nothing of it was kept").into()
        }
        ReportRefusal::NotCommitted => {
            Problem::new(ProblemType::DatabaseUnavailable, "the fact was not committed; repeat the report").into()
        }
        ReportRefusal::Store(error) => error.into(),
    }
}
