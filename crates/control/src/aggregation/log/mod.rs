//! The log of one replica on one disk: groups of reports in order, and the cuts between generations.
//!
//! What is appended has reached the disk when the call returns. A call that failed leaves nothing: before the log goes
//! on, the record that may or may not have reached the disk is removed. Records of whole generations are removed once
//! the store has folded them, and only those.

mod record;

use std::path::{Path, PathBuf};

use domain::aggregation::GenerationIndex;
use domain::time::Micros;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

pub use record::{Corrupt, LoggedAdd, LoggedGroup, LoggedPark, LoggedReport, Named, decode, encode};

/// Groups of reports, by their number.
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("record");

/// Cuts: generation → the last record of it, and when it was cut.
const CUTS: TableDefinition<'_, u64, (u64, i64)> = TableDefinition::new("cut");

/// What must outlive every record.
const STATE: TableDefinition<'_, &str, u64> = TableDefinition::new("state");

/// The last generation that was cut.
const LAST_CUT: &str = "last_cut";

/// Generations up to this one are not in the log: cleaned, or from before it was begun anew.
const BEGINS_AFTER: &str = "begins_after";

/// The last record that was ever written.
const LAST_RECORD: &str = "last_record";

/// Records removed in one transaction: the writer waits for no longer than that.
const REMOVED_AT_ONCE: usize = 256;

/// Memory for pages: what is written once is read once, after a restart.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// The log failed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("the log {path} cannot be opened")]
    Open {
        path: PathBuf,
        #[source]
        source: Box<redb::Error>,
    },
    #[error("the disk of the log is full")]
    DiskFull {
        #[source]
        source: Box<redb::Error>,
    },
    #[error("the log did not take part")]
    Failed {
        #[source]
        source: Box<redb::Error>,
    },
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    #[error(transparent)]
    Fault(#[from] crate::faults::Fault),
}

impl<E: Into<redb::Error>> From<E> for LogError
where
    redb::Error: From<E>,
{
    fn from(error: E) -> Self {
        let error: redb::Error = error.into();
        match &error {
            redb::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => {
                Self::DiskFull { source: Box::new(error) }
            }
            _ => Self::Failed { source: Box::new(error) },
        }
    }
}

/// A generation as the log holds it; the open one has no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggedGeneration {
    pub generation: GenerationIndex,
    /// Its records lie in `first..=last`; none when last is below first.
    pub first: u64,
    pub last: u64,
    pub cut: Option<Micros>,
}

/// The log.
pub struct Log {
    path: PathBuf,
    database: Option<Database>,
    /// The number that the next record gets.
    next: u64,
    last_cut: Option<GenerationIndex>,
    begins_after: GenerationIndex,
    /// Bytes of the records that are held.
    bytes: u64,
    /// A record that was refused and may have reached the disk.
    doubtful: Option<u64>,
}

