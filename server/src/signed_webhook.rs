//! A webhook whose messages are signed as Standard Webhooks 1.0 says: the receiver can tell who sent them, and when.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use reqwest::{Client, Response, Url};
use sha2::Sha256;

use crate::outside::Outside;

const PREFIX: &str = "whsec_";
/// As the specification bounds it.
const SHORTEST_SECRET: usize = 24;

pub(crate) struct SignedWebhook {
    url: Url,
    signer: Signer,
    client: Client,
}

/// Its path may be a secret too.
impl std::fmt::Debug for SignedWebhook {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SignedWebhook").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl SignedWebhook {
    pub(crate) fn new(outside: Outside) -> Result<Self, String> {
        let Outside { url, secret, outbound } = outside;
        Ok(Self { signer: Signer::new(secret.as_deref())?, client: outbound.client(&url)?, url })
    }

    /// Sends a body in JSON with its id, the time, and the signature over all three.
    pub(crate) async fn post(&self, id: &str, body: Vec<u8>) -> Result<Response, reqwest::Error> {
        let now = now();
        let request = self.client.post(self.url.clone()).header("content-type", "application/json");
        let request = request.header("webhook-signature", self.signer.signature(id, now, &body));
        request.header("webhook-id", id).header("webhook-timestamp", now.to_string()).body(body).send().await
    }
}

/// A secret that signs, and cannot be printed.
struct Signer(Hmac<Sha256>);

impl Signer {
    fn new(secret: Option<&str>) -> Result<Self, String> {
        let secret = secret.ok_or("a secret to sign with is needed: secret_file")?;
        let bytes = STANDARD.decode(secret.strip_prefix(PREFIX).unwrap_or(secret)).unwrap_or_default();
        if bytes.len() < SHORTEST_SECRET {
            return Err(format!("the secret is {PREFIX} and at least {SHORTEST_SECRET} bytes in base64"));
        }
        let secret = Hmac::new_from_slice(&bytes).map_err(|_| "the secret cannot sign")?;
        Ok(Self(secret))
    }

    fn signature(&self, id: &str, now: u64, body: &[u8]) -> String {
        let signed = self.0.clone().chain_update(format!("{id}.{now}.")).chain_update(body).finalize();
        format!("v1,{}", STANDARD.encode(signed.into_bytes()))
    }
}

/// Receivers refuse what is signed for another time than theirs.
#[expect(clippy::disallowed_methods, reason = "the other side compares it with its own clock")]
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn a_message_is_signed_as_the_specification_says() {
        let signer = Signer::new(Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let signature = signer.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_none_or_short_signs_nothing() {
        assert!(Signer::new(None).is_err());
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "not base64!"] {
            assert!(Signer::new(Some(bad)).is_err(), "{bad}");
        }
    }
}
