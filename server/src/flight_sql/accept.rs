//! Accepts connections: so many at once, TLS with whatever certificate holds by then, HTTP/2 on them.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use axum::middleware::from_fn_with_state;
use futures::stream;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;

use super::Office;
use super::entry::enter;
use super::socket::{Bytes, ENTER_WITHIN, Socket};
use crate::accepting::accept_until;
use crate::api::Api;
use crate::listener::{ListenError, Listening};

/// One more is closed at once: a client that tries again later is better off than one that waits for nothing.
const MOST_CONNECTIONS: usize = 500;
/// Calls under way on one connection; more wait.
const MOST_CALLS: u32 = 16;
/// A call may wait for its turn and then run; what begins later than this is given up.
const BEGIN_WITHIN: Duration = Duration::from_secs(90);
/// A connection that has been silent for so long is asked whether it is still there, and must answer in time.
const SILENCE: Duration = Duration::from_secs(60);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// A connection ends after so long, and what is still under way on it a little later. Clients make another by themselves.
const LONGEST: Duration = Duration::from_secs(3_600);
const GRACE: Duration = Duration::from_secs(60);
/// Calls may take this long to end once the server was asked to stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Of the headers of one call.
const LARGEST_HEADERS: u32 = 32 << 10;

/// As TLS names HTTP/2.
const ALPN: &[u8] = b"h2";

/// Answers until `stop` is ready, then finishes the calls under way.
pub async fn serve(listening: Listening, api: Api, stop: impl Future<Output = ()> + Send) -> Result<(), ListenError> {
    let (listener, door, tls) = listening.into_parts()?;
    let (sockets, entered) = mpsc::channel(1);
    let (places, stopping) = (Arc::new(Semaphore::new(MOST_CONNECTIONS)), CancellationToken::new());
    let cut_off = CancellationToken::new();
    let _cut_off_at_the_end = cut_off.clone().drop_guard();
    let accepting = accept_until(stop, &listener, |tcp, address| {
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            metrics::counter!("credwatch_flight_sql_connections_refused_total").increment(1);
            return;
        };
        let (sockets, acceptor, cut_off) =
            (sockets.clone(), tls.as_ref().map(|tls| tls.acceptor(ALPN)), cut_off.clone());
        tokio::spawn(async move {
            match timeout(ENTER_WITHIN, opened(tcp, acceptor)).await.unwrap_or_else(|late| Err(late.into())) {
                Ok(bytes) => {
                    let socket = Socket::new(bytes, address, place, &cut_off);
                    sockets.send(socket).await.unwrap_or_default();
                }
                Err(error) => tracing::debug!(%error, %address, "a Flight SQL connection broke off"),
            }
        });
    });
    let answering = tokio::spawn(answer(entered, Office { api, door }, stopping.clone()));
    accepting.await;
    stopping.cancel();
    match timeout(STOP_WITHIN, answering).await {
        Ok(Ok(answered)) => answered,
        Ok(Err(died)) => Err(ListenError::Serve(io::Error::other(died))),
        Err(_) => {
            tracing::warn!("some Flight SQL calls were cut off");
            Ok(())
        }
    }
}

async fn answer(
    entered: mpsc::Receiver<Socket>,
    office: Office,
    stopping: CancellationToken,
) -> Result<(), ListenError> {
    let sockets = stream::unfold(entered, |mut entered| async {
        entered.recv().await.map(|socket| (Ok::<_, io::Error>(socket), entered))
    });
    let calls = Routes::new(FlightServiceServer::new(office.clone())).into_axum_router();
    let calls = calls.layer(from_fn_with_state(office, enter));
    let served = Server::builder()
        .timeout(BEGIN_WITHIN)
        .max_concurrent_streams(MOST_CALLS)
        .concurrency_limit_per_connection(MOST_CALLS as usize)
        .http2_keepalive_interval(Some(SILENCE))
        .http2_keepalive_timeout(Some(ANSWER_WITHIN))
        .http2_max_header_list_size(LARGEST_HEADERS)
        .max_connection_age(LONGEST)
        .max_connection_age_grace(GRACE)
        .add_routes(Routes::from(calls))
        .serve_with_incoming_shutdown(sockets, stopping.cancelled_owned());
    served.await.map_err(|error| ListenError::Serve(io::Error::other(error)))
}

async fn opened(tcp: TcpStream, acceptor: Option<TlsAcceptor>) -> io::Result<Bytes> {
    // A page of rows must not wait for the next.
    tcp.set_nodelay(true)?;
    Ok(match acceptor {
        None => Either::Left(tcp),
        Some(acceptor) => Either::Right(acceptor.accept(tcp).await?),
    })
}
