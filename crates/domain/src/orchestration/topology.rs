//! The topology: every object but instances, with what is observed of nodes, indexed once and then never changed.
//!
//! Built from rows that the store has read in one snapshot. References are checked here a second time: a row that
//! refers to nothing is a broken store, and no view is better than a wrong one. What each group can do is worked out
//! at building, so that readers look it up.

use std::collections::BTreeMap;

use super::boundary::GroupStanding;
use super::facts::NodeFacts;
use crate::ids::{
    AccessTemplateId, GroupId, NodeId, OutboundTemplateId, ProductId, RegionId, Revision, RuntimeTemplateId,
};
use crate::master_data::{
    AccessTemplate, Mode, Node, OutboundTemplate, Product, Region, ResourceGroup, RuntimeTemplate,
};

/// An object with the revision that wrote it and the change that was part of, which is its ETag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped<T> {
    pub object: T,
    pub revision: Revision,
    pub change: i64,
}

/// A group, by its position in the order of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupIx(pub u32);

/// A node, by its position in the order of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeIx(pub u32);

impl GroupIx {
    /// The position.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl NodeIx {
    /// The position.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a topology is built from, in any order.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// The newest revision among all rows.
    pub revision: Revision,
    pub regions: Vec<Stamped<Region>>,
    pub groups: Vec<Stamped<ResourceGroup>>,
    pub runtime_templates: Vec<Stamped<RuntimeTemplate>>,
    pub outbound_templates: Vec<Stamped<OutboundTemplate>>,
    pub nodes: Vec<Stamped<Node>>,
    pub access_templates: Vec<Stamped<AccessTemplate>>,
    pub products: Vec<Stamped<Product>>,
    /// Facts of nodes, with the revision that wrote them.
    pub facts: Vec<(NodeId, NodeFacts, Revision)>,
}

/// An object refers to one that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{from} refers to {to}, which does not exist")]
pub struct TopologyError {
    pub from: String,
    pub to: String,
}

/// Every object but instances.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    parts: Parts,
    /// Parallel to the nodes.
    facts: Vec<(NodeFacts, Revision)>,
    /// Nodes of each group, by id; parallel to the groups.
    group_nodes: Vec<Vec<NodeIx>>,
    /// Groups of each region, by id.
    region_groups: BTreeMap<RegionId, Vec<GroupIx>>,
    /// Parallel to the groups.
    standings: Vec<GroupStanding>,
}

/// Positions in id order; a u32 holds every fleet (I26: 4 thousand million nodes are refused at the door).
fn positions<T>(items: &[T]) -> impl Iterator<Item = (u32, &T)> {
    (0u32..).zip(items)
}

macro_rules! lookups {
    ($($(#[$doc:meta])* $list:ident, $find:ident, $id:ident => $object:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $list(&self) -> &[Stamped<$object>] {
                &self.parts.$list
            }

            /// The object with this id.
            pub fn $find(&self, id: &$id) -> Option<&Stamped<$object>> {
                self.parts.$list.binary_search_by(|it| it.object.id.cmp(id)).ok().map(|at| &self.parts.$list[at])
            }
        )*
    };
}

impl Topology {
    /// Indexes the parts.
    ///
    /// # Errors
    /// [`TopologyError`] when a reference leads nowhere.
    pub fn build(mut parts: Parts) -> Result<Self, TopologyError> {
        parts.regions.sort_by(|a, b| a.object.id.cmp(&b.object.id));
        parts.groups.sort_by(|a, b| a.object.id.cmp(&b.object.id));
        parts.runtime_templates.sort_by(|a, b| a.object.id.cmp(&b.object.id));
        parts.outbound_templates.sort_by(|a, b| a.object.id.cmp(&b.object.id));
        parts.nodes.sort_by(|a, b| a.object.id.cmp(&b.object.id));
        parts.access_templates.sort_by(|a, b| a.object.id.cmp(&b.object.id));
        parts.products.sort_by(|a, b| a.object.id.cmp(&b.object.id));
        let known: BTreeMap<&NodeId, (NodeFacts, Revision)> =
            parts.facts.iter().map(|(id, facts, revision)| (id, (*facts, *revision))).collect();
        let facts = parts.nodes.iter().map(|node| known.get(&node.object.id).copied().unwrap_or_default()).collect();
        let mut topology = Self { facts, ..Self::default() };
        topology.parts = parts;
        topology.check_references()?;
        topology.index_groups();
        topology.standings =
            positions(topology.groups()).map(|(at, _)| GroupStanding::of(&topology, GroupIx(at))).collect();
        Ok(topology)
    }

    fn index_groups(&mut self) {
        let mut group_nodes = vec![Vec::new(); self.parts.groups.len()];
        for (at, node) in positions(&self.parts.nodes) {
            for group in &node.object.groups {
                let group = self.find_group_ix(group).expect("references were checked");
                group_nodes[group.index()].push(NodeIx(at));
            }
        }
        let mut region_groups: BTreeMap<RegionId, Vec<GroupIx>> = BTreeMap::new();
        for (at, group) in positions(&self.parts.groups) {
            region_groups.entry(group.object.region.clone()).or_default().push(GroupIx(at));
        }
        self.group_nodes = group_nodes;
        self.region_groups = region_groups;
    }

