//! How a cluster of Kafka is logged in to: by who reads it, and by who writes to it. Secrets are named by file and read when a client
//! is made; nothing here that can be printed holds one.

use std::path::{Path, PathBuf};

use rdkafka::ClientConfig;
use serde::Deserialize;
use thiserror::Error;

use super::token::TokenSource;

/// The keys mean what they mean in [`super::Config`].
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Login {
    /// Nothing said: plaintext.
    pub security: Option<Security>,
    /// SASL mechanism; needed with `sasl_plaintext` and `sasl_ssl`.
    pub mechanism: Option<Mechanism>,
    /// With OAUTHBEARER the client id.
    pub username: Option<String>,
    /// File with the password, or with OAUTHBEARER the client secret.
    pub password_file: Option<PathBuf>,
    /// OAUTHBEARER: where tokens are had for client id and secret.
    pub token_url: Option<String>,
    /// OAUTHBEARER: what the token is asked for, where the endpoint wants to know.
    pub token_scope: Option<String>,
    /// Certificates (PEM) of who may sign the broker's; default: those of the system.
    pub ca_file: Option<PathBuf>,
    /// Client certificate and its key (PEM).
    pub certificate_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Mechanism {
    #[serde(rename = "PLAIN")]
    Plain,
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    #[serde(rename = "OAUTHBEARER")]
    OauthBearer,
}

/// What cannot be meant. The keys are those of [`Login`].
#[derive(Debug, Error)]
pub enum LoginError {
    #[error("{key}: {what}")]
    Configuration { key: &'static str, what: String },
    #[error("read \"{path}\", which {key} names")]
    Secret { key: &'static str, path: String, source: std::io::Error },
}

impl Login {
    /// Tells the client library, with the secrets read; validated as far as it can be offline.
    pub fn tell(&self, client: &mut ClientConfig) -> Result<(), LoginError> {
        client.set("security.protocol", self.security().name());
        for (key, file, setting) in [
            ("ca_file", &self.ca_file, "ssl.ca.location"),
            ("certificate_file", &self.certificate_file, "ssl.certificate.location"),
            ("key_file", &self.key_file, "ssl.key.location"),
        ] {
            if let Some(file) = file {
                readable(key, file)?;
                client.set(setting, file.to_string_lossy());
            }
        }
        match (self.is_sasl(), self.credential()) {
            (true, _) => self.log_in(client),
            (false, None) => Ok(()),
            (false, Some(key)) => {
                Err(missing(key, "it is used with sasl_ssl and sasl_plaintext only, and security is neither"))
            }
        }
    }

    /// Where tokens come from, if the mechanism wants any.
    pub fn tokens(&self) -> Result<Option<TokenSource>, LoginError> {
        if !self.is_sasl() || self.mechanism != Some(Mechanism::OauthBearer) {
            return Ok(None);
        }
        let (client_id, secret) = self.credentials()?;
        let url = self.token_url.as_deref().ok_or_else(|| missing("token_url", "OAUTHBEARER needs one"))?;
        let what = |error| LoginError::Configuration { key: "token_url", what: format!("{url:?} is no URL: {error}") };
        let url = reqwest::Url::parse(url).map_err(what)?;
        Ok(Some(TokenSource { url, client_id: client_id.to_owned(), secret, scope: self.token_scope.clone() }))
    }

    fn log_in(&self, client: &mut ClientConfig) -> Result<(), LoginError> {
        let mechanism = self.mechanism.ok_or_else(|| missing("mechanism", "SASL needs one"))?;
        client.set("sasl.mechanism", mechanism.name());
        if mechanism != Mechanism::OauthBearer {
            let (username, password) = self.credentials()?;
            client.set("sasl.username", username).set("sasl.password", password);
        }
        Ok(())
    }

    fn credentials(&self) -> Result<(&str, String), LoginError> {
        let username = self.username.as_deref().ok_or_else(|| missing("username", "SASL needs one"))?;
        let file = self.password_file.as_deref().ok_or_else(|| missing("password_file", "SASL needs one"))?;
        let secret = readable("password_file", file)?;
        Ok((username, secret.trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn security(&self) -> Security {
        self.security.unwrap_or(Security::Plaintext)
    }

    /// A key that only SASL uses.
    fn credential(&self) -> Option<&'static str> {
        let (mechanism, username) = (self.mechanism.is_some(), self.username.is_some());
        let named = [("mechanism", mechanism), ("username", username), ("password_file", self.password_file.is_some())];
        named.into_iter().find(|(_, is_set)| *is_set).map(|(key, _)| key)
    }

    fn is_sasl(&self) -> bool {
        matches!(self.security(), Security::SaslPlaintext | Security::SaslSsl)
    }
}

impl Security {
    fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }
}

impl Mechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }
}

fn missing(key: &'static str, what: &str) -> LoginError {
    LoginError::Configuration { key, what: what.to_owned() }
}

fn readable(key: &'static str, file: &Path) -> Result<String, LoginError> {
    let path = file.display().to_string();
    std::fs::read_to_string(file).map_err(|source| LoginError::Secret { key, path, source })
}
