//! The plan that changes the topology, with its blast radius: exact over every instance, before anything is done.
//!
//! Owners that the change breaks get a target where they are served before, during and after it ([`super::Steps`]).
//! What the allocator will do of itself because of the change (give an owner to who had no candidate, repair who was
//! beyond repair) is counted in the impact but is no move. What would have happened anyway is not counted.

use std::collections::BTreeMap;

use super::balance::max_over_mean_ppm;
use super::change::{Change, ChangeFault, changed, revert};
use super::class::{Census, ClassKey, Representative};
use super::delivery::{Delivery, Difference, NodeNumbers, Side, compare, compare_for, deliver};
use super::draft::{Draft, Impact, Planner, ProductImpact};
use super::repair::{Pending, refusal_of};
use super::request::{carry_over, leaving_of};
use super::steps::{Steps, plan_steps};
use crate::ids::{GroupId, InstanceId, ProductId};
use crate::master_data::{InstanceStatus, Location, OnBroken};
use crate::orchestration::{Ask, Frame, Outcome, Series, State, Subject, Topology, Validity, validate};
use crate::reason::Reason;

/// What the change does to the owners of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing, or nothing that would not have happened anyway.
    Stays,
    /// Breaks them: the plan moves them.
    Breaks,
    /// Broken before and after, and held by the template or left without a candidate.
    Blocked(Reason),
    /// Had no candidate, and the allocator asks again after the change.
    Asks(Ask),
}

/// A class under the change.
struct ClassFate {
    fate: Fate,
    before: Delivery,
    /// With the owner that it has now.
    after: Delivery,
    difference: Difference,
}

/// An instance whose owner will be another.
struct Changing {
    pending: Pending,
    class: usize,
    /// Where it is, if it is delivered to at all: active and not expired.
    delivering: Option<Option<Location>>,
}

/// Works out the plan that changes the topology.
pub struct TopologyPlanner<'a> {
    old: &'a Topology,
    frame: &'a Frame,
    state: &'a State,
    new: Topology,
    new_frame: Frame,
    middle_frame: Frame,
    steps: Steps,
    revert: Change,
    numbers: NodeNumbers,
    census: Census<'a>,
    /// Parallel to the classes.
    fates: Vec<ClassFate>,
    breaking: Vec<Changing>,
    asking: Vec<Changing>,
    /// Instances of products that the change deletes.
    orphans: BTreeMap<ProductId, u64>,
    impact: BTreeMap<u32, ProductImpact>,
}

impl<'a> TopologyPlanner<'a> {
    /// A planner over one moment.
    ///
    /// # Errors
    /// All faults of the change.
    pub fn new(
        topology: &'a Topology,
        frame: &'a Frame,
        state: &'a State,
        change: &Change,
    ) -> Result<Self, Vec<ChangeFault>> {
        let new = changed(topology, change)?;
        let (steps, middle) = plan_steps(topology, &new);
        let running = leaving_of(frame);
        let new_frame = Frame::build(&new, &running);
        let middle_frame = Frame::build(&middle, &running.union(&steps.leaving).cloned().collect());
        let numbers = NodeNumbers::new(topology, &new);
        Ok(Self {
            old: topology,
            frame,
            state,
            new_frame,
            middle_frame,
            steps,
            revert: revert(topology, change),
            numbers,
            census: Census::new(frame),
            fates: Vec::new(),
            breaking: Vec::new(),
            asking: Vec::new(),
            orphans: BTreeMap::new(),
            impact: BTreeMap::new(),
            new,
        })
    }

    /// The instances, by product, of products that the change deletes: such a change cannot be made.
    pub fn orphans(&self) -> &BTreeMap<ProductId, u64> {
        &self.orphans
    }

    /// The topology as it will be.
    pub fn wanted(&self) -> &Topology {
        &self.new
    }

    fn judge(&self, class: usize) -> ClassFate {
        let representative = self.census.representative(class);
        let (old, new) = (Side::old(self.old), Side::new(&self.new, &self.numbers));
        let (before, after) = (deliver(old, &representative), deliver(new, &representative));
        let difference = compare((old, &before), (new, &after));
        ClassFate { fate: self.fate_of(class, &representative), before, after, difference }
    }

    fn fate_of(&self, class: usize, representative: &Representative) -> Fate {
        let subject = representative.subject();
        let now = validate(self.old, &subject).map(|it| it.validity);
        let Some(then) = validate(&self.new, &subject) else { return Fate::Stays };
        match (now, then.validity) {
            (_, Validity::Valid { .. } | Validity::NotApplicable) => Fate::Stays,
            (Some(Validity::Valid { .. }), Validity::Broken { .. }) if !self.comes_last(class) => Fate::Breaks,
            (_, Validity::Broken { .. }) if then.template.on_broken == OnBroken::Hold => {
                Fate::Blocked(Reason::HeldByTemplate)
            }
            (Some(Validity::Valid { .. }), Validity::Broken { .. }) => Fate::Asks(Ask::Repair),
            (_, Validity::Broken { .. }) => self.ask_again(class, Ask::Repair),
            (Some(Validity::NotApplicable), Validity::Unowned { .. }) => Fate::Asks(Ask::Allocate),
            (_, Validity::Unowned { .. }) => self.ask_again(class, Ask::Allocate),
        }
    }

