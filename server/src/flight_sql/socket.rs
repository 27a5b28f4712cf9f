//! One connection's bytes, and its place among those that there may be; the place is free again when it is gone.
//!
//! A connection on which nobody has been recognised in time ends, whatever else comes on it, and so does each that is left
//! when the server stops.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// In the clear, or within TLS.
pub(super) type Bytes = Either<TcpStream, TlsStream<TcpStream>>;

/// Within so long somebody must have been recognised.
pub(super) const ENTER_WITHIN: Duration = Duration::from_secs(15);

pub(super) struct Socket {
    bytes: Bytes,
    entrant: Entrant,
    patience: Pin<Box<Sleep>>,
    cut_off: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: OwnedSemaphorePermit,
}

/// Where a call comes from, and whether somebody was recognised there; each call finds it among its extensions.
#[derive(Debug, Clone)]
pub(super) struct Entrant {
    pub(super) address: SocketAddr,
    has_entered: Arc<AtomicBool>,
}

impl Entrant {
    pub(super) fn enter(&self) {
        self.has_entered.store(true, Ordering::Relaxed);
    }
}

impl Socket {
    pub(super) fn new(
        bytes: Bytes,
        address: SocketAddr,
        place: OwnedSemaphorePermit,
        cut_off: &CancellationToken,
    ) -> Self {
        let (entrant, patience) = (Entrant { address, has_entered: Arc::default() }, Box::pin(sleep(ENTER_WITHIN)));
        Self { bytes, entrant, patience, cut_off: Box::pin(cut_off.clone().cancelled_owned()), _place: place }
    }

    /// Why it ends, if it does.
    fn ended(&mut self, context: &mut Context<'_>) -> Option<io::Error> {
        if self.cut_off.as_mut().poll(context).is_ready() {
            return Some(io::ErrorKind::ConnectionAborted.into());
        }
        let is_late =
            !self.entrant.has_entered.load(Ordering::Relaxed) && self.patience.as_mut().poll(context).is_ready();
        is_late.then(|| io::ErrorKind::TimedOut.into())
    }
}

impl Connected for Socket {
    type ConnectInfo = Entrant;

    fn connect_info(&self) -> Entrant {
        self.entrant.clone()
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.ended(context) {
            Some(why) => Poll::Ready(Err(why)),
            None => Pin::new(&mut self.bytes).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.ended(context) {
            Some(why) => Poll::Ready(Err(why)),
            None => Pin::new(&mut self.bytes).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_shutdown(context)
    }
}
