//! A node that reports: it repeats until it is answered, keeps what is not committed, and doubles and reorders on purpose.
//!
//! What it made is the oracle. It refuses to be fooled: an acknowledged report that is asked for again, or counted
//! again, ends the test, unless the disk of its home was lost, which is the only time when it may go back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use domain::time::Micros;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use wire::report::{Encoding, Report, ReportKind, ReportResult, Reported, TrafficItem};

/// Longer than an answer takes; a node that waits longer repeats.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Between two reports of a node, and before it repeats one, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 1..25;

/// Items of one report.
const ITEMS_MAX: usize = 12;

/// How far a node's clock may be wrong, in seconds: ten minutes.
const CLOCK_WRONG_S: i64 = 600;

/// Forty days: beyond what a report may be late.
const TOO_LATE_S: i64 = 40 * 24 * 3600;

/// Committed reports that are kept all the same, to be sent twice.
const KEPT_FOR_DOUBLES: u64 = 20;

/// All of a node's reports are answered within so long after the last fault.
const SETTLED_MAX: Duration = Duration::from_secs(90);

/// Where the server is, and what its reporters may expect of it.
#[derive(Default)]
pub struct Place {
    server: Mutex<(String, String)>,
    /// The node stops making new reports.
    pub is_over: AtomicBool,
    /// The disk of the home was lost: an acknowledged report may be asked for again.
    pub is_disk_lost: AtomicBool,
}

impl Place {
    pub fn is_at(&self, url: &str, token: &str) {
        *self.server.lock().unwrap() = (url.to_owned(), token.to_owned());
    }
}

/// What was counted by the sender.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    pub reports: u64,
    pub sent: u64,
    pub duplicates: u64,
    pub gaps: u64,
    pub replayed: u64,
    pub unanswered: u64,
    pub refused: BTreeMap<u16, u64>,
}

/// A node that reports.
pub struct Reporter {
    pub id: &'static str,
    pub tally: Tally,
    /// Bytes that each instance is to have because of it.
    pub expected: BTreeMap<String, u64>,
    /// Bytes that are to be refused.
    pub rejected: u64,
    /// A running total that was durable in a part of its shards when the disk was lost: what it had added there is not
    /// known when it is repeated, so the account of the reporter leaves it out. The accounts of the shards are exact.
    pub may_be_short: bool,
    kind: ReportKind,
    encoding: Encoding,
    incarnation: u64,
    kept: BTreeMap<u64, Vec<u8>>,
    made: u64,
    next: u64,
    acknowledged: u64,
    committed: u64,
    totals: BTreeMap<String, (u64, u64)>,
    random: StdRng,
    client: reqwest::Client,
}

/// What became of a report.
enum Answer {
    Taken(Reported),
    Gap(u64),
    Refused(u16),
    None,
}

