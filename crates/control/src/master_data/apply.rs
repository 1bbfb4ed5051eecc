//! Applies manifests: all of them in one transaction, or none.
//!
//! The same input changes nothing the second time. A dry run takes the same path, the writes included, and then rolls
//! back. Prune deletes what an earlier apply of the same set created and this one does not hold, in the reverse order
//! of references; never an instance. Two applies at once come one after the other: each locks the topology.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::ids::Revision;
use domain::master_data::{Kind, Object};
use domain::orchestration::plan::{self, Deletion};
use domain::orchestration::{Stamped, Topology};
use domain::time::Micros;
use store::{Action, Change, Intent};
use wire::apply::{AppliedChange, ChangeAction};
use wire::manifest::Parsed;
use wire::problem::REFERRERS_MAX;

use super::faults::{Places, instance_faults};
use super::ground::{Condition, Ground, retrying};
use super::guard::{Tolerance, guard_topology, refuse_instances};
use super::known::Known;
use super::once::{Once, Outcome, carry_out};
use super::refusal::Refusal;

/// Manifests to apply.
#[derive(Debug, Default)]
pub struct Applying {
    pub parsed: Vec<Parsed>,
    /// Objects that are named to go, beside those that a prune finds.
    pub deletions: Vec<(Kind, String)>,
    pub is_dry_run: bool,
    /// The set that what is created here belongs to.
    pub set: Option<String>,
    /// Whether to delete what the set holds and `parsed` does not.
    pub is_pruning: bool,
    pub allow_disruption: bool,
    /// Of the one object that is written or deleted.
    pub condition: Condition,
    pub once: Option<Once>,
    pub actor: String,
    pub now: Micros,
}

/// What became of them.
#[derive(Debug, Clone)]
pub struct Applied {
    pub revision: Revision,
    /// In the order of the input, then what was deleted.
    pub changes: Vec<AppliedChange>,
    /// The change id that the first object stands under.
    pub change: i64,
}

/// Applies.
///
/// # Errors
/// [`Refusal`] says everything that stands in the way; nothing was written.
pub async fn apply(ground: &Ground, applying: &Applying) -> Result<Applied, Refusal> {
    let work = async {
        let cleared = cleared(ground, applying).await?;
        retrying(|| attempt(ground, applying, cleared)).await
    };
    match carry_out(&ground.store, applying.once.as_ref(), work).await? {
        Outcome::Given(given) => {
            let changes = serde_json::from_str(&given.body).unwrap_or_default();
            Ok(Applied { revision: given.revision, changes, change: given.change })
        }
        Outcome::Done(applied) => {
            if !applying.is_dry_run {
                ground.wake.follow();
            }
            Ok(applied)
        }
    }
}

/// The version of the topology on which the disruption guard has nothing against the change.
///
/// A look at a million instances takes a second. It is taken here, before the transaction, so that no other writer
/// waits for it; the transaction looks again only when the topology has moved, or prunes what only it can know.
async fn cleared(ground: &Ground, it: &Applying) -> Result<Option<i64>, Refusal> {
    if it.allow_disruption || it.is_pruning {
        return Ok(None);
    }
    let view = ground.view.topology();
    let deletions: Vec<Deletion> =
        it.deletions.iter().map(|(kind, id)| Deletion { kind: *kind, id: id.clone() }).collect();
    let objects: Vec<Object> = it.parsed.iter().map(|parsed| parsed.object.clone()).collect();
    if !may_invalidate(&view.topology, &objects, &deletions) {
        return Ok(None);
    }
    // What is wrong with the change itself is said by the transaction, which sees the database.
    let Ok(after) = check(&view.topology, &objects, &deletions, it) else { return Ok(None) };
    let (instances, version) = (Arc::clone(&ground.view), view.version);
    let looked = tokio::task::spawn_blocking(move || guard_topology(&instances, &view.topology, &after));
    looked.await.map_err(|_| Refusal::Interrupted)??;
    Ok(Some(version))
}

