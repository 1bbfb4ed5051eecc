//! Why the instance stays where it is though others may be lighter now.
//!
//! A valid ownership is kept whatever was added since (I2); a broken one waits for its template, for its pace or for
//! a candidate. The lightest group of today is named all the same, with the plan that would move the instance there.

use super::model::{Action, WhyNotMoved};
use super::today::Today;
use crate::master_data::{InstanceStatus, OnBroken};
use crate::orchestration::{Ownership, Subject, Topology, Validity, validate};
use crate::reason::Reason;

/// `None` while no group owns the instance.
pub(super) fn why_not_moved(topology: &Topology, subject: &Subject<'_>, today: Option<&Today>) -> Option<WhyNotMoved> {
    let owner = subject.ownership.and_then(Ownership::group)?;
    let verdict = validate(topology, subject)?;
    let lightest_today = today.and_then(Today::lightest);
    let can_go_elsewhere = lightest_today.is_some_and(|row| row.group != *owner);
    let reason = match verdict.validity {
        _ if subject.status == InstanceStatus::Terminated => Reason::InstanceTerminated,
        Validity::NotApplicable | Validity::Unowned { .. } => Reason::NotApplicable,
        Validity::Valid { .. } => Reason::KeptValid,
        Validity::Broken { .. } if verdict.template.on_broken == OnBroken::Hold => Reason::HeldByTemplate,
        Validity::Broken { .. } if today.is_some() && !can_go_elsewhere => Reason::NoCandidate,
        Validity::Broken { is_health: true, .. } => Reason::HeldByPace,
        Validity::Broken { .. } => Reason::Pending,
    };
    let mover = match (reason, lightest_today) {
        (Reason::KeptValid, Some(row)) if can_go_elsewhere => {
            Some(Action::PlanMove { instance: subject.id.clone(), to: row.group.clone() })
        }
        (Reason::HeldByTemplate | Reason::HeldByPace, _) => Some(Action::PlanRepair),
        (Reason::Pending, _) => Some(Action::AwaitAllocator),
        _ => None,
    };
    Some(WhyNotMoved {
        reason,
        owner: owner.clone(),
        lightest_today: lightest_today.cloned(),
        owner_today: today.and_then(|today| today.find(owner)).cloned(),
        mover,
    })
}
