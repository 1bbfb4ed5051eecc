//! Who may ask: tokens, by their hashes.
//!
//! What a scope allows is decided elsewhere; here a token is a row. No secret ever reaches this crate.

mod token;

pub use token::TokenRow;
