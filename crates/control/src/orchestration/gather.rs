//! From instances that are worth a look to requests: each is judged by its state, and only what can succeed is asked.
//!
//! A refusal is written once and asked again when a group can take; a repair for lost health waits for its turn.
//! Whoever has nothing to be done falls out, whatever hint brought him here (I6).

use std::time::Instant;

use domain::ids::InstanceId;
use domain::orchestration::{
    Ask, Choice, Held, Holder, Request, Subject, Validity, choose, validate, wanted,
};
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

/// Looks at one instance.
pub(super) fn look(book: &Book, pace: &mut Pace, view: &View, id: &InstanceId, now: Instant) -> Look {
    let Some(found) = view.find(id.as_str()) else { return Look::Nothing };
    let subject = found.subject();
    let Some(ask) = wanted(&book.topology.topology, &subject) else { return Look::Nothing };
    let Some(asked) = request_of(book, &found, ask) else { return Look::Nothing };
    let can_choose = || matches!(choose(&book.frame, &book.state, &asked.request), Choice::Group(_));
    let is_worth = match ask {
        Ask::Release { .. } | Ask::Recount => true,
        // A refusal is written once; it is asked again when a group can take.
        Ask::Allocate => can_choose() || is_news(book, &asked.request, &subject),
        Ask::Repair => can_choose(),
        Ask::Move { .. } => false,
    };
    if !is_worth {
        return Look::Nothing;
    }
    if matches!(ask, Ask::Repair) && !is_turn(book, pace, &subject, &asked.request, now) {
        return Look::Later;
    }
    Look::Ask(Box::new(asked))
}

/// Whether a refusal says something that the row does not say yet.
fn is_news(book: &Book, request: &Request, subject: &Subject<'_>) -> bool {
    let Choice::None(why) = choose(&book.frame, &book.state, request) else { return true };
    !matches!(subject.ownership.map(|it| &it.holder), Some(Holder::Nobody { why: known }) if *known == why)
}

/// Whether a broken ownership may be repaired now.
fn is_turn(book: &Book, pace: &mut Pace, subject: &Subject<'_>, request: &Request, now: Instant) -> bool {
    let topology = &book.topology.topology;
    let Some(verdict) = validate(topology, subject) else { return false };
    let Validity::Broken { group: Some(group), is_health: true, .. } = verdict.validity else { return true };
    let owners = request.template.map_or(0, |template| book.owners_of(template));
    pace.is_due(&topology.group(group).object.id, now) && pace.take(&verdict.template.id, owners, now)
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
