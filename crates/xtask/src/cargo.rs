//! Runs cargo and other programs for the commands of xtask.
//!
//! A child cargo must not see that it was started by another cargo: some build scripts
//! watch those variables, and each switch between `cargo xtask` and `cargo` would build them again.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What `cargo run` sets for us and a child must not inherit.
const INHERITED_PREFIXES: [&str; 5] =
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_PACKAGE"];

/// The root of the workspace.
pub fn root() -> PathBuf {
    let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest_dir.ancestors().nth(2).expect("xtask lies two folders below the root").to_owned()
}

/// Whether this is an unattended run, which skips nothing and changes no lock file.
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// A cargo command in the workspace root.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.to_str().is_some_and(is_inherited)) {
        command.env_remove(name);
    }
    if is_ci() {
        // Nothing is built twice in an unattended run, so what makes the second build quick only costs disk.
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// `--locked` where the lock file must already be right.
pub fn locked() -> &'static [&'static str] {
    if is_ci() { &["--locked"] } else { &[] }
}

/// Runs a command to its end, output shown, and says which one failed.
///
/// # Errors
/// The program that could not be started, or its status when that is not success.
pub fn run(command: &mut Command) -> Result<(), String> {
    let shown = describe(command);
    println!("$ {shown}");
    let status = command.status().map_err(|error| format!("`{shown}` could not be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed: {status}")) }
}

/// Whether `cargo NAME` exists.
pub fn has_subcommand(name: &str) -> bool {
    let status = cargo(&[name, "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Installs a subcommand of cargo from source unless it is there.
///
/// # Errors
/// What `cargo install` failed with.
pub fn install_subcommand(name: &str, version: &str) -> Result<(), String> {
    if has_subcommand(name) {
        return Ok(());
    }
    println!("cargo-{name} is missing: it is built from source now, which takes minutes");
    run(&mut cargo(&["install", "--locked", "--version", version, &format!("cargo-{name}")]))
}

fn is_inherited(name: &str) -> bool {
    INHERITED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
