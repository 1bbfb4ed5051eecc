//! What Tenure answers when it does not do what was asked: `application/problem+json` (RFC 9457).
//!
//! The types are a closed list, each with one section in `docs/reference/problems.md`. A type, its status and the
//! names of its members are stable; title, detail and remedy are for people and are not. A problem says what to do
//! next (`remedy`) and never why the inside failed: causes go to the log, under the request id in `instance`.

use std::fmt;

use domain::master_data::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::manifest::Fault;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What stands before the slug in `type`. A name, not an address: nobody has to keep a server for it.
pub const TYPE_PREFIX: &str = "urn:tenure:problem:";

/// Objects that a `still-referenced` problem lists; `total` says how many there are.
pub const REFERRERS_MAX: usize = 100;

/// Of these a screen shows so many; the rest is counted.
const REFERRERS_SHOWN: usize = 20;

/// Boundaries that a `too-disruptive` problem lists; `total` says how many there are.
pub const BOUNDARIES_MAX: usize = 100;

macro_rules! problem_types {
    ($($(#[doc = $doc:literal])+ $name:ident = $slug:literal, $status:literal, $title:literal, $remedy:literal;)+) => {
        /// The types of problems.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemType {
            $($(#[doc = $doc])+ $name,)+
        }

        impl ProblemType {
            /// All types, by status.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable last part of its `type`.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug),+ }
            }

            /// The HTTP status.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status),+ }
            }

            /// What went wrong, in general, for people.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }

            /// What to do next, for people.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy),+ }
            }
        }
    };
}

problem_types! {
    /// A parameter, a header or a path is not what it must be.
    BadRequest = "bad-request", 400, "the request is malformed",
        "correct what the detail names; the interface is described in /openapi.json";
    /// The body is not JSON.
    MalformedJson = "malformed-json", 400, "the body is not JSON",
        "correct the body at the place that the detail names";
    /// The body is not YAML.
    MalformedYaml = "malformed-yaml", 400, "the body is not YAML",
        "correct the body at the place that the detail names; indent with blanks, never with tabs";
    /// The body is not protobuf.
    MalformedProtobuf = "malformed-protobuf", 400, "the body is not protobuf",
        "encode the message of the schema tenure/report/v1/report.proto";
    /// No token, or one that nobody knows.
    Unauthenticated = "unauthenticated", 401, "a valid token is needed",
        "send Authorization: Bearer TOKEN; the first admin token is in DATA/admin.token";
    /// The token is known and not allowed to do this.
    Forbidden = "forbidden", 403, "the token does not allow this",
        "use a token with the scope that the detail names: tenure token create --scope SCOPE";
    /// There is no such thing, or no such path.
    NotFound = "not-found", 404, "there is no such thing",
        "check the id and the kind: tenure get KIND lists what there is";
    /// The path exists, the method does not.
    MethodNotAllowed = "method-not-allowed", 405, "the path does not take this method",
        "use a method that the Allow header lists";
    /// Nothing of the body came for too long.
    BodyStalled = "body-stalled", 408, "the body stopped coming",
        "send the body without long pauses; rows of an import that were kept stay kept, go on after `line`";
    /// Somebody else has changed the same thing meanwhile.
    Conflict = "conflict", 409, "somebody else has changed this meanwhile",
        "read the object again and repeat the change";
    /// The change would leave too many ownerships of a boundary invalid.
    TooDisruptive = "too-disruptive", 409, "the change would break too many ownerships at once",
        "look at it as a plan first: tenure plan topology -f FILE; --allow-disruption applies it at once";
    /// Others refer to what would be deleted.
    StillReferenced = "still-referenced", 409, "other objects still refer to this",
        "change or delete the objects that `by` lists first";
    /// A plan is not in a state in which it can be asked to do this.
    PlanState = "plan-state", 409, "the plan is in a state that does not allow this",
        "look at its state: tenure plan show ID";
    /// An idempotency key came back with another request.
    IdempotencyConflict = "idempotency-conflict", 409, "this idempotency key belongs to another request",
        "use a new key for a new request; repeat the same bytes to repeat one";
    /// A reporter skipped sequence numbers.
    SequenceGap = "sequence-gap", 409, "reports of this reporter are missing before this one",
        "send the reports from `expected` on; a reporter that no longer has them starts a new incarnation";
    /// A reporter spoke in a life that has ended.
    StaleIncarnation = "stale-incarnation", 409, "this reporter has a newer incarnation",
        "stop the older process; a restarted reporter uses a larger incarnation";
    /// `If-Match` names another state of the object.
    PreconditionFailed = "precondition-failed", 412, "the object is no longer the one you read",
        "read the object again and repeat the change with its new ETag";
    /// The body is larger than its limit.
    PayloadTooLarge = "payload-too-large", 413, "the body is too large",
        "send less at once; import takes any number of lines as a stream";
    /// The body is in a language that is not understood here.
    UnsupportedMediaType = "unsupported-media-type", 415, "the body is in a language that is not understood here",
        "set Content-Type to what the detail names";
    /// The reporter belongs to another intake replica, and this process cannot reach it.
    NotHome = "not-home", 421, "the reporter belongs to another intake replica",
        "send the report to the process that holds the replica which the detail names, or repeat in a moment";
    /// The manifests were read and have faults.
    InvalidManifest = "invalid-manifest", 422, "the manifest has faults",
        "correct what `faults` lists; nothing was changed";
    /// A limit on requests, or on reports that wait to be written, is reached.
    TooManyRequests = "too-many-requests", 429, "too many requests",
        "wait as long as the Retry-After header says and repeat";
    /// The log of the intake has reached its limit, since the database takes nothing.
    LogFull = "log-full", 429, "the intake holds as much as it may before the database has it",
        "wait as long as the Retry-After header says and repeat; look at tenure tasks for what keeps the flush";
    /// Too many items of this reporter wait for instances that do not exist.
    TooManyParked = "too-many-parked", 429, "too many items of this reporter are parked",
        "create the instances that it reports, or correct their ids at the reporter, and repeat";
    /// A fault of ours.
    Internal = "internal", 500, "something went wrong inside",
        "look for the request id in the log of the server; please report it";
    /// The view has not yet reached the revision that was demanded.
    ViewBehind = "view-behind", 503, "the view has not reached the demanded revision",
        "repeat in a moment, or ask without Tenure-Min-Revision";
    /// No process leads, so nothing can be allocated.
    NoLeader = "no-leader", 503, "no allocator leads at the moment",
        "repeat in a few seconds; tenure tasks shows who leads";
    /// The database does not answer.
    DatabaseUnavailable = "database-unavailable", 503, "the database does not answer",
        "repeat in a few seconds; resolution goes on from memory meanwhile";
    /// The intake replica was retired: what it takes would never be counted.
    ReplicaClosed = "replica-closed", 503, "the intake replica is retired",
        "send the report to another process; this one needs a new name in DATA/replica to take reports again";
    /// More work than can be done in time.
    Overloaded = "overloaded", 503, "the server is overloaded",
        "wait as long as the Retry-After header says and repeat";
    /// No room on the disk.
    DiskFull = "disk-full", 507, "the disk is full",
        "free space in the data directory and repeat; nothing that was acknowledged is lost";
}

