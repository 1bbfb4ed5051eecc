//! How fast, and how even? Measurements of Tenure with the rivals beside them.
//!
//! Read the modules in this order: what a row of a report says, what "balanced" means, then the algorithms that a
//! user would otherwise pick, then the benches. A bench returns rows; it prints nothing and judges nothing by itself.
//! Compare side by side in one run and publish ratios: a bare time says more about the machine than about the code.

pub mod report;

pub mod balance;

pub mod fleet;

pub mod rivals;

pub mod ours;

pub mod blast;

pub mod http;

pub mod database;

pub mod server;

pub mod by_hand;

pub mod whole;

pub mod ownership;

pub mod generator;

pub mod beside;

pub mod resolution;

pub mod counting;
