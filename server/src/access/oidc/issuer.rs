//! The issuer that is trusted, and the keys that it publishes: found as OpenID Connect Discovery 1.0 says, kept, and
//! asked for again when they are old or when a token names one that is not among them.
//!
//! An issuer that cannot be reached is asked no more often than [`Pace::between_tries`]; its known keys hold for
//! [`Pace::trusted`] more, and then nobody is recognised by its tokens until it answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::Instant;

use super::signing_keys::SigningKeys;

const PATIENCE: Duration = Duration::from_secs(5);
/// Requests that may wait for the issuer at once.
const MOST_WAITING: usize = 64;
/// Longer than any of its documents.
const MOST_BYTES: usize = 1 << 20;

/// Whose tokens count, and for whom they must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// As tokens name it in `iss`, letter by letter; its documents are below it.
    pub issuer: String,
    /// What tokens for this service name in `aud`.
    pub audience: String,
    /// PEM: who may sign its certificate, besides the authorities that everybody trusts.
    pub ca: Option<Vec<u8>>,
}

#[derive(Debug, Error)]
pub enum IssuerError {
    #[error(
        "the issuer {0:?} must be an https:// address (http:// only on this machine), without user, query and fragment"
    )]
    Address(String),
    #[error("the audience of tokens must be named")]
    NoAudience,
    #[error("its certificate authority is no certificate in PEM")]
    Authority(#[source] reqwest::Error),
    #[error("preparing to ask the issuer")]
    Client(#[source] reqwest::Error),
    #[error("asking {url}")]
    Asking { url: Url, source: reqwest::Error },
    #[error("{url} answers {status}")]
    Refused { url: Url, status: u16 },
    #[error("{url} answers with something else than {what}")]
    Other { url: Url, what: &'static str },
    #[error("the issuer's keys are not known: it could not be asked, and what was known is too old")]
    Unknown,
}

/// How often it is asked.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Keys older than this are asked for again.
    fresh: Duration,
    between_tries: Duration,
    /// Keys older than this are not trusted any more.
    trusted: Duration,
}

const PACE: Pace = Pace {
    fresh: Duration::from_secs(10 * 60),
    between_tries: Duration::from_secs(10),
    trusted: Duration::from_secs(60 * 60),
};

#[derive(Debug)]
pub struct Issuer {
    pub(super) trust: Trust,
    base: Url,
    client: Client,
    pace: Pace,
    known: Mutex<Known>,
    /// Held while it is asked, so that it is asked once for all who wait.
    asking: AsyncMutex<()>,
    /// Requests that may wait for it.
    waiting: Semaphore,
}

#[derive(Debug, Default)]
struct Known {
    keys: Option<(Instant, Arc<SigningKeys>)>,
    tried: Option<Instant>,
}

/// What of its own description is needed.
#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: Url,
}

impl Issuer {
    pub fn new(trust: Trust) -> Result<Self, IssuerError> {
        let base = address(&trust.issuer).ok_or_else(|| IssuerError::Address(trust.issuer.clone()))?;
        if trust.audience.trim().is_empty() {
            return Err(IssuerError::NoAudience);
        }
        // A redirect would let somebody else say which keys are the issuer's.
        let client = Client::builder().timeout(PATIENCE).redirect(Policy::none());
        let client = if is_loopback(&base) { client.no_proxy() } else { client };
        let client = match &trust.ca {
            None => client,
            Some(pem) => client.add_root_certificate(Certificate::from_pem(pem).map_err(IssuerError::Authority)?),
        };
        let client = client.build().map_err(IssuerError::Client)?;
        let (known, asking, waiting) = (Mutex::default(), AsyncMutex::default(), Semaphore::new(MOST_WAITING));
        Ok(Self { trust, base, client, pace: PACE, known, asking, waiting })
    }

    /// One that is asked again at once.
    #[cfg(test)]
    pub(crate) fn hurried(trust: Trust) -> Self {
        let pace = Pace { between_tries: Duration::ZERO, ..PACE };
        Self { pace, ..Self::new(trust).unwrap() }
    }

    /// Asks it for its keys now; gives how many can be used.
    pub async fn probe(&self) -> Result<usize, IssuerError> {
        Ok(self.published().await?.len())
    }

    /// Its keys, for a token that names this one. Known keys are given at once, and asked for again beside it where they are
    /// old; only for one that is not known the issuer is waited for, by a bounded number of requests.
    pub(super) async fn keys_with(self: &Arc<Self>, kid: &str) -> Result<Arc<SigningKeys>, IssuerError> {
        if let Some(known) = self.trusted().filter(|keys| keys.get(kid).is_some()) {
            if self.known().must_be_asked_for(kid, self.pace, Instant::now()) {
                let (issuer, kid) = (Arc::clone(self), kid.to_owned());
                tokio::spawn(async move { issuer.ask_again(&kid).await });
            }
            return Ok(known);
        }
        let _waits = self.waiting.try_acquire().map_err(|_| IssuerError::Unknown)?;
        self.ask_again(kid).await;
        self.trusted().ok_or(IssuerError::Unknown)
    }