impl ProblemType {
    /// The stable `type`.
    pub fn uri(self) -> String {
        format!("{TYPE_PREFIX}{}", self.slug())
    }

    /// The type with this `type`; `None` if a newer server has one that we do not know.
    pub fn from_uri(uri: &str) -> Option<Self> {
        let slug = uri.strip_prefix(TYPE_PREFIX)?;
        Self::ALL.iter().copied().find(|it| it.slug() == slug)
    }
}

/// A problem as it stands in an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:tenure:problem:` and the slug of a documented type.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// What went wrong, in general.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong in this case.
    pub detail: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// The id of the request, also in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The members that its type adds.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub members: Map<String, Value>,
}

/// An object that refers to another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Referrer {
    /// Its kind, as in manifests.
    pub kind: String,
    pub id: String,
    /// The field that refers.
    pub field: String,
}

/// A boundary of which a change would leave too many owners invalid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DisruptedBoundary {
    /// The access template whose boundary it is.
    pub access_template: String,
    /// Its owners; for `fixed` and `merge` its instances.
    pub owners: u64,
    /// How many of them would be invalid, those that are already counted.
    pub invalid: u64,
    /// How many may be.
    pub limit: u64,
}

impl Problem {
    /// A problem of this type.
    pub fn new(problem_type: ProblemType, detail: impl Into<String>) -> Self {
        Self {
            type_uri: problem_type.uri(),
            title: problem_type.title().to_owned(),
            status: problem_type.status(),
            detail: detail.into(),
            remedy: problem_type.remedy().to_owned(),
            instance: None,
            members: Map::new(),
        }
    }