    fn check_references(&self) -> Result<(), TopologyError> {
        for group in self.groups() {
            require(self.find_region(&group.object.region).is_some(), &group.object.id, &group.object.region)?;
        }
        for node in self.nodes() {
            let node = &node.object;
            require(self.find_runtime_template(&node.runtime_template).is_some(), &node.id, &node.runtime_template)?;
            require(self.find_outbound_template(&node.outbound_template).is_some(), &node.id, &node.outbound_template)?;
            for group in &node.groups {
                require(self.find_group(group).is_some(), &node.id, group)?;
            }
        }
        for template in self.access_templates() {
            let id = &template.object.id;
            match &template.object.mode {
                Mode::Fixed { nodes } => {
                    nodes.iter().try_for_each(|it| require(self.find_node(it).is_some(), id, it))?
                }
                Mode::Merge { groups } | Mode::Shard { groups } => {
                    groups.iter().try_for_each(|it| require(self.find_group(it).is_some(), id, it))?;
                }
                Mode::Regional { regions } => {
                    regions.iter().try_for_each(|it| require(self.find_region(it).is_some(), id, it))?;
                }
            }
        }
        for product in self.products() {
            let template = &product.object.access_template;
            require(self.find_access_template(template).is_some(), &product.object.id, template)?;
        }
        Ok(())
    }

    lookups! {
        /// All regions, by id.
        regions, find_region, RegionId => Region;
        /// All groups, by id.
        groups, find_group, GroupId => ResourceGroup;
        /// All runtime templates, by id.
        runtime_templates, find_runtime_template, RuntimeTemplateId => RuntimeTemplate;
        /// All outbound templates, by id.
        outbound_templates, find_outbound_template, OutboundTemplateId => OutboundTemplate;
        /// All nodes, by id.
        nodes, find_node, NodeId => Node;
        /// All access templates, by id.
        access_templates, find_access_template, AccessTemplateId => AccessTemplate;
        /// All products, by id.
        products, find_product, ProductId => Product;
    }

    /// The newest revision among the rows it was built from.
    pub fn revision(&self) -> Revision {
        self.parts.revision
    }

    /// The parts, to build a changed topology from.
    pub fn to_parts(&self) -> Parts {
        self.parts.clone()
    }

    /// The position of a group.
    pub fn find_group_ix(&self, id: &GroupId) -> Option<GroupIx> {
        let at = self.parts.groups.binary_search_by(|it| it.object.id.cmp(id)).ok()?;
        u32::try_from(at).ok().map(GroupIx)
    }

    /// The position of a node.
    pub fn find_node_ix(&self, id: &NodeId) -> Option<NodeIx> {
        let at = self.parts.nodes.binary_search_by(|it| it.object.id.cmp(id)).ok()?;
        u32::try_from(at).ok().map(NodeIx)
    }

    /// The group at a position.
    pub fn group(&self, at: GroupIx) -> &Stamped<ResourceGroup> {
        &self.parts.groups[at.index()]
    }

    /// The region of the group at a position.
    pub fn region_of(&self, at: GroupIx) -> &Stamped<Region> {
        self.find_region(&self.group(at).object.region).expect("references were checked")
    }

    /// The node at a position.
    pub fn node(&self, at: NodeIx) -> &Stamped<Node> {
        &self.parts.nodes[at.index()]
    }

    /// What is observed of the node at a position, and the revision that wrote it (0: never reported).
    pub fn facts(&self, at: NodeIx) -> (NodeFacts, Revision) {
        self.facts[at.index()]
    }

    /// The nodes of a group, by id.
    pub fn group_nodes(&self, at: GroupIx) -> &[NodeIx] {
        &self.group_nodes[at.index()]
    }

    /// What a group can do now.
    pub fn standing(&self, at: GroupIx) -> &GroupStanding {
        &self.standings[at.index()]
    }

    /// The groups inside the boundary of an access template, by id; none for `fixed`, whose boundary is its nodes.
    pub fn boundary_groups(&self, template: &AccessTemplate) -> Vec<GroupIx> {
        match &template.mode {
            Mode::Fixed { .. } => Vec::new(),
            Mode::Merge { groups } | Mode::Shard { groups } => {
                groups.iter().filter_map(|id| self.find_group_ix(id)).collect()
            }
            Mode::Regional { regions } => {
                let mut all: Vec<GroupIx> =
                    regions.iter().filter_map(|id| self.region_groups.get(id)).flatten().copied().collect();
                all.sort_unstable();
                all
            }
        }
    }

    /// Whether a group lies inside the boundary of an access template.
    pub fn is_inside(&self, template: &AccessTemplate, group: &ResourceGroup) -> bool {
        match &template.mode {
            Mode::Fixed { .. } => false,
            Mode::Merge { groups } | Mode::Shard { groups } => groups.contains(&group.id),
            Mode::Regional { regions } => regions.contains(&group.region),
        }
    }

    /// The product and its access template.
    pub fn policy(&self, product: &ProductId) -> Option<(&Stamped<Product>, &Stamped<AccessTemplate>)> {
        let product = self.find_product(product)?;
        Some((product, self.find_access_template(&product.object.access_template)?))
    }
}

fn require(is_there: bool, from: &impl ToString, to: &impl ToString) -> Result<(), TopologyError> {
    if is_there { Ok(()) } else { Err(TopologyError { from: from.to_string(), to: to.to_string() }) }
}
