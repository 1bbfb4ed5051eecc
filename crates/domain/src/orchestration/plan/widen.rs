//! The topology in the middle of a change: as wide as the old and the new together, object by object.
//!
//! The rule for each kind: whoever is qualified in the old topology is so in the middle, since the wish to stop is
//! heeded last. Two wishes are heeded last even though they add: a region's new jurisdiction and a group's new region,
//! because they take from somebody what they give to another. Residency goes before comfort: a node never stands in
//! two jurisdictions (I22), not even in the middle.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{AccessTemplateId, GroupId};
use crate::master_data::{
    AccessTemplate, GroupState, Mode, Node, Object, OutboundTemplate, Product, Region, ResourceGroup, RuntimeTemplate,
    Switch,
};
use crate::orchestration::Topology;

/// Two topologies and what the middle between them depends on.
pub(super) struct Widening<'a> {
    old: &'a Topology,
    new: &'a Topology,
    /// The templates from which products come to a template, all of them sticky.
    donors: BTreeMap<&'a AccessTemplateId, BTreeSet<&'a AccessTemplateId>>,
}

impl<'a> Widening<'a> {
    pub(super) fn new(old: &'a Topology, new: &'a Topology) -> Self {
        let mut widening = Self { old, new, donors: BTreeMap::new() };
        for product in new.products().iter().map(|it| &it.object) {
            if let Some(from) = widening.switches_at_once(product) {
                widening.donors.entry(&product.access_template).or_default().insert(from);
            }
        }
        widening
    }

    /// The object in the middle. One of the two is there.
    pub(super) fn middle(&self, was: Option<&Object>, wanted: Option<&Object>) -> Object {
        match (was, wanted) {
            (Some(Object::ResourceGroup(was)), None) => Object::ResourceGroup(drained(was)),
            (Some(was), None) => was.clone(),
            (Some(Object::Region(was)), Some(Object::Region(wanted))) => Object::Region(region(was, wanted)),
            (Some(Object::ResourceGroup(was)), Some(Object::ResourceGroup(wanted))) => {
                Object::ResourceGroup(group(was, wanted))
            }
            (Some(Object::RuntimeTemplate(was)), Some(Object::RuntimeTemplate(wanted))) => {
                Object::RuntimeTemplate(runtime(was, wanted).clone())
            }
            (Some(Object::OutboundTemplate(was)), Some(Object::OutboundTemplate(wanted))) => {
                Object::OutboundTemplate(outbound(was, wanted).clone())
            }
            (Some(Object::Node(was)), Some(Object::Node(wanted))) => Object::Node(self.node(was, wanted)),
            (None, Some(Object::Node(wanted))) => Object::Node(self.node(wanted, wanted)),
            (Some(Object::AccessTemplate(was)), Some(Object::AccessTemplate(wanted))) => {
                Object::AccessTemplate(self.access_template(Some(was), wanted))
            }
            (None, Some(Object::AccessTemplate(wanted))) => Object::AccessTemplate(self.access_template(None, wanted)),
            (Some(Object::Product(was)), Some(Object::Product(wanted))) => Object::Product(self.product(was, wanted)),
            (_, Some(wanted)) => wanted.clone(),
            (None, None) => unreachable!("a key is taken from one of the two"),
        }
    }

    /// In all groups of both, so far as they lie in one jurisdiction in the middle; the old groups go before.
    fn node(&self, was: &Node, wanted: &Node) -> Node {
        let first = was.groups.first().and_then(|group| self.jurisdiction(group));
        let is_alike = |group: &&GroupId| self.jurisdiction(group) == first;
        let groups = was.groups.iter().chain(&wanted.groups).filter(is_alike).cloned().collect();
        let by_runtime = if self.is_runtime_on(wanted) { wanted } else { was };
        let by_outbound = if self.is_outbound_on(wanted) { wanted } else { was };
        Node {
            groups,
            runtime_template: by_runtime.runtime_template.clone(),
            outbound_template: by_outbound.outbound_template.clone(),
            state: either(was.state, wanted.state),
            ..wanted.clone()
        }
    }

    /// Whether the runtime template of a node is active in the middle.
    fn is_runtime_on(&self, node: &Node) -> bool {
        let is_on = |topology: &Topology| {
            topology.find_runtime_template(&node.runtime_template).is_some_and(|it| it.object.state.is_active())
        };
        is_on(self.old) || is_on(self.new)
    }

    /// Whether the outbound template of a node is active in the middle.
    fn is_outbound_on(&self, node: &Node) -> bool {
        let is_on = |topology: &Topology| {
            topology.find_outbound_template(&node.outbound_template).is_some_and(|it| it.object.state.is_active())
        };
        is_on(self.old) || is_on(self.new)
    }

    /// The jurisdiction of a group in the middle, as text; a known group keeps its region, a known region its own.
    fn jurisdiction(&self, group: &GroupId) -> Option<&str> {
        let group = self.old.find_group(group).or_else(|| self.new.find_group(group))?;
        let region = &group.object.region;
        let region = self.old.find_region(region).or_else(|| self.new.find_region(region))?;
        region.object.jurisdiction.as_ref().map(|it| it.as_str())
    }

