//! A connection that takes nothing for granted before it is encrypted.
//!
//! Whoever stands between may append to the answer to STARTTLS what the server would say later. The library reads ahead, and
//! would take that for the server's word inside TLS. So until TLS begins not one byte more is given than is asked for.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TLS record with a handshake in it begins with this; no command of SMTP does.
const HANDSHAKE: u8 = 0x16;

#[derive(Debug)]
pub(super) struct Careful {
    stream: TcpStream,
    /// What follows belongs to TLS, which knows whose words they are.
    is_tls: bool,
}

impl Careful {
    pub(super) async fn connect(addresses: &[SocketAddr]) -> io::Result<Self> {
        Ok(Self { stream: TcpStream::connect(addresses).await?, is_tls: false })
    }
}

impl AsyncTokioStream for Careful {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl AsyncRead for Careful {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_tls {
            return Pin::new(&mut self.stream).poll_read(cx, into);
        }
        let mut one = [0];
        let mut byte = ReadBuf::new(&mut one);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut byte))?;
        into.put_slice(byte.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Careful {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.is_tls |= bytes.first() == Some(&HANDSHAKE);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_was_said_behind_an_answer_is_still_on_the_line_when_tls_begins() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"220 go ahead\r\n250 injected\r\n").await.unwrap();
            let mut hello = [0; 3];
            stream.read_exact(&mut hello).await.unwrap();
        });
        let mut reader = BufReader::new(Careful::connect(&[address]).await.unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        assert_eq!((line.as_str(), reader.buffer()), ("220 go ahead\r\n", &b""[..]), "nothing was read ahead");
        let mut stream = reader.into_inner();
        stream.write_all(&[HANDSHAKE, 3, 1]).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"250 injected", "TLS is the first to see it, and it is no TLS");
        server.await.unwrap();
    }
}
