//! Syslog (RFC 5424) over TLS with octet counting (RFC 5425): `syslog+tls://host:6514`.
//!
//! Syslog has no acknowledgement: rows count as taken once they are written and the connection still stands. What was in
//! flight when a receiver dies is lost to it, and nobody can tell; every other kind of sink can.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use credwatch_schemas::finding::Severity;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Batch;
use crate::delivering::Undelivered;
use crate::outbound::Outbound;
use crate::outside::Outside;
use crate::pull::Head;

const PORT: u16 = 6_514;
const WRITTEN_WITHIN: Duration = Duration::from_secs(60);
const CLOSED_WITHIN: Duration = Duration::from_secs(5);
/// "Log audit".
const FACILITY: u8 = 13;

pub(in crate::push) struct Syslog {
    host: String,
    port: u16,
    tls: Arc<ClientConfig>,
    outbound: Outbound,
}

impl std::fmt::Debug for Syslog {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Syslog").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Syslog {
    pub(in crate::push) fn new(outside: Outside) -> Result<Self, String> {
        let Outside { url, outbound, .. } = outside;
        if url.scheme() != "syslog+tls" {
            return Err("its address begins with syslog+tls://".to_owned());
        }
        let host = url.host_str().ok_or("its address names no host")?.trim_matches(['[', ']']).to_owned();
        let tls = Arc::new(tls(outbound.ca().ok_or("ca_file says who may sign its certificate")?)?);
        Ok(Self { host, port: url.port().unwrap_or(PORT), tls, outbound })
    }

    pub(super) async fn deliver(&self, batch: &Batch) -> Result<(), Undelivered> {
        let within = tokio::time::timeout(WRITTEN_WITHIN, self.write(batch)).await;
        within.unwrap_or_else(|_| Err("it did not take the rows within a minute".to_owned())).map_err(Undelivered::from)
    }

    /// A connection of its own for each batch: that it can be closed in order says that all of it was taken.
    async fn write(&self, batch: &Batch) -> Result<(), String> {
        let mut stream = self.connect().await?;
        let failed = |error: std::io::Error| format!("writing to it: {error}");
        stream.write_all(&batch.rows.concat()).await.map_err(failed)?;
        stream.shutdown().await.map_err(failed)?;
        match tokio::time::timeout(CLOSED_WITHIN, closed(&mut stream)).await {
            Ok(Err(error)) if error.kind() != ErrorKind::UnexpectedEof => Err(failed(error)),
            // Some close without a word, and some never.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>, String> {
        let name =
            ServerName::try_from(self.host.clone()).map_err(|_| format!("{:?} is no name of a host", self.host))?;
        let addresses = self.outbound.resolve(&self.host, self.port).await?;
        let tcp = TcpStream::connect(addresses.as_slice()).await.map_err(|error| format!("connecting: {error}"))?;
        let tls = TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await;
        tls.map_err(|error| format!("beginning TLS: {error}"))
    }
}

async fn closed(stream: &mut TlsStream<TcpStream>) -> std::io::Result<()> {
    let mut answer = [0; 64];
    while stream.read(&mut answer).await? > 0 {}
    Ok(())
}

fn tls(ca: &[u8]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca) {
        let certificate = certificate.map_err(|_| "its ca_file is no certificate in PEM")?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("its ca_file holds no certificate".to_owned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth())
}

pub(super) fn wrap(head: &Head<'_>, row: Vec<u8>) -> Vec<u8> {
    let priority = FACILITY * 8 + severity(head.severity);
    let begin = format!("<{priority}>1 {} - credwatch - {} - ", head.time, head.kind);
    let length = (begin.len() + row.len()).to_string();
    [length.into_bytes(), b" ".to_vec(), begin.into_bytes(), row].concat()
}

/// As syslog counts: less is worse.
fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 6,
        Severity::Low => 5,
        Severity::Medium => 4,
        Severity::High => 3,
        Severity::Critical => 2,
    }
}

#[cfg(test)]
mod tests {
    use credwatch_schemas::time::Micros;

    use super::*;

    #[test]
    fn a_message_says_its_own_length() {
        let head = Head { id: "r_1".into(), time: Micros(0), severity: Severity::High, kind: "finding" };
        let expected = "64 <107>1 1970-01-01T00:00:00.000000Z - credwatch - finding - CEF:0";
        assert_eq!(String::from_utf8(wrap(&head, b"CEF:0".to_vec())).unwrap(), expected);
        assert_eq!(expected.len() - 3, 64);
    }
}
