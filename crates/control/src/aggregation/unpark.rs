//! Counts what was kept aside once its instance exists, and keeps the figures by which reporters are bounded.
//!
//! Moving is one transaction of the store, safe to repeat and safe beside another process; the process that leads does
//! it. Every process looks up how much is kept aside for the reporters whose home it is.

use std::collections::HashMap;
use std::sync::Arc;

use domain::ids::NodeId;
use domain::time::Micros;
use store::{ParkedFate, Store};

use super::hot::Calendar;
use super::writer::Counting;
use crate::orchestration::Leadership;
use crate::tasks::{Status, Task, TaskError};

/// Items that are moved in one transaction: some tens of milliseconds of writing.
const READY_MAX: u32 = 2_000;

/// The task that counts what was kept aside.
pub struct Unpark {
    pub store: Store,
    pub counting: Arc<Counting>,
    pub calendar: Arc<Calendar>,
    pub leadership: Arc<Leadership>,
}

impl Task for Unpark {
    fn name(&self) -> &'static str {
        "unpark"
    }

    async fn run_once(&mut self, now: Micros) -> Result<Status, TaskError> {
        let (mut done, mut is_more) = (0, false);
        if self.leadership.is_leading() {
            let ready = self.store.parked_ready(None, READY_MAX).await?;
            is_more = ready.len() >= READY_MAX as usize;
            let fate = |row: &store::ParkedRow| {
                let minute = row.item.minute;
                let period = self.calendar.period(row.item.instance.as_str(), minute.start()).start;
                (row.key.clone(), ParkedFate::Count { period, hour: minute.hour() })
            };
            // An instance that the view does not show yet has no product here, and so no period: it waits for a run.
            let shown = ready.iter().filter(|row| self.calendar.knows(row.item.instance.as_str()));
            let fates: Vec<_> = shown.map(fate).collect();
            if !fates.is_empty() {
                done = self.store.settle_parked(&fates, now).await?.items;
            }
        }
        let counts: HashMap<NodeId, u64> =
            self.store.parked_counts().await?.into_iter().map(|(reporter, items, _)| (reporter, items)).collect();
        let mut hot = self.counting.hot();
        for reporter in hot.reporters.iter_mut() {
            reporter.parked_stored = counts.get(&reporter.id).copied().unwrap_or(0);
        }
        Ok(Status { done, is_more: is_more && done > 0, ..Status::idle() })
    }
}
