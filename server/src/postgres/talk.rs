//! A connection's messages, one after the other, until the client leaves, is not recognised any more, or the server stops.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, DefaultClient, PgWireConnectionState};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::response::TransactionStatus;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use pgwire::tokio::TlsAcceptor;
use pgwire::tokio::server::{PgWireMessageServerCodec, process_error};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::codec::{Framed, FramedParts};
use tokio_util::sync::CancellationToken;

use super::Office;
use super::bounded::Bounded;
use super::connection::Connection;
use super::entry::enter;
use super::kept::Named;
use super::negotiation::{Duplex, negotiate};
use super::prepared::Prepared;
use super::refusal::error;

pub(super) type Socket = Framed<Bounded<Box<dyn Duplex>>, PgWireMessageServerCodec<Prepared>>;

/// A client must be in within this long.
const ENTER_WITHIN: Duration = Duration::from_secs(15);
/// A connection on which nothing is asked is closed after this long.
const LONGEST_SILENCE: Duration = Duration::from_secs(3_600);
/// Waiting for a place, running and being read may together take this long.
const HEAR_WITHIN: Duration = Duration::from_secs(180);
/// A client that does not read an error, or an answer that was stopped, is left after this long.
const TELL_WITHIN: Duration = Duration::from_secs(5);
/// Before anything is proven nobody needs long messages; after that a statement and its values are what is long.
const LONGEST_UNPROVEN: usize = 16 << 10;
const LONGEST_MESSAGE: usize = 1 << 20;

pub(super) async fn talk(
    office: Office,
    tcp: TcpStream,
    tls: Option<TlsAcceptor>,
    address: SocketAddr,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let in_time = async {
        let mut socket = opened(tcp, tls, address).await?;
        match enter(&mut socket, &office, address).await {
            Ok(connection) => Ok(connection.map(|connection| (socket, connection))),
            Err(why) => part(socket, why).await.map(|()| None),
        }
    };
    let entered = timeout(ENTER_WITHIN, in_time).await.unwrap_or(Ok(None))?;
    let Some((mut socket, connection)) = entered else { return Ok(()) };
    socket.get_mut().may_be(LONGEST_MESSAGE);
    loop {
        let message = tokio::select! {
            message = next_in_time(&mut socket) => message,
            () = stop.cancelled() => Err(terminated()),
            () = connection.ended().cancelled() => Err(terminated()),
        };
        let ended = match message {
            Ok(Some(message)) => answer(&mut socket, &connection, message).await?,
            Ok(None) => return Ok(()),
            Err(why) => Some(why),
        };
        if let Some(why) = ended {
            return part(socket, why).await;
        }
    }
}

/// `None` when the client has left.
async fn next_in_time(socket: &mut Socket) -> PgWireResult<Option<PgWireFrontendMessage>> {
    match timeout(LONGEST_SILENCE, next(socket)).await {
        Err(_) => Err(error("FATAL", "57P05", "nothing was asked for an hour")),
        Ok(None | Some(Ok(PgWireFrontendMessage::Terminate(_)) | Err(PgWireError::IoError(_)))) => Ok(None),
        Ok(Some(message)) => message.map(Some),
    }
}

/// Hears one message and tells its error; gives back the one that ends the connection. Where that was asked for on
/// another, what runs is stopped first, and its row in the audit waited for.
async fn answer(
    socket: &mut Socket,
    connection: &Connection,
    message: PgWireFrontendMessage,
) -> std::io::Result<Option<PgWireError>> {
    // An error in place of a Sync's answer is the answer: the client sends no other.
    let is_extended = message.is_extended_query() && !matches!(message, PgWireFrontendMessage::Sync(_));
    let heard = tokio::select! {
        heard = timeout(HEAR_WITHIN, hear(socket, connection, message)) => heard.unwrap_or_else(|_| Err(not_read())),
        () = overdue(connection.ended()) => Err(terminated()),
    };
    connection.rests();
    if connection.ended().is_cancelled() {
        return Ok(Some(terminated()));
    }
    let Err(why) = heard else { return Ok(None) };
    let why = ErrorInfo::from(why);
    let (is_fatal, why) = (why.is_fatal(), PgWireError::UserError(Box::new(why)));
    if is_fatal {
        return Ok(Some(why));
    }
    let told = timeout(TELL_WITHIN, process_error(socket, why, is_extended)).await;
    told.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))?;
    Ok(None)
}

