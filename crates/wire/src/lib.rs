//! What is said: the bytes that people and programs exchange with Tenure, and nothing of what is done with them.
//!
//! Read the modules in this order. Everything here is pure: text in, checked domain values or named faults out,
//! and the way back. Keys of an answer have one fixed order, so an equal view gives equal bytes (I1).

pub mod instant;

pub mod problem;

pub mod manifest;

pub mod apply;

pub mod import;

pub mod report;

pub mod reporters;

pub mod usage;

pub mod presence;

pub mod conservation;

pub mod ledger;

pub mod intake;

pub mod resolution;

pub mod ownership;

pub mod explanation;

pub mod plan;

pub mod access;

pub mod tasks;

pub mod audit;

pub mod doctor;
