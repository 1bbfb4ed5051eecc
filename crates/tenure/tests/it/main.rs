//! The real program, started as a user would and driven through its command line and its HTTP API.
//!
//! Each test has servers, directories and a database of its own. `TENURE_TEST_POSTGRES` holds the URL of a server on
//! which databases may be made, or `skip`; `cargo xtask test` starts one. Nothing here reaches into the process.

#![allow(clippy::unwrap_used, reason = "what surprises a test ends it, with the line that says where")]

mod access;
mod answers;
mod caller;
mod counting;
mod counting_faults;
mod crash;
mod database_away;
mod demo;
mod disk_full;
mod fleet;
mod ground;
mod manifests;
mod plans;
mod postgres;
mod rows;
mod serving;
mod two_servers;
