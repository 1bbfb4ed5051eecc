//! The table of routes: the one place that says what there is, what each needs and what it says.
//!
//! In the order of the contract. A route that is not here does not exist; a scope that is not here is not granted.

use domain::master_data::Kind;
use domain::orchestration::plan::Command;
use wire::access::{CreatedToken, NewToken, TokenPage};
use wire::apply::{Applied, InstanceWritten};
use wire::audit::{AuditPage, Checkpoint, Verified};
use wire::conservation::Conservation;
use wire::doctor::Doctor;
use wire::explanation::ExplanationBody;
use wire::import::Imported;
use wire::intake::{Replica, ReplicaList};
use wire::ledger::LedgerPage;
use wire::manifest::Manifest;
use wire::ownership::{HistoryBody, OwnershipBody};
use wire::plan::{MovePage, Plan, PlanPace, PlanPage, PlanRequest};
use wire::presence::Presence;
use wire::report::{Report, Reported};
use wire::reporters::ReporterList;
use wire::resolution::ResolutionBody;
use wire::tasks::{Task, TaskList};
use wire::usage::Usage;

use super::openapi::{Live, ManifestPage, Ready};
use super::route::{BodySchema, Route};
use super::{
    access, audit, counting, doctor, explanation, health, import, instances, master_data, metrics, openapi, plans,
    reports, resolution, tasks, usage,
};
use crate::access::Need::{Admin, Nothing, Read, ReadUnlessLoopback, Report as Reporting, Resolve, Write};

/// Instances have their own writes: they are not part of the topology.
const TOPOLOGY: [Kind; 7] = [
    Kind::Region,
    Kind::ResourceGroup,
    Kind::Node,
    Kind::RuntimeTemplate,
    Kind::OutboundTemplate,
    Kind::AccessTemplate,
    Kind::Product,
];

/// Every route.
pub fn table() -> Vec<Route> {
    let mut routes = vec![apply()];
    routes.extend(TOPOLOGY.iter().flat_map(|kind| topology_routes(*kind)));
    routes.extend(instance_routes());
    routes.extend(plan_routes());
    routes.extend(counting_routes());
    routes.extend(task_routes());
    routes.extend(token_routes());
    routes.extend(audit_routes());
    routes.extend(machine_routes());
    routes
}

fn apply() -> Route {
    Route::post("/v1/apply", Write, master_data::apply)
        .says("Applies manifests: all of them, or none")
        .flag("dry_run", "answers what would be done and does nothing")
        .query("set", "a name for what is created here, so that a later apply can prune")
        .flag("prune", "deletes what an earlier apply of the set created and this one does not hold")
        .flag("allow_disruption", "scope admin: lets it invalidate more than a tenth of a boundary's owners")
        .takes(BodySchema::text("application/yaml"))
        .takes(BodySchema::list_of::<Manifest>())
        .gives_json::<Applied>()
        .idempotent()
        .unhurried()
}

fn topology_routes(kind: Kind) -> [Route; 4] {
    let (list, one) = (format!("/v1/{}", kind.plural()), format!("/v1/{}/{{id}}", kind.plural()));
    [
        Route::get(list, Read, async move |state, paging| master_data::list(kind, state, paging).await)
            .says(format!("Lists objects of kind {kind}, by id"))
            .paged()
            .gives_json::<ManifestPage>(),
        Route::get(&one, Read, async move |state, id, params| master_data::get(kind, state, id, params).await)
            .says(format!("Shows one {kind}; its ETag is the change that wrote it"))
            .gives_json::<Manifest>(),
        Route::put(&one, Write, async move |state, bearer, path, target, headers, body| {
            master_data::put(kind, state, bearer, path, target, headers, body).await
        })
        .says(format!("Writes one {kind} whole; the rules are those of apply"))
        .flag("allow_disruption", "scope admin: lets it invalidate more than a tenth of a boundary's owners")
        .takes(BodySchema::of::<Manifest>())
        .gives_json::<Manifest>()
        .statuses(&[200, 201])
        .conditional(),
        Route::delete(&one, Write, async move |state, bearer, path, target, headers| {
            master_data::delete(kind, state, bearer, path, target, headers).await
        })
        .says(format!("Deletes one {kind}; refused while others need it"))
        .flag("allow_disruption", "scope admin: lets it invalidate more than a tenth of a boundary's owners")
        .gives_json::<Applied>()
        .conditional(),
    ]
}