impl Log {
    /// Opens the log, or makes it.
    ///
    /// # Errors
    /// [`LogError::Open`] when the file cannot be used.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let database = open_database(path)?;
        let mut log = Self {
            path: path.to_owned(),
            database: None,
            next: 1,
            last_cut: None,
            begins_after: GenerationIndex(0),
            bytes: 0,
            doubtful: None,
        };
        let write = database.begin_write()?;
        {
            write.open_table(CUTS)?;
            let records = write.open_table(RECORDS)?;
            let state = write.open_table(STATE)?;
            log.last_cut = state.get(LAST_CUT)?.map(|it| GenerationIndex(it.value()));
            log.begins_after = GenerationIndex(state.get(BEGINS_AFTER)?.map_or(0, |it| it.value()));
            let written = state.get(LAST_RECORD)?.map_or(0, |it| it.value());
            let held = records.last()?.map_or(0, |(key, _)| key.value());
            log.next = written.max(held) + 1;
            for row in records.iter()? {
                log.bytes += row?.1.value().len() as u64;
            }
        }
        write.commit()?;
        log.database = Some(database);
        Ok(log)
    }

    /// Bytes of the records that are held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The last generation that was cut; `None` in a log that was never cut.
    pub fn last_cut(&self) -> Option<GenerationIndex> {
        self.last_cut
    }

    /// Generations up to this one are not in the log any more. A watermark below it cannot be refilled from here: what
    /// the log does not have must never be taken for empty.
    pub fn begins_after(&self) -> GenerationIndex {
        self.begins_after
    }

    /// Whether nothing was ever written.
    pub fn is_new(&self) -> bool {
        self.last_cut.is_none() && self.next == 1
    }

    fn database(&self) -> Result<&Database, LogError> {
        self.database.as_ref().ok_or_else(|| redb::Error::PreviousIo.into())
    }

    /// After a failure: opens the file anew and removes the record that may have reached it. Readers call it first.
    ///
    /// # Errors
    /// [`LogError`] while the disk does not answer.
    pub fn mend(&mut self) -> Result<(), LogError> {
        let Some(doubtful) = self.doubtful else { return Ok(()) };
        if self.database.is_none() {
            self.database = Some(open_database(&self.path)?);
        }
        let write = self.database()?.begin_write()?;
        write.open_table(RECORDS)?.remove(doubtful)?;
        write.commit()?;
        self.doubtful = None;
        Ok(())
    }

    /// Appends a group; when this returns it has reached the disk.
    ///
    /// # Errors
    /// [`LogError`]: the group is not in the log, and never will be.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        self.mend()?;
        let number = self.next;
        let appended = self.try_append(number, bytes);
        match appended {
            Ok(()) => {
                self.next += 1;
                self.bytes += bytes.len() as u64;
            }
            Err(_) => {
                // The engine refuses all work after an error of the disk until it is opened anew.
                self.doubtful = Some(number);
                self.database = None;
            }
        }
        appended
    }

    fn try_append(&self, number: u64, bytes: &[u8]) -> Result<(), LogError> {
        let mut write = self.database()?.begin_write()?;
        // The one place where an acknowledgement waits for the disk.
        write.set_durability(Durability::Immediate)?;
        write.open_table(RECORDS)?.insert(number, bytes)?;
        crate::faults::hit("before-log-fsync")?;
        write.commit()?;
        crate::faults::hit("after-log-fsync")?;
        Ok(())
    }

    /// Cuts: all records so far belong to this generation or to earlier ones.
    ///
    /// # Errors
    /// [`LogError`]: nothing is cut.
    pub fn cut(&mut self, generation: GenerationIndex, at: Micros) -> Result<(), LogError> {
        self.mend()?;
        let last = self.next - 1;
        let write = self.database()?.begin_write()?;
        write.open_table(CUTS)?.insert(generation.0, (last, at.0))?;
        {
            let mut state = write.open_table(STATE)?;
            state.insert(LAST_CUT, generation.0)?;
            state.insert(LAST_RECORD, last)?;
        }
        write.commit()?;
        self.last_cut = Some(generation);
        Ok(())
    }

    /// Begins a log after a lost disk: empty, and after this generation.
    ///
    /// # Errors
    /// [`LogError`]: nothing is changed.
    pub fn begin_after(&mut self, generation: GenerationIndex) -> Result<(), LogError> {
        let last = self.next - 1;
        let write = self.database()?.begin_write()?;
        write.open_table(CUTS)?.retain(|_, _| false)?;
        write.open_table(RECORDS)?.retain(|_, _| false)?;
        {
            let mut state = write.open_table(STATE)?;
            state.insert(LAST_CUT, generation.0)?;
            state.insert(LAST_RECORD, last)?;
            state.insert(BEGINS_AFTER, generation.0)?;
        }
        write.commit()?;
        (self.last_cut, self.begins_after, self.bytes) = (Some(generation), generation, 0);
        Ok(())
    }

    /// The generations that are held, oldest first; the open one is the last.
    ///
    /// # Errors
    /// [`LogError`] when the disk does not answer.
    pub fn generations(&self) -> Result<Vec<LoggedGeneration>, LogError> {
        let read = self.database()?.begin_read()?;
        let (cuts, records) = (read.open_table(CUTS)?, read.open_table(RECORDS)?);
        let mut first = records.first()?.map_or(self.next, |(key, _)| key.value());
        let mut found = Vec::new();
        for row in cuts.iter()? {
            let (generation, cut) = row?;
            let (last, at) = cut.value();
            let generation = GenerationIndex(generation.value());
            // One that is being removed may lack records already, and what is left of it cannot be read.
            if generation > self.begins_after {
                found.push(LoggedGeneration { generation, first, last, cut: Some(Micros(at)) });
            }
            first = first.max(last + 1);
        }
        let generation = GenerationIndex(self.last_cut.unwrap_or_default().0 + 1);
        found.push(LoggedGeneration { generation, first, last: self.next - 1, cut: None });
        Ok(found)
    }

    /// Visits the records of a generation in order.
    ///
    /// # Errors
    /// [`LogError`] when the disk does not answer, or the visitor refuses.
    pub fn visit(
        &self,
        generation: &LoggedGeneration,
        mut visit: impl FnMut(&[u8]) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        if generation.last < generation.first {
            return Ok(());
        }
        let read = self.database()?.begin_read()?;
        let records = read.open_table(RECORDS)?;
        for row in records.range(generation.first..=generation.last)? {
            visit(row?.1.value())?;
        }
        Ok(())
    }

    /// Removes some records of generations up to this one; true while there is more.
    ///
    /// # Errors
    /// [`LogError`]: what was removed before stays removed.
    pub fn remove_through(&mut self, generation: GenerationIndex) -> Result<bool, LogError> {
        self.mend()?;
        let (mut bytes, mut is_more) = (0, false);
        let write = self.database()?.begin_write()?;
        {
            let mut cuts = write.open_table(CUTS)?;
            let last = cuts.range(..=generation.0)?.next_back().transpose()?.map(|(_, cut)| cut.value().0);
            if let Some(last) = last {
                let mut records = write.open_table(RECORDS)?;
                let taken = records.extract_from_if(..=last, |_, _| true)?;
                for (count, row) in taken.take(REMOVED_AT_ONCE + 1).enumerate() {
                    bytes += row?.1.value().len() as u64;
                    is_more = count == REMOVED_AT_ONCE;
                }
            }
            if !is_more {
                cuts.retain(|key, _| key > generation.0)?;
            }
            // Written with the first piece already: a generation of which a piece is gone is gone.
            write.open_table(STATE)?.insert(BEGINS_AFTER, self.begins_after.max(generation).0)?;
        }
        write.commit()?;
        self.begins_after = self.begins_after.max(generation);
        self.bytes = self.bytes.saturating_sub(bytes);
        Ok(is_more)
    }
}

fn open_database(path: &Path) -> Result<Database, LogError> {
    let opened = Database::builder().set_cache_size(CACHE_BYTES).create(path);
    opened.map_err(|error| LogError::Open { path: path.to_owned(), source: Box::new(error.into()) })
}

#[cfg(test)]
mod tests;
