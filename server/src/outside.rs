//! Somebody that is sent to, as a configuration says it: the address, the secret, and what may be reached. Reading it touches
//! the files with secrets and nothing else.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use reqwest::Url;
use thiserror::Error;

use crate::outbound::Outbound;

/// Where the other side is, and what it asks for. Knows a secret, so it cannot be printed.
pub(crate) struct Outside {
    pub(crate) url: Url,
    pub(crate) secret: Option<String>,
    pub(crate) outbound: Outbound,
}

/// The keys of a configuration that say it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys<'a> {
    pub(crate) url: &'a str,
    pub(crate) secret_file: Option<&'a Path>,
    pub(crate) ca_file: Option<&'a Path>,
    pub(crate) allow: &'a [String],
}

#[derive(Debug, Error)]
pub enum OutsideError {
    // It may be a secret itself, or stand where one was meant, so that it is not repeated.
    #[error("url is no address")]
    Url,
    #[error("allow lists networks such as 10.1.2.0/24, and {0:?} is none")]
    Allow(String),
    #[error("reading {path:?}")]
    File { path: PathBuf, source: std::io::Error },
}

impl Outside {
    pub(crate) fn read(keys: Keys<'_>) -> Result<Self, OutsideError> {
        let url = keys.url.parse().map_err(|_| OutsideError::Url)?;
        let ca = keys.ca_file.map(file).transpose()?;
        let allow: Result<Vec<IpNet>, OutsideError> = keys.allow.iter().map(|text| net(text)).collect();
        let secret = keys.secret_file.map(secret).transpose()?;
        Ok(Self { url, secret, outbound: Outbound::new(allow?, ca) })
    }
}

/// A secret in a file of its own, without the end of its line.
pub(crate) fn secret(path: &Path) -> Result<String, OutsideError> {
    Ok(String::from_utf8_lossy(&file(path)?).trim().to_owned())
}

fn file(path: &Path) -> Result<Vec<u8>, OutsideError> {
    std::fs::read(path).map_err(|source| OutsideError::File { path: path.to_owned(), source })
}

/// `10.1.2.0/24`, or one address.
fn net(text: &str) -> Result<IpNet, OutsideError> {
    let one = text.parse::<IpAddr>().map(IpNet::from);
    one.or_else(|_| text.parse()).map_err(|_| OutsideError::Allow(text.to_owned()))
}