    fn product(&self, was: &Product, wanted: &Product) -> Product {
        let is_at_once = was.access_template == wanted.access_template || self.switches_at_once(wanted).is_some();
        let access_template = if is_at_once { &wanted.access_template } else { &was.access_template };
        Product { access_template: access_template.clone(), ..wanted.clone() }
    }

    /// The old template of a product that changes it in the middle already: both own, and the new one does so in the
    /// middle. Its new template is then as wide as the old one. All other changes of template come last.
    fn switches_at_once(&self, wanted: &Product) -> Option<&'a AccessTemplateId> {
        let was = &self.old.find_product(&wanted.id)?.object.access_template;
        if *was == wanted.access_template {
            return None;
        }
        let owns = |topology: &Topology, template| {
            topology.find_access_template(template).map(|it| it.object.mode.is_sticky())
        };
        let is_sticky_throughout = owns(self.old, was) == Some(true)
            && owns(self.new, &wanted.access_template) == Some(true)
            && owns(self.old, &wanted.access_template) != Some(false);
        is_sticky_throughout.then_some(was)
    }

    fn access_template(&self, was: Option<&AccessTemplate>, wanted: &AccessTemplate) -> AccessTemplate {
        if let Some(was) = was.filter(|was| was.mode.is_sticky() != wanted.mode.is_sticky()) {
            // A template that comes to own, or ceases to, is replaced as a whole at the end.
            return was.clone();
        }
        let mode = match (was.map(|it| &it.mode), &wanted.mode) {
            (_, Mode::Shard { .. } | Mode::Regional { .. }) => self.sticky_mode(was, wanted),
            (Some(Mode::Fixed { nodes: a }), Mode::Fixed { nodes: b }) => Mode::Fixed { nodes: a | b },
            (Some(Mode::Merge { groups: a }), Mode::Merge { groups: b }) => Mode::Merge { groups: a | b },
            (Some(was), _) => was.clone(),
            (None, wanted) => wanted.clone(),
        };
        AccessTemplate { mode, ..wanted.clone() }
    }

    /// The union of the wanted boundary, the old one and those of the templates that products come from.
    fn sticky_mode(&self, was: Option<&AccessTemplate>, wanted: &AccessTemplate) -> Mode {
        let donors = self.donors.get(&wanted.id).into_iter().flatten();
        let donors = donors.filter_map(|id| self.old.find_access_template(id)).map(|it| &it.object);
        let sources: Vec<&AccessTemplate> = was.into_iter().chain(donors).collect();
        let modes = || sources.iter().map(|it| &it.mode).chain([&wanted.mode]);
        let regions: Option<Vec<_>> = modes()
            .map(|it| match it {
                Mode::Regional { regions } => Some(regions),
                _ => None,
            })
            .collect();
        if let Some(regions) = regions {
            return Mode::Regional { regions: regions.into_iter().flatten().cloned().collect() };
        }
        let in_old = sources.iter().flat_map(|it| boundary_ids(self.old, it));
        let groups: BTreeSet<GroupId> = in_old.chain(boundary_ids(self.new, wanted)).collect();
        Mode::Shard { groups }
    }
}

fn boundary_ids(topology: &Topology, template: &AccessTemplate) -> Vec<GroupId> {
    topology.boundary_groups(template).into_iter().map(|at| topology.group(at).object.id.clone()).collect()
}

fn either(a: Switch, b: Switch) -> Switch {
    if a.is_active() || b.is_active() { Switch::Active } else { Switch::Off }
}

fn region(was: &Region, wanted: &Region) -> Region {
    Region { state: either(was.state, wanted.state), jurisdiction: was.jurisdiction.clone(), ..wanted.clone() }
}

/// A group that goes takes nobody from the beginning.
fn drained(was: &ResourceGroup) -> ResourceGroup {
    let state = if was.state == GroupState::Active { GroupState::Draining } else { was.state };
    ResourceGroup { state, ..was.clone() }
}

fn group(was: &ResourceGroup, wanted: &ResourceGroup) -> ResourceGroup {
    let state = match (was.state, wanted.state) {
        (GroupState::Active | GroupState::Draining, GroupState::Closed) => GroupState::Draining,
        (_, wanted) => wanted,
    };
    ResourceGroup { region: was.region.clone(), state, ..wanted.clone() }
}

fn runtime<'o>(was: &'o RuntimeTemplate, wanted: &'o RuntimeTemplate) -> &'o RuntimeTemplate {
    if was.state.is_active() && !wanted.state.is_active() { was } else { wanted }
}

fn outbound<'o>(was: &'o OutboundTemplate, wanted: &'o OutboundTemplate) -> &'o OutboundTemplate {
    if was.state.is_active() && !wanted.state.is_active() { was } else { wanted }
}
