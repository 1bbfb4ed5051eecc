//! What can go wrong in the store, told apart by what a caller does next.
//!
//! Contention is tried again, an unavailable database is waited for, a full disk and a broken row need a person.
//! The driver's own words stay in the source: they are logged, and never sent to a client.

use std::path::PathBuf;

use domain::aggregation::{GenerationIndex, ShardIndex};
use domain::ids::ReplicaId;

/// Why the store did not do what was asked. Unless a variant says otherwise, nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The connection was lost, none was free in time, or the database is gone. Wait, then try again.
    #[error("the database does not answer ({during})")]
    Unavailable {
        during: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// Another transaction was in the way: a deadlock, a serialisation failure, a lock that took too long. Try again.
    #[error("another transaction was in the way ({during})")]
    Contention {
        during: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// There is no room left for the database.
    #[error("the disk of the database is full ({during})")]
    DiskFull {
        during: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// A constraint of a table was broken.
    #[error("a constraint of the database was broken ({during})")]
    Constraint {
        during: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// What was read cannot be what was written.
    #[error("the database is damaged: {what}")]
    Corrupt { what: String },
    /// The reply of a commit was lost, and so was the way to ask: ask [`crate::Store::outcome_of`] later.
    #[error("the commit of change {change_id} got no answer; it may or may not stand")]
    CommitUnknown {
        change_id: i64,
        #[source]
        source: Box<StoreError>,
    },
    /// Another holds the lease now, or its time has run out.
    #[error("the lease {name} is no longer held")]
    LeaseLost { name: String },
    /// The topology is another than the one that was decided on.
    #[error("the topology moved on from version {seen} to {found}")]
    TopologyMoved { seen: i64, found: i64 },
    /// A shard is committed up to another generation than the flush began at: read the watermark again. If it is where
    /// the flush was to bring it, the flush stands.
    #[error("shard {shard} stands at generation {found}, not at {expected}")]
    WatermarkMoved { shard: ShardIndex, expected: GenerationIndex, found: GenerationIndex },
    /// The replica was retired: it must not acknowledge anything any more.
    #[error("the replica {replica} was retired")]
    ReplicaClosed { replica: ReplicaId },
    /// Another process has opened the replica since: this one must not acknowledge anything any more.
    #[error("another process has opened the replica {replica}")]
    FormerLife { replica: ReplicaId },
    /// The blob of a generation is not there, be it that the database lost it with its last commits: write it again.
    #[error("a generation after {from} up to {to} of replica {replica} has no blob")]
    BlobMissing { replica: ReplicaId, from: GenerationIndex, to: GenerationIndex },
    /// A generation stands with other contents than are written now: a second log bears the name of the replica.
    #[error("generation {generation} of replica {replica} stands with other contents; two logs bear one name")]
    TwoLogs { replica: ReplicaId, generation: GenerationIndex },
    /// The database was written by a newer release.
    #[error("the database has schema {found}, this release knows {known}; use the newer release")]
    NewerSchema { found: i64, known: i64 },
    /// The file is something else.
    #[error("{} is not a database of Tenure; name another file or restore it from a backup", path.display())]
    NotADatabase {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    /// The location cannot be opened.
    #[error("cannot open the database {location}")]
    Open {
        location: String,
        #[source]
        source: sqlx::Error,
    },
    /// A caller broke a limit or an order that this crate names.
    #[error("{what}")]
    Misuse { what: String },
    /// Anything else that the driver says.
    #[error("the database refused ({during})")]
    Driver {
        during: &'static str,
        #[source]
        source: sqlx::Error,
    },
}

/// The result of everything here.
pub type Result<T> = std::result::Result<T, StoreError>;

impl StoreError {
    /// Whether the same work may succeed at once when it is tried again.
    pub fn is_contention(&self) -> bool {
        matches!(self, Self::Contention { .. })
    }

    /// Whether the database may be back later.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::CommitUnknown { .. })
    }

    /// A row that cannot be what was written.
    pub(crate) fn corrupt(what: impl std::fmt::Display) -> Self {
        Self::Corrupt { what: what.to_string() }
    }

    /// A caller broke a rule of this crate.
    pub(crate) fn misuse(what: impl Into<String>) -> Self {
        Self::Misuse { what: what.into() }
    }

    /// What the driver's error means, for work described by `during`.
    pub(crate) fn from_driver(during: &'static str, source: sqlx::Error) -> Self {
        let class = match &source {
            sqlx::Error::Database(database) => class_of_code(database.code().as_deref().unwrap_or("")),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Class::Unavailable,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Class::Corrupt,
            _ => Class::Other,
        };
        match class {
            Class::Unavailable => Self::Unavailable { during, source },
            Class::Contention => Self::Contention { during, source },
            Class::DiskFull => Self::DiskFull { during, source },
            Class::Constraint => Self::Constraint { during, source },
            Class::Corrupt => Self::Corrupt { what: format!("{during}: {source}") },
            Class::Other => Self::Driver { during, source },
        }
    }
}

/// For `map_err`: names the work that failed.
pub(crate) fn during(what: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::from_driver(what, source)
}

#[derive(Debug, PartialEq, Eq)]
enum Class {
    Unavailable,
    Contention,
    DiskFull,
    Constraint,
    Corrupt,
    Other,
}

/// PostgreSQL's codes have five characters, SQLite's are numbers of at most four digits.
fn class_of_code(code: &str) -> Class {
    if code.len() == 5 {
        return class_of_sqlstate(code);
    }
    // The low byte is the primary code, the rest says more about it.
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(5 | 6) => Class::Contention,
        Ok(10 | 14) => Class::Unavailable,
        Ok(11 | 26) => Class::Corrupt,
        Ok(13) => Class::DiskFull,
        Ok(19) => Class::Constraint,
        _ => Class::Other,
    }
}

fn class_of_sqlstate(code: &str) -> Class {
    match code {
        // serialization_failure, deadlock_detected, lock_not_available
        "40001" | "40P01" | "55P03" => Class::Contention,
        "53100" => Class::DiskFull,
        // query_canceled (our time-out), shutdowns, idle in transaction, too many connections, database gone
        "57014" | "57P01" | "57P02" | "57P03" | "25P03" | "53300" | "3D000" => Class::Unavailable,
        // A standby that was promoted, or one that is not yet: the writer is elsewhere for now.
        "25006" => Class::Unavailable,
        "XX001" | "XX002" => Class::Corrupt,
        _ if code.starts_with("08") => Class::Unavailable,
        _ if code.starts_with("23") => Class::Constraint,
        _ => Class::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_engines_fall_into_the_same_classes() {
        for (code, class) in [
            ("5", Class::Contention),
            ("517", Class::Contention),
            ("13", Class::DiskFull),
            ("1555", Class::Constraint),
            ("26", Class::Corrupt),
            ("1", Class::Other),
            ("40001", Class::Contention),
            ("40P01", Class::Contention),
            ("55P03", Class::Contention),
            ("53100", Class::DiskFull),
            ("23505", Class::Constraint),
            ("57P01", Class::Unavailable),
            ("08006", Class::Unavailable),
            ("42601", Class::Other),
        ] {
            assert_eq!(class_of_code(code), class, "{code}");
        }
    }
}