impl Reporter {
    pub fn new(id: &'static str, kind: ReportKind, encoding: Encoding, seed: u64) -> Self {
        // Only the first call of a process installs one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            id,
            tally: Tally::default(),
            expected: BTreeMap::new(),
            rejected: 0,
            may_be_short: false,
            kind,
            encoding,
            incarnation: 1,
            kept: BTreeMap::new(),
            made: 0,
            next: 1,
            acknowledged: 0,
            committed: 0,
            totals: BTreeMap::new(),
            random: StdRng::seed_from_u64(seed),
            client: reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).build().unwrap(),
        }
    }

    /// Bytes that are to be received from it.
    pub fn received(&self) -> u64 {
        self.expected.values().sum::<u64>() + self.rejected
    }

    /// Starts a new life: everything of the former one must be committed.
    pub fn restart(&mut self) {
        self.incarnation += 1;
        self.kept.clear();
        self.totals.clear();
        (self.made, self.next, self.acknowledged, self.committed) = (0, 1, 0, 0);
    }

    /// Reports until it is over, then until everything is acknowledged.
    pub async fn live(mut self, place: Arc<Place>, instances: Arc<Vec<String>>) -> Self {
        while !place.is_over.load(Ordering::Acquire) {
            if self.next > self.made {
                self.make(&instances);
            }
            match self.random.random_range(0..20) {
                0 | 1 => self.double(&place).await,
                2 => {
                    // The next but one arrives first, or at the same time.
                    self.make(&instances);
                    let (early, late) = (self.send(&place, self.made), self.send(&place, self.next));
                    let (early, late) = tokio::join!(early, late);
                    let (next, made) = (self.next, self.made);
                    // In the order in which they became true: a gap was found before the other one came.
                    let pair = match early {
                        Answer::Gap(_) => [(made, early), (next, late)],
                        _ => [(next, late), (made, early)],
                    };
                    pair.into_iter().for_each(|(sequence, answer)| self.hear(&place, sequence, answer));
                }
                _ => {}
            }
            if self.next <= self.made {
                self.advance(&place).await;
            }
            self.pause().await;
        }
        self.settle(&place, &instances).await;
        self
    }

    /// One more report, which finds out what the home holds; then everything until nothing is unanswered.
    async fn settle(&mut self, place: &Place, instances: &[String]) {
        self.make(instances);
        let started = Instant::now();
        while self.next <= self.made {
            let (id, next, made) = (self.id, self.next, self.made);
            assert!(started.elapsed() < SETTLED_MAX, "{id}: {next} of {made} is not answered: {:?}", self.tally);
            if !self.advance(place).await {
                self.pause().await;
            }
        }
        assert_eq!(self.acknowledged, self.made, "{}", self.id);
    }

    async fn pause(&mut self) {
        let pause = self.random.random_range(PAUSE_MS);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }

    /// Makes the next report and notes what it is to count.
    fn make(&mut self, instances: &[String]) {
        self.made += 1;
        self.tally.reports += 1;
        let random = &mut self.random;
        let mut traffic: Vec<TrafficItem> = Vec::new();
        for _ in 0..random.random_range(1..=ITEMS_MAX) {
            let instance = instances[random.random_range(0..instances.len())].clone();
            let (up, down) = (random.random_range(0..2_000), random.random_range(0..50_000));
            *self.expected.entry(instance.clone()).or_default() += up + down;
            let (up, down) = match self.kind {
                ReportKind::Delta => (up, down),
                ReportKind::Cumulative => {
                    let total = self.totals.entry(instance.clone()).or_default();
                    *total = (total.0 + up, total.1 + down);
                    *total
                }
            };
            traffic.push(TrafficItem { instance, up, down, lease: None });
        }
        let now = Micros(jiff::Timestamp::now().as_microsecond());
        let observed_at = match random.random_range(0..10) {
            0..5 => None,
            5..9 => Some(now.plus_seconds(random.random_range(-CLOCK_WRONG_S..=CLOCK_WRONG_S))),
            _ => Some(now.plus_seconds(-TOO_LATE_S)),
        };
        let report = Report {
            reporter: self.id.into(),
            incarnation: self.incarnation,
            sequence: self.made,
            kind: self.kind,
            observed_at,
            traffic,
            online: Vec::new(),
            node: None,
            in_force: None,
        };
        let mut bytes = report.to_bytes(self.encoding);
        if self.encoding == Encoding::Json && self.kind == ReportKind::Delta && random.random_range(0..8) == 0 {
            // An item that is refused, with bytes that can be read.
            let mut body: Value = serde_json::from_slice(&bytes).unwrap();
            let down = random.random_range(1..1_000);
            body["traffic"][0] = serde_json::json!({"instance": "svc-0", "up": -1, "down": down});
            let item = &report.traffic[0];
            *self.expected.get_mut(&item.instance).unwrap() -= item.up + item.down;
            self.rejected += down;
            bytes = serde_json::to_vec(&body).unwrap();
        }
        self.kept.insert(self.made, bytes);
    }

    /// Sends one of those that were acknowledged once more.
    async fn double(&mut self, place: &Place) {
        let old: Vec<u64> = self.kept.keys().copied().filter(|it| *it <= self.acknowledged).collect();
        if old.is_empty() {
            return;
        }
        let sequence = old[self.random.random_range(0..old.len())];
        let answer = self.send(place, sequence).await;
        self.hear(place, sequence, answer);
    }

    /// Sends the next one; true when it was taken.
    async fn advance(&mut self, place: &Place) -> bool {
        let next = self.next;
        let answer = self.send(place, next).await;
        self.hear(place, next, answer);
        self.next > next
    }

    fn send(&self, place: &Place, sequence: u64) -> impl Future<Output = Answer> + use<> {
        let (url, token) = place.server.lock().unwrap().clone();
        let kept = self.kept.get(&sequence).unwrap_or_else(|| {
            panic!("{} is to send {sequence}, which it was told is committed: {}", self.id, self.committed)
        });
        let (body, encoding) = (kept.clone(), self.encoding);
        let request = self.client.post(format!("{url}/v1/reports")).bearer_auth(token);
        let request = request.header("content-type", encoding.media_type()).body(body);
        async move {
            let Ok(response) = request.send().await else { return Answer::None };
            let status = response.status().as_u16();
            let Ok(bytes) = response.bytes().await else { return Answer::None };
            match status {
                200 => Answer::Taken(Reported::from_bytes(&bytes, encoding).unwrap()),
                409 => {
                    let problem: Value = serde_json::from_slice(&bytes).unwrap();
                    Answer::Gap(problem["expected"].as_u64().unwrap_or_else(|| panic!("{problem}")))
                }
                429 | 503 | 507 => Answer::Refused(status),
                _ => panic!("{status}: {}", String::from_utf8_lossy(&bytes)),
            }
        }
    }

    /// Takes an answer in; what cannot be true ends the test.
    fn hear(&mut self, place: &Place, sequence: u64, answer: Answer) {
        let is_disk_lost = place.is_disk_lost.load(Ordering::Acquire);
        self.tally.sent += 1;
        match answer {
            Answer::None => self.tally.unanswered += 1,
            Answer::Refused(status) => *self.tally.refused.entry(status).or_default() += 1,
            Answer::Gap(expected) => {
                self.tally.gaps += 1;
                assert!(expected <= self.made, "{} has made {} reports, expected is {expected}", self.id, self.made);
                if expected <= self.acknowledged {
                    let (id, known) = (self.id, self.acknowledged);
                    assert!(
                        is_disk_lost,
                        "{id}: {known} was acknowledged and {expected} is expected: a report is lost"
                    );
                    self.may_be_short |= self.kind == ReportKind::Cumulative;
                    self.tally.replayed += self.acknowledged + 1 - expected;
                    self.acknowledged = expected - 1;
                }
                self.next = expected;
            }
            Answer::Taken(reported) => {
                if reported.result == ReportResult::Duplicate {
                    self.tally.duplicates += 1;
                } else {
                    let is_again = sequence <= self.acknowledged;
                    assert!(!is_again || is_disk_lost, "{}: {sequence} was acknowledged and counted again", self.id);
                }
                assert!(reported.logged_through >= sequence, "{}: {reported:?}", self.id);
                assert!(reported.committed_through <= reported.logged_through, "{}: {reported:?}", self.id);
                self.acknowledged = self.acknowledged.max(sequence);
                self.next = self.next.max(sequence + 1);
                self.committed = self.committed.max(reported.committed_through);
                let first = self.committed.saturating_sub(KEPT_FOR_DOUBLES);
                self.kept.retain(|it, _| *it > first);
            }
        }
    }
}
