//! What is true: the words of Tenure and every decision it takes, as pure functions.
//!
//! Read the modules in this order. Nothing here is async, reads a clock, draws a random number,
//! speaks SQL or JSON, or iterates in hash order: the same view gives the same answer on every machine (I1).
//! The shell (`control`) loads a view, calls a function of this crate and writes down the outcome.

pub mod ids;
pub mod reason;
pub mod time;

pub mod master_data;

pub mod orchestration;

pub mod resolution;

pub mod aggregation;
