//! Who besides holders of API keys is recognised, as it is configured: people of an OpenID issuer, and machines with
//! access tokens of our own.

use std::path::PathBuf;

use anyhow::{Context, bail};
use credwatch_ingest::RedactionKey;
use credwatch_server::access::{Issuer, Minting, Trust};
use credwatch_server::api::Api;
use serde::Deserialize;

use crate::configuration::Configuration;

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// As its tokens name it in `iss`; without one nobody's tokens count but our own.
    pub(crate) issuer: Option<String>,
    /// What its tokens for this service name in `aud`.
    pub(crate) audience: Option<String>,
    /// PEM: who may sign the issuer's certificate, besides the authorities that everybody trusts.
    pub(crate) ca_file: Option<PathBuf>,
}

impl Config {
    /// `None` where none is configured.
    pub(crate) fn issuer(&self) -> anyhow::Result<Option<Issuer>> {
        let (issuer, audience) = match (&self.issuer, &self.audience) {
            (None, None) if self.ca_file.is_none() => return Ok(None),
            (Some(issuer), Some(audience)) => (issuer.clone(), audience.clone()),
            _ => bail!("oidc.issuer and oidc.audience belong together"),
        };
        let read = |path| std::fs::read(path).with_context(|| format!("reading {path:?}"));
        let ca = self.ca_file.as_ref().map(read).transpose()?;
        Ok(Some(Issuer::new(Trust { issuer, audience, ca }).context("reading the configuration of oidc")?))
    }
}

/// What an API recognises besides keys.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    issuer: Option<Issuer>,
    minting: Option<Minting>,
}

/// What the secret of our own tokens is derived from the redaction key for.
const PURPOSE: &str = "access tokens";

impl Identity {
    pub(crate) fn of(configuration: &Configuration) -> anyhow::Result<Self> {
        let path = configuration.redaction_key_file();
        let minting = match path.exists() {
            true => {
                Some(Minting::new(&RedactionKey::load(&path)?.derived(PURPOSE)).context("preparing access tokens")?)
            }
            false => None,
        };
        Ok(Self { issuer: configuration.oidc.issuer()?, minting })
    }

    pub(crate) fn at(self, api: Api) -> Api {
        let api = self.issuer.into_iter().fold(api, Api::trusting);
        self.minting.into_iter().fold(api, Api::minting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_issuer_is_an_error_and_none_is_none() {
        assert!(Config::default().issuer().unwrap().is_none());
        let issuer = Some("https://login.example".to_owned());
        let half = Config { issuer: issuer.clone(), ..Config::default() };
        assert!(half.issuer().unwrap_err().to_string().contains("belong together"));
        let whole = Config { issuer, audience: Some("credwatch".into()), ca_file: None };
        assert!(whole.issuer().unwrap().is_some());
    }
}
