//! The frame: everything a decision may depend on beside the counters, closed under itself.
//!
//! A frame is built from a topology once and stored with the batch that first used it, so that a decision can be
//! rebuilt long after the topology has gone on (I9). Vectors are sorted by id; the rest of the decision code speaks
//! in positions of them, so a stored request is some twenty bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::topology::Topology;
use super::validate::standing_for_new;
use crate::ids::{AccessTemplateId, GroupId, Jurisdiction, ProductId, RegionId, Revision};
use crate::master_data::Mode;
use crate::reason::Reason;

/// The version of the decision rules. A change of [`super::choose`] or of the ramp that can alter an outcome makes a
/// new version; the old code stays for as long as a live ownership cites it (I9).
pub const RULES_VERSION: u32 = 1;

/// A group as a decision sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameGroup {
    pub id: GroupId,
    /// Position in [`Frame::regions`].
    pub region: u32,
    pub capacity: u32,
}

/// A region as a decision sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameRegion {
    pub id: RegionId,
    pub jurisdiction: Option<Jurisdiction>,
}

/// The modes that own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StickyMode {
    Shard,
    Regional,
}

/// A group inside a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Position in [`Frame::groups`].
    pub group: u32,
    /// [`Reason::Ok`] when it can take an instance of any jurisdiction it lies in; else why it cannot.
    pub verdict: Reason,
}

/// A boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameTemplate {
    pub id: AccessTemplateId,
    pub mode: StickyMode,
    /// By region id, then group id, in `regional` mode; by group id in `shard` mode.
    pub members: Vec<Member>,
}

/// Everything a decision may depend on beside the counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    pub rules: u32,
    /// The revision of the topology it was built from.
    pub revision: Revision,
    /// All regions, by id.
    pub regions: Vec<FrameRegion>,
    /// All groups, by id.
    pub groups: Vec<FrameGroup>,
    /// All products, by id, with the position of their template in [`Frame::templates`] when it is sticky.
    pub products: Vec<(ProductId, Option<u32>)>,
    /// All sticky access templates, by id.
    pub templates: Vec<FrameTemplate>,
}

impl Frame {
    /// The frame of a topology. `leaving` names (template, group) pairs that a running plan takes out of a boundary:
    /// they keep their owners and take nobody.
    pub fn build(topology: &Topology, leaving: &std::collections::BTreeSet<(AccessTemplateId, GroupId)>) -> Self {
        let regions: Vec<FrameRegion> = topology
            .regions()
            .iter()
            .map(|region| FrameRegion {
                id: region.object.id.clone(),
                jurisdiction: region.object.jurisdiction.clone(),
            })
            .collect();
        let region_at: BTreeMap<&RegionId, u32> =
            regions.iter().zip(0..).map(|(region, at)| (&region.id, at)).collect();
        let groups: Vec<FrameGroup> = topology
            .groups()
            .iter()
            .map(|group| FrameGroup {
                id: group.object.id.clone(),
                region: region_at[&group.object.region],
                capacity: group.object.weight,
            })
            .collect();
        let templates: Vec<FrameTemplate> = topology
            .access_templates()
            .iter()
            .filter_map(|template| {
                let mode = match template.object.mode {
                    Mode::Shard { .. } => StickyMode::Shard,
                    Mode::Regional { .. } => StickyMode::Regional,
                    Mode::Fixed { .. } | Mode::Merge { .. } => return None,
                };
                let mut members: Vec<Member> = topology
                    .boundary_groups(&template.object)
                    .into_iter()
                    .map(|group| {
                        let id = &groups[group.index()].id;
                        let is_leaving = leaving.contains(&(template.object.id.clone(), id.clone()));
                        let verdict = match standing_for_new(topology, group) {
                            Reason::Ok if is_leaving => Reason::LeavingByPlan,
                            verdict => verdict,
                        };
                        Member { group: group.0, verdict }
                    })
                    .collect();
                if mode == StickyMode::Regional {
                    members.sort_by_key(|member| (groups[member.group as usize].region, member.group));
                }
                Some(FrameTemplate { id: template.object.id.clone(), mode, members })
            })
            .collect();
        let template_at: BTreeMap<&AccessTemplateId, u32> =
            templates.iter().zip(0..).map(|(it, at)| (&it.id, at)).collect();
        let products = topology
            .products()
            .iter()
            .map(|product| (product.object.id.clone(), template_at.get(&product.object.access_template).copied()))
            .collect();
        Self { rules: RULES_VERSION, revision: topology.revision(), regions, groups, products, templates }
    }

    /// Whether decisions in `other` come out the same: equal but for the revision.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.rules == other.rules
            && self.regions == other.regions
            && self.groups == other.groups
            && self.products == other.products
            && self.templates == other.templates
    }

    /// The position of a group.
    pub fn find_group(&self, id: &GroupId) -> Option<u32> {
        position(&self.groups, |group| group.id.cmp(id))
    }

    /// The position of a product.
    pub fn find_product(&self, id: &ProductId) -> Option<u32> {
        position(&self.products, |product| product.0.cmp(id))
    }

    /// The position of a sticky template.
    pub fn find_template(&self, id: &AccessTemplateId) -> Option<u32> {
        position(&self.templates, |template| template.id.cmp(id))
    }

    /// The group at a position.
    pub fn group(&self, at: u32) -> &FrameGroup {
        &self.groups[at as usize]
    }

    /// The region of the group at a position.
    pub fn region_of(&self, at: u32) -> &FrameRegion {
        &self.regions[self.group(at).region as usize]
    }
}

/// The position in a list sorted by what `compare` compares.
fn position<T>(sorted: &[T], compare: impl FnMut(&T) -> std::cmp::Ordering) -> Option<u32> {
    sorted.binary_search_by(compare).ok().and_then(|at| u32::try_from(at).ok())
}