    /// Whether the product comes under its new template only at the end, so that nobody can be moved before.
    fn comes_last(&self, class: usize) -> bool {
        let product = &self.frame.products[self.census.classes[class].product as usize].0;
        let template_in = |frame: &Frame| {
            let at = frame.products[frame.find_product(product)? as usize].1?;
            Some(frame.templates[at as usize].id.clone())
        };
        template_in(&self.middle_frame) != template_in(&self.new_frame)
    }

    /// Whoever had a candidate without the change is the allocator's work anyway.
    fn ask_again(&self, class: usize, ask: Ask) -> Fate {
        match refusal_of(self.frame, &self.census, class) {
            None => Fate::Stays,
            Some(_) => Fate::Asks(ask),
        }
    }

    fn count_difference(&mut self, class: usize, instances: u64, added: u64, removed: u64) {
        if added + removed > 0 {
            let impact = self.impact.entry(self.census.classes[class].product).or_default();
            impact.instances += instances;
            impact.nodes_added += added * instances;
            impact.nodes_removed += removed * instances;
        }
    }

    /// Counts what the classes have in common, for the instances whose owner stays.
    fn count_classes(&mut self, draft: &mut Draft) {
        for at in 0..self.fates.len() {
            let class = &self.census.classes[at];
            let (instances, delivering) = (class.instances, class.delivering);
            match self.fates[at].fate {
                Fate::Stays => draft.summary.stay += instances,
                Fate::Blocked(why) => draft.block_many(why, instances),
                Fate::Breaks | Fate::Asks(_) => continue,
            }
            if let Difference::Same { added, removed } = self.fates[at].difference {
                self.count_difference(at, delivering, added, removed);
            }
        }
    }

    /// What becomes of a class: who stays, who is to be moved, who is asked for again.
    fn class_fate(&mut self, class: usize) -> Fate {
        if class == self.fates.len() {
            self.fates.push(self.judge(class));
        }
        self.fates[class].fate
    }

    /// Moves whom the change breaks. Returns the state in the middle, after the moves. Whoever finds no target there
    /// is asked for again at the end, as the allocator will, unless the template holds.
    fn move_broken(&mut self, before: &State, draft: &mut Draft) -> State {
        let frame = self.middle_frame.clone();
        let mut state = before.carry_over(self.frame, &frame);
        let mut series = Series::new(&frame, &mut state);
        let mut ends = Ends::new();
        let mut breaking = std::mem::take(&mut self.breaking);
        breaking.sort_unstable_by(|a, b| a.pending.request.instance.cmp(&b.pending.request.instance));
        for it in breaking {
            let outcome = series.decide(&it.pending.request);
            let Outcome::Owned { group } = outcome else {
                self.leave_broken(it, outcome, &mut ends, draft);
                continue;
            };
            let to = frame.group(group).id.clone();
            let product = self.census.classes[it.class].product;
            self.impact.entry(product).or_default().ownership_changed += 1;
            self.count_new_end(&mut ends, it.class, Some((group, &to)), &it.pending.request.instance, it.delivering);
            draft.push(it.pending, to);
        }
        state
    }

    /// Nobody takes it in the middle.
    fn leave_broken(&mut self, mut it: Changing, outcome: Outcome, ends: &mut Ends, draft: &mut Draft) {
        let product = &self.frame.products[self.census.classes[it.class].product as usize].0;
        let template = self.new.policy(product).map(|(_, template)| template.object.on_broken);
        let request = carry_over(it.pending.request.clone(), &self.middle_frame, &self.new_frame);
        match (template, request, outcome) {
            (Some(OnBroken::Repair), Some(request), _) => {
                it.pending.request = request;
                self.asking.push(it);
            }
            (_, _, Outcome::Stays { why } | Outcome::Nobody { why }) => {
                draft.block(why);
                self.count_new_end(ends, it.class, None, &it.pending.request.instance, it.delivering);
            }
            _ => draft.summary.stay += 1,
        }
    }

