//! The one place that makes sentences: from codes and parameters, for people, never stored and never parsed.
//!
//! A sentence begins with a capital letter and ends with a full stop; [`action`] gives a clause that may follow
//! "to change it:". Numbers are those of the parts, so a sentence cannot say more than the part does.

use super::model::{
    Action, CandidateRow, CandidateVerdict, DecisionKind, Explanation, Missing, Needed, ScaleEvent, ScaleEventKind,
    TieBreak, WhyNot, WhyNotMoved,
};
use crate::ids::{GroupId, InstanceId};
use crate::master_data::Kind;
use crate::orchestration::Score;
use crate::reason::Reason;
use crate::resolution::Status;

/// The answer in one sentence.
pub fn answer(explanation: &Explanation) -> String {
    let subject = &explanation.subject;
    let (instance, verdict) = (&subject.instance, &explanation.verdict_now);
    let owner = subject.group.as_ref();
    match verdict.status {
        None => {
            format!("{instance} names the product {}, which does not exist, so nothing is delivered.", subject.product)
        }
        Some(Status::Terminated) => match owner {
            Some(group) => {
                format!("{instance} is terminated: nothing is delivered, and {group} is about to be released.")
            }
            None => format!("{instance} is terminated: nothing is delivered, and nobody owns it."),
        },
        Some(Status::Expired) => format!("The time of {instance} has run out: nothing is delivered{}.", keeps(owner)),
        Some(Status::Suspended) => format!("{instance} is suspended: nothing is delivered{}.", keeps(owner)),
        Some(Status::Unowned) if verdict.reason == Reason::Pending => {
            format!("Nobody owns {instance} yet: {}.", Reason::Pending.meaning())
        }
        Some(Status::Unowned) => {
            format!("Nobody owns {instance}: {}{}.", verdict.reason.meaning(), tally(&explanation.candidates))
        }
        Some(Status::Broken) => match owner {
            Some(group) => {
                let stay = explanation.why_not_moved.as_ref().map(|it| format!("; {}", waits(it))).unwrap_or_default();
                format!("{instance} belongs to {group}, which does not serve it: {}{stay}.", verdict.reason.meaning())
            }
            None if verdict.reason == Reason::NoQualifiedNode => {
                format!(
                    "Nothing is delivered to {instance}: no node of the boundary is allowed and passes the whole chain."
                )
            }
            None => format!("Nothing is delivered to {instance}: {}.", verdict.reason.meaning()),
        },
        Some(Status::Deliverable) => deliverable(explanation),
    }
}

fn deliverable(explanation: &Explanation) -> String {
    let subject = &explanation.subject;
    let nodes = counted(explanation.verdict_now.delivered, "node is", "nodes are");
    let is_sticky = matches!(subject.mode, Some("shard" | "regional"));
    match (&subject.group, &subject.region) {
        (Some(group), Some(region)) if is_sticky => format!(
            "{} belongs to {group} in {region}, because {}; {nodes} delivered.",
            subject.instance,
            because(explanation)
        ),
        _ => format!(
            "{} is delivered by access template {} in mode {}, which owns nobody; {nodes} delivered.",
            subject.instance,
            subject.access_template.as_ref().map_or("-", |id| id.as_str()),
            subject.mode.unwrap_or("-")
        ),
    }
}

/// How the owner came to be the owner, as a clause.
fn because(explanation: &Explanation) -> String {
    let Some(decision) = &explanation.decision else {
        return "it was given to it before decisions were kept".to_owned();
    };
    let id = decision.id;
    let merit = || match &explanation.tie_break {
        Some(tie_break) => merit(tie_break, &explanation.candidates),
        None => "it was chosen".to_owned(),
    };
    match decision.kind {
        None => format!("decision {id} chose it, whose batch is not kept any more"),
        Some(DecisionKind::Allocate) => format!("at decision {id} {}", merit()),
        Some(DecisionKind::Repair) => {
            format!("its former owner did not deliver any more and at decision {id} {}", merit())
        }
        Some(DecisionKind::Move) => format!("a plan moved it there (decision {id})"),
        Some(DecisionKind::Recount) => format!("it owned it already when decision {id} counted it anew"),
        Some(DecisionKind::Release) => format!("decision {id} released it and it was taken again"),
    }
}

/// What made the winner win, as a clause about "it".
fn merit(tie_break: &TieBreak, candidates: &[CandidateRow]) -> String {
    let eligible = candidates.iter().filter(|row| row.is_eligible()).count();
    let all = candidates.len();
    let Some(next) = &tie_break.runner_up else {
        return format!(
            "it was the only candidate among {}",
            counted(u32::try_from(all).unwrap_or(u32::MAX), "group", "groups")
        );
    };
    let field = format!("of {eligible} candidates");
    match tie_break.reason {
        Reason::LeastUtilised => format!("it was the least utilised {field}, before {next}"),
        Reason::FewestOfProduct => {
            format!("it was the least utilised {field} and, level with {next}, held the fewest of the same product")
        }
        Reason::SmallestId => {
            format!("it was the least utilised {field} and, level with {next} in all else, has the smallest id")
        }
        other => other.meaning().to_owned(),
    }
}

