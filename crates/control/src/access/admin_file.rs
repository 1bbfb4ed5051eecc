//! The first token: made at first start, written to a file that only its owner may read.
//!
//! Whoever can write in the data directory can open the database anyway, so the file gives away nothing more.
//! A file that is there is taken at its word: its token is entered into a database that has never seen it, and a
//! revoked one stays revoked.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use domain::time::Micros;
use store::{Intent, Store, StoreError, TokenRow};

use super::scope::Scope;
use super::secret::{Secret, SecretError, random_id};

/// The name of the file inside the data directory.
pub const ADMIN_TOKEN_FILE: &str = "admin.token";

/// Read and write for the owner, nothing for anybody else.
const FILE_MODE: u32 = 0o600;

/// All for the owner, nothing for anybody else.
const DIRECTORY_MODE: u32 = 0o700;

/// Why there is no admin token.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("the file {path} could not be written")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("the file {path} could not be read")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the file {path} holds no token; remove it and start again to get a new one")]
    NotAToken { path: PathBuf },
    #[error("no random bytes to draw from")]
    Draw(#[from] SecretError),
    #[error("the admin token could not be entered into the database")]
    Store(#[from] StoreError),
}

/// Makes sure that the data directory holds the token of an administrator.
///
/// # Errors
/// [`AccessError`] when the file or the database does not let us.
pub async fn ensure_admin_token(store: &Store, data: &Path, now: Micros) -> Result<(), AccessError> {
    let path = data.join(ADMIN_TOKEN_FILE);
    let written = match std::fs::read_to_string(&path) {
        Ok(text) => Some(Secret::parse(text.trim()).ok_or(AccessError::NotAToken { path: path.clone() })?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(AccessError::Read { path, source }),
    };
    match written {
        Some(secret) if store.find_token(&secret.hash()).await?.is_some() => Ok(()),
        Some(secret) => enter(store, &secret, now).await,
        // The file goes first: a token in the database that nobody holds would be of no use to anybody.
        None => {
            let secret = Secret::draw()?;
            write_private(&path, secret.reveal()).map_err(|source| AccessError::Write { path, source })?;
            enter(store, &secret, now).await
        }
    }
}

/// Lets nobody but its owner into a directory.
///
/// # Errors
/// Those of the file system.
pub fn restrict_to_owner(directory: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(DIRECTORY_MODE))
}

/// A small random number that tells processes apart which run at the same time.
///
/// # Errors
/// [`AccessError::Draw`] when the system has no randomness to give.
pub fn random_tag() -> Result<u16, AccessError> {
    Ok(super::secret::random_tag()?)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

async fn enter(store: &Store, secret: &Secret, now: Micros) -> Result<(), AccessError> {
    let row = TokenRow {
        id: random_id("admin")?,
        hash: secret.hash(),
        scopes: vec![Scope::Admin.code().to_owned()],
        reporter: None,
        created: now,
        expires: None,
        last_used: None,
        revoked: None,
    };
    let attempt = || async {
        let mut change = store.begin(Intent::Access, "start", now).await?;
        change.put_token(&row).await?;
        change.commit().await
    };
    store::retry(attempt).await?;
    tracing::info!(token = %row.id, "an admin token was written to the data directory");
    Ok(())
}
