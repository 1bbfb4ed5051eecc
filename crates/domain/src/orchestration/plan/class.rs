//! Classes: instances of one product, one owner and one jurisdiction, which no rule of qualification tells apart.
//!
//! A million instances fall into some thousand classes, so a verdict is taken once for each class and multiplied.
//! [`ClassCounts`] is kept up to date by whoever watches the instances; a [`Census`] is taken anew by a planner, with
//! the load of each group as it was seen, so that what a planner decides on never disagrees with what it was shown.

use std::collections::BTreeMap;

use crate::ids::{DecisionId, Generation, GroupId, InstanceId, Jurisdiction, ProductId, RegionId, Revision};
use crate::master_data::InstanceStatus;
use crate::orchestration::{Frame, GroupLoad, Held, Holder, Ownership, Ramp, State, Subject};
use crate::time::Micros;

/// What the rules see of an instance. `group` is absent where nobody owns it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClassKey {
    pub product: ProductId,
    pub group: Option<GroupId>,
    pub jurisdiction: Option<Jurisdiction>,
}

impl ClassKey {
    /// The class of an instance; `None` when it is terminated.
    pub fn of(subject: &Subject<'_>) -> Option<Self> {
        (subject.status != InstanceStatus::Terminated).then(|| Self {
            product: subject.product.clone(),
            group: subject.ownership.and_then(Ownership::group).cloned(),
            jurisdiction: subject.jurisdiction.cloned(),
        })
    }
}

/// How many instances each class has; terminated ones are not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassCounts {
    counts: BTreeMap<ClassKey, u64>,
}

impl ClassCounts {
    /// Counts all instances in one pass.
    pub fn of<'a>(subjects: impl IntoIterator<Item = Subject<'a>>) -> Self {
        let mut counts = Self::default();
        subjects.into_iter().filter_map(|subject| ClassKey::of(&subject)).for_each(|key| counts.add(key));
        counts
    }

    /// Counts one instance more.
    pub fn add(&mut self, key: ClassKey) {
        *self.counts.entry(key).or_default() += 1;
    }

    /// Counts one instance less; does nothing when the class has none.
    pub fn remove(&mut self, key: &ClassKey) {
        if let Some(count) = self.counts.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(key);
            }
        }
    }

    /// The classes that have an instance, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&ClassKey, u64)> {
        self.counts.iter().map(|(key, count)| (key, *count))
    }
}

/// An instance that stands for its class.
#[derive(Debug, Clone)]
pub(super) struct Representative {
    id: InstanceId,
    key: ClassKey,
    ownership: Option<Ownership>,
}

impl Representative {
    pub(super) fn of(key: ClassKey) -> Self {
        let region = RegionId::parse("anywhere").expect("it is spelt like an id");
        let owned_by = |group: &GroupId| Ownership {
            holder: Holder::Group { region, group: group.clone(), weight: 1, product: key.product.clone() },
            generation: Generation(1),
            version: 1,
            decision: DecisionId { batch: 0, ordinal: 0 },
            since: Micros(0),
        };
        let ownership = key.group.as_ref().map(owned_by);
        Self { id: InstanceId::parse("representative").expect("it is spelt like an id"), key, ownership }
    }

    /// As decisions see it: active, of weight 1, nowhere.
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            id: &self.id,
            product: &self.key.product,
            jurisdiction: self.key.jurisdiction.as_ref(),
            status: InstanceStatus::Active,
            is_expired: false,
            weight: 1,
            location: None,
            ownership: self.ownership.as_ref(),
            revision: Revision::default(),
        }
    }
}

/// Who owns the instances of a class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// The group at this position of the frame.
    Group(u32),
    /// A group that the frame does not know.
    Gone(GroupId),
    Nobody,
}

/// A class with what was seen of it.
#[derive(Debug, Clone)]
pub(super) struct Class {
    /// Position in the frame.
    pub(super) product: u32,
    pub(super) owner: Owner,
    pub(super) jurisdiction: Option<Jurisdiction>,
    /// Instances that were seen; the terminated apart.
    pub(super) instances: u64,
    /// Those of them that are active and not expired: whoever is delivered to.
    pub(super) delivering: u64,
    /// How those that are counted under the product of the class are counted.
    counted: (u64, u64),
}

/// What a planner has seen.
pub(super) struct Census<'a> {
    frame: &'a Frame,
    /// In the order in which they were first seen.
    jurisdictions: Vec<Jurisdiction>,
    /// By product, owner and jurisdiction, all as numbers.
    index: BTreeMap<(u32, u32, u32), u32>,
    gone: Vec<GroupId>,
    pub(super) classes: Vec<Class>,
    /// Counted under another product than they have, or terminated and counted still.
    strays: Vec<Held>,
}

/// Stands for "none" among positions; a frame of so many groups does not fit in memory.
const NONE: u32 = u32::MAX;

