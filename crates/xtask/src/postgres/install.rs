//! Installs PostgreSQL's server on a fresh Debian where we are root, which is what a CI machine is.
//!
//! Debian's package makes a cluster and starts it. A file in the folder that its configuration includes
//! prevents that for the time of the install, and is taken away again: the machine keeps its own settings.

use crate::apt;
use std::path::Path;

/// Read by Debian's `createcluster.conf`, whether that was there before or comes with the package.
const SETTINGS_FOLDER: &str = "/etc/postgresql-common/createcluster.d";

const SETTINGS_FILE: &str = "tenure-tests.conf";

const SETTINGS: &str = "create_main_cluster = false\n";

/// Installs the package `postgresql` and leaves no server of it running.
///
/// # Errors
/// Why it cannot be installed here.
pub fn install() -> Result<(), String> {
    apt::may_install("postgresql")
        .map_err(|why| format!("no PostgreSQL server programs in PATH or /usr/lib/postgresql, {why}"))?;
    println!("PostgreSQL is missing: it is installed now (package `postgresql`, no cluster is made or started)");
    let settings = Path::new(SETTINGS_FOLDER).join(SETTINGS_FILE);
    std::fs::create_dir_all(SETTINGS_FOLDER)
        .and_then(|()| std::fs::write(&settings, SETTINGS))
        .map_err(|error| format!("{} could not be written: {error}", settings.display()))?;
    let installed = apt::install("postgresql");
    let removed = std::fs::remove_file(&settings)
        .map_err(|error| format!("{} could not be removed: {error}", settings.display()));
    installed.and(removed)
}
