//! Prints the table of the counting model: each known defect with the trace that shows it, and the shipped protocol.
//!
//! `cargo run -p tenure-sim --example counting` prints the table; with the name of a defect it prints the shortest trace;
//! with `shipped` only the states of the shipped protocol, those scopes whose name holds the next word.

#![allow(clippy::print_stdout)]

use sim::counting::{Defect, Trace, explore, scope_of, shipped_scopes, table};

fn main() {
    let wanted = std::env::args().nth(1);
    let wanted = wanted.as_deref();
    if wanted == Some("shipped") {
        let only = std::env::args().nth(2).unwrap_or_default();
        for (name, scope) in shipped_scopes().into_iter().filter(|(name, _)| name.contains(&only)) {
            let finding = explore(scope, None);
            println!("{name}: {} states, depth {}", finding.states, finding.depth);
            print_trace(finding.broken);
        }
        return;
    }
    let Some(name) = wanted else {
        print!("{}", table());
        return;
    };
    let Some(defect) = Defect::ALL.iter().find(|it| it.code() == name) else {
        let all: Vec<&str> = Defect::ALL.iter().map(|it| it.code()).collect();
        println!("{name} is no defect of the list: {}", all.join(", "));
        std::process::exit(2);
    };
    let finding = explore(scope_of(*defect), Some(*defect));
    println!("{name}: {} states", finding.states);
    print_trace(finding.broken);
}

fn print_trace(broken: Option<Trace>) {
    let Some(trace) = broken else {
        println!("nothing is broken");
        return;
    };
    println!("broken: {}", trace.law.describe());
    for (number, action) in (1..).zip(&trace.actions) {
        println!("{number:>4}. {action:?}");
    }
    for (number, action) in (trace.actions.len() + 1..).zip(&trace.quiet) {
        println!("{number:>4}. then, with no more faults: {action:?}");
    }
}