fn keeps(owner: Option<&GroupId>) -> String {
    owner.map(|group| format!("; it keeps its owner {group}")).unwrap_or_default()
}

/// How many candidates there are of each reason: `3 × no-qualified-node, 1 × group-draining`.
fn tally(candidates: &[CandidateRow]) -> String {
    let mut counts = std::collections::BTreeMap::<Reason, usize>::new();
    for row in candidates.iter().filter(|row| !row.is_eligible()) {
        *counts.entry(row.reason).or_default() += 1;
    }
    let parts: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} × {reason}")).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// What a broken ownership waits for, as a clause.
fn waits(stay: &WhyNotMoved) -> String {
    match stay.reason {
        Reason::Pending => "the allocator is about to repair it".to_owned(),
        Reason::NoCandidate => "and no other group of the boundary can take it".to_owned(),
        reason => reason.meaning().to_owned(),
    }
}

/// Which rule separated the first two.
pub fn tie_break(it: &TieBreak) -> String {
    match (&it.runner_up, it.reason) {
        (_, Reason::ChosenByPlan) => format!("A plan named {}; nothing was compared.", it.winner),
        (_, Reason::CountedAnew) => {
            format!("{} stayed the owner and was counted anew; nothing was compared.", it.winner)
        }
        (None, _) => format!("Nobody competed with {}.", it.winner),
        (Some(next), Reason::LeastUtilised) => format!("{} was less utilised than {next}.", it.winner),
        (Some(next), Reason::FewestOfProduct) => {
            format!("{} and {next} were equally utilised; {} held fewer of the same product.", it.winner, it.winner)
        }
        (Some(next), Reason::SmallestId) => {
            format!("{} and {next} were equal in utilisation and product; {} is the smaller id.", it.winner, it.winner)
        }
        (Some(next), reason) => format!("{} went before {next}: {}.", it.winner, reason.meaning()),
    }
}

/// Why a certain group is not the owner; where nobody owns, what it delivers.
pub fn why_not(it: &WhyNot, instance: &InstanceId) -> String {
    let group = &it.group;
    let failing: Vec<&str> = it.failing_now.iter().map(|check| check.reason.meaning()).collect();
    let failing = failing.join("; ");
    if it.is_owner {
        return format!("{group} is the owner of {instance}.");
    }
    if it.reason == Reason::ProductUnknown {
        return format!("Nothing can be said of {group}: {}.", it.reason.meaning());
    }
    if it.is_about_delivery {
        return match failing.as_str() {
            "" => format!("{group} delivers its qualified nodes to {instance}, which nobody owns."),
            failing => format!("{group} delivers nothing to {instance}: {failing}."),
        };
    }
    let then = match &it.then {
        Some(row) if row.verdict == CandidateVerdict::Refused => {
            format!("{group} could not take {instance}: {}.", row.reason.meaning())
        }
        Some(row) => {
            let rank = row.rank.map(|rank| format!("number {rank}, ")).unwrap_or_default();
            format!("{group} was {rank}at {}: {}.", utilisation(&row.score), row.reason.meaning())
        }
        None => format!("{group} was not in the boundary of {instance} when it was decided."),
    };
    let needed = it.needed.as_ref().map(|needed| format!(" {}", needed_words(needed, group))).unwrap_or_default();
    format!("{then}{needed}{}", standing_now(it, &failing))
}

/// How a group that is not the owner stands today, with a blank before it.
fn standing_now(it: &WhyNot, failing: &str) -> String {
    let was_refused = it.then.as_ref().is_some_and(|row| row.verdict == CandidateVerdict::Refused);
    let is_unchanged = was_refused && it.failing_now.iter().all(|check| check.reason == it.reason);
    match it.today.as_ref().map(|row| (row.rank, row)) {
        _ if !failing.is_empty() && is_unchanged => " That still holds.".to_owned(),
        _ if !failing.is_empty() => format!(" Now it could not take it: {failing}."),
        Some((Some(1), _)) => " Now it would be the first.".to_owned(),
        Some((Some(rank), row)) => format!(" Now it would be number {rank}, at {}.", utilisation(&row.score)),
        Some((None, row)) => format!(" Now it could not take it: {}.", row.reason.meaning()),
        None => String::new(),
    }
}

