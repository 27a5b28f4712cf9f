//! A client's bytes, message by message: one that announces more than is read ends the connection before it is buffered.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Type and length.
const HEAD: usize = 5;

#[derive(Debug)]
pub(super) struct Bounded<S> {
    inner: S,
    most: usize,
    head: [u8; HEAD],
    have: usize,
    /// Of the message under way.
    left: usize,
}

impl<S> Bounded<S> {
    /// `left` bytes of the first message are still to come; messages may be `most` bytes long.
    pub(super) fn new(inner: S, left: usize, most: usize) -> Self {
        Self { inner, most, head: [0; HEAD], have: 0, left }
    }

    pub(super) fn may_be(&mut self, most: usize) {
        self.most = most;
    }

    fn follow(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let body = bytes.len().min(self.left);
            (self.left, bytes) = (self.left - body, &bytes[body..]);
            let head = bytes.len().min(HEAD - self.have);
            self.head[self.have..self.have + head].copy_from_slice(&bytes[..head]);
            (self.have, bytes) = (self.have + head, &bytes[head..]);
            if self.have == HEAD {
                self.left = self.announced()?;
                self.have = 0;
            }
        }
        Ok(())
    }

    /// The length counts itself and not the type.
    fn announced(&self) -> io::Result<usize> {
        let [_, length @ ..] = self.head;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        match length.checked_sub(HEAD - 1) {
            Some(body) if length <= self.most => Ok(body),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a message is longer than is read, or too short")),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        Poll::Ready(self.follow(&buffer.filled()[before..]))
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
    use proptest::prelude::*;

    use super::*;

    fn message(length: u32, body: usize) -> Vec<u8> {
        [&b"Q"[..], &length.to_be_bytes(), &vec![0xff; body]].concat()
    }

    fn follow(bytes: &[u8], piece: usize) -> io::Result<()> {
        let mut bounded = Bounded::new((), 0, 100);
        bytes.chunks(piece).try_for_each(|piece| bounded.follow(piece))
    }

    proptest! {
        #[test]
        fn messages_within_the_bound_pass_however_they_are_cut(bodies in prop::collection::vec(0_usize..96, 0..9), piece in 1_usize..40) {
            let bytes: Vec<u8> = bodies.iter().flat_map(|body| message(*body as u32 + 4, *body)).collect();
            prop_assert!(follow(&bytes, piece).is_ok());
            for length in [0, 3, 101, u32::MAX] {
                prop_assert!(follow(&[&bytes[..], &message(length, 0)].concat(), piece).is_err());
            }
        }
    }
}
