//! Where the API listens: on loopback for the operator of the machine, or anywhere for holders of keys over TLS.
//!
//! What would give rows or keys away does not start: another address than loopback needs keys, and TLS unless the
//! configuration says that something else ends it. A certificate that cannot be used is an error and never plain text.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::access::Door;
use crate::api::{Api, routes};

/// Requests under way may take this long to end once the server was asked to stop.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// A connection that says nothing for so long is closed.
const SILENCE: Duration = Duration::from_secs(30);
/// Between two looks at the certificate's files.
const RELOAD: Duration = Duration::from_secs(5);

/// How bytes travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// In the clear: on loopback only.
    Plain,
    /// In the clear between a proxy that ends TLS and this process.
    TlsEndsElsewhere,
    Tls(CertificateFiles),
}

/// PEM files: the chain with our own certificate first, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, Error)]
pub enum ListenError {
    #[error(
        "beyond loopback, and behind a proxy, every caller needs a key, so \"{0}\" cannot be open to the local operator"
    )]
    OpenToAll(SocketAddr),
    #[error(
        "keys would travel in the clear to \"{0}\": name a certificate (api.certificate_file, api.key_file), or say that TLS ends in a proxy before it (api.tls_ends_elsewhere = true)"
    )]
    NoTls(SocketAddr),
    #[error("reading the certificate or key {path:?}")]
    Certificate { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("using the certificate {path:?}")]
    Unusable { path: PathBuf, source: rustls::Error },
    #[error("listening on \"{address}\"")]
    Bind { address: SocketAddr, source: std::io::Error },
    #[error(
        "\"{0}\" is no address that clients could reach: http:// or https://, a host, and at most a path of plain letters"
    )]
    PublicUrl(String),
    #[error("serving the API")]
    Serve(#[source] std::io::Error),
}

/// A bound listener; [`Listening::serve`] answers on it.
#[derive(Debug)]
pub struct Listening {
    listener: std::net::TcpListener,
    address: SocketAddr,
    door: Door,
    tls: Option<(CertificateFiles, RustlsConfig)>,
    is_behind_a_proxy: bool,
}

impl Listening {
    /// Port 0 takes a free one; [`Self::address`] says which.
    pub fn bind(address: SocketAddr, door: Door, transport: &Transport) -> Result<Self, ListenError> {
        check(address, door, transport)?;
        let tls = match transport {
            Transport::Plain | Transport::TlsEndsElsewhere => None,
            Transport::Tls(files) => Some((files.clone(), RustlsConfig::from_config(server_config(files)?))),
        };
        let bind = |source| ListenError::Bind { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        Ok(Self { listener, address, door, tls, is_behind_a_proxy: *transport == Transport::TlsEndsElsewhere })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a browser on this machine finds it.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.address)
    }

    /// Whether clients reach it by the address that it listens on. Where not, `public_url` must say what links begin with.
    fn is_its_own_address(&self) -> bool {
        !self.address.ip().is_unspecified() && !self.is_behind_a_proxy
    }

    /// Answers until `stop` is ready, then finishes the requests under way.
    pub async fn serve(self, api: Api, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), ListenError> {
        if self.is_its_own_address() {
            api.pull.is_reached_at(&self.url());
        }
        let stopping = api.pull.stopping.clone();
        let stop = async move {
            stop.await;
            stopping.cancel();
        };
        let (handle, service) = (Handle::new(), routes(api).into_make_service_with_connect_info::<SocketAddr>());
        let stopping = tokio::spawn(stop_gracefully(handle.clone(), stop));
        let served = match self.tls {
            None => {
                let server = axum_server::from_tcp(self.listener).map_err(ListenError::Serve)?;
                careful(server).handle(handle).serve(service).await
            }
            Some((files, config)) => {
                let tls = Tls::renewing(files, config);
                let server = axum_server::from_tcp_rustls(self.listener, tls.config.clone());
                careful(server.map_err(ListenError::Serve)?).handle(handle).serve(service).await
            }
        };
        stopping.abort();
        served.map_err(ListenError::Serve)
    }
}

impl Listening {
    /// For other protocols than HTTP: the socket, what is asked of callers, and the certificate where there is one.
    pub(crate) fn into_parts(self) -> Result<(TcpListener, Door, Option<Tls>), ListenError> {
        self.listener.set_nonblocking(true).map_err(ListenError::Serve)?;
        let listener = TcpListener::from_std(self.listener).map_err(ListenError::Serve)?;
        Ok((listener, self.door, self.tls.map(|(files, config)| Tls::renewing(files, config))))
    }
}

