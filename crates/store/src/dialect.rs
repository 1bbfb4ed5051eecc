//! Every difference between SQLite and PostgreSQL. No other file of this crate knows which engine it speaks to.
//!
//! Statements are written once, in SQLite's spelling with `$1` parameters. Here stand the words that differ: how
//! a transaction begins, how a row is locked, what time it is, how a table is declared, and how many rows are bound.

use sqlx::AssertSqlSafe;

/// The two engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Embedded: one file, one writer, any number of readers.
    Sqlite,
    /// A server, or anything else that speaks its wire and its SQL.
    Postgres,
}

/// A statement whose text was made here from constants: nothing a user wrote is in it.
pub(crate) type Text = AssertSqlSafe<String>;

/// Two seconds: a stalled holder of a lock is thrown out, and one who waits gives up, before half of the shortest
/// lease ([`crate::LEASE_TTL_MIN_US`]) has passed, so that a stall freezes nobody.
pub const STALL_MAX_MS: u32 = 2_000;

/// A minute: no statement of ours takes longer on a database that is well, a recount of millions included.
const STATEMENT_MAX_MS: u32 = 60_000;

/// A minute: a reader of a whole view works on each chunk before it asks for the next.
const READER_IDLE_MAX_MS: u32 = 60_000;

/// Thirty-two megabytes of pages: the inner pages of all trees at a million instances, with room.
const SQLITE_CACHE_KIB: u32 = 32 * 1024;

/// Eight thousand pages between checkpoints: half as often as batches commit, or the same pages go to disk each time.
const SQLITE_CHECKPOINT_PAGES: u32 = 8_000;

impl Engine {
    /// Begins a transaction that will write. A deferred one that has read fails at once on its first write.
    pub(crate) fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// Begins a transaction that sees one state of the database until it ends.
    pub(crate) fn begin_read(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// What a long reader says first, beside [`Self::begin_read`].
    pub(crate) fn patience(self) -> Option<Text> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => {
                Some(AssertSqlSafe(format!("SET LOCAL idle_in_transaction_session_timeout = {READER_IDLE_MAX_MS}")))
            }
        }
    }

    /// Adds the clause that keeps others from changing the selected row until we end.
    pub(crate) fn share(self, select: &str) -> Text {
        self.locked(select, "FOR SHARE")
    }

    /// Adds the clause that keeps the selected row for us alone until we end.
    pub(crate) fn exclude(self, select: &str) -> Text {
        self.locked(select, "FOR UPDATE")
    }

    /// On SQLite every writing transaction has the database for itself from its first word.
    fn locked(self, select: &str, clause: &str) -> Text {
        AssertSqlSafe(match self {
            Self::Sqlite => select.to_owned(),
            Self::Postgres => format!("{select}\n{clause}"),
        })
    }

    /// The time of the database in microseconds since the epoch: the only engine clock, for leases.
    pub(crate) fn clock(self) -> &'static str {
        match self {
            Self::Sqlite => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
            Self::Postgres => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
        }
    }

    /// Puts the clock where a statement says `{clock}`.
    pub(crate) fn timed(self, statement: &str) -> Text {
        AssertSqlSafe(statement.replace("{clock}", self.clock()))
    }

    /// What each new connection is told. A reader of SQLite cannot write by mistake.
    pub(crate) fn session(self, is_reader: bool) -> Text {
        AssertSqlSafe(match self {
            Self::Sqlite => format!(
                "PRAGMA journal_mode = WAL;
                 PRAGMA synchronous = FULL;
                 PRAGMA foreign_keys = OFF;
                 PRAGMA temp_store = MEMORY;
                 PRAGMA cache_size = -{SQLITE_CACHE_KIB};
                 PRAGMA wal_autocheckpoint = {SQLITE_CHECKPOINT_PAGES};
                 PRAGMA query_only = {};",
                u8::from(is_reader)
            ),
            Self::Postgres => format!(
                "SET idle_in_transaction_session_timeout = {STALL_MAX_MS};
                 SET lock_timeout = {STALL_MAX_MS};
                 SET statement_timeout = {STATEMENT_MAX_MS};",
            ),
        })
    }

    /// A declaration in this engine's words.
    pub(crate) fn ddl(self, sqlite: &str) -> String {
        match self {
            Self::Sqlite => sqlite.to_owned(),
            Self::Postgres => sqlite.lines().map(postgres_line).collect::<Vec<_>>().join("\n"),
        }
    }
}

/// One line of a declaration in PostgreSQL's words; what stands in a comment is left as it is.
fn postgres_line(line: &str) -> String {
    let (code, comment) = line.find("--").map_or((line, ""), |at| line.split_at(at));
    let code = code.replace(") STRICT, WITHOUT ROWID", ")").replace(") STRICT", ")");
    let mut out = String::with_capacity(line.len() + 16);
    let mut word = String::new();
    for c in code.chars().chain(std::iter::once('\n')) {
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        out.push_str(match word.as_str() {
            "INTEGER" => "BIGINT",
            "BLOB" => "BYTEA",
            "TEXT" => "TEXT COLLATE \"C\"",
            other => other,
        });
        word.clear();
        if c != '\n' {
            out.push(c);
        }
    }
    out + comment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_is_said_in_both_tongues() {
        let sqlite = "CREATE TABLE t (\n  a TEXT NOT NULL PRIMARY KEY, -- TEXT here\n  b INTEGER, c BLOB\n) STRICT, WITHOUT ROWID;";
        assert_eq!(Engine::Sqlite.ddl(sqlite), sqlite);
        assert_eq!(
            Engine::Postgres.ddl(sqlite),
            "CREATE TABLE t (\n  a TEXT COLLATE \"C\" NOT NULL PRIMARY KEY, -- TEXT here\n  b BIGINT, c BYTEA\n);"
        );
    }
}