/// The next message; what is left in the buffer after it is all that counts of what comes.
pub(super) async fn next(socket: &mut Socket) -> Option<PgWireResult<PgWireFrontendMessage>> {
    let message = socket.next().await;
    let unread = socket.read_buffer().len();
    socket.get_mut().left(unread);
    message
}

/// The end of a connection is not held up for longer by a client that does not read.
async fn overdue(ended: &CancellationToken) {
    ended.cancelled().await;
    sleep(TELL_WITHIN).await;
}

fn terminated() -> PgWireError {
    error("FATAL", "57P01", "terminating connection due to administrator command")
}

fn not_read() -> PgWireError {
    error("FATAL", "57P05", "the answer was not read")
}

async fn opened(tcp: TcpStream, tls: Option<TlsAcceptor>, address: SocketAddr) -> std::io::Result<Socket> {
    let negotiated = negotiate(tcp, tls).await?;
    let client = DefaultClient::new(address, negotiated.is_secure);
    let stream = Bounded::new(negotiated.stream, negotiated.head.len(), LONGEST_UNPROVEN);
    let mut parts = FramedParts::new::<PgWireBackendMessage>(stream, PgWireMessageServerCodec::new(client));
    parts.read_buf.extend_from_slice(&negotiated.head);
    let mut socket = Framed::from_parts(parts);
    socket.set_state(PgWireConnectionState::AwaitingStartup);
    Ok(socket)
}

async fn hear(socket: &mut Socket, connection: &Connection, message: PgWireFrontendMessage) -> PgWireResult<()> {
    use PgWireFrontendMessage as Message;
    if matches!(socket.state(), PgWireConnectionState::AwaitingSync) && !matches!(message, Message::Sync(_)) {
        // After an error nothing is heard until the client says where it begins again.
        return Ok(());
    }
    connection.still_holds().await?;
    let about = connection.kept().admit(&message)?;
    let heard = match message {
        Message::Query(query) => connection.on_query(socket, query).await,
        Message::Parse(parse) => connection.on_parse(socket, parse).await,
        Message::Bind(bind) => connection.on_bind(socket, bind).await,
        Message::Describe(describe) => connection.on_describe(socket, describe).await,
        Message::Execute(execute) => connection.on_execute(socket, execute).await,
        Message::Close(close) => connection.on_close(socket, close).await,
        Message::Flush(flush) => connection.on_flush(socket, flush).await,
        Message::Sync(sync) => {
            if socket.transaction_status() == TransactionStatus::Idle {
                connection.close_portals(socket);
            }
            connection.on_sync(socket, sync).await?;
            socket.set_state(PgWireConnectionState::ReadyForQuery);
            Ok(())
        }
        _ => Err(error("FATAL", "08P01", "the message is not one of a client that may ask")),
    };
    heard.inspect_err(|_| {
        connection.kept().take_back(&about);
        match &about {
            Named::Portal(name) => socket.portal_store().rm_portal(name),
            Named::Statement(name) => socket.portal_store().rm_statement(name),
            Named::Nothing => {}
        }
    })
}

/// Says why, and ends the connection.
async fn part(mut socket: Socket, why: PgWireError) -> std::io::Result<()> {
    if matches!(why, PgWireError::IoError(_)) {
        return Ok(());
    }
    let mut why = ErrorInfo::from(why);
    "FATAL".clone_into(&mut why.severity);
    let told = async {
        socket.send(PgWireBackendMessage::ErrorResponse(why.into())).await?;
        socket.close().await
    };
    // Who does not read is not told.
    timeout(TELL_WITHIN, told).await.unwrap_or(Ok(()))
}