/// What would have had to be different.
fn needed_words(needed: &Needed, group: &GroupId) -> String {
    match needed {
        Needed::Weight { active_weight, active_weight_max: Some(max), capacity, capacity_min } => format!(
            "It would have been chosen with an active weight of at most {max} instead of {active_weight}, or a capacity \
             of at least {capacity_min} instead of {capacity}."
        ),
        Needed::Weight { capacity, capacity_min, .. } => format!(
            "Even empty it would have lost; it would have been chosen with a capacity of at least {capacity_min} \
             instead of {capacity}."
        ),
        Needed::RegionWeight { region, chosen, active_weight, active_weight_max: Some(max), .. } => format!(
            "The region is chosen first: {region} would have gone before {chosen} with an active weight of at most \
             {max} instead of {active_weight} over its candidates, and then {group} would have had to be the lightest in it."
        ),
        Needed::RegionWeight { region, chosen, capacity, .. } => format!(
            "The region is chosen first: with a capacity of {capacity} over its candidates {region} would have lost \
             against {chosen} even when empty."
        ),
        Needed::OutsideKeptRegion { kept } => {
            format!("A repair stays in {kept} while a group there can take the instance.")
        }
        Needed::Arrivals { taken, arrived, arrived_min } => format!(
            "While it ramps it may take three times its share: having taken {taken} it was free again after \
             {arrived_min} of arriving weight, of which {arrived} had come."
        ),
        Needed::Eligibility => "It would have had to be a candidate.".to_owned(),
        Needed::Naming => "The owner was named, not compared.".to_owned(),
    }
}

/// Why the instance stays where it is.
pub fn why_not_moved(it: &WhyNotMoved, instance: &InstanceId) -> String {
    let owner = &it.owner;
    let lightest = match (&it.lightest_today, &it.owner_today) {
        _ if it.reason == Reason::InstanceTerminated => String::new(),
        (Some(row), _) if row.group == *owner => " It would be chosen again today.".to_owned(),
        (Some(row), Some(own)) if own.is_eligible() => format!(
            " Today {} would be chosen, at {} against {} of {owner}.",
            row.group,
            utilisation(&row.score),
            utilisation(&own.score)
        ),
        (Some(row), _) => format!(" Today {} would be chosen, at {}.", row.group, utilisation(&row.score)),
        (None, _) => String::new(),
    };
    let stays = match it.reason {
        Reason::KeptValid => format!(
            "{owner} serves {instance}, and a valid ownership is kept whatever is lighter: only a plan moves it."
        ),
        Reason::HeldByTemplate => {
            format!("{owner} does not serve {instance}, and its access template waits for a plan instead of repairing.")
        }
        Reason::HeldByPace => format!(
            "{owner} lost health only: {instance} is repaired after a while and at a bounded rate, unless it recovers."
        ),
        Reason::Pending => format!("{owner} does not serve {instance}; the allocator is about to repair it."),
        Reason::NoCandidate => {
            format!("{owner} does not serve {instance}, and no other group of the boundary can take it.")
        }
        Reason::InstanceTerminated => format!("{instance} is terminated: the allocator is about to release it."),
        Reason::NotApplicable => format!(
            "{owner} still holds {instance}, but its access template owns nobody: the allocator is about to release it."
        ),
        reason => format!("{owner} keeps {instance}: {}.", reason.meaning()),
    };
    format!("{stays}{lightest}")
}

/// `12.345 (1200 + 1 over capacity 100)`.
fn utilisation(score: &Score) -> String {
    format!(
        "utilisation {} ({} + {} over capacity {})",
        decimal(score.utilisation_ppm()),
        score.active_weight,
        score.own_weight,
        score.capacity
    )
}

/// Millionths as a decimal number, without the zeros that say nothing.
pub fn decimal(ppm: u64) -> String {
    let (whole, part) = (ppm / 1_000_000, ppm % 1_000_000);
    let digits = format!("{part:06}");
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() { whole.to_string() } else { format!("{whole}.{digits}") }
}