async fn attempt(ground: &Ground, it: &Applying, cleared: Option<i64>) -> Result<Applied, Refusal> {
    let mut change = ground.store.begin(Intent::MasterData, &it.actor, it.now).await?;
    let before = ground.topology(&mut change).await?;
    let found = check_condition(&mut change, it).await?;
    let deletions = deletions(&mut change, it).await?;
    let objects: Vec<Object> = it.parsed.iter().map(|parsed| parsed.object.clone()).collect();
    let after = check(&before, &objects, &deletions, it)?;
    if !it.allow_disruption {
        let is_cleared = cleared == Some(change.topology_version());
        if !is_cleared && may_invalidate(&before, &objects, &deletions) {
            guard_topology(&ground.view, &before, &after)?;
        }
        refuse_instances(&mut Tolerance::new(ground.view.clone()), &after, &objects)?;
    }
    let actions = change.put_all(&objects).await?;
    let mut changes: Vec<AppliedChange> = objects
        .iter()
        .zip(&actions)
        .map(|(object, action)| applied(object.kind(), object.id(), action_of(*action)))
        .collect();
    for (kind, id) in delete(&mut change, &deletions).await? {
        changes.push(applied(kind, &id, ChangeAction::Deleted));
    }
    if let Some(set) = &it.set {
        keep_set(&mut change, set, &changes).await?;
    }
    let stands_under = match (actions.first(), &found) {
        (Some(Action::Unchanged), Some(found)) => found.change,
        _ => change.id(),
    };
    if it.is_dry_run {
        change.rollback().await?;
        return Ok(Applied { revision: ground.store.head().await?.revision, changes, change: stands_under });
    }
    if let Some(once) = &it.once {
        let body = serde_json::to_string(&changes).expect("changes are plain texts");
        once.keep(&mut change, status_of(it, &changes), Some(body), it.now).await?;
    }
    let revision = change.commit().await?;
    Ok(Applied { revision, changes, change: stands_under })
}

/// 201 when one object was asked for and made.
fn status_of(it: &Applying, changes: &[AppliedChange]) -> u16 {
    let is_one = it.condition != Condition::Any || it.parsed.len() == 1;
    let is_created = changes.first().is_some_and(|change| change.action == ChangeAction::Created);
    if is_one && is_created { 201 } else { 200 }
}

fn action_of(action: Action) -> ChangeAction {
    match action {
        Action::Created => ChangeAction::Created,
        Action::Updated => ChangeAction::Updated,
        Action::Unchanged => ChangeAction::Unchanged,
    }
}

fn applied(kind: Kind, id: &str, action: ChangeAction) -> AppliedChange {
    AppliedChange { kind: kind.name().to_owned(), id: id.to_owned(), action }
}

/// The one object that is written or deleted, as it is, when it is the one that was meant.
async fn check_condition(change: &mut Change, it: &Applying) -> Result<Option<Stamped<Object>>, Refusal> {
    let (kind, id) = match (it.parsed.as_slice(), it.deletions.as_slice()) {
        ([one], []) => (one.object.kind(), one.object.id()),
        ([], [(kind, id)]) => (*kind, id.as_str()),
        _ => return Ok(None),
    };
    let found = change.get(kind, id).await?;
    it.condition.check(kind, id, found.as_ref())?;
    Ok(found)
}

/// What is to go: what was named, and what the set holds without the input holding it.
async fn deletions(change: &mut Change, it: &Applying) -> Result<Vec<Deletion>, Refusal> {
    let mut deletions: Vec<Deletion> =
        it.deletions.iter().map(|(kind, id)| Deletion { kind: *kind, id: id.clone() }).collect();
    let Some(set) = it.set.as_ref().filter(|_| it.is_pruning) else { return Ok(deletions) };
    let given: BTreeSet<(Kind, &str)> =
        it.parsed.iter().map(|parsed| (parsed.object.kind(), parsed.object.id())).collect();
    for (kind, id) in change.set_members(set).await? {
        let is_gone = given.contains(&(kind, id.as_str())) || kind == Kind::Instance;
        if is_gone {
            continue;
        }
        // Somebody may have deleted it by hand; the set forgets it then.
        if change.get(kind, &id).await?.is_some() {
            deletions.push(Deletion { kind, id });
        } else {
            change.remove_from_set(set, kind, &id).await?;
        }
    }
    Ok(deletions)
}

