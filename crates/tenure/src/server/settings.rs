//! Where each setting comes from: flags over `TENURE_*` variables over `tenure.toml` over defaults.
//!
//! Pure but for reading the file: the variables are handed in. A setting that nobody knows is an error, since a
//! misspelt one would silently be the default.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use control::settings::{OnRegionSilent, Settings};

/// Who said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Flag,
    Variable(String),
    File(PathBuf),
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting as `--print-config` shows it.
#[derive(Debug, Clone)]
pub struct Sourced {
    pub name: &'static str,
    pub value: String,
    pub origin: Origin,
    pub meaning: &'static str,
}

/// What the command line says.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServeFlags {
    /// Directory of the embedded database, the admin token and the lock
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address and port to serve on; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// postgres://… or sqlite:PATH; SQLite inside the data directory unless named
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// A file of settings; ./tenure.toml is read when it exists
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A node that has not reported for so long counts as silent, for example 90s
    #[arg(long, value_name = "DURATION")]
    pub health_ttl: Option<String>,
    /// What to do when a region falls silent as a whole: hold or repair
    #[arg(long, value_name = "RULE")]
    pub on_region_silent: Option<String>,
    /// Lost health repairs after so long, for example 60s
    #[arg(long, value_name = "DURATION")]
    pub repair_after: Option<String>,
    /// Lost health repairs so many permille of a boundary's owners per second
    #[arg(long, value_name = "PERMILLE")]
    pub repair_rate: Option<String>,
    /// How long the leader's lease runs without being renewed
    #[arg(long, value_name = "DURATION")]
    pub lease_ttl: Option<String>,
    /// How often counts are cut and brought into the database
    #[arg(long, value_name = "DURATION")]
    pub flush_every: Option<String>,
    /// How long a committed generation stays in the log
    #[arg(long, value_name = "DURATION")]
    pub retain_committed: Option<String>,
    /// At so many bytes the log takes no more, for example 4GiB
    #[arg(long, value_name = "BYTES")]
    pub log_bytes_max: Option<String>,
    /// Memory for reports that wait for the log
    #[arg(long, value_name = "BYTES")]
    pub queue_bytes_max: Option<String>,
    /// Items of unknown instances that are kept aside for one reporter
    #[arg(long, value_name = "COUNT")]
    pub parked_max: Option<String>,
    /// A device not seen for so long is not online
    #[arg(long, value_name = "DURATION")]
    pub presence_ttl: Option<String>,
}

/// Each setting: its name, its default, what it means.
const KNOWN: &[(&str, &str, &str)] = &[
    ("data", "./tenure-data", "directory of the embedded database, the admin token and the lock"),
    ("listen", "127.0.0.1:7400", "address and port to serve on"),
    ("database", "", "postgres://… or sqlite:PATH; empty: SQLite inside the data directory"),
    ("health_ttl", "90s", "a node silent for so long counts as silent"),
    ("on_region_silent", "hold", "when a region falls silent as a whole: hold or repair"),
    ("repair_after", "60s", "lost health repairs after so long"),
    ("repair_rate", "10", "lost health repairs so many permille of a boundary's owners per second"),
    ("lease_ttl", "5s", "how long the leader's lease runs without being renewed"),
    ("flush_every", "60s", "how often counts are cut and brought into the database"),
    ("retain_committed", "15m", "how long a committed generation stays in the log"),
    ("log_bytes_max", "4GiB", "at so many bytes the log takes no more"),
    ("queue_bytes_max", "64MiB", "memory for reports that wait for the log"),
    ("parked_max", "10000", "items of unknown instances that are kept aside for one reporter"),
    ("presence_ttl", "5m", "a device not seen for so long is not online"),
];

