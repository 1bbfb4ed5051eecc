//! Writes one instance, or ends it. The allocator finds what is to be done by the state that is left here (I6).
//!
//! One instance never trips the disruption guard: it allows for a hundred.

use domain::ids::Revision;
use domain::master_data::{Instance, InstanceStatus, Kind, Object};
use domain::time::Micros;
use store::{Action, InstanceWrite, Intent};

use super::ground::{Condition, Ground, retrying};
use super::known::Known;
use super::once::{Once, Outcome, Remembered, carry_out};
use super::refusal::Refusal;
use wire::manifest::Fault;

/// What became of an object.
#[derive(Debug, Clone, Copy)]
pub struct Saved {
    pub action: Action,
    /// Its ETag.
    pub change: i64,
    pub revision: Revision,
}

/// Writes an instance whole. `place` says where its faults are.
///
/// # Errors
/// [`Refusal`] when the condition fails, a reference leads nowhere, or the store does not take part.
pub async fn put_instance(
    ground: &Ground,
    instance: &Instance,
    condition: &Condition,
    once: Option<&Once>,
    (actor, now): (&str, Micros),
    place: impl Fn(Fault) -> Fault,
) -> Result<Saved, Refusal> {
    let work = retrying(|| async {
        let mut change = ground.store.begin(Intent::Instances, actor, now).await?;
        let topology = ground.topology(&mut change).await?;
        let faults = Known::of(&topology).faults(instance);
        if !faults.is_empty() {
            return Err(Refusal::Faults(faults.into_iter().map(&place).collect()));
        }
        let found = change.get(Kind::Instance, instance.id.as_str()).await?;
        condition.check(Kind::Instance, instance.id.as_str(), found.as_ref())?;
        save(change, instance, found.map(|found| found.change), once, now).await
    });
    finish(ground, once, work).await
}

/// Sets an instance terminated. It keeps everything else.
///
/// # Errors
/// As [`put_instance`].
pub async fn terminate_instance(
    ground: &Ground,
    id: &str,
    condition: &Condition,
    once: Option<&Once>,
    (actor, now): (&str, Micros),
) -> Result<Saved, Refusal> {
    let work = retrying(|| async {
        let mut change = ground.store.begin(Intent::Instances, actor, now).await?;
        let found = change.get(Kind::Instance, id).await?;
        condition.check(Kind::Instance, id, found.as_ref())?;
        let found = found.ok_or_else(|| Refusal::NoObject { kind: Kind::Instance, id: id.to_owned() })?;
        let Object::Instance(instance) = found.object else {
            unreachable!("the store was asked for an instance");
        };
        let ended = Instance { status: InstanceStatus::Terminated, ..instance };
        save(change, &ended, Some(found.change), once, now).await
    });
    finish(ground, once, work).await
}

/// Carries the work out once, and tells those who follow.
async fn finish(
    ground: &Ground,
    once: Option<&Once>,
    work: impl Future<Output = Result<Saved, Refusal>>,
) -> Result<Saved, Refusal> {
    match carry_out(&ground.store, once, work).await? {
        Outcome::Given(Remembered { status, revision, change, .. }) => {
            let action = if status == 201 { Action::Created } else { Action::Updated };
            Ok(Saved { action, change, revision })
        }
        Outcome::Done(saved) => {
            ground.wake.follow();
            Ok(saved)
        }
    }
}

async fn save(
    mut change: store::Change,
    instance: &Instance,
    before: Option<i64>,
    once: Option<&Once>,
    now: Micros,
) -> Result<Saved, Refusal> {
    let is_expired = instance.expires.is_some_and(|expires| expires <= now);
    let write = InstanceWrite { instance: instance.clone(), is_expired };
    let action = change.put_instances(std::slice::from_ref(&write)).await?.first().copied();
    let action = action.unwrap_or(Action::Unchanged);
    let stands_under = match (action, before) {
        (Action::Unchanged, Some(before)) => before,
        _ => change.id(),
    };
    if let Some(once) = once {
        let status = if action == Action::Created { 201 } else { 200 };
        once.keep(&mut change, status, None, now).await?;
    }
    let revision = change.commit().await?;
    Ok(Saved { action, change: stands_under, revision })
}
