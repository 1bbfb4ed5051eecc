//! Access: who may do what. Tokens carry scopes; what a request needs stands beside its route.
//!
//! Only the SHA-256 of a token is kept; the secret is shown once, and the first one is written to a file that its
//! owner alone may read. A revoked token is refused everywhere within a second, even while it is in use.

mod admin_file;
mod scope;
mod secret;
mod tokens;

pub use admin_file::{ADMIN_TOKEN_FILE, AccessError, ensure_admin_token, random_tag, restrict_to_owner};
pub use scope::{Need, Scope, Scopes};
pub use secret::{Secret, SecretError, random_id};
pub use tokens::{Bearer, FRESH_MAX, Refused, Tokens};

#[cfg(test)]
mod tests;
