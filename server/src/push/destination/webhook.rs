//! A webhook, signed as Standard Webhooks 1.0 says. The id of a message is made of its rows: when they are sent again
//! it is the same, and their receiver can tell.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use reqwest::{Client, Url};
use sha2::{Digest, Sha256};

use super::{Batch, Outside, Undelivered, good};

const PREFIX: &str = "whsec_";
/// As the specification bounds it.
const SHORTEST_SECRET: usize = 24;

pub(in crate::push) struct Webhook {
    url: Url,
    secret: Hmac<Sha256>,
    client: Client,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Webhook").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl Webhook {
    pub(in crate::push) fn new(outside: Outside) -> Result<Self, String> {
        let Outside { url, secret, outbound } = outside;
        let secret = secret.ok_or("a secret to sign with is needed: secret_file")?;
        let bytes = STANDARD.decode(secret.strip_prefix(PREFIX).unwrap_or(&secret)).unwrap_or_default();
        if bytes.len() < SHORTEST_SECRET {
            return Err(format!("the secret is {PREFIX} and at least {SHORTEST_SECRET} bytes in base64"));
        }
        let secret = Hmac::new_from_slice(&bytes).map_err(|_| "the secret cannot sign")?;
        Ok(Self { client: outbound.client(&url)?, url, secret })
    }

    pub(super) async fn deliver(&self, batch: &Batch) -> Result<(), Undelivered> {
        let (body, now) = (body(batch), now());
        let id = id(&body);
        let request = self.client.post(self.url.clone()).header("content-type", "application/json");
        let request = request.header("webhook-signature", self.signature(&id, now, &body));
        let request = request.header("webhook-id", id).header("webhook-timestamp", now.to_string());
        good(request.body(body).send().await).await.map(drop)
    }

    fn signature(&self, id: &str, now: u64, body: &[u8]) -> String {
        let signed = self.secret.clone().chain_update(format!("{id}.{now}.")).chain_update(body).finalize();
        format!("v1,{}", STANDARD.encode(signed.into_bytes()))
    }
}

/// The same for the same rows.
fn id(body: &[u8]) -> String {
    format!("msg_{}", hex::encode(&Sha256::digest(body)[..16]))
}

fn body(batch: &Batch) -> Vec<u8> {
    let begin = format!("{{\"type\":\"credwatch.{}\",\"data\":[", batch.stream.as_str());
    [begin.into_bytes(), batch.rows.join(&b','), b"]}".to_vec()].concat()
}

/// Receivers refuse what is signed for another time than theirs.
#[expect(clippy::disallowed_methods, reason = "the other side compares it with its own clock")]
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::outbound::Outbound;

    fn webhook(secret: &str) -> Result<Webhook, String> {
        let outbound = Outbound::new(vec!["127.0.0.1/32".parse().unwrap()], None);
        Webhook::new(Outside { url: "http://127.0.0.1:9/".parse().unwrap(), secret: Some(secret.to_owned()), outbound })
    }

    /// The example of the specification's own libraries.
    #[test]
    fn a_message_is_signed_as_the_specification_says() {
        let webhook = webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = webhook.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_none_or_short_signs_nothing() {
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "not base64!"] {
            assert!(webhook(bad).is_err(), "{bad}");
        }
    }
}