    /// Asks, unless somebody else has just done so.
    async fn ask_again(&self, kid: &str) {
        let _asks = self.asking.lock().await;
        if !self.known().must_be_asked_for(kid, self.pace, Instant::now()) {
            return;
        }
        let published = self.published().await;
        let mut known = self.known();
        known.tried = Some(Instant::now());
        match published {
            Ok(keys) => known.keys = Some((Instant::now(), Arc::new(keys))),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the issuer's keys were not had");
            }
        }
    }

    fn trusted(&self) -> Option<Arc<SigningKeys>> {
        self.known().trusted(self.pace, Instant::now())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn published(&self) -> Result<SigningKeys, IssuerError> {
        let url = below(&self.base, ".well-known/openid-configuration");
        let other = |url: &Url, what| IssuerError::Other { url: url.clone(), what };
        let description: Description =
            serde_json::from_value(self.ask(&url).await?).map_err(|_| other(&url, "a description of an issuer"))?;
        if description.issuer != self.trust.issuer {
            return Err(other(&url, "a description of the configured issuer"));
        }
        let keys = description.jwks_uri;
        if !is_safe(&keys) {
            return Err(other(&url, "a safe address of its keys"));
        }
        // Also none: an issuer that withdraws all of them is believed.
        let read = SigningKeys::read(&self.ask(&keys).await?);
        read.ok_or_else(|| other(&keys, "keys that tokens can be checked with"))
    }

    async fn ask(&self, url: &Url) -> Result<Value, IssuerError> {
        let failed = |source: reqwest::Error| IssuerError::Asking { url: url.clone(), source: source.without_url() };
        let mut answer = self.client.get(url.clone()).send().await.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(IssuerError::Refused { url: url.clone(), status: answer.status().as_u16() });
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_BYTES {
                return Err(IssuerError::Other { url: url.clone(), what: "a short document" });
            }
        }
        serde_json::from_slice(&body).map_err(|_| IssuerError::Other { url: url.clone(), what: "JSON" })
    }
}

impl Known {
    fn must_be_asked_for(&self, kid: &str, pace: Pace, now: Instant) -> bool {
        let since = |then: Instant| now.saturating_duration_since(then);
        if self.tried.is_some_and(|tried| since(tried) < pace.between_tries) {
            return false;
        }
        match &self.keys {
            None => true,
            Some((as_of, keys)) => since(*as_of) >= pace.fresh || keys.get(kid).is_none(),
        }
    }

    fn trusted(&self, pace: Pace, now: Instant) -> Option<Arc<SigningKeys>> {
        let (as_of, keys) = self.keys.as_ref()?;
        (now.saturating_duration_since(*as_of) < pace.trusted).then(|| Arc::clone(keys))
    }
}

fn address(text: &str) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    (is_plain && url.query().is_none() && url.fragment().is_none() && is_safe(&url)).then_some(url)
}

fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The description stands below the issuer's path, whether that ends with a slash or not.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn known(as_of: Instant, tried: Instant) -> Known {
        let key =
            json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "a"});
        let keys = SigningKeys::read(&json!({"keys": [key]})).unwrap();
        Known { keys: Some((as_of, Arc::new(keys))), tried: Some(tried) }
    }

    #[test]
    fn keys_are_asked_for_when_old_or_missing_and_never_in_a_hurry() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let asks = |known: &Known, kid, seconds| known.must_be_asked_for(kid, PACE, at(seconds));
        assert!(Known::default().must_be_asked_for("a", PACE, begin));
        let fresh = known(begin, begin);
        assert!(!asks(&fresh, "a", 599));
        assert!(asks(&fresh, "a", 600));
        assert!(!asks(&fresh, "rotated", 9), "guessing must not become a load on the issuer");
        assert!(asks(&fresh, "rotated", 10));
        let failing = known(begin, at(900));
        assert!(!asks(&failing, "a", 905));
        assert!(failing.trusted(PACE, at(3_599)).is_some());
        assert!(failing.trusted(PACE, at(3_600)).is_none());
    }

    #[test]
    fn only_an_address_that_cannot_be_listened_to_is_an_issuer() {
        let is_good =
            |issuer: &str| Issuer::new(Trust { issuer: issuer.into(), audience: "credwatch".into(), ca: None }).is_ok();
        for good in ["https://login.example", "https://login.example/t/1/", "http://127.0.0.1:9", "http://[::1]:9"] {
            assert!(is_good(good), "{good}");
        }
        for bad in ["http://login.example", "login.example", "https://u@login.example", "https://login.example/?a"] {
            assert!(!is_good(bad), "{bad}");
        }
    }

    #[test]
    fn the_description_stands_below_the_issuers_path() {
        let at = |base: &str| below(&base.parse().unwrap(), ".well-known/x").to_string();
        assert_eq!(at("https://login.example"), "https://login.example/.well-known/x");
        assert_eq!(at("https://login.example/t/1/"), "https://login.example/t/1/.well-known/x");
    }
}
