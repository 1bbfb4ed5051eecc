//! Who is online: the devices of each instance and when each was last seen, in memory alone.
//!
//! A semilattice: the latest sighting of a device holds, whatever the order of reports. Nothing of it is logged; after a
//! restart it is complete again within one round of reports. Devices are resident data: they are in no log and no metric.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::aggregation::{DeviceId, Presence, Seen};
use domain::ids::NodeId;
use domain::time::Micros;

use crate::tasks::{Status, Task, TaskError};

/// Instances whose devices are held: beyond, new ones are passed over until others expire. About a gigabyte.
const INSTANCES_MAX: usize = 4_000_000;

/// Shares of the map, so that reports and readers seldom meet.
const SHARES: usize = 64;

/// Who is online.
pub struct Presences {
    shares: Vec<Mutex<BTreeMap<String, Presence>>>,
    ttl: Duration,
}

impl Presences {
    /// Nobody is online; a device is forgotten after `ttl`.
    pub fn new(ttl: Duration) -> Self {
        Self { shares: (0..SHARES).map(|_| Mutex::default()).collect(), ttl }
    }

    fn share(&self, instance: &str) -> MutexGuard<'_, BTreeMap<String, Presence>> {
        let at = usize::from(domain::aggregation::ShardIndex::of_text(instance).get()) % SHARES;
        self.shares[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a device counts as online after it was seen.
    pub fn ttl_us(&self) -> i64 {
        i64::try_from(self.ttl.as_micros()).unwrap_or(i64::MAX)
    }

    /// Takes (instance, device) pairs; answers how many were taken.
    pub fn observe(&self, reporter: &NodeId, seen: &[(String, String)], at: Micros) -> u64 {
        let mut taken = 0;
        for (instance, device) in seen {
            let Ok(device) = DeviceId::parse(device) else { continue };
            let mut share = self.share(instance);
            let has_room = share.len() < INSTANCES_MAX / SHARES;
            match share.get_mut(instance) {
                Some(presence) => presence.observe(device, Seen { at, reporter: reporter.clone() }),
                None if has_room => {
                    let mut presence = Presence::default();
                    presence.observe(device, Seen { at, reporter: reporter.clone() });
                    share.insert(instance.clone(), presence);
                }
                None => continue,
            }
            taken += 1;
        }
        taken
    }

    /// The devices of an instance that are online, the latest first.
    pub fn of(&self, instance: &str, now: Micros) -> Vec<(DeviceId, Seen)> {
        let share = self.share(instance);
        let Some(presence) = share.get(instance) else { return Vec::new() };
        let online = presence.online(now, self.ttl_us());
        let mut found: Vec<(DeviceId, Seen)> = online.map(|(device, seen)| (device.clone(), seen.clone())).collect();
        found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        found
    }
}

/// Forgets the devices that went away.
pub struct ForgetPresence {
    pub presences: std::sync::Arc<Presences>,
}

impl Task for ForgetPresence {
    fn name(&self) -> &'static str {
        "presence"
    }

    async fn run_once(&mut self, now: Micros) -> Result<Status, TaskError> {
        let mut forgotten = 0;
        for share in &self.presences.shares {
            let mut share = share.lock().unwrap_or_else(PoisonError::into_inner);
            let before = share.len();
            share.retain(|_, presence| {
                presence.forget(now, self.presences.ttl_us());
                !presence.is_empty()
            });
            forgotten += before - share.len();
        }
        Ok(Status { done: forgotten as u64, ..Status::idle() })
    }
}