/// The settings, and where each came from.
///
/// # Errors
/// A text that names the setting, its origin and what it must be.
pub fn resolve(
    flags: &ServeFlags,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(Settings, Vec<Sourced>), String> {
    let named_file = flags.config.clone().or_else(|| variable("TENURE_CONFIG").map(PathBuf::from));
    let (path, file) = read_file(named_file.as_deref())?;
    let from_flags: BTreeMap<&str, Option<String>> = BTreeMap::from([
        ("data", flags.data.as_ref().map(|path| path.display().to_string())),
        ("listen", flags.listen.clone()),
        ("database", flags.database.clone()),
        ("health_ttl", flags.health_ttl.clone()),
        ("on_region_silent", flags.on_region_silent.clone()),
        ("repair_after", flags.repair_after.clone()),
        ("repair_rate", flags.repair_rate.clone()),
        ("lease_ttl", flags.lease_ttl.clone()),
        ("flush_every", flags.flush_every.clone()),
        ("retain_committed", flags.retain_committed.clone()),
        ("log_bytes_max", flags.log_bytes_max.clone()),
        ("queue_bytes_max", flags.queue_bytes_max.clone()),
        ("parked_max", flags.parked_max.clone()),
        ("presence_ttl", flags.presence_ttl.clone()),
    ]);
    let sourced: Vec<Sourced> = KNOWN
        .iter()
        .map(|(name, default, meaning)| {
            let variable_name = format!("TENURE_{}", name.to_uppercase());
            let (value, origin) = if let Some(value) = from_flags.get(name).cloned().flatten() {
                (value, Origin::Flag)
            } else if let Some(value) = variable(&variable_name) {
                (value, Origin::Variable(variable_name))
            } else if let Some(value) = file.get(*name) {
                (value.clone(), Origin::File(path.clone()))
            } else {
                ((*default).to_owned(), Origin::Default)
            };
            Sourced { name, value, origin, meaning }
        })
        .collect();
    let settings = build(&sourced)?;
    Ok((settings, sourced.into_iter().map(without_password).collect()))
}

/// What is printed is read by more people than the file it came from.
fn without_password(setting: Sourced) -> Sourced {
    if setting.name != "database" || setting.value.is_empty() {
        return setting;
    }
    Sourced { value: store::Location::parse(&setting.value).to_string(), ..setting }
}

fn build(sourced: &[Sourced]) -> Result<Settings, String> {
    let find = |name: &str| sourced.iter().find(|it| it.name == name).expect("every known setting has a value");
    let mut settings = Settings::new(PathBuf::from(&find("data").value));
    settings.listen = parse(find("listen"), SocketAddr::from_str, "ADDRESS:PORT, for example 127.0.0.1:7400")?;
    if !find("database").value.is_empty() {
        settings.database = parse(find("database"), database, "postgres://…, sqlite:PATH or a path")?;
    }
    settings.health_ttl = parse(find("health_ttl"), duration, "a duration, for example 90s")?;
    settings.repair_after = parse(find("repair_after"), duration, "a duration, for example 60s")?;
    settings.lease_ttl = parse(find("lease_ttl"), lease, "a duration of four seconds or more, for example 5s")?;
    settings.repair_rate_permille = parse(find("repair_rate"), permille, "a number from 1 to 1000")?;
    settings.flush_every = parse(find("flush_every"), pace, "a duration above zero, for example 60s")?;
    settings.retain_committed = parse(find("retain_committed"), duration, "a duration, for example 15m")?;
    settings.log_bytes_max = parse(find("log_bytes_max"), bytes, "a number of bytes, for example 4GiB")?;
    settings.queue_bytes_max = parse(find("queue_bytes_max"), bytes, "a number of bytes, for example 64MiB")?;
    settings.parked_max = parse(find("parked_max"), u64::from_str, "a number")?;
    settings.presence_ttl = parse(find("presence_ttl"), pace, "a duration above zero, for example 5m")?;
    settings.on_region_silent = parse(find("on_region_silent"), on_region_silent, "hold or repair")?;
    Ok(settings)
}

fn parse<T, E>(setting: &Sourced, read: impl Fn(&str) -> Result<T, E>, expected: &str) -> Result<T, String> {
    read(&setting.value).map_err(|_| {
        format!("setting {} ({}): expected {expected}, found {:?}", setting.name, setting.origin, setting.value)
    })
}

/// A location; a scheme that we do not speak is not taken for a path.
fn database(text: &str) -> Result<store::Location, ()> {
    match (store::Location::parse(text), text.contains("://") && !text.starts_with("sqlite:")) {
        (store::Location::Sqlite(_), true) => Err(()),
        (location, _) => Ok(location),
    }
}

/// A duration such as `500ms`, `90s`, `5m` or `1h`.
fn duration(text: &str) -> Result<Duration, ()> {
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or(())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| ())?;
    match unit.trim() {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.checked_mul(60).ok_or(())?)),
        "h" => Ok(Duration::from_secs(number.checked_mul(3600).ok_or(())?)),
        _ => Err(()),
    }
}

