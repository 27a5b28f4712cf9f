//! The first bytes of a connection: TLS or not, and what kind of connection it is to be.
//!
//! Exactly the bytes of each request are read, so that nothing sent in the clear can count as sent within TLS.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use pgwire::tokio::TlsAcceptor;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
/// The first byte of a handshake of a client that asks for nothing and begins with TLS.
const HANDSHAKE: u8 = 0x16;
/// Such clients say so, and TLS of another protocol is not for us.
pub(super) const ALPN: &[u8] = b"postgresql";
/// One for TLS, one for GSS; more are no client's.
const MOST_REQUESTS: usize = 4;
/// A first message longer than this is none.
const LONGEST_FIRST: u32 = 10_000;

pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + Sync {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Duplex for S {}

/// A connection whose first message is about to come.
pub(super) struct Negotiated {
    pub(super) stream: Box<dyn Duplex>,
    pub(super) is_secure: bool,
    /// The first eight bytes of the first message.
    pub(super) head: [u8; 8],
}

pub(super) async fn negotiate(mut tcp: TcpStream, tls: Option<TlsAcceptor>) -> io::Result<Negotiated> {
    tcp.set_nodelay(true)?;
    let mut first = [0];
    if tcp.peek(&mut first).await? == 1 && first[0] == HANDSHAKE {
        return within_tls(tcp, tls, true).await;
    }
    for _ in 0..MOST_REQUESTS {
        let head = head_of(&mut tcp).await?;
        match (code(head), &tls) {
            (SSL_REQUEST, Some(_)) => {
                tcp.write_all(b"S").await?;
                return within_tls(tcp, tls, false).await;
            }
            (SSL_REQUEST | GSS_REQUEST, _) => tcp.write_all(b"N").await?,
            _ => return Ok(Negotiated { stream: Box::new(tcp), is_secure: false, head }),
        }
    }
    Err(invalid("too many requests before the first message"))
}

async fn within_tls(tcp: TcpStream, tls: Option<TlsAcceptor>, must_say_so: bool) -> io::Result<Negotiated> {
    let tls = tls.ok_or_else(|| invalid("this listener has no certificate"))?;
    let mut stream = tls.accept(tcp).await?;
    if must_say_so && stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(invalid("TLS of another protocol"));
    }
    let head = head_of(&mut stream).await?;
    Ok(Negotiated { stream: Box::new(stream), is_secure: true, head })
}

async fn head_of(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; 8]> {
    let mut head = [0; 8];
    stream.read_exact(&mut head).await?;
    let [a, b, c, d, ..] = head;
    let is_one = (8..=LONGEST_FIRST).contains(&u32::from_be_bytes([a, b, c, d]));
    is_one.then_some(head).ok_or_else(|| invalid("the first message has no length that one has"))
}

fn code(head: [u8; 8]) -> u32 {
    let [.., a, b, c, d] = head;
    u32::from_be_bytes([a, b, c, d])
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
