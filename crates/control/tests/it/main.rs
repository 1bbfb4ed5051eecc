//! Servers that are really started, and requests that really travel.

mod access;
mod bad_input;
mod contract;
mod fixture;
mod import;
mod life;
