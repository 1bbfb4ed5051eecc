//! The laws and the contract read aloud, from the master data and the ownership rows alone.
//!
//! Nothing here calls what it judges: no topology, no frame, no counters, no qualification of the crate. It counts
//! anew at every step, looks things up by walking lists, and compares fractions over one common denominator.

use std::collections::BTreeMap;

use crate::ids::{AccessTemplateId, GroupId, InstanceId, Jurisdiction, NodeId, ProductId, RegionId};
use crate::master_data::{AccessTemplate, GroupState, Mode, Node, Region, ResourceGroup};
use crate::orchestration::{Health, Holder, Ownership, Parts};

/// The master data, read naively.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Oracle<'a> {
    pub(crate) parts: &'a Parts,
}

impl<'a> Oracle<'a> {
    pub(crate) fn region(self, id: &RegionId) -> &'a Region {
        &self.parts.regions.iter().find(|it| it.object.id == *id).expect("a region").object
    }

    pub(crate) fn group(self, id: &GroupId) -> &'a ResourceGroup {
        &self.parts.groups.iter().find(|it| it.object.id == *id).expect("a group").object
    }

    pub(crate) fn template_of(self, product: &ProductId) -> &'a AccessTemplate {
        let product = &self.parts.products.iter().find(|it| it.object.id == *product).expect("a product").object;
        let id = &product.access_template;
        &self.parts.access_templates.iter().find(|it| it.object.id == *id).expect("a template").object
    }

    fn health(self, node: &NodeId) -> Health {
        self.parts.facts.iter().find(|it| it.0 == *node).map_or(Health::Unknown, |it| it.1.health)
    }

    /// "node active and healthy and runtime template active and outbound template active and group not closed and
    /// region active. The whole chain, always"; "one that never reported counts as healthy".
    pub(crate) fn is_qualified(self, node: &Node, group: &ResourceGroup) -> bool {
        let runtime = self.parts.runtime_templates.iter().find(|it| it.object.id == node.runtime_template);
        let outbound = self.parts.outbound_templates.iter().find(|it| it.object.id == node.outbound_template);
        node.groups.contains(&group.id)
            && node.state.is_active()
            && !matches!(self.health(&node.id), Health::Down | Health::Silent)
            && runtime.expect("a template").object.state.is_active()
            && outbound.expect("a template").object.state.is_active()
            && group.state != GroupState::Closed
            && self.region(&group.region).state.is_active()
    }

    pub(crate) fn serves(self, group: &ResourceGroup) -> bool {
        self.parts.nodes.iter().any(|node| self.is_qualified(&node.object, group))
    }

    /// "`active` takes and serves; `draining` serves its owners and takes nobody; `closed` does neither".
    pub(crate) fn takes(self, group: &ResourceGroup) -> bool {
        group.state == GroupState::Active && self.serves(group)
    }

    /// "jurisdictions are equal or not, no hierarchy"; "absent = anywhere the product allows".
    pub(crate) fn is_allowed(self, group: &ResourceGroup, demanded: Option<&Jurisdiction>) -> bool {
        demanded.is_none_or(|demanded| self.region(&group.region).jurisdiction.as_ref() == Some(demanded))
    }

    pub(crate) fn is_inside(self, template: &AccessTemplate, group: &ResourceGroup) -> bool {
        match &template.mode {
            Mode::Fixed { nodes } => {
                self.parts.nodes.iter().any(|it| nodes.contains(&it.object.id) && it.object.groups.contains(&group.id))
            }
            Mode::Merge { groups } | Mode::Shard { groups } => groups.contains(&group.id),
            Mode::Regional { regions } => regions.contains(&group.region),
        }
    }

    /// The candidates of a boundary, by id.
    pub(crate) fn candidates(
        self,
        template: &AccessTemplate,
        demanded: Option<&Jurisdiction>,
    ) -> Vec<&'a ResourceGroup> {
        let all = self.parts.groups.iter().map(|it| &it.object);
        let fits =
            |it: &&ResourceGroup| self.is_inside(template, it) && self.takes(it) && self.is_allowed(it, demanded);
        let mut candidates: Vec<_> = all.filter(fits).collect();
        candidates.sort_by(|a, b| a.id.cmp(&b.id));
        candidates
    }

    /// Whether an ownership is valid: it delivers, inside the boundary and the jurisdiction.
    pub(crate) fn is_valid(self, template: &AccessTemplate, demanded: Option<&Jurisdiction>, group: &GroupId) -> bool {
        let group = self.group(group);
        self.is_inside(template, group) && self.is_allowed(group, demanded) && self.serves(group)
    }
}

