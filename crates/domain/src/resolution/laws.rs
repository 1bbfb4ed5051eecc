//! The laws of resolution as tests: I1, I3, I7 and I8, one law in each test, on the worlds of the laws of ownership.
//!
//! What may be delivered is read a second time from the contract, by the oracle, and compared both ways: nothing too
//! much and nothing too little. Each law has been seen red with a bug planted by hand: `docs/proof/ownership.md`.

mod boundary;
mod orders;
mod read_only;
mod revisions;
