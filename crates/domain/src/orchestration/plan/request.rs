//! Turns an instance into a request in the positions of a frame, as the allocator does.
//!
//! Whoever asks the one decision function speaks in positions; what a frame does not know, nobody can ask for.
//! An owner or a product that the frame does not know is not counted in its state either, so nothing is held.

use std::collections::BTreeSet;

use crate::ids::{AccessTemplateId, GroupId};
use crate::orchestration::{Ask, Frame, Held, Holder, Request, Subject};
use crate::reason::Reason;

/// The request for an instance; `None` when the frame does not know its product.
pub fn find_request(frame: &Frame, subject: &Subject<'_>, ask: Ask) -> Option<Request> {
    let product = frame.find_product(subject.product)?;
    let held = match subject.ownership.map(|ownership| &ownership.holder) {
        Some(Holder::Group { group, weight, product: counted, .. }) => frame
            .find_group(group)
            .zip(frame.find_product(counted))
            .map(|(group, product)| Held { group, weight: *weight, product }),
        _ => None,
    };
    Some(Request {
        instance: subject.id.clone(),
        product,
        template: frame.products[product as usize].1,
        jurisdiction: subject.jurisdiction.cloned(),
        weight: subject.weight,
        ask,
        held,
    })
}

/// The same request in the positions of another frame; `None` when that does not know its product.
pub(super) fn carry_over(request: Request, from: &Frame, to: &Frame) -> Option<Request> {
    let product = |at: u32| to.find_product(&from.products[at as usize].0);
    let own = product(request.product)?;
    let held = request.held.and_then(|held| {
        let group = to.find_group(&from.group(held.group).id)?;
        Some(Held { group, product: product(held.product)?, ..held })
    });
    Some(Request { product: own, template: to.products[own as usize].1, held, ..request })
}

/// What running plans take out of boundaries, as the frame was built with it.
pub fn leaving_of(frame: &Frame) -> BTreeSet<(AccessTemplateId, GroupId)> {
    let of_template = |template: &crate::orchestration::FrameTemplate| {
        let is_leaving = |member: &&crate::orchestration::Member| member.verdict == Reason::LeavingByPlan;
        let pair = |group: u32| (template.id.clone(), frame.group(group).id.clone());
        template.members.iter().filter(is_leaving).map(|member| pair(member.group)).collect::<Vec<_>>()
    };
    frame.templates.iter().flat_map(of_template).collect()
}
