//! A client's bytes: a message that is longer than is read ends the connection before it is buffered.
//!
//! What counts is what lies unread in the buffer, whatever lengths the client announces.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Debug)]
pub(super) struct Bounded<S> {
    inner: S,
    most: usize,
    unread: usize,
}

impl<S> Bounded<S> {
    /// `unread` bytes are in the buffer already; messages may be `most` bytes long, and what one read brings longer.
    pub(super) fn new(inner: S, unread: usize, most: usize) -> Self {
        Self { inner, most, unread }
    }

    pub(super) fn may_be(&mut self, most: usize) {
        self.most = most;
    }

    /// A message was taken out of the buffer, and so much is left.
    pub(super) fn left(&mut self, unread: usize) {
        self.unread = unread;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread > self.most {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a message is longer than is read")));
        }
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        self.unread += buffer.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn what_is_not_taken_out_of_the_buffer_is_bounded() {
        let endless = tokio::io::repeat(b'Q');
        let mut bounded = Bounded::new(endless, 0, 10_000);
        let mut buffer = [0; 1_000];
        for _ in 0..1_000 {
            bounded.read_exact(&mut buffer).await.unwrap();
            bounded.left(0);
        }
        let mut read = 0;
        while let Ok(more) = bounded.read(&mut buffer).await {
            read += more;
        }
        assert_eq!(read, 11_000);
    }
}