fn instance_routes() -> [Route; 9] {
    const ONE: &str = "/v1/instances/{id}";
    [
        Route::get("/v1/instances", Read, async |state, paging| master_data::list(Kind::Instance, state, paging).await)
            .says("Lists instances, by id")
            .paged()
            .gives_json::<ManifestPage>(),
        Route::get(ONE, Read, async |state, id, params| master_data::get(Kind::Instance, state, id, params).await)
            .says("Shows one instance; its ETag is the change that wrote it")
            .gives_json::<Manifest>(),
        Route::put(ONE, Write, instances::put)
            .says("Writes an instance whole and answers with its ownership; 202 when that takes more than 5 s")
            .takes(BodySchema::of::<Manifest>())
            .gives_json::<InstanceWritten>()
            .statuses(&[200, 201, 202])
            .conditional(),
        Route::delete(ONE, Write, instances::delete)
            .says("Sets an instance terminated; its ownership is released, its history stays")
            .gives_json::<InstanceWritten>()
            .statuses(&[200, 202])
            .conditional(),
        Route::post("/v1/instances/import", Write, import::import)
            .says("Takes a stream of instances, one JSON object a line; refused lines stop no others")
            .flag("wait", "answers when each has its ownership or a reason")
            .flag("allow_disruption", "scope admin: lets it invalidate more than a tenth of a boundary's owners")
            .takes(BodySchema::text("application/x-ndjson"))
            .gives_json::<Imported>()
            .statuses(&[200, 202])
            .unhurried(),
        Route::quick("/v1/instances/{id}/resolution", Resolve, resolution::resolution)
            .says("What is delivered to an instance, from memory; 304 when the ETag is known")
            .query("near", "LATITUDE,LONGITUDE in degrees, for the order proximity")
            .gives_json::<ResolutionBody>()
            .header("If-None-Match", "ETags that the client has: 304 when nothing changed")
            .statuses(&[200, 304])
            .answered_from_view()
            .at_once(),
        Route::get("/v1/instances/{id}/ownership", Resolve, instances::ownership)
            .says("Who owns an instance, or why nobody does")
            .gives_json::<OwnershipBody>()
            .answered_from_view()
            .at_once(),
        Route::get("/v1/instances/{id}/history", Read, instances::history)
            .says("Every change of the ownership of an instance, with its decision")
            .gives_json::<HistoryBody>(),
        Route::get("/v1/instances/{id}/explanation", Read, explanation::explanation)
            .says("Why an instance is where it is, with every candidate; text for Accept: text/plain")
            .query("why_not", "a group: why it is not the owner")
            .flag("verify", "decides the whole batch anew and compares")
            .gives_json::<ExplanationBody>()
            .answered_from_view(),
    ]
}

fn plan_routes() -> Vec<Route> {
    let commands = [
        (Command::Apply, "Applies a plan at a rate"),
        (Command::Pause, "Pauses a plan; what it has moved stays"),
        (Command::Resume, "Lets a paused plan go on"),
        (Command::Abort, "Ends a plan; what it has moved stays"),
    ];
    let mut routes = vec![
        Route::post("/v1/plans", Write, plans::create)
            .says("Makes a plan; nothing else is changed")
            .takes(BodySchema::of::<PlanRequest>())
            .gives_json::<Plan>()
            .statuses(&[201])
            .unhurried(),
        Route::get("/v1/plans", Read, plans::list).says("Lists plans, by id").paged().gives_json::<PlanPage>(),
        Route::get("/v1/plans/{id}", Read, plans::get).says("Shows a plan and its progress").gives_json::<Plan>(),
        Route::get("/v1/plans/{id}/moves", Read, plans::moves)
            .says("Lists the moves of a plan, in order")
            .query("limit", "moves of a page, 1 to 1000; 100 unless stated")
            .query("cursor", "`next` of the page before")
            .gives_json::<MovePage>(),
    ];
    for (command, says) in commands {
        let tell = async move |state, bearer, path, headers, body| {
            plans::tell(command, state, bearer, path, headers, body).await
        };
        let route = Route::post(format!("/v1/plans/{{id}}/{}", command.code()), Write, tell);
        routes.push(route.says(says).takes(BodySchema::of::<PlanPace>()).gives_json::<Plan>());
    }
    routes.push(
        Route::post("/v1/plans/{id}/undo", Write, plans::undo)
            .says("Makes a plan of the reverse moves; it is applied like any other")
            .gives_json::<Plan>()
            .statuses(&[201])
            .unhurried(),
    );
    routes
}

