//! What can go wrong: a world from one seed, with faults, and the laws checked after each step.
//!
//! It drives the pure core the way the shell does, one event at a time, and never sleeps or draws an unseeded number.
//! A failing run prints its seed; the same seed gives the same run.
