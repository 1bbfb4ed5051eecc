//! The kinds of master data, and an object of any kind, with what it refers to.
//!
//! Kinds stand in the order in which references point, so that writing in this order and deleting in the reverse one
//! never leaves a reference without its object.

use serde::{Deserialize, Serialize};

use super::{AccessTemplate, Instance, Mode, Node, OutboundTemplate, Product, Region, ResourceGroup, RuntimeTemplate};

/// A kind of master data, in the order in which references point: a kind refers only to kinds before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    Region,
    ResourceGroup,
    RuntimeTemplate,
    OutboundTemplate,
    Node,
    AccessTemplate,
    Product,
    Instance,
}

impl Kind {
    /// All kinds, references first.
    pub const ALL: &[Self] = &[
        Self::Region,
        Self::ResourceGroup,
        Self::RuntimeTemplate,
        Self::OutboundTemplate,
        Self::Node,
        Self::AccessTemplate,
        Self::Product,
        Self::Instance,
    ];

    /// The spelling of `kind` in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Region => "Region",
            Self::ResourceGroup => "ResourceGroup",
            Self::RuntimeTemplate => "RuntimeTemplate",
            Self::OutboundTemplate => "OutboundTemplate",
            Self::Node => "Node",
            Self::AccessTemplate => "AccessTemplate",
            Self::Product => "Product",
            Self::Instance => "Instance",
        }
    }

    /// The spelling in paths: `/v1/groups`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Region => "regions",
            Self::ResourceGroup => "groups",
            Self::RuntimeTemplate => "runtime-templates",
            Self::OutboundTemplate => "outbound-templates",
            Self::Node => "nodes",
            Self::AccessTemplate => "access-templates",
            Self::Product => "products",
            Self::Instance => "instances",
        }
    }

    /// The kind that a person means: `Node`, `node`, `nodes`, `group`, `resource-groups`, `access_template` …
    pub fn from_word(word: &str) -> Option<Self> {
        let word: String = word.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_lowercase();
        let word = word.strip_suffix('s').unwrap_or(&word);
        let word = if word == "group" { "resourcegroup" } else { word };
        Self::ALL.iter().copied().find(|kind| kind.name().to_ascii_lowercase() == word)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One object of master data, of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Object {
    Region(Region),
    ResourceGroup(ResourceGroup),
    RuntimeTemplate(RuntimeTemplate),
    OutboundTemplate(OutboundTemplate),
    Node(Node),
    AccessTemplate(AccessTemplate),
    Product(Product),
    Instance(Instance),
}

/// A reference that an object makes: the field, and what must exist.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The field in the manifest.
    pub field: &'static str,
    pub kind: Kind,
    pub id: String,
}

impl Object {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Region(_) => Kind::Region,
            Self::ResourceGroup(_) => Kind::ResourceGroup,
            Self::RuntimeTemplate(_) => Kind::RuntimeTemplate,
            Self::OutboundTemplate(_) => Kind::OutboundTemplate,
            Self::Node(_) => Kind::Node,
            Self::AccessTemplate(_) => Kind::AccessTemplate,
            Self::Product(_) => Kind::Product,
            Self::Instance(_) => Kind::Instance,
        }
    }

    /// Its id, as text.
    pub fn id(&self) -> &str {
        match self {
            Self::Region(it) => it.id.as_str(),
            Self::ResourceGroup(it) => it.id.as_str(),
            Self::RuntimeTemplate(it) => it.id.as_str(),
            Self::OutboundTemplate(it) => it.id.as_str(),
            Self::Node(it) => it.id.as_str(),
            Self::AccessTemplate(it) => it.id.as_str(),
            Self::Product(it) => it.id.as_str(),
            Self::Instance(it) => it.id.as_str(),
        }
    }

    /// What it refers to, field by field.
    pub fn references(&self) -> Vec<Reference> {
        let one = |field, kind, id: &str| Reference { field, kind, id: id.to_owned() };
        match self {
            Self::Region(_) | Self::RuntimeTemplate(_) | Self::OutboundTemplate(_) => Vec::new(),
            Self::ResourceGroup(it) => vec![one("region", Kind::Region, it.region.as_str())],
            Self::Node(it) => {
                let groups = it.groups.iter().map(|group| one("groups", Kind::ResourceGroup, group.as_str()));
                let templates = [
                    one("runtime_template", Kind::RuntimeTemplate, it.runtime_template.as_str()),
                    one("outbound_template", Kind::OutboundTemplate, it.outbound_template.as_str()),
                ];
                groups.chain(templates).collect()
            }
            Self::AccessTemplate(it) => match &it.mode {
                Mode::Fixed { nodes } => nodes.iter().map(|id| one("nodes", Kind::Node, id.as_str())).collect(),
                Mode::Merge { groups } | Mode::Shard { groups } => {
                    groups.iter().map(|id| one("groups", Kind::ResourceGroup, id.as_str())).collect()
                }
                Mode::Regional { regions } => {
                    regions.iter().map(|id| one("regions", Kind::Region, id.as_str())).collect()
                }
            },
            Self::Product(it) => vec![one("access_template", Kind::AccessTemplate, it.access_template.as_str())],
            Self::Instance(it) => vec![one("product", Kind::Product, it.product.as_str())],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_may_spell_a_kind_as_they_like() {
        for (word, kind) in [
            ("nodes", Kind::Node),
            ("Node", Kind::Node),
            ("group", Kind::ResourceGroup),
            ("groups", Kind::ResourceGroup),
            ("ResourceGroup", Kind::ResourceGroup),
            ("access-templates", Kind::AccessTemplate),
            ("access_template", Kind::AccessTemplate),
        ] {
            assert_eq!(Kind::from_word(word), Some(kind), "{word}");
        }
        assert_eq!(Kind::from_word("banana"), None);
    }
}
