//! Tokens for OAUTHBEARER: had from the configured endpoint for a client id and its secret (OAuth 2.0, RFC 6749, section
//! 4.4, client credentials). The client library asks at the beginning and again before a token expires.
//!
//! The library has code of its own for this, but only together with libcurl, which would be one more thing to build and
//! to ship. Here the HTTP client does it that is in the program anyway.

use std::time::Duration;

use credwatch_schemas::time::Micros;
use rdkafka::client::OAuthToken;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

const PATIENCE: Duration = Duration::from_secs(10);
/// Of a token whose answer does not say how long it holds.
const SHORT_LIFE_SECONDS: i64 = 300;
const LONG_LIFE_SECONDS: i64 = 366 * 86_400;
/// Longer than any token endpoint has to say.
const MOST_BYTES: usize = 1 << 20;

/// Where tokens come from. Knows a secret, so it cannot be printed.
#[derive(Clone)]
pub struct TokenSource {
    pub(super) url: Url,
    pub(super) client_id: String,
    pub(super) secret: String,
    pub(super) scope: Option<String>,
}

impl std::fmt::Debug for TokenSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("TokenSource").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

/// What an endpoint answers; the names are those of the RFC.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    error: String,
    error_description: String,
}

impl TokenSource {
    /// Blocks for up to ten seconds. An error is one sentence and says nothing secret.
    pub fn token(&self, now: Micros) -> Result<OAuthToken, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("start asking for a token: {error}"))?;
        let answer = runtime.block_on(self.ask()).map_err(|error| {
            let why = chain(&error.without_url());
            format!("ask \"{}\" for a token: {why}", self.url)
        })?;
        let granted = answer.granted().map_err(|why| format!("\"{}\" {why}", self.url))?;
        Ok(OAuthToken {
            lifetime_ms: granted.until_ms(now),
            token: granted.access_token,
            principal_name: self.client_id.clone(),
        })
    }

    async fn ask(&self) -> Result<Answer, reqwest::Error> {
        // A redirect would carry the secret to somebody that nobody configured.
        let client = Client::builder().timeout(PATIENCE).redirect(Policy::none()).build()?;
        let asked = client.post(self.url.clone()).basic_auth(&self.client_id, Some(&self.secret));
        let asked = asked.header("content-type", "application/x-www-form-urlencoded").body(self.form());
        let mut answer = asked.send().await?;
        let (status, mut body) = (answer.status(), Vec::new());
        while let Some(chunk) = answer.chunk().await?.filter(|_| body.len() < MOST_BYTES) {
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body })
    }

    fn form(&self) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = &self.scope {
            form.append_pair("scope", scope);
        }
        form.finish()
    }
}

impl Answer {
    fn granted(&self) -> Result<Granted, String> {
        if !self.status.is_success() {
            let refused: Refused = serde_json::from_slice(&self.body).unwrap_or_default();
            let Refused { error, error_description } = refused;
            return Err(format!("gave no token: {} {error} {error_description}", self.status).trim_end().to_owned());
        }
        serde_json::from_slice(&self.body).map_err(|_| "answered with something that is no token".to_owned())
    }
}

impl Granted {
    fn until_ms(&self, now: Micros) -> i64 {
        let seconds = self.expires_in.unwrap_or(SHORT_LIFE_SECONDS).clamp(1, LONG_LIFE_SECONDS);
        now.0.div_euclid(1_000) + seconds * 1_000
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    super::error::chain(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> TokenSource {
        let url = "https://login.example/token".parse().unwrap();
        TokenSource { url, client_id: "reader".into(), secret: "s3cret".into(), scope: Some("kafka:read all".into()) }
    }

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status: StatusCode::from_u16(status).unwrap(), body: body.into() }
    }

    #[test]
    fn the_scope_is_asked_for_where_one_is_configured() {
        assert_eq!(source().form(), "grant_type=client_credentials&scope=kafka%3Aread+all");
        assert_eq!(TokenSource { scope: None, ..source() }.form(), "grant_type=client_credentials");
    }

    #[test]
    fn a_token_holds_as_long_as_it_says_and_not_long_if_it_does_not() {
        let until = |body| answer(200, body).granted().map(|granted| granted.until_ms(Micros(5_000_000)));
        assert_eq!(until(r#"{"access_token":"abc","token_type":"Bearer","expires_in":60}"#), Ok(65_000));
        assert_eq!(until(r#"{"access_token":"abc"}"#), Ok(305_000));
        assert_eq!(until("<html>"), Err("answered with something that is no token".to_owned()));
    }

    #[test]
    fn a_refusal_says_why() {
        let why = |status, body| answer(status, body).granted().map(|_| ()).unwrap_err();
        let refused = r#"{"error":"invalid_client","error_description":"no such client"}"#;
        assert_eq!(why(401, refused), "gave no token: 401 Unauthorized invalid_client no such client");
        assert_eq!(why(502, "bad gateway"), "gave no token: 502 Bad Gateway");
    }

    #[test]
    fn it_cannot_be_printed() {
        assert!(!format!("{:?}", source()).contains("s3cret"));
    }
}