    /// Asks for whom the change gives a candidate, as the allocator will.
    fn ask_allocator(&mut self, mut state: State, draft: &mut Draft) -> (State, Impact) {
        let (mut impact, mut ends, frame) = (Impact::default(), Ends::new(), self.new_frame.clone());
        let mut series = Series::new(&frame, &mut state);
        let mut asking = std::mem::take(&mut self.asking);
        asking.sort_unstable_by(|a, b| a.pending.request.instance.cmp(&b.pending.request.instance));
        for it in asking {
            let request = &it.pending.request;
            let target = match series.decide(request) {
                Outcome::Owned { group } => Some((group, &frame.group(group).id)),
                Outcome::Nobody { why } | Outcome::Stays { why } => {
                    draft.block(why);
                    None
                }
                Outcome::Kept | Outcome::Void => None,
            };
            if target.is_some() {
                draft.summary.stay += 1;
                let product = self.census.classes[it.class].product;
                self.impact.entry(product).or_default().ownership_changed += 1;
                let of_kind = if request.ask == Ask::Repair { &mut impact.repaired } else { &mut impact.allocated };
                *of_kind += 1;
            }
            self.count_new_end(&mut ends, it.class, target, &request.instance, it.delivering);
        }
        (state, impact)
    }

    /// Counts how the delivery to one instance changes, with the owner that it comes to; `None` keeps the one it has.
    fn count_new_end(
        &mut self,
        ends: &mut Ends,
        class: usize,
        target: Option<(u32, &GroupId)>,
        instance: &InstanceId,
        delivering: Option<Option<Location>>,
    ) {
        let Some(location) = delivering else { return };
        let (old, new) = (Side::old(self.old), Side::new(&self.new, &self.numbers));
        let fate = &self.fates[class];
        let key = self.census.key_of(class);
        let end = match target {
            None => &(fate.after.clone(), fate.difference),
            Some((at, group)) => ends.entry((class, at)).or_insert_with(|| {
                let after = deliver(new, &Representative::of(ClassKey { group: Some(group.clone()), ..key.clone() }));
                let difference = compare((old, &fate.before), (new, &after));
                (after, difference)
            }),
        };
        let (added, removed) = match end.1 {
            Difference::Same { added, removed } => (added, removed),
            Difference::Depends => {
                let representative = Representative::of(key);
                let subject = Subject { id: instance, location, ..representative.subject() };
                compare_for((old, &fate.before), (new, &end.0), &subject)
            }
        };
        self.count_difference(class, 1, added, removed);
    }

    /// Sums up by product.
    fn sum_up(&self, impact: &mut Impact) {
        for (product, part) in self.impact.iter().filter(|(_, part)| !part.is_none()) {
            impact.total.add(part);
            impact.by_product.insert(self.frame.products[*product as usize].0.clone(), *part);
        }
    }
}

/// What classes are delivered with the owner that they come to, by class and position of the owner.
type Ends = BTreeMap<(usize, u32), (Delivery, Difference)>;

impl Planner for TopologyPlanner<'_> {
    fn see(&mut self, subject: &Subject<'_>) {
        let Some(class) = self.census.see(subject) else { return };
        let is_delivering = subject.status == InstanceStatus::Active && !subject.is_expired;
        match self.class_fate(class) {
            Fate::Stays | Fate::Blocked(_) => {
                if is_delivering && self.fates[class].difference == Difference::Depends {
                    let (old, new) = (Side::old(self.old), Side::new(&self.new, &self.numbers));
                    let fate = &self.fates[class];
                    let (added, removed) = compare_for((old, &fate.before), (new, &fate.after), subject);
                    self.count_difference(class, 1, added, removed);
                }
                if self.new.find_product(subject.product).is_none() {
                    *self.orphans.entry(subject.product.clone()).or_default() += 1;
                }
            }
            Fate::Breaks => {
                let pending = Pending::of(&self.middle_frame, subject, Ask::Repair, true);
                let delivering = is_delivering.then_some(subject.location);
                self.breaking.extend(pending.map(|pending| Changing { pending, class, delivering }));
            }
            Fate::Asks(ask) => {
                let pending = Pending::of(&self.new_frame, subject, ask, false);
                let delivering = is_delivering.then_some(subject.location);
                self.asking.extend(pending.map(|pending| Changing { pending, class, delivering }));
            }
        }
    }

    fn finish(mut self) -> Draft {
        let before = self.census.state(&self.state.ramps);
        let mut draft = Draft { before_ppm: max_over_mean_ppm(self.frame, &before), ..Draft::default() };
        self.count_classes(&mut draft);
        let middle = self.move_broken(&before, &mut draft);
        let (after, mut impact) =
            self.ask_allocator(middle.carry_over(&self.middle_frame, &self.new_frame), &mut draft);
        self.sum_up(&mut impact);
        draft.after_ppm = max_over_mean_ppm(&self.new_frame, &after);
        draft.impact = Some(impact);
        draft.steps = self.steps;
        draft.revert = self.revert;
        draft.sum_up_groups();
        draft
    }
}
