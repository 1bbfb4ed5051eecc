//! A proxy between the store and PostgreSQL that loses what it is told to lose.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is lost next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Nothing.
    None,
    /// The next commit does not reach the server.
    LoseRequest,
    /// The next commit reaches the server, its reply is lost.
    LoseReply,
    /// The same, and the server cannot be reached from then on.
    LoseReplyAndServer,
    /// The server cannot be reached.
    Unreachable,
}

const FAULTS: [Fault; 5] =
    [Fault::None, Fault::LoseRequest, Fault::LoseReply, Fault::LoseReplyAndServer, Fault::Unreachable];

/// How a commit looks on the wire: a simple query.
const COMMIT: &[u8] = b"COMMIT\0";

pub struct Proxy {
    /// The URL of the database through the proxy.
    pub url: String,
    fault: Arc<AtomicU8>,
}

impl Proxy {
    pub async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().to_string();
        let (scheme, rest) = server.split_once("://").unwrap();
        let (authority, database) = rest.split_once('/').unwrap();
        let (user, there) = authority.rsplit_once('@').map_or((None, authority), |(user, it)| (Some(user), it));
        let user = user.map_or_else(String::new, |user| format!("{user}@"));
        let (url, there) = (format!("{scheme}://{user}{here}/{database}"), there.to_owned());
        let fault = Arc::new(AtomicU8::new(Fault::None as u8));
        let armed = fault.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if fault_of(&armed) == Fault::Unreachable {
                    continue;
                }
                let server = TcpStream::connect(&there).await.unwrap();
                tokio::spawn(pass(client, server, armed.clone()));
            }
        });
        Self { url, fault }
    }

    pub fn arm(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::SeqCst);
    }
}

fn fault_of(fault: &AtomicU8) -> Fault {
    FAULTS[usize::from(fault.load(Ordering::SeqCst))]
}

/// Passes bytes both ways until one side ends or a fault strikes; then both sockets close.
async fn pass(mut client: TcpStream, mut server: TcpStream, fault: Arc<AtomicU8>) {
    let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(count @ 1..) = read else { return };
                if fault_of(&fault) == Fault::Unreachable {
                    return;
                }
                let is_commit = up[..count].windows(COMMIT.len()).any(|it| it == COMMIT);
                let struck = if is_commit { fault_of(&fault) } else { Fault::None };
                if struck == Fault::LoseRequest {
                    fault.store(Fault::None as u8, Ordering::SeqCst);
                    return;
                }
                if server.write_all(&up[..count]).await.is_err() {
                    return;
                }
                if matches!(struck, Fault::LoseReply | Fault::LoseReplyAndServer) {
                    // The reply has come: the commit stands.
                    let _ = server.read(&mut down).await;
                    let next = if struck == Fault::LoseReply { Fault::None } else { Fault::Unreachable };
                    fault.store(next as u8, Ordering::SeqCst);
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&down[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