/// A lease must outlast the transactions that the database throws out for stalling, twice over.
fn lease(text: &str) -> Result<Duration, ()> {
    duration(text).and_then(|it| if it.as_micros() >= store::LEASE_TTL_MIN_US as u128 { Ok(it) } else { Err(()) })
}

/// A duration that passes.
fn pace(text: &str) -> Result<Duration, ()> {
    duration(text).and_then(|it| if it.is_zero() { Err(()) } else { Ok(it) })
}

/// A number of bytes such as `1048576`, `512KiB`, `64MiB` or `4GiB`; at least one mebibyte.
fn bytes(text: &str) -> Result<u64, ()> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|it| it.checked_mul(factor)).ok_or(())?;
    if bytes >= 1 << 20 { Ok(bytes) } else { Err(()) }
}

fn permille(text: &str) -> Result<u32, ()> {
    text.parse().ok().filter(|it| (1..=1000).contains(it)).ok_or(())
}

fn on_region_silent(text: &str) -> Result<OnRegionSilent, ()> {
    match text {
        "hold" => Ok(OnRegionSilent::Hold),
        "repair" => Ok(OnRegionSilent::Repair),
        _ => Err(()),
    }
}

/// The settings of a file. A file that is named must exist; `./tenure.toml` may.
fn read_file(named: Option<&Path>) -> Result<(PathBuf, BTreeMap<String, String>), String> {
    let path = named.map_or_else(|| PathBuf::from("tenure.toml"), Path::to_owned);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let table: toml::Table = text.parse().map_err(|error| format!("{}: {error}", path.display()))?;
    let mut settings = BTreeMap::new();
    for (name, value) in table {
        if !KNOWN.iter().any(|(known, _, _)| *known == name) {
            let names: Vec<&str> = KNOWN.iter().map(|(known, _, _)| *known).collect();
            return Err(format!("{}: unknown setting {name:?}; known are {}", path.display(), names.join(", ")));
        }
        let value = match value {
            toml::Value::String(text) => text,
            other => other.to_string(),
        };
        settings.insert(name, value);
    }
    Ok((path, settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_over_variables_over_defaults() {
        let flags = ServeFlags { listen: Some("127.0.0.1:0".to_owned()), ..ServeFlags::default() };
        let variable = |name: &str| match name {
            "TENURE_LISTEN" => Some("127.0.0.1:1".to_owned()),
            "TENURE_HEALTH_TTL" => Some("3s".to_owned()),
            _ => None,
        };
        let (settings, sourced) = resolve(&flags, variable).expect("good settings");
        assert_eq!(settings.listen.port(), 0);
        assert_eq!(settings.health_ttl, Duration::from_secs(3));
        let origin = |name: &str| sourced.iter().find(|it| it.name == name).map(|it| it.origin.to_string());
        assert_eq!(origin("listen").as_deref(), Some("flag"));
        assert_eq!(origin("health_ttl").as_deref(), Some("variable TENURE_HEALTH_TTL"));
        assert_eq!(origin("repair_after").as_deref(), Some("default"));
    }

    #[test]
    fn a_password_is_not_printed_and_a_foreign_scheme_is_no_path() {
        let of = |url: &str| resolve(&ServeFlags { database: Some(url.to_owned()), ..ServeFlags::default() }, |_| None);
        let (_, sourced) = of("postgres://ann:secret@db/tenure").expect("good settings");
        assert!(sourced.iter().all(|it| !it.value.contains("secret")), "{sourced:?}");
        assert!(of("mysql://db/tenure").is_err());
        assert!(of("sqlite:///tmp/x.db").is_ok() && of("plain/path.db").is_ok());
    }

    #[test]
    fn a_bad_setting_names_itself_and_its_origin() {
        let flags = ServeFlags { health_ttl: Some("soon".to_owned()), ..ServeFlags::default() };
        let error = resolve(&flags, |_| None).expect_err("a bad duration");
        assert_eq!(error, r#"setting health_ttl (flag): expected a duration, for example 90s, found "soon""#);
    }
}
