//! `tenure demo`: a server with a sample fleet on it, reports that keep it lively, and a printed tour.
//!
//! Everything reaches the server over its own HTTP API, so the demo shows nothing that an operator could not do.
//! Without `--data` it lives in a temporary directory and leaves nothing behind.

mod customers;
mod fleet;
mod places;
mod reporters;
mod setup;
mod tour;
mod traffic;
mod weather;

use std::io::{IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use control::clock;
use control::settings::Settings;
use control::wiring::Running;
use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;

use crate::client::{Connection, Failure};
use crate::{server, spelling};

/// Lost health repairs after so long here, so that a repair is seen before the visitor has left.
const REPAIR_AFTER: Duration = Duration::from_secs(10);

/// Runs the demo until it is told to stop.
///
/// # Errors
/// [`Failure`] when the server cannot start or the fleet cannot be set up.
pub async fn run(data: Option<PathBuf>, listen: &str, instances: u32) -> Result<(), Failure> {
    let listen: SocketAddr = listen
        .parse()
        .map_err(|_| Failure::usage(format!("--listen {listen}: expected ADDRESS:PORT, for example 127.0.0.1:7400")))?;
    let place = Place::new(data)?;
    let settings = Settings { listen, repair_after: REPAIR_AFTER, ..Settings::new(place.path().to_owned()) };
    let started = tokio::select! {
        () = over() => return Ok(()),
        started = server::start(settings) => started,
    };
    let running = started.map_err(|text| Failure::new(with_hint(&text)))?;
    let shown = tokio::select! {
        () = over() => Ok(()),
        shown = show(&running, &place, instances) => shown,
    };
    server::end(running).await;
    shown
}

/// A demo ends with its terminal too, since it has data to remove.
async fn over() {
    tokio::select! {
        () = server::stopped() => {}
        () = server::hung_up() => {}
    }
}

/// Sets up, prints the tour and reports; ends only by failure.
async fn show(running: &Running, place: &Place, instances: u32) -> Result<(), Failure> {
    let address = reachable(running.address());
    let (url, data) = (format!("http://{address}"), place.path());
    let token = data.join("admin.token");
    let token =
        std::fs::read_to_string(&token).map_err(|error| Failure::new(format!("{}: {error}", token.display())))?;
    let at = Connection::new(&url, Some(token.trim()))?;
    let bar = progress();
    let manifests = setup::set_up(&at, data, instances, &bar).await;
    bar.finish_and_clear();
    let manifests = manifests?;
    // A note that cannot be made costs the visitor a flag, not the demo.
    let note = server::leave_note(running, data);
    server::announce(running);
    print(&tour::text(&spelling::call(&url), data, &tour::cast(&running.parts().view), place.is_kept()));
    if let Err(error) = &note {
        print(&format!(
            "Commands need TENURE_DATA={} to find the token: {error}\n",
            spelling::quote(&data.display().to_string())
        ));
    }
    reporters::report(&at, &running.parts().view, &manifests, setup::SEED, incarnation()).await;
    Ok(())
}

/// Grows from start to start, also on kept data.
fn incarnation() -> u64 {
    u64::try_from(clock::now().0 / 1_000_000).unwrap_or(1)
}

/// Where the demo lives.
enum Place {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Place {
    fn new(named: Option<PathBuf>) -> Result<Self, Failure> {
        match named {
            Some(path) => Ok(Self::Kept(path)),
            None => tempfile::Builder::new()
                .prefix("tenure-demo-")
                .tempdir()
                .map(Self::Temporary)
                .map_err(|error| Failure::new(format!("no temporary directory can be made: {error}"))),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(directory) => directory.path(),
        }
    }

    fn is_kept(&self) -> bool {
        matches!(self, Self::Kept(_))
    }
}

/// Where this machine reaches a server that may listen on all addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    SocketAddr::new(ip, address.port())
}

fn with_hint(text: &str) -> String {
    if text.contains("cannot listen on") {
        format!("{text}\n  hint: something else has the port; tenure demo --listen 127.0.0.1:0 picks a free one")
    } else {
        text.to_owned()
    }
}

/// A bar on a terminal, nothing in a pipe.
fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len} {msg}");
    let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn print(text: &str) {
    let mut out = std::io::stdout();
    // A closed standard output must not stop a server.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
