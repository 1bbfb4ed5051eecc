//! Judges silence: which nodes at home here have stopped reporting, and which regions are held because too many did.
//!
//! Measured on the monotonic clock of this process; a time in which it was not listening accuses nobody. A judgement
//! is a written fact, and only while this process is still the home of the node.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::aggregation::{Watch, silent_nodes, was_healthy};
use domain::ids::{NodeId, RegionId};
use domain::orchestration::{GroupIx, Health, NodeFacts, NodeIx, Topology};
use domain::time::Micros;
use store::{FactWrite, Intent, Store};

use super::homes::Homes;
use crate::clock;
use crate::settings::OnRegionSilent;
use crate::tasks::{Status, Task, TaskError, Wake};
use crate::view::View;

/// How often silence is judged.
pub const JUDGE_EVERY: Duration = Duration::from_secs(1);

/// A gap between two judgements that is longer than this was a time without listening.
const LISTENING_GAP: Duration = Duration::from_secs(5);

/// How often homes are compared: well within any time to live.
const COMPARE_EVERY: Duration = Duration::from_secs(5);

/// The actor of a judgement.
const ACTOR: &str = "silence";

/// The regions that are held: the alarm `region-silent` stands for them.
#[derive(Default)]
pub struct SilentRegions {
    held: Mutex<BTreeSet<RegionId>>,
}

impl SilentRegions {
    /// The regions that are held, by id.
    pub fn held(&self) -> Vec<RegionId> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Replaces what is held; raises and clears the alarm when that changes.
    fn set(&self, held: BTreeSet<RegionId>) {
        let before = std::mem::replace(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner), held.clone());
        for region in held.difference(&before) {
            tracing::warn!(%region, "region-silent: too many of its nodes fell silent at once; they stay as they were");
        }
        for region in before.difference(&held) {
            tracing::info!(%region, "region-silent is over");
        }
    }
}

/// The task that judges silence.
pub struct JudgeSilence {
    pub store: Store,
    pub view: Arc<View>,
    pub homes: Arc<Homes>,
    pub regions: Arc<SilentRegions>,
    pub wake: Wake,
    pub ttl: Duration,
    pub on_region_silent: OnRegionSilent,
    /// When it last judged.
    pub judged: Instant,
    /// When it last asked whose home the unheard nodes are.
    pub compared: Instant,
}

impl JudgeSilence {
    /// Nodes to be written silent, and the regions that are held.
    fn judge(
        &self,
        topology: &Topology,
        unheard: &BTreeSet<&NodeId>,
        now: Micros,
    ) -> (Vec<NodeId>, BTreeSet<RegionId>) {
        let ttl_us = i64::try_from(self.ttl.as_micros()).unwrap_or(i64::MAX);
        let watched: Vec<Watch<'_>> = (0u32..)
            .zip(topology.nodes())
            .map(|(at, node)| Watch {
                node: &node.object.id,
                regions: node.object.groups.iter().filter_map(|id| region_of(topology, id)).collect(),
                is_active: node.object.state.is_active(),
                health: topology.facts(NodeIx(at)).0.health,
                was_healthy: was_healthy(topology.facts(NodeIx(at)).0, now, ttl_us),
                is_heard: !unheard.contains(&node.object.id),
            })
            .collect();
        let (mut silent, held) = silent_nodes(&watched);
        if self.on_region_silent == OnRegionSilent::Repair {
            let all = watched.iter().filter(|it| it.is_active && it.health == Health::Up && !it.is_heard);
            silent = all.map(|it| it.node).collect();
        }
        (silent.into_iter().cloned().collect(), held.into_iter().cloned().collect())
    }
}

fn region_of<'a>(topology: &'a Topology, group: &domain::ids::GroupId) -> Option<&'a RegionId> {
    let at: GroupIx = topology.find_group_ix(group)?;
    Some(&topology.region_of(at).object.id)
}

impl Task for JudgeSilence {
    fn name(&self) -> &'static str {
        "silence"
    }

    async fn run_once(&mut self, now: Micros) -> Result<Status, TaskError> {
        let at = clock::monotonic();
        let gap = at.duration_since(self.judged);
        self.judged = at;
        if gap > LISTENING_GAP {
            self.homes.forgive(gap);
            return Ok(Status { detail: format!("not listening for {} s", gap.as_secs()), ..Status::idle() });
        }
        if at.duration_since(self.compared) >= COMPARE_EVERY {
            self.compared = at;
            // Nodes that report to another process by now are its to judge, and must not hold their region here.
            self.homes.keep_only(&self.store.list_homes().await?.into_iter().collect());
        }
        let unheard = self.homes.unheard(self.ttl, at);
        let topology = self.view.topology();
        let (silent, held) = self.judge(&topology.topology, &unheard.keys().collect(), now);
        let detail = if held.is_empty() { String::new() } else { format!("{} regions held", held.len()) };
        self.regions.set(held);
        let writes: Vec<FactWrite> = silent
            .into_iter()
            .filter_map(|node| {
                let at = topology.topology.find_node_ix(&node)?;
                let facts = NodeFacts { health: Health::Silent, since: now, ..topology.topology.facts(at).0 };
                let home = unheard.get(&node).cloned();
                Some(FactWrite { node, facts, home })
            })
            .collect();
        if writes.is_empty() {
            return Ok(Status { detail, ..Status::idle() });
        }
        let mut change = self.store.begin(Intent::Facts, ACTOR, now).await?;
        let written: BTreeSet<NodeId> = change.put_facts(&writes).await?.into_iter().collect();
        change.commit().await?;
        self.wake.follow();
        for write in writes.iter().filter(|write| !written.contains(&write.node)) {
            // Another process is its home by now.
            self.homes.leave(&write.node);
        }
        Ok(Status { done: written.len() as u64, detail, ..Status::idle() })
    }
}
