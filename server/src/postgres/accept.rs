//! Accepts connections: so many at once, each in a task of its own, TLS with whatever certificate holds by then.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Office;
use super::negotiation::ALPN;
use super::talk::talk;
use crate::accepting::accept_until;
use crate::api::Api;
use crate::listener::{ListenError, Listening, Tls};

/// One more is closed at once: a client that tries again later is better off than one that waits for nothing.
const MOST_CONNECTIONS: usize = 500;
/// Connections may take this long to end once the server was asked to stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Answers until `stop` is ready, then ends the connections.
pub async fn serve(listening: Listening, api: Api, stop: impl Future<Output = ()> + Send) -> Result<(), ListenError> {
    let (listener, door, tls) = listening.into_parts()?;
    let office = Office { api, door, cancels: Arc::default(), asks_for_tls: tls.is_some() };
    let (places, tasks, stopping) =
        (Arc::new(Semaphore::new(MOST_CONNECTIONS)), TaskTracker::new(), CancellationToken::new());
    let welcome = |tcp, address| welcome(&office, (tcp, address), tls.as_ref(), (&places, &tasks, &stopping));
    accept_until(stop, &listener, welcome).await;
    stopping.cancel();
    tasks.close();
    if tokio::time::timeout(STOP_WITHIN, tasks.wait()).await.is_err() {
        tracing::warn!("some Postgres connections were cut off");
    }
    Ok(())
}

fn welcome(
    office: &Office,
    (tcp, address): (TcpStream, SocketAddr),
    tls: Option<&Tls>,
    (places, tasks, stopping): (&Arc<Semaphore>, &TaskTracker, &CancellationToken),
) {
    let Ok(place) = Arc::clone(places).try_acquire_owned() else {
        metrics::counter!("credwatch_postgres_connections_refused_total").increment(1);
        return;
    };
    let (office, stopping, acceptor) = (office.clone(), stopping.clone(), tls.map(|tls| tls.acceptor(ALPN)));
    tasks.spawn(async move {
        if let Err(error) = talk(office, tcp, acceptor, address, stopping).await {
            tracing::debug!(%error, %address, "a Postgres connection broke off");
        }
        drop(place);
    });
}
