//! How the API listens, as it is configured: who needs a key, and how bytes travel. Pure.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::bail;
use credwatch_server::access::Door;
use credwatch_server::listener::{CertificateFiles, Transport};
use serde::Deserialize;

const PORT: u16 = 7980;

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Also on loopback nobody is the operator without a key. Beyond loopback it is always so.
    pub(crate) require_key: bool,
    /// PEM: our own certificate, then those that it hangs on.
    pub(crate) certificate_file: Option<PathBuf>,
    /// PEM: its key.
    pub(crate) key_file: Option<PathBuf>,
    /// A proxy before this process ends TLS, so plain text beyond loopback is meant.
    pub(crate) tls_ends_elsewhere: bool,
}

/// Where, for whom and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entrance {
    pub(crate) address: SocketAddr,
    pub(crate) door: Door,
    pub(crate) transport: Transport,
    /// What clients reach it by, where that is not the address.
    pub(crate) public_url: Option<String>,
    /// Where clients of Postgres are answered, if anywhere.
    pub(crate) postgres: Option<(SocketAddr, Door)>,
    /// Where clients of Flight SQL are.
    pub(crate) flight_sql: Option<(SocketAddr, Door)>,
}

impl Entrance {
    /// For the operator of this machine, on its loopback.
    pub(crate) fn local(port: u16) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            address,
            door: Door::LocalIsOperator,
            transport: Transport::Plain,
            public_url: None,
            postgres: None,
            flight_sql: None,
        }
    }

    pub(crate) fn of(config: &Config, address: Option<SocketAddr>, public_url: Option<&str>) -> anyhow::Result<Self> {
        let local = Self::local(PORT);
        let address = address.unwrap_or(local.address);
        let (door, public_url) = (door(config, address), public_url.map(str::to_owned));
        Ok(Self { address, door, transport: transport(config)?, public_url, postgres: None, flight_sql: None })
    }

    /// Also for clients of Postgres.
    pub(crate) fn and_postgres(self, config: &Config, address: Option<SocketAddr>) -> Self {
        Self { postgres: address.map(|address| (address, door(config, address))), ..self }
    }

    /// Also for clients of Flight SQL.
    pub(crate) fn and_flight_sql(self, config: &Config, address: Option<SocketAddr>) -> Self {
        Self { flight_sql: address.map(|address| (address, door(config, address))), ..self }
    }
}

fn door(config: &Config, address: SocketAddr) -> Door {
    // Behind a proxy every caller comes from loopback.
    let asks = config.require_key || config.tls_ends_elsewhere;
    let is_open = address.ip().to_canonical().is_loopback() && !asks;
    if is_open { Door::LocalIsOperator } else { Door::KeysOnly }
}

fn transport(config: &Config) -> anyhow::Result<Transport> {
    match (&config.certificate_file, &config.key_file, config.tls_ends_elsewhere) {
        (None, None, false) => Ok(Transport::Plain),
        (None, None, true) => Ok(Transport::TlsEndsElsewhere),
        (Some(certificate), Some(key), false) => {
            Ok(Transport::Tls(CertificateFiles { certificate: certificate.clone(), key: key.clone() }))
        }
        (Some(_), Some(_), true) => bail!("api.tls_ends_elsewhere and a certificate exclude each other"),
        _ => bail!("api.certificate_file and api.key_file belong together"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(config: &Config, address: &str) -> anyhow::Result<Entrance> {
        Entrance::of(config, Some(address.parse().unwrap()), None)
    }

    #[test]
    fn only_loopback_is_open_and_only_unless_a_key_is_required() {
        let config = Config::default();
        assert_eq!(plan(&config, "127.0.0.1:1").unwrap().door, Door::LocalIsOperator);
        assert_eq!(plan(&config, "0.0.0.0:1").unwrap().door, Door::KeysOnly);
        let behind_a_proxy = Config { tls_ends_elsewhere: true, ..Config::default() };
        assert_eq!(plan(&behind_a_proxy, "127.0.0.1:1").unwrap().door, Door::KeysOnly);
        let strict = Config { require_key: true, ..config };
        assert_eq!(plan(&strict, "127.0.0.1:1").unwrap().door, Door::KeysOnly);
    }

    #[test]
    fn half_of_a_certificate_is_an_error_and_not_plain_text() {
        let half = Config { certificate_file: Some("cert.pem".into()), ..Config::default() };
        assert!(plan(&half, "0.0.0.0:1").unwrap_err().to_string().contains("belong together"));
        let both = Config { key_file: Some("key.pem".into()), tls_ends_elsewhere: true, ..half };
        assert!(plan(&both, "0.0.0.0:1").unwrap_err().to_string().contains("exclude"));
    }
}
