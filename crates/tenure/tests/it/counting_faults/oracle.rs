//! Compares what the server shows with what the reporters made: each byte once, on each account, to the byte.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::reporter::Reporter;
use super::world::World;
use crate::caller::runtime;
use crate::ground::eventually;

/// A flush after the last fault, in a debug build on two busy cores; the database may have to be found again.
const SHOWN_MAX: Duration = Duration::from_secs(60);

/// All hours there are: reports are stamped in the past and in the future.
const ALL_HOURS: &str = "by=period&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z";

/// Everything that was acknowledged is visible once, every line balances, and counting again finds the same.
pub fn check(world: &World, reporters: &[Reporter]) {
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for (instance, bytes) in reporters.iter().flat_map(|it| &it.expected) {
        *expected.entry(instance).or_default() += bytes;
    }
    // What was counted is visible at once; what waited for its instance follows soon, so the first look is at the sum.
    let bounds = |found: u64, due: u64, instance: &str| {
        assert!(found <= due, "{instance}: {found} bytes are visible, {due} were reported: counted twice");
    };
    let (runtime, caller) = (runtime(), world.caller());
    for (instance, due) in &expected {
        eventually(SHOWN_MAX, || {
            let path = format!("/v1/instances/{instance}/usage?{ALL_HOURS}");
            let (status, usage) = runtime.block_on(caller.get(&path))?;
            if status != 200 || usage["complete"] != true {
                return Err(format!("{status}: {usage}"));
            }
            let of = |part: &str| usage[part]["up"].as_u64().unwrap() + usage[part]["down"].as_u64().unwrap();
            assert_eq!(of("durable") + of("pending"), of("visible"), "{usage}");
            bounds(of("visible"), *due, instance);
            let is_late = instance.starts_with("later-");
            assert!(is_late || of("visible") == *due, "{instance}: {} of {due} bytes are visible", of("visible"));
            if of("visible") == *due { Ok(()) } else { Err(format!("{instance}: {} of {due}", of("visible"))) }
        });
    }
    balances(world, reporters);
    eventually(SHOWN_MAX, || {
        let doctor = world.server().run(&["doctor", "-o", "json"]);
        if doctor.code == 0 { Ok(()) } else { Err(format!("{}{}", doctor.out, doctor.err)) }
    });
}

fn balances(world: &World, reporters: &[Reporter]) {
    let received: u64 = reporters.iter().map(Reporter::received).sum();
    let rejected: u64 = reporters.iter().map(|it| it.rejected).sum();
    eventually(SHOWN_MAX, || {
        let ran = world.server().run(&["conservation", "--deep", "-o", "json"]);
        let found: Value = serde_json::from_str(&ran.out).map_err(|_| format!("{}{}", ran.out, ran.err))?;
        if found["complete"] != true {
            return Err(found.to_string());
        }
        assert_eq!(found["balanced"], true, "{found}");
        assert!(found["deep"].is_object() && found["deep"]["difference"].is_null(), "{found}");
        let lines = |list: &str| found[list].as_array().unwrap().clone();
        let sum = |list: &str, term: &str| lines(list).iter().map(|it| it[term].as_u64().unwrap()).sum::<u64>();
        assert_eq!(sum("shards", "received"), received, "{found}");
        assert_eq!(sum("shards", "rejected"), rejected, "{found}");
        for reporter in reporters {
            let of_it: Vec<Value> = lines("reporters").into_iter().filter(|it| it["reporter"] == reporter.id).collect();
            let of = |term: &str| of_it.iter().map(|it| it[term].as_u64().unwrap()).sum::<u64>();
            let (bytes, due) = (of("received"), reporter.received());
            let is_right = if reporter.may_be_short { bytes <= due } else { bytes == due };
            assert!(is_right, "{}: received {bytes} of {due}: {found}", reporter.id);
            assert_eq!(of("rejected"), reporter.rejected, "{}: {found}", reporter.id);
        }
        match sum("shards", "parked") {
            0 => Ok(()),
            parked => Err(format!("{parked} bytes wait for an instance that exists")),
        }
    });
}

/// Waits until everything is in the database.
pub fn committed(world: &World) {
    let (runtime, caller) = (runtime(), world.caller());
    eventually(SHOWN_MAX, || {
        let (_, found) = runtime.block_on(caller.get("/v1/conservation"))?;
        let shards = found["shards"].as_array().ok_or_else(|| found.to_string())?;
        let pending: u64 = shards.iter().map(|it| it["pending"].as_u64().unwrap()).sum();
        if pending == 0 && found["complete"] == true { Ok(()) } else { Err(found.to_string()) }
    });
}
