//! Finds the server programs of PostgreSQL on this machine.
//!
//! The search path comes first, since what stands there was put there on purpose;
//! then the folders of Debian and of the PostgreSQL project, newest version first.

use std::path::{Path, PathBuf};

/// Without both of these there is no server; the rest of the package is not needed.
const NEEDED: [&str; 2] = ["initdb", "postgres"];

/// Parents of one folder for each version: Debian's, then those of the project's own packages.
const VERSIONED_PARENTS: [(&str, &str); 2] = [("/usr/lib/postgresql", ""), ("/usr", "pgsql-")];

/// The folder that holds the programs of one version, if there is one.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find_map(|folder| resolve(&folder));
    on_path.or_else(|| {
        VERSIONED_PARENTS.iter().find_map(|(parent, prefix)| {
            let names =
                std::fs::read_dir(parent).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
            newest_first(names, prefix).iter().find_map(|name| resolve(&Path::new(parent).join(name).join("bin")))
        })
    })
}

/// The real folder behind links in this one: a server looks for its own files beside itself.
fn resolve(folder: &Path) -> Option<PathBuf> {
    let initdb = folder.join(NEEDED[0]).canonicalize().ok()?;
    let real = initdb.parent()?;
    NEEDED.iter().all(|name| real.join(name).is_file()).then(|| real.to_owned())
}

/// The names that are a version after the prefix, largest version first: 9 is older than 15.
pub(super) fn newest_first(names: impl Iterator<Item = String>, prefix: &str) -> Vec<String> {
    let version = |name: &String| -> Option<Vec<u32>> {
        name.strip_prefix(prefix)?.split('.').map(|part| part.parse().ok()).collect()
    };
    let mut versioned: Vec<(Vec<u32>, String)> =
        names.filter_map(|name| version(&name).map(|version| (version, name))).collect();
    versioned.sort_unstable();
    versioned.into_iter().rev().map(|(_, name)| name).collect()
}
