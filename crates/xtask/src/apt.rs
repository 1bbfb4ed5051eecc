//! Installs a package on a fresh Debian where we are root, which is what a CI machine is.
//!
//! Whoever needs a program looks for it first; this changes the machine only where a person would have to otherwise.

use crate::cargo;
use std::process::{Command, Stdio};

/// A fresh machine may still be at its own first updates; five minutes is longer than they take.
const APT_LOCK_WAIT_S: u32 = 300;

/// Whether a package may be installed here.
///
/// # Errors
/// Why not, and what a person would run.
pub fn may_install(package: &str) -> Result<(), String> {
    if !is_root() {
        return Err(format!("and only root may install them (apt-get install {package})"));
    }
    let asked = Command::new("apt-get").arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).status();
    match asked.is_ok_and(|status| status.success()) {
        true => Ok(()),
        false => Err("and there is no apt-get to install them with".to_owned()),
    }
}

/// Installs a package without what it merely recommends.
///
/// # Errors
/// What apt-get failed with.
pub fn install(package: &str) -> Result<(), String> {
    cargo::run(&mut apt(&["update", "-qq"]))
        .and_then(|()| cargo::run(&mut apt(&["install", "-y", "-qq", "--no-install-recommends", package])))
}

/// Whether we are the superuser.
pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stdin(Stdio::null()).output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-o", &format!("DPkg::Lock::Timeout={APT_LOCK_WAIT_S}")]).args(arguments);
    // No terminal may be there to ask.
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command
}
