//! Servers that are really started, and requests that really travel. Each test has a server and a database of its own.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod access;
mod bad_input;
mod contract;
mod counting;
mod fixture;
mod import;
mod life;
mod plans;
