//! I7: resolution writes nothing, and looking moves nobody.
//!
//! That nothing is written is said by the types: everything that reads takes its view behind `&`, and the crate has
//! neither interior mutability nor `unsafe`. The tests hold the types to it and look twice.

use proptest::prelude::*;

use crate::master_data::Location;
use crate::orchestration::laws::walk::{Walk, any_walk};
use crate::orchestration::laws::world::cases;
use crate::orchestration::{
    Ask, CandidateTable, Choice, Frame, Request, State, Subject, Topology, Verdict, candidate_table, choose, validate,
    wanted,
};
use crate::resolution::{Resolution, resolve};

/// I7: a reader that took `&mut` would not compile here.
#[test]
fn whoever_reads_takes_no_mutable_view() {
    type Resolve = for<'a> fn(&'a Topology, &Subject<'a>, Option<Location>) -> Option<Resolution<'a>>;
    let _: Resolve = resolve;
    let _: for<'a, 'b> fn(&'a Topology, &Subject<'b>) -> Option<Verdict<'a>> = validate;
    let _: fn(&Topology, &Subject<'_>) -> Option<Ask> = wanted;
    let _: fn(&Frame, &State, &Request) -> CandidateTable = candidate_table;
    let _: fn(&Frame, &State, &Request) -> Choice = choose;
    fn is_shared_between_threads<T: Sync + Send>() {}
    is_shared_between_threads::<Topology>();
    is_shared_between_threads::<Frame>();
    is_shared_between_threads::<State>();
}

/// I7: no source of this crate outside tests names a cell, a lock or an atomic, through which `&` could write.
#[test]
fn nothing_can_be_written_behind_a_shared_view() {
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let mut sources = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sources are here") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("laws") {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source");
                for word in ["Cell<", "Mutex<", "RwLock<", "Atomic", "static mut", "thread_local!"] {
                    assert!(!text.contains(word), "{} names {word}", path.display());
                }
                sources += 1;
            }
        }
    }
    assert!(sources > 20, "the sources were found");
}

proptest! {
    #![proptest_config(cases(64))]

    /// I7: everybody may be looked at, broken or not, as often as one likes: the answer stays, and so does everybody.
    #[test]
    fn nobody_is_moved_by_being_looked_at((world, steps) in any_walk(50)) {
        let mut walk = Walk::new(&world);
        steps.iter().for_each(|step| drop(walk.take(step)));
        let before = walk.run.clone();
        for customer in &walk.customers {
            let look = || {
                let subject = customer.subject(walk.run.owners.get(&customer.id));
                let resolution = format!("{:?}", resolve(&walk.run.topology, &subject, None));
                let table = walk.run.wanted(customer).map(|ask| {
                    let request = walk.run.request(customer, ask);
                    candidate_table(&walk.run.frame, &walk.run.state, &request)
                });
                (resolution, table)
            };
            prop_assert_eq!(look(), look());
        }
        prop_assert_eq!(&walk.run.owners, &before.owners);
        prop_assert_eq!(&walk.run.state, &before.state);
    }
}