impl<'a> Census<'a> {
    pub(super) fn new(frame: &'a Frame) -> Self {
        Self {
            frame,
            jurisdictions: Vec::new(),
            index: BTreeMap::new(),
            gone: Vec::new(),
            classes: Vec::new(),
            strays: Vec::new(),
        }
    }

    /// Counts an instance and says its class; `None` when it is terminated or of an unknown product.
    pub(super) fn see(&mut self, subject: &Subject<'_>) -> Option<usize> {
        let frame = self.frame;
        let holder = subject.ownership.map(|ownership| &ownership.holder);
        let product = frame.find_product(subject.product);
        let (group, held) = match holder {
            Some(Holder::Group { group, weight, product: counted, .. }) => {
                let at = frame.find_group(group);
                let counted = if counted == subject.product { product } else { frame.find_product(counted) };
                let held = at.zip(counted).map(|(group, product)| Held { group, weight: *weight, product });
                (at.unwrap_or_else(|| self.number_of_gone(group)), held)
            }
            Some(Holder::Nobody { .. }) | None => (NONE, None),
        };
        let is_live = subject.status != InstanceStatus::Terminated;
        let Some(product) = product.filter(|_| is_live) else {
            self.strays.extend(held);
            return None;
        };
        let jurisdiction = subject.jurisdiction.map_or(NONE, |it| self.number_of_jurisdiction(it));
        let at = self.class_at(product, group, jurisdiction);
        let class = &mut self.classes[at];
        class.instances += 1;
        class.delivering += u64::from(subject.status == InstanceStatus::Active && !subject.is_expired);
        match held {
            Some(held) if held.product == product => {
                class.counted.0 += 1;
                class.counted.1 += u64::from(held.weight);
            }
            held => self.strays.extend(held),
        }
        Some(at)
    }

    fn class_at(&mut self, product: u32, group: u32, jurisdiction: u32) -> usize {
        if let Some(at) = self.index.get(&(product, group, jurisdiction)) {
            return *at as usize;
        }
        let known = self.frame.groups.len();
        let owner = match group {
            NONE => Owner::Nobody,
            at if (at as usize) < known => Owner::Group(at),
            at => Owner::Gone(self.gone[at as usize - known].clone()),
        };
        let jurisdiction_word = (jurisdiction != NONE).then(|| self.jurisdictions[jurisdiction as usize].clone());
        let at = self.classes.len();
        self.index.insert((product, group, jurisdiction), position(at));
        self.classes.push(Class {
            product,
            owner,
            jurisdiction: jurisdiction_word,
            instances: 0,
            delivering: 0,
            counted: (0, 0),
        });
        at
    }

    /// Groups that are gone are few: an owner outlives its group only where the store was tampered with.
    fn number_of_gone(&mut self, group: &GroupId) -> u32 {
        let at = self.gone.iter().position(|it| it == group).unwrap_or_else(|| {
            self.gone.push(group.clone());
            self.gone.len() - 1
        });
        position(self.frame.groups.len() + at)
    }

    /// Jurisdictions are a handful, so they are looked for one by one.
    fn number_of_jurisdiction(&mut self, jurisdiction: &Jurisdiction) -> u32 {
        let at = self.jurisdictions.iter().position(|it| it == jurisdiction).unwrap_or_else(|| {
            self.jurisdictions.push(jurisdiction.clone());
            self.jurisdictions.len() - 1
        });
        position(at)
    }

    /// An instance that stands for the class.
    pub(super) fn representative(&self, at: usize) -> Representative {
        Representative::of(self.key_of(at))
    }

    /// The class in words.
    pub(super) fn key_of(&self, at: usize) -> ClassKey {
        let class = &self.classes[at];
        let group = match &class.owner {
            Owner::Group(at) => Some(self.frame.group(*at).id.clone()),
            Owner::Gone(group) => Some(group.clone()),
            Owner::Nobody => None,
        };
        let product = self.frame.products[class.product as usize].0.clone();
        ClassKey { product, group, jurisdiction: class.jurisdiction.clone() }
    }

    /// The load of each group as it was seen, with the ramps of the allocator.
    pub(super) fn state(&self, ramps: &[Vec<Ramp>]) -> State {
        let mut state = State { loads: vec![GroupLoad::default(); self.frame.groups.len()], ramps: ramps.to_vec() };
        for class in &self.classes {
            if let (Owner::Group(group), (owners @ 1.., weight)) = (&class.owner, class.counted) {
                state.loads[*group as usize].add(class.product, owners, weight);
            }
        }
        for held in &self.strays {
            state.loads[held.group as usize].add(held.product, 1, u64::from(held.weight));
        }
        state
    }
}

fn position(at: usize) -> u32 {
    u32::try_from(at).expect("there are fewer classes than instances")
}