/// A certificate in use; as long as this is held, it is taken anew when its files change.
#[derive(Debug)]
pub(crate) struct Tls {
    config: RustlsConfig,
    renewing: JoinHandle<()>,
}

impl Tls {
    fn renewing(files: CertificateFiles, config: RustlsConfig) -> Self {
        let renewing = tokio::spawn(reload(files, config.clone()));
        Self { config, renewing }
    }

    /// The certificate of this moment, for clients that name this protocol.
    pub(crate) fn acceptor(&self, protocol: &[u8]) -> TlsAcceptor {
        let mut config = (*self.config.get_inner()).clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

/// One protocol, and no patience with connections that say nothing.
fn careful<Acceptor>(server: Server<SocketAddr, Acceptor>) -> Server<SocketAddr, Acceptor> {
    let mut server = server.http1_only().first_request_timeout(SILENCE);
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(SILENCE);
    server
}

/// Whether an address may be listened on in this way.
fn check(address: SocketAddr, door: Door, transport: &Transport) -> Result<(), ListenError> {
    match (is_loopback(address.ip()), door, transport) {
        (false, Door::LocalIsOperator, _) => Err(ListenError::OpenToAll(address)),
        (true, Door::LocalIsOperator, Transport::TlsEndsElsewhere) => Err(ListenError::OpenToAll(address)),
        (false, Door::KeysOnly, Transport::Plain) => Err(ListenError::NoTls(address)),
        _ => Ok(()),
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

async fn stop_gracefully(handle: Handle<SocketAddr>, stop: impl Future<Output = ()>) {
    stop.await;
    handle.graceful_shutdown(Some(STOP_WITHIN));
}

fn server_config(files: &CertificateFiles) -> Result<Arc<ServerConfig>, ListenError> {
    let unreadable = |path: &PathBuf| {
        let path = path.clone();
        move |source| ListenError::Certificate { path, source }
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(unreadable(&files.certificate))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unreadable(&files.key))?;
    let unusable = |source| ListenError::Unusable { path: files.certificate.clone(), source };
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Takes a renewed certificate into use; one that cannot be used is told once, and the old one stays.
async fn reload(files: CertificateFiles, config: RustlsConfig) {
    let mut known = contents(&files).await;
    loop {
        tokio::time::sleep(RELOAD).await;
        let now = contents(&files).await;
        if now == known {
            continue;
        }
        match server_config(&files) {
            Ok(renewed) => {
                config.reload_from_config(renewed);
                tracing::info!("the certificate was renewed");
            }
            Err(error) => tracing::error!(%error, "the certificate's files have changed and cannot be used"),
        }
        known = now;
    }
}

async fn contents(files: &CertificateFiles) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    (tokio::fs::read(&files.certificate).await.ok(), tokio::fs::read(&files.key).await.ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str, door: Door, transport: &Transport) -> Option<String> {
        check(address.parse().unwrap(), door, transport).err().map(|error| error.to_string())
    }

    #[test]
    fn only_loopback_may_be_open_to_the_local_operator() {
        for address in ["127.0.0.1:0", "[::1]:0", "127.9.9.9:1", "[::ffff:127.0.0.1]:0"] {
            assert_eq!(refused(address, Door::LocalIsOperator, &Transport::Plain), None, "{address}");
        }
        for address in ["0.0.0.0:0", "[::]:0", "10.0.0.1:7980"] {
            for transport in [Transport::Plain, Transport::TlsEndsElsewhere] {
                let why = refused(address, Door::LocalIsOperator, &transport).unwrap();
                assert!(why.contains("needs a key"), "{why}");
            }
        }
    }

    #[test]
    fn keys_do_not_travel_in_the_clear_unless_somebody_said_so() {
        let why = refused("0.0.0.0:0", Door::KeysOnly, &Transport::Plain).unwrap();
        assert!(why.contains("api.certificate_file"), "{why}");
        assert_eq!(refused("0.0.0.0:0", Door::KeysOnly, &Transport::TlsEndsElsewhere), None);
        assert_eq!(refused("127.0.0.1:0", Door::KeysOnly, &Transport::Plain), None);
    }

    #[test]
    fn a_certificate_that_cannot_be_read_does_not_fall_back_to_plain_text() {
        let files = CertificateFiles { certificate: "/nowhere/cert.pem".into(), key: "/nowhere/key.pem".into() };
        let error =
            Listening::bind("127.0.0.1:0".parse().unwrap(), Door::KeysOnly, &Transport::Tls(files)).unwrap_err();
        assert!(error.to_string().contains("/nowhere/cert.pem"), "{error}");
    }
}
