//! What is measured of the intake. The names stand in `docs/reference/metrics.md`.
//!
//! The writer counts as it goes; what is a state is looked up when somebody asks. No label carries an id (I22).

use std::time::Duration;

use prometheus::{Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

/// From a fast disk (50 µs) to one that stalls.
const SECONDS_BUCKETS: &[f64] =
    &[0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];

/// The metrics of the intake.
#[derive(Clone)]
pub struct Meters {
    pub reports: IntCounterVec,
    pub items: IntCounterVec,
    pub refused: IntCounterVec,
    pub fsync_seconds: Histogram,
    pub acknowledge_seconds: Histogram,
    pub flushed_rows: IntCounter,
    pub oldest_seconds: Gauge,
    pub flush_lag: Gauge,
    pub log_bytes: Gauge,
    pub pending_rows: Gauge,
    pub pending_bytes: Gauge,
    pub memory_bytes: Gauge,
    pub queue_bytes: Gauge,
    pub lost_generations: Gauge,
    pub is_closed: Gauge,
}

const VALID: &str = "names and labels are constants, and differ";

fn gauge(name: &str, help: &str) -> Gauge {
    Gauge::new(name, help).expect(VALID)
}

fn counters(name: &str, help: &str, label: &str) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), &[label]).expect(VALID)
}

fn seconds(name: &str, help: &str) -> Histogram {
    Histogram::with_opts(HistogramOpts::new(name, help).buckets(SECONDS_BUCKETS.to_vec())).expect(VALID)
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            reports: counters("tenure_reports_total", "Reports by result.", "result"),
            items: counters("tenure_report_items_total", "Items of accepted reports by outcome.", "outcome"),
            refused: counters("tenure_reports_refused_total", "Reports that were refused, by reason.", "reason"),
            fsync_seconds: seconds("tenure_log_fsync_seconds", "How long a group of reports took to reach the disk."),
            acknowledge_seconds: seconds(
                "tenure_report_acknowledge_seconds",
                "From the parser to the acknowledgement.",
            ),
            flushed_rows: IntCounter::new("tenure_flush_rows_total", "Rows of usage that were committed.")
                .expect(VALID),
            oldest_seconds: gauge(
                "tenure_uncommitted_oldest_seconds",
                "Age of the oldest report that is not committed.",
            ),
            flush_lag: gauge("tenure_flush_lag_generations", "Generations that are cut and not committed."),
            log_bytes: gauge("tenure_log_bytes", "Bytes of the records in the log."),
            pending_rows: gauge("tenure_pending_rows", "Rows of usage in memory that are not committed."),
            pending_bytes: gauge("tenure_pending_traffic_bytes", "Traffic that is logged and not committed."),
            memory_bytes: gauge("tenure_pending_memory_bytes", "Memory of what is not committed."),
            queue_bytes: gauge("tenure_intake_queue_bytes", "Memory of reports that wait for the log."),
            lost_generations: gauge(
                "tenure_lost_generations",
                "Generations that were lost with a disk, at this start.",
            ),
            is_closed: gauge("tenure_intake_closed", "1 when this replica is retired and takes nothing."),
        }
    }
}

impl Meters {
    /// Registers all of them.
    ///
    /// # Panics
    /// When they are registered twice.
    pub fn register(&self, registry: &Registry) {
        let all: [Box<dyn prometheus::core::Collector>; 15] = [
            Box::new(self.reports.clone()),
            Box::new(self.items.clone()),
            Box::new(self.refused.clone()),
            Box::new(self.fsync_seconds.clone()),
            Box::new(self.acknowledge_seconds.clone()),
            Box::new(self.flushed_rows.clone()),
            Box::new(self.oldest_seconds.clone()),
            Box::new(self.flush_lag.clone()),
            Box::new(self.log_bytes.clone()),
            Box::new(self.pending_rows.clone()),
            Box::new(self.pending_bytes.clone()),
            Box::new(self.memory_bytes.clone()),
            Box::new(self.queue_bytes.clone()),
            Box::new(self.lost_generations.clone()),
            Box::new(self.is_closed.clone()),
        ];
        for collector in all {
            registry.register(collector).expect(VALID);
        }
        // A reason that never occurred is shown as zero.
        for result in ["applied", "duplicate"] {
            self.reports.with_label_values(&[result]);
        }
        for outcome in ["accepted", "parked", "rejected"] {
            self.items.with_label_values(&[outcome]);
        }
    }

    /// Notes a report that was refused.
    pub fn refuse(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// Notes how long a group took to reach the disk.
    pub fn fsynced(&self, took: Duration) {
        self.fsync_seconds.observe(took.as_secs_f64());
    }
}
