//! The counters that decisions read and move on: the load of each group and the ramp of each boundary.
//!
//! Positions are those of a [`Frame`]. A state is rebuilt from rows at the start of a term, moved on by
//! [`super::decide`], and compared with a recount by the recount task (I6).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::frame::Frame;
use super::ramp::Ramp;
use crate::ids::{AccessTemplateId, GroupId, ProductId};

/// What one product has in a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductLoad {
    pub owners: u64,
    /// The sum of the counted weights.
    pub weight: u64,
}

/// What a group carries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLoad {
    pub owners: u64,
    /// The sum of the counted weights: the active weight of I4.
    pub weight: u64,
    /// By position of the product in the frame; only products that have owners here.
    pub products: BTreeMap<u32, ProductLoad>,
}

/// A row of the counter table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LoadRow {
    pub group: GroupId,
    pub product: ProductId,
    pub owners: u64,
    pub weight: u64,
}

/// A row of the ramp table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RampRow {
    pub template: AccessTemplateId,
    pub group: GroupId,
    pub ramp: Ramp,
}

/// The counters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Parallel to [`Frame::groups`].
    pub loads: Vec<GroupLoad>,
    /// Parallel to [`Frame::templates`], then to their members.
    pub ramps: Vec<Vec<Ramp>>,
}

impl State {
    /// The state of a frame from the rows of the tables; the ramp is brought up to the frame.
    ///
    /// Rows of groups and products that the frame does not know are left out: nothing can refer to them.
    pub fn from_rows(frame: &Frame, loads: &[LoadRow], ramps: &[RampRow]) -> Self {
        let mut state = Self { loads: vec![GroupLoad::default(); frame.groups.len()], ramps: Vec::new() };
        for row in loads {
            if let (Some(group), Some(product)) = (frame.find_group(&row.group), frame.find_product(&row.product)) {
                state.loads[group as usize].add(product, row.owners, row.weight);
            }
        }
        let known: BTreeMap<(&AccessTemplateId, &GroupId), Ramp> =
            ramps.iter().map(|row| ((&row.template, &row.group), row.ramp)).collect();
        state.ramps = frame
            .templates
            .iter()
            .map(|template| {
                let ramp_of = |at: u32| known.get(&(&template.id, &frame.group(at).id)).copied().unwrap_or_default();
                template.members.iter().map(|member| ramp_of(member.group)).collect()
            })
            .collect();
        state.enter_ramps(frame);
        state
    }

    /// The counters as rows, by group, then product; rows of zero owners are left out.
    pub fn load_rows(&self, frame: &Frame) -> Vec<LoadRow> {
        let mut rows = Vec::new();
        for (group, load) in frame.groups.iter().zip(&self.loads) {
            for (product, part) in &load.products {
                rows.push(LoadRow {
                    group: group.id.clone(),
                    product: frame.products[*product as usize].0.clone(),
                    owners: part.owners,
                    weight: part.weight,
                });
            }
        }
        rows
    }

    /// The ramps as rows, by template, then in the order of the members. Every member has one, the full ones too:
    /// a group without a row would enter the ramp again. These rows replace all earlier rows of their template.
    pub fn ramp_rows(&self, frame: &Frame) -> Vec<RampRow> {
        let mut rows = Vec::new();
        for (template, ramps) in frame.templates.iter().zip(&self.ramps) {
            for (member, ramp) in template.members.iter().zip(ramps) {
                rows.push(RampRow {
                    template: template.id.clone(),
                    group: frame.group(member.group).id.clone(),
                    ramp: *ramp,
                });
            }
        }
        rows
    }

    /// The same counters in the positions of another frame, with the ramp brought up to it.
    #[must_use]
    pub fn carry_over(&self, from: &Frame, to: &Frame) -> Self {
        Self::from_rows(to, &self.load_rows(from), &self.ramp_rows(from))
    }

    /// Groups that can be candidates again enter the ramp or are full; groups that cannot are out.
    fn enter_ramps(&mut self, frame: &Frame) {
        for (template, ramps) in frame.templates.iter().zip(&mut self.ramps) {
            super::ramp::enter(frame, template, &self.loads, ramps);
        }
    }

    /// The active weight of each group, in a row.
    pub(super) fn weights(&self) -> Vec<u64> {
        self.loads.iter().map(|load| load.weight).collect()
    }

    /// How many instances of a product each group has, in a row.
    pub(super) fn owners_of(&self, product: u32) -> Vec<u64> {
        self.loads.iter().map(|load| load.owners_of(product)).collect()
    }
}

impl GroupLoad {
    /// Counts `owners` instances of a product with `weight` in all.
    pub fn add(&mut self, product: u32, owners: u64, weight: u64) {
        self.owners += owners;
        self.weight += weight;
        let part = self.products.entry(product).or_default();
        part.owners += owners;
        part.weight += weight;
    }

    /// Uncounts one instance of a product.
    ///
    /// # Panics
    /// When it was never counted: a counter that would go below zero is a broken counter, and a wrong owner is worse
    /// than a stopped allocator.
    pub fn remove(&mut self, product: u32, weight: u64) {
        let part = self.products.get_mut(&product).expect("what is uncounted was counted before");
        part.owners = part.owners.checked_sub(1).expect("what is uncounted was counted before");
        part.weight = part.weight.checked_sub(weight).expect("what is uncounted was counted before");
        if part.owners == 0 {
            self.products.remove(&product);
        }
        self.owners -= 1;
        self.weight -= weight;
    }

    /// How many instances of a product it has.
    pub fn owners_of(&self, product: u32) -> u64 {
        self.products.get(&product).map_or(0, |part| part.owners)
    }
}
