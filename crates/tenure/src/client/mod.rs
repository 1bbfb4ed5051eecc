//! The client commands: each is one or two requests to `/v1` and a way to print the answer.
//!
//! They know nothing that any other program could not know, and decide nothing: what is refused, the server refuses.

pub mod answers;
pub mod apply;
pub mod counting;
pub mod describe;
mod filter;
pub mod import;
mod mapping;
pub mod objects;
pub mod operate;
mod plan_text;
pub mod plans;

mod connection;

pub use connection::{Connection, Failure, trust_the_usual_authorities};
