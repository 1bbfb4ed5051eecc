//! A wire between the server and its database that can be cut, slowed down, or made deaf: the reply is lost.
//!
//! It forwards bytes and understands none of them, so whatever the driver says passes as it is.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// How often a waiting connection looks whether it has been cut.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// One read; what is larger is forwarded in pieces.
const PIECE_BYTES: usize = 64 * 1024;

/// What the wire does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Wire {
    Whole = 0,
    /// Connections break, new ones too.
    Cut = 1,
    /// What the server says arrives, what the database answers does not; then the connection breaks.
    Deaf = 2,
}

/// What all connections look at.
#[derive(Default)]
struct State {
    wire: AtomicU8,
    delay_ms: AtomicU64,
}

/// The wire.
pub struct Proxy {
    state: Arc<State>,
    url: String,
}

impl Proxy {
    /// A wire to the database of this URL.
    pub fn to(database: &str) -> Self {
        let mut url = reqwest::Url::parse(database).unwrap();
        let target = (url.host_str().unwrap().to_owned(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.wire.load(Ordering::Acquire) != Wire::Whole as u8 {
                    continue;
                }
                let Ok(server) = TcpStream::connect((target.0.as_str(), target.1)) else { continue };
                connect(&client, &server, &shared);
            }
        });
        Self { state, url: url.into() }
    }

    /// The database as seen through the wire.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn set(&self, wire: Wire) {
        self.state.wire.store(wire as u8, Ordering::Release);
    }

    /// Each answer of the database comes so much later.
    pub fn delay(&self, delay: Duration) {
        self.state.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::Release);
    }
}

fn connect(client: &TcpStream, server: &TcpStream, state: &Arc<State>) {
    for (from, to, is_answer) in [(client, server, false), (server, client, true)] {
        from.set_read_timeout(Some(LOOK_EVERY)).unwrap();
        to.set_nodelay(true).unwrap();
        let (from, to, state) = (from.try_clone().unwrap(), to.try_clone().unwrap(), Arc::clone(state));
        std::thread::spawn(move || {
            forward(&from, &to, is_answer, &state);
            for end in [from, to] {
                // The other direction may have ended both.
                let _ = end.shutdown(Shutdown::Both);
            }
        });
    }
}

fn forward(mut from: &TcpStream, mut to: &TcpStream, is_answer: bool, state: &State) {
    let mut piece = vec![0; PIECE_BYTES];
    let mut is_doomed = false;
    loop {
        let read = from.read(&mut piece);
        let wire = state.wire.load(Ordering::Acquire);
        if wire == Wire::Cut as u8 || (is_doomed && wire == Wire::Whole as u8) {
            return;
        }
        // A connection that lived while the wire was deaf ends with it, as a firewall's would.
        is_doomed |= wire == Wire::Deaf as u8;
        match read {
            Ok(0) => return,
            Ok(_) if is_doomed && is_answer => {}
            Ok(length) => {
                if is_answer {
                    std::thread::sleep(Duration::from_millis(state.delay_ms.load(Ordering::Acquire)));
                }
                if to.write_all(&piece[..length]).is_err() {
                    return;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}