fn counting_routes() -> [Route; 8] {
    [
        Route::post("/v1/reports", Reporting, reports::report)
            .says("Takes a report: counts it once, and makes a fact of what it says of its node; gzip and zstd are unpacked")
            .takes(BodySchema::of::<Report>())
            .takes(BodySchema::text(wire::report::Encoding::Protobuf.media_type()))
            .gives_json::<Reported>(),
        Route::get("/v1/instances/{id}/usage", Read, usage::usage)
            .says("What an instance used: durable, pending and both; the current period unless a time is named")
            .query("by", "hour, day (UTC) or period; hour unless stated")
            .query("from", "a time as in RFC 3339; rows begin with the hour that holds it")
            .query("to", "a time as in RFC 3339; rows end before it")
            .gives_json::<Usage>(),
        Route::get("/v1/instances/{id}/presence", Read, usage::presence)
            .says("The devices of an instance that are online")
            .gives_json::<Presence>(),
        Route::get("/v1/conservation", Read, counting::conservation)
            .says("Whether every byte received is durable, pending, parked or rejected: per shard and per reporter")
            .flag("deep", "counts everything again and names the first difference")
            .gives_json::<Conservation>()
            .unhurried(),
        Route::get("/v1/ledger", Read, counting::ledger)
            .says("What each generation brought into each shard, newest first")
            .query("limit", "rows of a page, 1 to 1000; 100 unless stated")
            .query("cursor", "`next` of the page before")
            .query("replica", "only of this intake replica")
            .query("shard", "only of this shard, 0 to 63")
            .query("state", "sealed, committed, cleaned or lost")
            .gives_json::<LedgerPage>(),
        Route::get("/v1/reporters", Read, counting::reporters)
            .says("Lists reporters: their last report, what of it is committed, and what never came")
            .gives_json::<ReporterList>(),
        Route::get("/v1/intake", Read, counting::intake)
            .says("Lists intake replicas and how far each is committed")
            .gives_json::<ReplicaList>(),
        Route::post("/v1/intake/{replica}/retire", Admin, counting::retire)
            .says("Retires an intake replica whose log is gone for good; its reporters get a new home")
            .gives_json::<Replica>(),
    ]
}

fn task_routes() -> [Route; 4] {
    [
        Route::get("/v1/tasks", Read, tasks::list).says("How the tasks of this process fare").gives_json::<TaskList>(),
        Route::post("/v1/tasks/{name}/pause", Admin, tasks::pause)
            .says("Stops a task of this process from being run")
            .gives_json::<Task>(),
        Route::post("/v1/tasks/{name}/resume", Admin, tasks::resume).says("Lets a task run again").gives_json::<Task>(),
        Route::post("/v1/tasks/{name}/run", Admin, tasks::run)
            .says("Runs a task without waiting for its period")
            .gives_json::<Task>(),
    ]
}

fn token_routes() -> [Route; 3] {
    [
        Route::post("/v1/tokens", Admin, access::create)
            .says("Makes a token; its secret is in this answer and nowhere else")
            .takes(BodySchema::of::<NewToken>())
            .gives_json::<CreatedToken>()
            .statuses(&[201]),
        Route::get("/v1/tokens", Admin, access::list).says("Lists tokens, by id").paged().gives_json::<TokenPage>(),
        Route::delete("/v1/tokens/{id}", Admin, access::revoke)
            .says("Revokes a token; it is refused everywhere within a second")
            .statuses(&[204]),
    ]
}

fn audit_routes() -> [Route; 3] {
    [
        Route::get("/v1/audit/checkpoint", Read, audit::checkpoint)
            .says("How far the audit chain reaches")
            .gives_json::<Checkpoint>(),
        Route::get("/v1/audit/entries", Read, audit::entries)
            .says("Entries of the audit chain, in order")
            .query("limit", "entries of a page, 1 to 1000; 1000 unless stated")
            .query("cursor", "`next` of the page before; any sequence number will do")
            .gives_json::<AuditPage>(),
        Route::get("/v1/audit/verify", Read, audit::verify)
            .says("Walks the audit chain and says where it breaks")
            .query("from", "the first entry; 1 unless stated")
            .query("to", "the last entry; the end unless stated")
            .gives_json::<Verified>()
            .unhurried(),
    ]
}

fn machine_routes() -> [Route; 5] {
    [
        Route::get("/v1/doctor", Read, doctor::examine)
            .says("Checks of the running system, each with what to do")
            .gives_json::<Doctor>()
            .unhurried(),
        Route::get("/metrics", ReadUnlessLoopback, metrics::show)
            .says("Metrics in Prometheus' text format; without a token from this machine")
            .gives(BodySchema::text("text/plain"))
            .at_once(),
        Route::get("/livez", Nothing, health::live).says("The process answers").gives_json::<Live>().at_once(),
        Route::get("/readyz", Nothing, health::ready)
            .says("The view is loaded, so instances are resolved")
            .gives_json::<Ready>()
            .at_once(),
        Route::get("/openapi.json", Nothing, openapi::show)
            .says("This document")
            .gives(BodySchema::text("application/json"))
            .at_once(),
    ]
}
