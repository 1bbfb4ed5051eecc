//! Installs PostgreSQL's server on a fresh Debian where we are root, which is what a CI machine is.
//!
//! Debian's package makes a cluster and starts it. A file in the folder that its configuration includes
//! prevents that for the time of the install, and is taken away again: the machine keeps its own settings.

use crate::cargo;
use std::path::Path;
use std::process::{Command, Stdio};

/// Read by Debian's `createcluster.conf`, whether that was there before or comes with the package.
const SETTINGS_FOLDER: &str = "/etc/postgresql-common/createcluster.d";

const SETTINGS_FILE: &str = "tenure-tests.conf";

const SETTINGS: &str = "create_main_cluster = false\n";

/// A fresh machine may still be at its own first updates; five minutes is longer than they take.
const APT_LOCK_WAIT_S: u32 = 300;

/// Installs the package `postgresql` and leaves no server of it running.
///
/// # Errors
/// Why it cannot be installed here.
pub fn install() -> Result<(), String> {
    if !is_root() {
        return Err("no PostgreSQL server programs in PATH or /usr/lib/postgresql, and only root may install them \
                    (apt-get install postgresql)"
            .to_owned());
    }
    if !has_apt() {
        return Err("no PostgreSQL server programs, and no apt-get to install them with".to_owned());
    }
    println!("PostgreSQL is missing: it is installed now (package `postgresql`, no cluster is made or started)");
    let settings = Path::new(SETTINGS_FOLDER).join(SETTINGS_FILE);
    std::fs::create_dir_all(SETTINGS_FOLDER)
        .and_then(|()| std::fs::write(&settings, SETTINGS))
        .map_err(|error| format!("{} could not be written: {error}", settings.display()))?;
    let installed = cargo::run(&mut apt(&["update", "-qq"]))
        .and_then(|()| cargo::run(&mut apt(&["install", "-y", "-qq", "--no-install-recommends", "postgresql"])));
    let removed = std::fs::remove_file(&settings)
        .map_err(|error| format!("{} could not be removed: {error}", settings.display()));
    installed.and(removed)
}

/// Whether we are the superuser, whom PostgreSQL refuses to run as.
pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stdin(Stdio::null()).output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn has_apt() -> bool {
    let asked = Command::new("apt-get").arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-o", &format!("DPkg::Lock::Timeout={APT_LOCK_WAIT_S}")]).args(arguments);
    // No terminal may be there to ask.
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command
}
