//! What is typed: the one binary. `serve` and `demo` run a server; every other command is a client of its HTTP API.
//!
//! Read `cli.rs` for the commands, `server` for how one starts and ends, `client` for what the others ask,
//! `demo` for the sample fleet, `output` for how answers look.

mod cli;
mod client;
mod demo;
mod examples;
mod output;
mod server;
mod spelling;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
