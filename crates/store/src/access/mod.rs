//! Who may ask: tokens, by their hashes.

mod token;

pub use token::TokenRow;
