//! Takes connections and serves them until the order to stop, then lets what is under way end.
//!
//! A connection that asks nothing costs a place in the system's table and nothing else, so it is borne for a while and
//! then closed: by a client that never finishes the head of a request as by one that keeps its connection and is
//! silent. Bodies have a limit of their own, where they are read.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceExt;

/// How long a client may take for the head of a request, and keep a connection without one: longer than the minute in
/// which nodes report, so that they need no new connection for each report.
pub const HEAD_READ_MAX: Duration = Duration::from_secs(75);

/// Serves until `stop`, then until the requests that are under way have ended.
pub async fn serve(mut listener: TcpListener, router: Router, head_read_max: Duration, stop: impl Future<Output = ()>) {
    let connections = GracefulShutdown::new();
    let mut http = Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_read_max);
    let mut stop = pin!(stop);
    loop {
        // Errors of accepting are those of a client or of a moment without descriptors: the listener rides them out.
        let (stream, peer): (_, SocketAddr) = tokio::select! {
            taken = Listener::accept(&mut listener) => taken,
            () = &mut stop => break,
        };
        let service = router.clone().map_request(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(|body| Body::new(body.boxed()));
            request.extensions_mut().insert(ConnectInfo(peer));
            request
        });
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::trace!(%error, %peer, "a connection ended early");
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    use super::*;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";

    /// A server whose only answer takes so long; its address and the order to stop.
    async fn server(head_read_max: Duration, takes: Duration) -> (SocketAddr, oneshot::Sender<()>, impl Future) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = move |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
            tokio::time::sleep(takes).await;
            peer.to_string()
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        let serving = tokio::spawn(serve(listener, Router::new().route("/", get(answer)), head_read_max, stopped));
        (address, stop, serving)
    }

    async fn rest(connection: &mut TcpStream) -> String {
        let mut read = Vec::new();
        tokio::time::timeout(Duration::from_secs(20), connection.read_to_end(&mut read)).await.unwrap().unwrap();
        String::from_utf8(read).unwrap()
    }

    /// I26: whoever never finishes a head is let go; whoever asks is answered, and let go when he falls silent.
    #[tokio::test]
    async fn a_client_that_never_finishes_its_head_is_let_go() {
        let (address, _stop, _serving) = server(Duration::from_millis(300), Duration::from_millis(700)).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut quick = TcpStream::connect(address).await.unwrap();
        slow.write_all(&HEAD[..20]).await.unwrap();
        quick.write_all(HEAD).await.unwrap();
        assert_eq!(rest(&mut silent).await, "");
        assert!(!rest(&mut slow).await.contains("200 OK"));
        let answer = rest(&mut quick).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "a slow answer is not a slow head: {answer}");
        assert!(answer.ends_with(&quick.local_addr().unwrap().to_string()), "{answer}");
    }

    #[tokio::test]
    async fn what_is_under_way_ends_before_the_server_does() {
        let (address, stop, serving) = server(HEAD_READ_MAX, Duration::from_millis(500)).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        let mut busy = TcpStream::connect(address).await.unwrap();
        busy.write_all(HEAD).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(20), serving).await.expect("an idle connection holds nobody up");
        assert!(rest(&mut busy).await.contains("200 OK"));
        assert_eq!(rest(&mut idle).await, "");
        assert!(TcpStream::connect(address).await.is_err());
    }
}