    /// Its type; `None` if a newer server has one that we do not know.
    pub fn problem_type(&self) -> Option<ProblemType> {
        ProblemType::from_uri(&self.type_uri)
    }

    /// The same problem, with the id of the request.
    #[must_use]
    pub fn with_request(mut self, request_id: impl Into<String>) -> Self {
        self.instance = Some(request_id.into());
        self
    }

    /// The same problem, with another member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// The same problem, with another remedy: what to do in this case.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// A malformed parameter, header or path.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ProblemType::BadRequest, detail)
    }

    /// There is no object of this kind and id.
    pub fn no_object(kind: Kind, id: &str) -> Self {
        let detail = format!("there is no {kind} {id:?}");
        Self::new(ProblemType::NotFound, detail).with("kind", kind.name()).with("id", id)
    }

    /// The token lacks a scope.
    pub fn missing_scope(scope: &str) -> Self {
        Self::new(ProblemType::Forbidden, format!("this needs the scope {scope}")).with("scope", scope)
    }

    /// Faults of manifests, all of them.
    pub fn invalid_manifest(faults: &[Fault]) -> Self {
        let detail = match faults {
            [] => "the manifest was refused".to_owned(),
            [one] => one.to_string(),
            [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
        };
        Self::new(ProblemType::InvalidManifest, detail).with("faults", to_value(faults))
    }

    /// The disruption guard: which boundaries would break, and the plan to make instead.
    pub fn too_disruptive(boundaries: &[DisruptedBoundary]) -> Self {
        let invalid: u64 = boundaries.iter().map(|boundary| boundary.invalid).sum();
        let names: Vec<&str> = boundaries.iter().take(3).map(|boundary| boundary.access_template.as_str()).collect();
        let more = if boundaries.len() > names.len() { " and others" } else { "" };
        let detail = format!("{invalid} ownerships within {}{more} would be invalid", names.join(", "));
        let listed = &boundaries[..boundaries.len().min(BOUNDARIES_MAX)];
        Self::new(ProblemType::TooDisruptive, detail)
            .with("boundaries", to_value(listed))
            .with("total", boundaries.len())
            .with("plan", json!({"kind": "topology"}))
    }

    /// Others still refer to an object; `by` may hold the first of `total`.
    pub fn still_referenced(kind: Kind, id: &str, by: &[Referrer], total: u64) -> Self {
        let listed = &by[..by.len().min(REFERRERS_MAX)];
        let first = listed.first().map(|it| format!(", first of all {} {:?}", it.kind, it.id)).unwrap_or_default();
        let noun = if total == 1 { "object refers" } else { "objects refer" };
        Self::new(ProblemType::StillReferenced, format!("{total} {noun} to {kind} {id:?}{first}"))
            .with("kind", kind.name())
            .with("id", id)
            .with("by", to_value(listed))
            .with("total", total)
    }

    /// `If-Match` named another state.
    pub fn precondition_failed(kind: Kind, id: &str, etag: &str) -> Self {
        let detail = format!("{kind} {id:?} has the ETag {etag} now");
        Self::new(ProblemType::PreconditionFailed, detail).with("etag", etag)
    }

    /// A body above its limit.
    pub fn payload_too_large(limit_bytes: u64) -> Self {
        let detail = format!("this path takes at most {limit_bytes} bytes");
        Self::new(ProblemType::PayloadTooLarge, detail).with("limit_bytes", limit_bytes)
    }

    /// A body in another language.
    pub fn unsupported_media_type(found: Option<&str>, accepted: &[&str]) -> Self {
        let accepted_text = accepted.join(", ");
        let detail = match found {
            Some(found) => format!("found {found:?}, this path takes {accepted_text}"),
            None => format!("Content-Type is missing, this path takes {accepted_text}"),
        };
        Self::new(ProblemType::UnsupportedMediaType, detail).with("accepted", to_value(&accepted))
    }

    /// A plan that cannot do this now.
    pub fn plan_state(plan: &str, state: &str, asked: &str) -> Self {
        let detail = format!("plan {plan:?} is {state} and cannot be asked to {asked}");
        Self::new(ProblemType::PlanState, detail).with("plan", plan).with("state", state)
    }

    /// A report whose predecessors are missing.
    pub fn sequence_gap(reporter: &str, expected: u64, found: u64) -> Self {
        let detail = format!("reporter {reporter:?} sent sequence {found}, {expected} is expected next");
        Self::new(ProblemType::SequenceGap, detail).with("expected", expected)
    }

    /// A report of a life that has ended.
    pub fn stale_incarnation(reporter: &str, newest: u64, found: u64) -> Self {
        let detail = format!("reporter {reporter:?} spoke as incarnation {found}, {newest} is the newest");
        Self::new(ProblemType::StaleIncarnation, detail).with("newest", newest)
    }

    /// A reporter whose home is elsewhere.
    pub fn not_home(reporter: &str, replica: &str) -> Self {
        let detail = format!("the home of reporter {reporter:?} is the intake replica {replica:?}");
        Self::new(ProblemType::NotHome, detail).with("reporter", reporter).with("replica", replica)
    }

    /// An intake replica that was retired.
    pub fn replica_closed(replica: &str) -> Self {
        let detail = format!("the intake replica {replica:?} is retired and takes no reports");
        Self::new(ProblemType::ReplicaClosed, detail).with("replica", replica)
    }

    /// A log that may not grow.
    pub fn log_full(limit_bytes: u64) -> Self {
        let detail = format!("the log of the intake has its {limit_bytes} bytes; nothing of the report was kept");
        Self::new(ProblemType::LogFull, detail).with("limit_bytes", limit_bytes)
    }

    /// More reports than can wait.
    pub fn busy() -> Self {
        Self::new(ProblemType::TooManyRequests, "too many reports wait to be written; nothing of this one was kept")
    }

    /// More parked items than a reporter may have.
    pub fn too_many_parked(reporter: &str, limit: u64) -> Self {
        let detail = format!("{limit} items of reporter {reporter:?} wait for instances that do not exist");
        Self::new(ProblemType::TooManyParked, detail).with("reporter", reporter).with("limit", limit)
    }

    /// A view that is behind the revision which was demanded.
    pub fn view_behind(demanded: u64, reached: u64) -> Self {
        let detail = format!("revision {demanded} was demanded, the view stands at {reached}");
        Self::new(ProblemType::ViewBehind, detail).with("demanded", demanded).with("reached", reached)
    }

    /// A fault of ours; its cause is in the log.
    pub fn internal() -> Self {
        Self::new(ProblemType::Internal, "the cause is in the log of the server")
    }

    /// The faults of a manifest, if it is such a problem and they can be read.
    pub fn faults(&self) -> Vec<Fault> {
        self.list("faults")
    }

    /// Who still refers, if it is such a problem.
    pub fn referrers(&self) -> Vec<Referrer> {
        self.list("by")
    }

    /// The boundaries that would break, if it is such a problem.
    pub fn boundaries(&self) -> Vec<DisruptedBoundary> {
        self.list("boundaries")
    }

    fn list<T: serde::de::DeserializeOwned>(&self, member: &str) -> Vec<T> {
        let value = self.members.get(member).cloned().unwrap_or(Value::Array(Vec::new()));
        serde_json::from_value(value).unwrap_or_default()
    }
}

