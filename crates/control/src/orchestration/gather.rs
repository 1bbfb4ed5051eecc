//! From instances that are worth a look to requests: each is judged by its state, and only what can succeed is asked.
//!
//! A refusal is written once and asked again when a group can take; a repair for lost health waits for its turn.
//! Whoever has nothing to be done falls out, whatever hint brought him here (I6).

use std::time::Instant;

use domain::ids::{GroupId, InstanceId};
use domain::orchestration::{Ask, Held, Holder, Request, Subject, Validity, find_refusal, validate, wanted};
use domain::reason::Reason;
use store::Seen;

use super::book::Book;
use super::pace::Pace;
use crate::view::{Found, View};

/// A request with the versions of the rows that it rests on.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) seen: Seen,
}

/// What looking at an instance came to.
pub(super) enum Look {
    /// Nothing is to be done.
    Nothing,
    /// This is to be asked.
    Ask(Box<Asked>),
    /// It is broken, but it is not its turn.
    Later,
}

/// Looks at one instance. Without a pace whoever needs a turn waits for one.
pub(super) fn look(book: &Book, pace: Option<&mut Pace>, view: &View, id: &InstanceId, now: Instant) -> Look {
    let Some(found) = view.find(id.as_str()) else { return Look::Nothing };
    let subject = found.subject();
    let Some(ask) = wanted(&book.topology.topology, &subject) else { return Look::Nothing };
    let Some(asked) = request_of(book, &found, ask) else { return Look::Nothing };
    // Cheapest first: thousands may wait for the same group.
    if matches!(ask, Ask::Repair)
        && unhealthy_group(book, &subject).is_some_and(|group| !is_due(pace.as_deref(), group, now))
    {
        return Look::Later;
    }
    // Whether somebody can take it, not yet who: that is decided with the batch.
    let refusal = || find_refusal(&book.frame, &asked.request);
    let is_worth = match ask {
        Ask::Release { .. } | Ask::Recount => true,
        // A refusal is written once; it is asked again when a group can take.
        Ask::Allocate => refusal().is_none_or(|why| is_news(&subject, why)),
        Ask::Repair => refusal().is_none(),
        Ask::Move { .. } => false,
    };
    if !is_worth {
        return Look::Nothing;
    }
    if matches!(ask, Ask::Repair) && !takes_turn(book, pace, &subject, &asked.request, now) {
        return Look::Later;
    }
    Look::Ask(Box::new(asked))
}

fn is_due(pace: Option<&Pace>, group: &GroupId, now: Instant) -> bool {
    pace.is_some_and(|pace| pace.is_due(group, now))
}

/// Whether a refusal says something that the row does not say yet.
fn is_news(subject: &Subject<'_>, why: Reason) -> bool {
    !matches!(subject.ownership.map(|it| &it.holder), Some(Holder::Nobody { why: known }) if *known == why)
}

/// The group whose lost health is all that is wrong with an ownership.
fn unhealthy_group<'a>(book: &'a Book, subject: &Subject<'_>) -> Option<&'a GroupId> {
    let topology = &book.topology.topology;
    match validate(topology, subject)?.validity {
        Validity::Broken { group: Some(group), is_health: true, .. } => Some(&topology.group(group).object.id),
        _ => None,
    }
}

/// Takes a repair from the allowance of the boundary; configuration that broke an ownership is not paced.
fn takes_turn(book: &Book, pace: Option<&mut Pace>, subject: &Subject<'_>, request: &Request, now: Instant) -> bool {
    if unhealthy_group(book, subject).is_none() {
        return true;
    }
    let Some(template) = request.template else { return true };
    let Some(pace) = pace else { return false };
    pace.take(&book.frame.templates[template as usize].id, book.owners_of(template), now)
}

/// The request for an instance, in the positions of the frame; `None` when the frame does not know its product yet.
pub(super) fn request_of(book: &Book, found: &Found, ask: Ask) -> Option<Asked> {
    let frame = &book.frame;
    let product = frame.find_product(&found.product)?;
    let held = match found.ownership.as_ref().map(|it| &it.holder) {
        Some(Holder::Group { group, weight, product, .. }) => {
            Some(Held { group: frame.find_group(group)?, weight: *weight, product: frame.find_product(product)? })
        }
        _ => None,
    };
    let request = Request {
        instance: found.id.clone(),
        product,
        template: frame.products[product as usize].1,
        jurisdiction: found.jurisdiction.clone(),
        weight: found.weight,
        ask,
        held,
    };
    let seen = Seen {
        change: found.change,
        version: found.ownership.as_ref().map_or(0, |it| it.version),
        generation: found.ownership.as_ref().map(|it| it.generation).unwrap_or_default(),
    };
    Some(Asked { request, seen })
}