fn counted(count: u32, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// What to do, as a clause.
pub fn action(action: &Action) -> String {
    match action {
        Action::Set { kind, id, field, value } => format!("set {} {id} to {field} {value}", spoken(*kind)),
        Action::Prolong { instance } => format!("write instance {instance} with a later expires"),
        Action::MendNode { node } => {
            format!("bring node {node} back, or its way to the centre: its next report with status up qualifies it")
        }
        Action::AddNode { group } => format!("put a node into group {group}"),
        Action::WidenBoundary { template, group: Some(group) } => {
            format!("put group {group} into the boundary of access template {template}")
        }
        Action::WidenBoundary { template, group: None } => {
            format!("put groups, regions or nodes into the boundary of access template {template}")
        }
        Action::OfferJurisdiction { template, jurisdiction } => {
            format!(
                "put a region, group or node of jurisdiction {jurisdiction} into the boundary of access template {template}"
            )
        }
        Action::RaiseLimit { template } => format!("raise the limit of access template {template}"),
        Action::WriteProduct { product } => format!("write product {product}, or give the instance another"),
        Action::PlanRepair => "make a repair plan and apply it".to_owned(),
        Action::PlanMove { instance, to } => format!("move {instance} to {to} by a plan"),
        Action::PlanDrain { group } => format!("drain group {group} by a plan: all its owners leave"),
        Action::AbortPlan { group } => {
            format!("abort the plan that takes {group} out of the boundary, or wait for its end")
        }
        Action::Terminate { instance } => format!("terminate {instance}: its ownership is released"),
        Action::AwaitAllocator => "wait a moment; if it lasts, see who leads the allocation".to_owned(),
    }
}

/// The command that does it, to be pasted; absent where only a manifest of the operator's can say what is wanted.
pub fn command(action: &Action) -> Option<String> {
    let edit = |kind: Kind, id: &str, field: &str, value: &str| {
        let word = kind.plural();
        format!("tenure get {word} {id} -o yaml | sed 's/^{field}:.*/{field}: {value}/' | tenure apply -f -")
    };
    match action {
        Action::Set { kind, id, field, value } => Some(edit(*kind, id, field, value)),
        Action::Prolong { instance } => Some(format!(
            "tenure get instances {instance} -o yaml | \
             sed \"s/^expires:.*/expires: $(date -u -d '+30 days' +%Y-%m-%dT%H:%M:%SZ)/\" | tenure apply -f -"
        )),
        Action::MendNode { node } => Some(format!("tenure describe nodes {node}")),
        Action::PlanRepair => Some("tenure plan repair".to_owned()),
        Action::PlanMove { instance, to } => Some(format!("tenure plan move --instance {instance} --to {to}")),
        Action::PlanDrain { group } => Some(format!("tenure plan drain {group}")),
        Action::AbortPlan { .. } => Some("tenure plan list".to_owned()),
        Action::Terminate { instance } => Some(format!("tenure delete instances {instance}")),
        Action::AwaitAllocator => Some("tenure doctor".to_owned()),
        Action::WidenBoundary { template, .. }
        | Action::OfferJurisdiction { template, .. }
        | Action::RaiseLimit { template } => Some(format!("tenure get access-templates {template} -o yaml")),
        Action::AddNode { group } => Some(format!("tenure describe groups {group}")),
        Action::WriteProduct { .. } => Some("tenure get products".to_owned()),
    }
}

/// A kind as it is spoken of.
fn spoken(kind: Kind) -> &'static str {
    match kind {
        Kind::Region => "region",
        Kind::ResourceGroup => "group",
        Kind::RuntimeTemplate => "runtime template",
        Kind::OutboundTemplate => "outbound template",
        Kind::Node => "node",
        Kind::AccessTemplate => "access template",
        Kind::Product => "product",
        Kind::Instance => "instance",
    }
}

/// What happened to the boundary.
pub fn scale_event(event: &ScaleEvent) -> String {
    let group = event.group.as_ref().map_or("the access template", |group| group.as_str());
    let (was, is) = (event.was.as_deref().unwrap_or("nothing"), event.is.as_deref().unwrap_or("nothing"));
    match event.kind {
        ScaleEventKind::TemplateChanged => format!("The product names access template {is} instead of {was}."),
        ScaleEventKind::Joined => format!("{group} came into the boundary ({is})."),
        ScaleEventKind::Left => format!("{group} left the boundary (it was {was})."),
        ScaleEventKind::BecameCandidate => format!("{group} became a candidate (it was {was})."),
        ScaleEventKind::CeasedCandidate => format!("{group} ceased to be a candidate ({is})."),
        ScaleEventKind::CapacityChanged => format!("{group} went from capacity {was} to {is}."),
        ScaleEventKind::RegionChanged => format!("{group} went from region {was} to {is}."),
    }
}

/// What could not be told, and why.
pub fn missing(missing: Missing) -> &'static str {
    match missing {
        Missing::NoDecisionYet => "No decision was taken yet; the candidates are those that it would look at now.",
        Missing::NoDecisionNeeded => "The mode owns nobody, so no decision is ever taken.",
        Missing::BatchGone => "The batch of the decision could not be loaded, so its candidates cannot be rebuilt.",
        Missing::CountersUnknown => {
            "The counters of today could not be had, so nothing is said of today's utilisation."
        }
        Missing::ProductUnknown => "The product of the instance is unknown, so no boundary can be told.",
        Missing::RecordDiffers => {
            "The rules of this version choose otherwise than the record says; the record is shown."
        }
        Missing::OwnerGone => "The owner is no object any more, so its checks cannot be told.",
        Missing::MoreRemedies => "More could be done than is listed; the candidates say what each group lacks.",
    }
}