fn to_value<T: Serialize + ?Sized>(value: &T) -> Value {
    serde_json::to_value(value).expect("plain structs of texts and numbers are always JSON")
}

impl fmt::Display for Problem {
    /// What the command line prints: the detail, a line for each thing it lists, the hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.status >= 500 { "failed" } else { "refused" };
        let (faults, referrers, boundaries) = (self.faults(), self.referrers(), self.boundaries());
        match faults.len() {
            0 | 1 => write!(f, "{verb}: {}", self.detail)?,
            count => write!(f, "{verb}: {}, {count} of them", self.title)?,
        }
        if faults.len() > 1 {
            faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))?;
        }
        for it in referrers.iter().take(REFERRERS_SHOWN) {
            write!(f, "\n  {} {:?} in its field {}", it.kind, it.id, it.field)?;
        }
        let total = self.members.get("total").and_then(Value::as_u64).unwrap_or_default();
        if !referrers.is_empty() && total > REFERRERS_SHOWN as u64 {
            write!(f, "\n  … and {} more", total - REFERRERS_SHOWN as u64)?;
        }
        for it in boundaries {
            let DisruptedBoundary { access_template, owners, invalid, limit } = it;
            write!(f, "\n  {access_template}: {invalid} of {owners} would be invalid, {limit} may be")?;
        }
        if !self.remedy.is_empty() {
            write!(f, "\nhint: {}", self.remedy)?;
        }
        match self.instance.as_ref().filter(|_| self.status >= 500) {
            Some(request) => write!(f, "\nrequest: {request}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