/// What a request wants, as the law puts it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Want<'a> {
    pub(crate) product: &'a ProductId,
    pub(crate) jurisdiction: Option<&'a Jurisdiction>,
    pub(crate) weight: u32,
    /// The owner that a repair starts from.
    pub(crate) repaired: Option<&'a GroupId>,
}

/// A ramp row: absent is `out`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NaiveRamp {
    Ramping { taken: u128, arrived: u128 },
    Full,
}

/// The ramp rows of all boundaries, moved on as I5 says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ramps(pub(crate) BTreeMap<(AccessTemplateId, GroupId), NaiveRamp>);

/// Owners and their counted weights, straight from the rows.
pub(crate) struct Counted<'a>(pub(crate) &'a BTreeMap<InstanceId, Ownership>);

impl Counted<'_> {
    fn rows(&self, id: &GroupId) -> impl Iterator<Item = (u128, &ProductId)> {
        self.0.values().filter_map(move |it| match &it.holder {
            Holder::Group { group, weight, product, .. } if group == id => Some((u128::from(*weight), product)),
            _ => None,
        })
    }

    pub(crate) fn owners(&self, id: &GroupId) -> u128 {
        self.rows(id).count() as u128
    }

    pub(crate) fn weight(&self, id: &GroupId) -> u128 {
        self.rows(id).map(|it| it.0).sum()
    }

    pub(crate) fn same_product(&self, id: &GroupId, product: &ProductId) -> u128 {
        self.rows(id).filter(|it| it.1 == product).count() as u128
    }
}

impl Ramps {
    /// "A group enters the ramp of a boundary when it becomes a candidate there (first time or again) below 80 % of
    /// the mean […] while the boundary's owners are ≥ 8 × candidates".
    pub(crate) fn turn_to(&mut self, oracle: Oracle<'_>, counted: &Counted<'_>) {
        let before = std::mem::take(&mut self.0);
        for template in oracle.parts.access_templates.iter().map(|it| &it.object).filter(|it| it.mode.is_sticky()) {
            let candidates = oracle.candidates(template, None);
            let owners: u128 = candidates.iter().map(|it| counted.owners(&it.id)).sum();
            let is_crowded = owners >= 8 * candidates.len() as u128;
            for group in &candidates {
                let key = (template.id.clone(), group.id.clone());
                let entered = if is_crowded && is_below(counted, &candidates, group) {
                    NaiveRamp::Ramping { taken: 0, arrived: 0 }
                } else {
                    NaiveRamp::Full
                };
                let ramp = before.get(&key).copied().unwrap_or(entered);
                self.0.insert(key, ramp);
            }
        }
    }

    /// "and leaves at 80 %".
    pub(crate) fn leave(&mut self, oracle: Oracle<'_>, counted: &Counted<'_>, template: &AccessTemplate) {
        let candidates = oracle.candidates(template, None);
        for group in &candidates {
            if !is_below(counted, &candidates, group) {
                self.0.insert((template.id.clone(), group.id.clone()), NaiveRamp::Full);
            }
        }
    }

    /// "While ramping it is capped when (taken + w)·Σcapacity > 3·capacity·(arrived + w)".
    fn is_capped(&self, template: &AccessTemplate, group: &ResourceGroup, weight: u128, capacity_sum: u128) -> bool {
        match self.0.get(&(template.id.clone(), group.id.clone())) {
            Some(NaiveRamp::Ramping { taken, arrived }) => {
                (taken + weight) * capacity_sum > 3 * u128::from(group.weight) * (arrived + weight)
            }
            _ => false,
        }
    }

