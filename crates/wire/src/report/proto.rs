//! The messages of `proto/tenure/report/v1/report.proto` for whoever writes reports and reads their answers.
//!
//! Declared here by hand, so that the build needs no compiler of protobuf; a test compiles the schema and holds every
//! field to it. The server reads reports with [`read`](super::read), not with these.

use domain::time::Micros;
use prost::Message;

use super::body::{self, NodeStatus, ReportKind, ReportResult};
use super::fault::ReportError;
use super::reading::Encoding;

#[derive(Clone, PartialEq, Message)]
pub struct Traffic {
    #[prost(string, tag = "1")]
    pub instance: String,
    #[prost(uint64, tag = "2")]
    pub up: u64,
    #[prost(uint64, tag = "3")]
    pub down: u64,
    #[prost(string, tag = "4")]
    pub lease: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Online {
    #[prost(string, tag = "1")]
    pub instance: String,
    #[prost(string, tag = "2")]
    pub device: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Node {
    /// 0 no word, 1 up, 2 down.
    #[prost(int32, tag = "1")]
    pub status: i32,
    #[prost(uint32, optional, tag = "2")]
    pub load_permille: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Report {
    #[prost(string, tag = "1")]
    pub reporter: String,
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
    #[prost(uint64, tag = "3")]
    pub sequence: u64,
    /// 0 delta, 1 cumulative.
    #[prost(int32, tag = "4")]
    pub kind: i32,
    #[prost(int64, optional, tag = "5")]
    pub observed_at_us: Option<i64>,
    #[prost(message, repeated, tag = "6")]
    pub traffic: Vec<Traffic>,
    #[prost(message, repeated, tag = "7")]
    pub online: Vec<Online>,
    #[prost(message, optional, tag = "8")]
    pub node: Option<Node>,
    #[prost(uint64, optional, tag = "9")]
    pub in_force: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Rejected {
    #[prost(uint64, tag = "1")]
    pub index: u64,
    #[prost(string, tag = "2")]
    pub code: String,
    #[prost(string, tag = "3")]
    pub detail: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Enforce {
    #[prost(string, tag = "1")]
    pub instance: String,
    #[prost(string, tag = "2")]
    pub state: String,
    #[prost(uint64, tag = "3")]
    pub revision: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Credit {
    #[prost(string, tag = "1")]
    pub lease: String,
    #[prost(string, tag = "2")]
    pub instance: String,
    #[prost(string, tag = "3")]
    pub period: String,
    #[prost(uint64, tag = "4")]
    pub amount: u64,
    #[prost(uint64, tag = "5")]
    pub ttl_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Reported {
    /// 1 applied, 2 duplicate.
    #[prost(int32, tag = "1")]
    pub result: i32,
    #[prost(uint64, tag = "2")]
    pub accepted: u64,
    #[prost(uint64, tag = "3")]
    pub parked: u64,
    #[prost(message, repeated, tag = "4")]
    pub rejected: Vec<Rejected>,
    #[prost(uint64, tag = "5")]
    pub logged_through: u64,
    #[prost(uint64, tag = "6")]
    pub committed_through: u64,
    #[prost(message, repeated, tag = "7")]
    pub enforce: Vec<Enforce>,
    #[prost(message, repeated, tag = "8")]
    pub credit: Vec<Credit>,
}

impl From<&body::Report> for Report {
    fn from(report: &body::Report) -> Self {
        let traffic = |it: &body::TrafficItem| Traffic {
            instance: it.instance.clone(),
            up: it.up,
            down: it.down,
            lease: it.lease.clone().unwrap_or_default(),
        };
        let online = |it: &body::OnlineItem| Online { instance: it.instance.clone(), device: it.device.clone() };
        let status = |it: Option<NodeStatus>| match it {
            None => 0,
            Some(NodeStatus::Up) => 1,
            Some(NodeStatus::Down) => 2,
        };
        Self {
            reporter: report.reporter.clone(),
            incarnation: report.incarnation,
            sequence: report.sequence,
            kind: i32::from(report.kind == ReportKind::Cumulative),
            observed_at_us: report.observed_at.map(|Micros(us)| us),
            traffic: report.traffic.iter().map(traffic).collect(),
            online: report.online.iter().map(online).collect(),
            node: report.node.map(|it| Node { status: status(it.status), load_permille: it.load_permille }),
            in_force: report.in_force,
        }
    }
}

impl From<&body::Reported> for Reported {
    fn from(answer: &body::Reported) -> Self {
        let rejected =
            |it: &body::RejectedItem| Rejected { index: it.index, code: it.code.clone(), detail: it.detail.clone() };
        let enforce = |it: &body::Enforce| Enforce {
            instance: it.instance.clone(),
            state: it.state.clone(),
            revision: it.revision,
        };
        let credit = |it: &body::Credit| Credit {
            lease: it.lease.clone(),
            instance: it.instance.clone(),
            period: it.period.clone(),
            amount: it.amount,
            ttl_ms: it.ttl_ms,
        };
        Self {
            result: if answer.result == ReportResult::Applied { 1 } else { 2 },
            accepted: answer.accepted,
            parked: answer.parked,
            rejected: answer.rejected.iter().map(rejected).collect(),
            logged_through: answer.logged_through,
            committed_through: answer.committed_through,
            enforce: answer.enforce.iter().map(enforce).collect(),
            credit: answer.credit.iter().map(credit).collect(),
        }
    }
}

impl TryFrom<Reported> for body::Reported {
    type Error = ReportError;

    fn try_from(answer: Reported) -> Result<Self, ReportError> {
        let rejected = |it: Rejected| body::RejectedItem { index: it.index, code: it.code, detail: it.detail };
        let enforce = |it: Enforce| body::Enforce { instance: it.instance, state: it.state, revision: it.revision };
        let credit = |it: Credit| body::Credit {
            lease: it.lease,
            instance: it.instance,
            period: it.period,
            amount: it.amount,
            ttl_ms: it.ttl_ms,
        };
        Ok(Self {
            result: match answer.result {
                1 => ReportResult::Applied,
                2 => ReportResult::Duplicate,
                other => return Err(ReportError::field("result", format!("there is no result {other}"))),
            },
            accepted: answer.accepted,
            parked: answer.parked,
            rejected: answer.rejected.into_iter().map(rejected).collect(),
            logged_through: answer.logged_through,
            committed_through: answer.committed_through,
            enforce: answer.enforce.into_iter().map(enforce).collect(),
            credit: answer.credit.into_iter().map(credit).collect(),
        })
    }
}

impl body::Report {
    /// The report in a language.
    pub fn to_bytes(&self, encoding: Encoding) -> Vec<u8> {
        match encoding {
            Encoding::Json => serde_json::to_vec(self).expect("plain structs of texts and numbers are always JSON"),
            Encoding::Protobuf => Report::from(self).encode_to_vec(),
        }
    }
}

impl body::Reported {
    /// The answer in a language.
    pub fn to_bytes(&self, encoding: Encoding) -> Vec<u8> {
        match encoding {
            Encoding::Json => serde_json::to_vec(self).expect("plain structs of texts and numbers are always JSON"),
            Encoding::Protobuf => Reported::from(self).encode_to_vec(),
        }
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// [`ReportError`] when the bytes are no answer of that language.
    pub fn from_bytes(bytes: &[u8], encoding: Encoding) -> Result<Self, ReportError> {
        match encoding {
            Encoding::Json => serde_json::from_slice(bytes).map_err(|error| ReportError::Json {
                line: error.line(),
                column: error.column(),
                detail: error.to_string(),
            }),
            Encoding::Protobuf => Reported::decode(bytes)
                .map_err(|error| ReportError::Protobuf { offset: 0, detail: error.to_string() })?
                .try_into(),
        }
    }
}
