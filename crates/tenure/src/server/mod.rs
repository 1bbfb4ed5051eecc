//! `tenure serve`: settings in, a server out, until a signal ends it.
//!
//! The ready line is printed when requests are answered and not before. SIGTERM and Ctrl-C end what is under way
//! first and exit 0; a kill loses nothing that was acknowledged.

mod note;
mod settings;

use std::io::Write;
use std::path::Path;

use control::wiring::{self, Running};
use note::Note;
use tokio::signal::unix::{SignalKind, signal};

pub use note::find as noted_data;
pub use settings::{ServeFlags, resolve};

/// Starts a server, says that it is ready, and serves until SIGTERM or Ctrl-C.
///
/// # Errors
/// A text that says what stands in the way.
pub async fn serve(settings: control::settings::Settings) -> Result<(), String> {
    let data = settings.data.clone();
    // Loading a large view takes seconds; whoever stops it meanwhile need not wait for the end of it.
    let running = tokio::select! {
        () = stopped() => return Ok(()),
        started = start(settings) => started?,
    };
    let note = leave_note(&running, &data);
    announce(&running);
    stopped().await;
    drop(note);
    tracing::info!("stopping: what is under way ends first");
    end(running).await;
    Ok(())
}

/// Ends a server; a second order to stop ends it at once, which loses nothing that was acknowledged.
pub async fn end(running: Running) {
    tokio::select! {
        () = running.shutdown() => {}
        () = stopped() => tracing::warn!("stopped at once: requests that were under way got no answer"),
    }
}

/// Starts a server.
///
/// # Errors
/// A text that says what stands in the way, with its causes.
pub async fn start(settings: control::settings::Settings) -> Result<Running, String> {
    wiring::start(settings).await.map_err(|error| chain(&error))
}

/// Lets commands on this machine find the token.
///
/// # Errors
/// When no note can be left; the token can still be given by hand.
pub fn leave_note(running: &Running, data: &Path) -> std::io::Result<Note> {
    note::leave(running.address().port(), data)
        .inspect_err(|error| tracing::warn!(%error, "commands need --token: no note can be left for them"))
}

/// The one line on standard output that programs wait for.
pub fn announce(running: &Running) {
    let mut out = std::io::stdout();
    // A closed standard output must not stop a server.
    let _ = writeln!(out, "tenure is ready at http://{}", running.address()).and_then(|()| out.flush());
}

/// Waits for the order to stop.
pub async fn stopped() {
    tokio::select! {
        () = heard(SignalKind::terminate()) => {}
        () = heard(SignalKind::interrupt()) => {}
    }
}

/// Waits for the terminal to go away.
pub async fn hung_up() {
    heard(SignalKind::hangup()).await;
}

async fn heard(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(error) => {
            tracing::warn!(%error, ?kind, "a signal cannot be heard");
            std::future::pending().await
        }
    }
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
