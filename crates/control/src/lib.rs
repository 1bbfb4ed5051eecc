//! What is done: HTTP in, decisions from `domain`, writes through `store`; tasks that keep everything true.
//!
//! Read in this order: [`wiring`] shows the parts, [`view`] what readers see, [`orchestration`] who owns what,
//! [`aggregation`] what nodes report, [`tasks`] what runs by itself, [`api`] and [`access`] what is served to whom,
//! [`listener`] through which connections.

pub mod clock;
pub mod faults;
pub mod settings;
pub mod wiring;

pub mod view;

pub mod master_data;

pub mod orchestration;

pub mod aggregation;

pub mod tasks;

pub mod access;

pub mod api;

pub mod listener;
