//! The laws of ownership as tests: I1, I2, I4, I5, I6, I8 and I9, one law in each test. I3 and I7 stand with resolution.
//!
//! Worlds are drawn at random, small enough that everything odd about them happens often. What the laws say is read
//! aloud a second time in [`oracle`], from the master data alone and without a counter, and compared step by step.
//! Each law has been seen red with a bug planted by hand: `docs/proof/ownership.md`.

pub(crate) mod oracle;
pub(crate) mod reading;
pub(crate) mod run;
pub(crate) mod walk;
pub(crate) mod world;

mod balance;
mod determinism;
mod evaluator;
mod explained;
mod one_owner;
mod ramp;
mod stability;
