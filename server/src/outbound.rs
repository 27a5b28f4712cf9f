//! Where those that we send to may be: at public addresses, and at private ones that the configuration lists. A name that resolves
//! to something else is refused at the moment of connecting, so that it cannot be changed in between.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};
use tokio::sync::Semaphore;

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Names are looked up by the threads that read files: a name server that stands still may not take all of them.
static LOOK_UPS: Semaphore = Semaphore::const_new(8);

#[derive(Debug, Clone)]
pub(crate) struct Outbound {
    allow: Arc<Vec<IpNet>>,
    /// PEM.
    ca: Option<Vec<u8>>,
    /// What is sent is not encrypted, so that it may go to listed addresses only.
    is_clear: bool,
}

impl Outbound {
    pub(crate) fn new(allow: Vec<IpNet>, ca: Option<Vec<u8>>) -> Self {
        Self { allow: Arc::new(allow), ca, is_clear: false }
    }

    /// What is sent is not encrypted: only what is listed may be reached.
    pub(crate) fn in_the_clear(self) -> Self {
        Self { is_clear: true, ..self }
    }

    pub(crate) fn ca(&self) -> Option<&[u8]> {
        self.ca.as_deref()
    }

    /// A client for one sink. It follows no redirect and no proxy: each would be another address.
    pub(crate) fn client(&self, url: &Url) -> Result<Client, String> {
        if !matches!(url.scheme(), "https" | "http") || !url.username().is_empty() || url.password().is_some() {
            return Err("its address begins with https:// and holds no user".to_owned());
        }
        self.check_literal(url)?;
        let resolver = Self { is_clear: url.scheme() == "http", ..self.clone() };
        let client = Client::builder().redirect(Policy::none()).no_proxy().dns_resolver(Arc::new(resolver));
        let client = client.connect_timeout(CONNECT_WITHIN).timeout(ANSWER_WITHIN);
        let client = match &self.ca {
            None => client,
            Some(pem) => {
                let authority = Certificate::from_pem(pem);
                client.add_root_certificate(authority.map_err(|_| "its ca_file is no certificate in PEM".to_owned())?)
            }
        };
        client.build().map_err(|error| error.to_string())
    }

    /// An address that is written as one is never resolved; and what travels in the clear stays where it was listed.
    fn check_literal(&self, url: &Url) -> Result<(), String> {
        let literal = match url.host() {
            Some(url::Host::Ipv4(address)) => Some(IpAddr::from(address)),
            Some(url::Host::Ipv6(address)) => Some(IpAddr::from(address)),
            _ => None,
        };
        match literal {
            Some(address) if !self.may_reach(address) => {
                Err(format!("{address} is no public address; list it under allow if it is meant"))
            }
            Some(address) if url.scheme() == "http" && !self.is_listed(address) => {
                Err("http:// would carry rows in the clear; use https://, or list the address under allow".to_owned())
            }
            None if url.scheme() == "http" && self.allow.is_empty() => {
                Err("http:// would carry rows in the clear; use https://, or list the address under allow".to_owned())
            }
            _ => Ok(()),
        }
    }

    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        let all = looked_up(host, port).await.map_err(|error| format!("finding {host:?}: {error}"))?;
        let allowed: Vec<SocketAddr> = all.iter().copied().filter(|address| self.may_reach(address.ip())).collect();
        match (allowed.is_empty(), all.first()) {
            (false, _) => Ok(allowed),
            (true, Some(first)) => Err(format!(
                "{host:?} is at {}, which is no address for it; list it under allow if it is meant",
                first.ip()
            )),
            (true, None) => Err(format!("{host:?} has no address")),
        }
    }

    fn is_listed(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|net| net.contains(&address.to_canonical()))
    }

    fn may_reach(&self, address: IpAddr) -> bool {
        self.is_listed(address) || (!self.is_clear && is_public(address.to_canonical()))
    }
}

/// The addresses of a name. Whoever stops waiting for a name server does not free its thread, so the turn ends with the
/// look-up itself.
async fn looked_up(host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    let turn = LOOK_UPS.acquire().await.map_err(std::io::Error::other)?;
    let host = host.to_owned();
    let work = tokio::spawn(async move {
        let found = tokio::net::lookup_host((host, port)).await.map(Iterator::collect);
        drop(turn);
        found
    });
    work.await?
}

impl Resolve for Outbound {
    fn resolve(&self, name: Name) -> Resolving {
        let outbound = self.clone();
        Box::pin(async move {
            let found = Self::resolve(&outbound, name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Neither this machine's, nor a private network's, nor a cloud's metadata, nor anything else that is not the internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            let is_reserved = a == 0 || a >= 240 || (a == 198 && (b == 18 || b == 19)) || (a == 192 && b == 0);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation()
                || is_shared
                || is_reserved)
        }
        IpAddr::V6(v6) => {
            // Global unicast, without what is carried in it of other networks (6to4, Teredo) and documentation.
            let [first, second, ..] = v6.segments();
            (first & 0xe000) == 0x2000 && first != 0x2002 && !(first == 0x2001 && (second == 0 || second == 0xdb8))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbound(allow: &[&str]) -> Outbound {
        Outbound::new(allow.iter().map(|net| net.parse().unwrap()).collect(), None)
    }

    #[test]
    fn only_public_addresses_are_reached_unless_others_are_listed() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "fe80::1",
            "fd00::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "2002:7f00:1::",
            "2001:db8::1",
            "64:ff9b::7f00:1",
        ] {
            assert!(!outbound(&[]).may_reach(private.parse().unwrap()), "{private}");
        }
        for public in ["93.184.215.14", "2606:4700::1111", "1.1.1.1"] {
            assert!(outbound(&[]).may_reach(public.parse().unwrap()), "{public}");
        }
        let clear = Outbound { is_clear: true, ..outbound(&["10.1.0.0/16"]) };
        assert!(clear.may_reach("10.1.2.3".parse().unwrap()) && !clear.may_reach("1.1.1.1".parse().unwrap()));
        assert!(outbound(&["10.1.0.0/16"]).may_reach("10.1.2.3".parse().unwrap()));
        assert!(!outbound(&["10.1.0.0/16"]).may_reach("10.2.2.3".parse().unwrap()));
    }

    #[test]
    fn rows_do_not_travel_in_the_clear_beyond_what_is_listed() {
        let client = |allow: &[&str], url: &str| outbound(allow).client(&url.parse().unwrap()).map(drop);
        assert!(client(&[], "http://siem.example").is_err());
        assert!(client(&[], "http://1.1.1.1").is_err());
        assert!(client(&[], "https://127.0.0.1").is_err());
        assert!(client(&[], "https://u:p@siem.example").is_err());
        assert!(client(&["127.0.0.1/32"], "http://127.0.0.1:9").is_ok());
        assert!(client(&[], "https://siem.example").is_ok());
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused_when_it_is_looked_up() {
        let refused = Outbound::resolve(&outbound(&[]), "localhost", 80).await.unwrap_err();
        assert!(refused.contains("no address for it"), "{refused}");
        assert!(Outbound::resolve(&outbound(&["127.0.0.0/8", "::1/128"]), "localhost", 80).await.is_ok());
    }
}