    /// An allocation or a repair arrived: everybody who could have taken it sees it, one took it.
    pub(crate) fn arrive(&mut self, oracle: Oracle<'_>, template: &AccessTemplate, want: Want<'_>, taker: &GroupId) {
        for group in competitors(oracle, template, want) {
            if let Some(NaiveRamp::Ramping { taken, arrived }) =
                self.0.get_mut(&(template.id.clone(), group.id.clone()))
            {
                *arrived += u128::from(want.weight);
                *taken += if group.id == *taker { u128::from(want.weight) } else { 0 };
            }
        }
    }
}

/// "below 80 % of the mean (5·active·Σcapacity < 4·capacity·Σactive, sums over all candidates)".
fn is_below(counted: &Counted<'_>, candidates: &[&ResourceGroup], group: &ResourceGroup) -> bool {
    let capacity_sum: u128 = candidates.iter().map(|it| u128::from(it.weight)).sum();
    let active_sum: u128 = candidates.iter().map(|it| counted.weight(&it.id)).sum();
    5 * counted.weight(&group.id) * capacity_sum < 4 * u128::from(group.weight) * active_sum
}

/// Those whom a request may go to. "A regional repair keeps the region while it has a candidate."
fn competitors<'a>(oracle: Oracle<'a>, template: &AccessTemplate, want: Want<'_>) -> Vec<&'a ResourceGroup> {
    let candidates = oracle.candidates(template, want.jurisdiction);
    let Some(owner) = want.repaired else { return candidates };
    // "A valid ownership is kept."
    if let Some(owner) = candidates.iter().find(|it| it.id == *owner) {
        return vec![*owner];
    }
    let region = &oracle.group(owner).region;
    let inside: Vec<_> = candidates.iter().copied().filter(|it| it.region == *region).collect();
    if matches!(template.mode, Mode::Regional { .. }) && !inside.is_empty() { inside } else { candidates }
}

/// The group that takes a request, as I4 and I5 say; `None` when nobody can.
pub(crate) fn taker<'a>(
    oracle: Oracle<'a>,
    counted: &Counted<'_>,
    ramps: &Ramps,
    template: &AccessTemplate,
    want: Want<'_>,
) -> Option<&'a GroupId> {
    let candidates = competitors(oracle, template, want);
    let weight = u128::from(want.weight);
    let capacity_sum: u128 = candidates.iter().map(|it| u128::from(it.weight)).sum();
    let mut left: Vec<_> =
        candidates.iter().copied().filter(|it| !ramps.is_capped(template, it, weight, capacity_sum)).collect();
    if left.is_empty() {
        left = candidates;
    }
    let of_group = |it: &ResourceGroup| Entrant {
        weight: counted.weight(&it.id) + weight,
        capacity: u128::from(it.weight),
        same_product: counted.same_product(&it.id, want.product),
    };
    if matches!(template.mode, Mode::Regional { .. }) {
        let mut regions: BTreeMap<&RegionId, Entrant> = BTreeMap::new();
        for group in &left {
            let region = regions.entry(&group.region).or_insert(Entrant { weight, capacity: 0, same_product: 0 });
            region.weight += counted.weight(&group.id);
            region.capacity += u128::from(group.weight);
            region.same_product += counted.same_product(&group.id, want.product);
        }
        let region = lightest(regions.into_iter().collect())?;
        left.retain(|it| it.region == *region);
    }
    lightest(left.into_iter().map(|it| (&it.id, of_group(it))).collect())
}

/// What is compared: a group or a region.
#[derive(Debug, Clone, Copy)]
struct Entrant {
    weight: u128,
    capacity: u128,
    same_product: u128,
}

/// The least weight ÷ capacity, then the fewest of the product, then the smallest id, over one common denominator.
fn lightest<K: Ord>(entrants: Vec<(K, Entrant)>) -> Option<K> {
    let denominator = entrants.iter().fold(1, |sum, it| least_common_multiple(sum, it.1.capacity));
    let key = |(id, it): (K, Entrant)| (it.weight * (denominator / it.capacity), it.same_product, id);
    entrants.into_iter().map(key).min().map(|it| it.2)
}

fn least_common_multiple(a: u128, b: u128) -> u128 {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}