/// The topology as it will be, when nothing is wrong with it.
fn check(before: &Topology, objects: &[Object], deletions: &[Deletion], it: &Applying) -> Result<Topology, Refusal> {
    let (instances, puts): (Vec<&Object>, Vec<&Object>) =
        objects.iter().partition(|object| object.kind() == Kind::Instance);
    let change = plan::Change { puts: puts.into_iter().cloned().collect(), deletions: deletions.to_vec() };
    let places = Places::of(&it.parsed);
    match plan::changed(before, &change) {
        Ok(after) => match instance_faults(&Known::of(&after), &instances, &places) {
            faults if faults.is_empty() => Ok(after),
            faults => Err(Refusal::Faults(faults)),
        },
        Err(found) => Err(places.refusal(before, &change, found, &instances)),
    }
}

/// Whether the change can make an owner invalid at all: what is new to the topology takes nothing away.
fn may_invalidate(before: &Topology, objects: &[Object], deletions: &[Deletion]) -> bool {
    let is_there = |object: &Object| match object {
        Object::Region(it) => before.find_region(&it.id).is_some_and(|found| found.object != *it),
        Object::ResourceGroup(it) => before.find_group(&it.id).is_some_and(|found| found.object != *it),
        Object::RuntimeTemplate(it) => before.find_runtime_template(&it.id).is_some_and(|found| found.object != *it),
        Object::OutboundTemplate(it) => before.find_outbound_template(&it.id).is_some_and(|found| found.object != *it),
        Object::Node(it) => before.find_node(&it.id).is_some_and(|found| found.object != *it),
        Object::AccessTemplate(it) => before.find_access_template(&it.id).is_some_and(|found| found.object != *it),
        Object::Product(it) => before.find_product(&it.id).is_some_and(|found| found.object != *it),
        Object::Instance(_) => false,
    };
    !deletions.is_empty() || objects.iter().any(is_there)
}

/// Deletes, whoever refers before what is referred to; refused when others still need one of them.
async fn delete(change: &mut Change, deletions: &[Deletion]) -> Result<Vec<(Kind, String)>, Refusal> {
    let mut ordered: Vec<&Deletion> = deletions.iter().collect();
    ordered.sort_by(|a, b| b.kind.cmp(&a.kind).then_with(|| a.id.cmp(&b.id)));
    let limit = u32::try_from(REFERRERS_MAX).unwrap_or(u32::MAX);
    let mut deleted = Vec::with_capacity(ordered.len());
    for Deletion { kind, id } in ordered {
        let needed = change.references_to(*kind, id, limit).await?;
        if needed.total > 0 {
            return Err(Refusal::StillReferenced { kind: *kind, id: id.clone(), needed });
        }
        if change.delete(*kind, id).await? {
            deleted.push((*kind, id.clone()));
        }
    }
    Ok(deleted)
}

/// The set gains what was created and loses what was deleted.
async fn keep_set(change: &mut Change, set: &str, changes: &[AppliedChange]) -> Result<(), Refusal> {
    for it in changes {
        let Some(kind) = Kind::from_word(&it.kind).filter(|kind| *kind != Kind::Instance) else { continue };
        match it.action {
            ChangeAction::Created => change.add_to_set(set, kind, &it.id).await?,
            ChangeAction::Deleted => change.remove_from_set(set, kind, &it.id).await?,
            ChangeAction::Updated | ChangeAction::Unchanged => {}
        }
    }
    Ok(())
}
