//! What is measured of this process, in Prometheus' text format.
//!
//! All names stand in `docs/reference/metrics.md`; a test compares the two. No label carries an id of an instance or
//! anything else that is resident (I22).

use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

use super::Shared;
use super::failure::{Answer, Failure};
use crate::aggregation::hot::ShardSums;
use crate::aggregation::{Counting, Meters};
use crate::clock;

/// From a resolution in memory (50 µs) to an import (minutes).
const SECONDS_BUCKETS: &[f64] = &[0.000_05, 0.000_1, 0.000_25, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];

/// The media type of the text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics of a process.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    in_flight: IntGauge,
    import_rows: IntCounterVec,
    view_revision: Gauge,
    instances: Gauge,
    is_leading: Gauge,
    task_runs: GaugeVec,
    task_backlog: GaugeVec,
    counting: Meters,
}

/// The meters of one route, looked up once.
pub struct RouteMeters {
    seconds: Histogram,
    /// By the first digit of the status, from 1.
    requests: [IntCounter; 5],
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Fresh metrics, all registered.
    ///
    /// # Panics
    /// Never: the names are constants and differ.
    pub fn new() -> Self {
        let options = |name: &str, help: &str| Opts::new(name, help);
        let timing = HistogramOpts::new("tenure_http_request_seconds", "How long requests took, by route.");
        let metrics = Self {
            registry: Registry::new(),
            requests: counters(
                "tenure_http_requests_total",
                "Requests by route and class of status.",
                &["method", "route", "class"],
            ),
            seconds: HistogramVec::new(timing.buckets(SECONDS_BUCKETS.to_vec()), &["method", "route"]).expect(VALID),
            in_flight: IntGauge::new("tenure_http_requests_in_flight", "Requests that are being answered.")
                .expect(VALID),
            import_rows: counters("tenure_import_rows_total", "Rows of imports by outcome.", &["outcome"]),
            view_revision: gauge("tenure_view_revision", "The revision that the view has reached."),
            instances: gauge("tenure_view_instances", "Instances in the view, terminated ones included."),
            is_leading: gauge("tenure_leading", "1 while this process leads, else 0."),
            task_runs: gauges(options("tenure_task_runs", "Runs of each task since the start.")),
            task_backlog: gauges(options("tenure_task_backlog", "What each task left for its next run.")),
            counting: Meters::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&self) {
        let all: [Box<dyn prometheus::core::Collector>; 9] = [
            Box::new(self.requests.clone()),
            Box::new(self.seconds.clone()),
            Box::new(self.in_flight.clone()),
            Box::new(self.import_rows.clone()),
            Box::new(self.view_revision.clone()),
            Box::new(self.instances.clone()),
            Box::new(self.is_leading.clone()),
            Box::new(self.task_runs.clone()),
            Box::new(self.task_backlog.clone()),
        ];
        for collector in all {
            self.registry.register(collector).expect(VALID);
        }
        self.counting.register(&self.registry);
    }

    /// Where other parts register what they measure.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The meters of the intake.
    pub fn counting(&self) -> &Meters {
        &self.counting
    }

    /// The meters of a route.
    pub fn route(&self, method: &str, route: &str) -> RouteMeters {
        let class = |digit: usize| self.requests.with_label_values(&[method, route, &format!("{}xx", digit + 1)]);
        RouteMeters { seconds: self.seconds.with_label_values(&[method, route]), requests: std::array::from_fn(class) }
    }

    /// Counts rows of an import.
    pub fn count_import(&self, accepted: u64, refused: u64) {
        self.import_rows.with_label_values(&["accepted"]).inc_by(accepted);
        self.import_rows.with_label_values(&["refused"]).inc_by(refused);
    }

    pub(super) fn note_task(&self, name: &str, runs: u64, backlog: u64) {
        self.task_runs.with_label_values(&[name]).set(runs as f64);
        self.task_backlog.with_label_values(&[name]).set(backlog as f64);
    }

    pub(super) fn enter(&self) {
        self.in_flight.inc();
    }

    pub(super) fn leave(&self) {
        self.in_flight.dec();
    }

    /// Notes how the counts stand at this moment.
    fn look_at(&self, counting: &Counting) {
        let (meters, log_bytes) = (&self.counting, counting.log().bytes());
        let hot = counting.hot();
        let age_us = hot.oldest().map_or(0, |oldest| clock::now().since_us(oldest).max(0));
        let sealed = hot.open.generation - 1;
        let pending: u64 = hot.open.sums.iter().map(ShardSums::counted).sum();
        meters.oldest_seconds.set(age_us as f64 / 1e6);
        meters.flush_lag.set(sealed.saturating_sub(hot.backlog.smallest()) as f64);
        meters.log_bytes.set(log_bytes as f64);
        meters.pending_rows.set(hot.rows() as f64);
        meters.pending_bytes.set((pending + hot.pending_sealed()) as f64);
        meters.memory_bytes.set(hot.bytes_held() as f64);
        meters.queue_bytes.set(counting.queued_bytes() as f64);
    }

    /// The text, with what is looked up at this moment.
    fn text(&self, parts: &crate::wiring::Parts) -> Result<String, prometheus::Error> {
        self.view_revision.set(parts.view.revision().0 as f64);
        self.instances.set(parts.view.len() as f64);
        self.is_leading.set(f64::from(u8::from(parts.leadership.is_leading())));
        self.look_at(parts.intake.counting());
        for row in parts.tasks.rows() {
            self.note_task(row.name, row.iteration, row.backlog);
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl RouteMeters {
    /// Notes an answer.
    pub fn observe(&self, status: u16, took: Duration) {
        let class = usize::from(status / 100).clamp(1, self.requests.len());
        self.requests[class - 1].inc();
        self.seconds.observe(took.as_secs_f64());
    }
}

const VALID: &str = "names and labels are constants, and differ";

fn gauge(name: &str, help: &str) -> Gauge {
    Gauge::new(name, help).expect(VALID)
}

fn gauges(options: Opts) -> GaugeVec {
    GaugeVec::new(options, &["task"]).expect(VALID)
}

fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels).expect(VALID)
}

/// `GET /metrics`
pub async fn show(State(parts): State<Shared>) -> Answer {
    let text = parts.metrics.text(&parts).map_err(Failure::internal)?;
    Ok(([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response())
}
