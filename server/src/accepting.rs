//! The loop that takes connections in, for protocols that have no server of a library's around them.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// What a refused accept means is usually over soon.
const PAUSE: Duration = Duration::from_millis(100);

/// Hands each connection to `welcome`, which must not wait, until `stop` is ready.
pub(crate) async fn accept_until(
    stop: impl Future<Output = ()> + Send,
    listener: &TcpListener,
    mut welcome: impl FnMut(TcpStream, SocketAddr) + Send,
) {
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => return,
        };
        match accepted {
            Ok((tcp, address)) => welcome(tcp, address),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
