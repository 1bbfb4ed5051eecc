//! The contract of the store: every statement runs on SQLite and on PostgreSQL, each test in its own database.
//!
//! `TENURE_TEST_POSTGRES` holds the URL of a server on which databases may be made, or `skip`. `cargo xtask test`
//! starts one and sets it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

mod fleet;
mod ground;
mod intake;
mod proxy;

mod counting;
mod counting_lost;
mod counting_random;
mod faults;
mod master_data;
mod ownership;
mod retention;
mod upgrade;
mod upkeep;
mod view;
