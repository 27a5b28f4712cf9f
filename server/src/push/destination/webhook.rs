//! A signed webhook. The id of a message is made of its rows: when they are sent again it is the same, and their receiver can
//! tell.

use reqwest::{Client, Url};
use sha2::{Digest, Sha256};

use super::Batch;
use crate::delivering::{Undelivered, good};
use crate::outside::Outside;
use crate::signature::Signer;

pub(in crate::push) struct Webhook {
    url: Url,
    signer: Signer,
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
        Ok(Self { signer: Signer::new(secret.as_deref())?, client: outbound.client(&url)?, url })
    }

    pub(super) async fn deliver(&self, batch: &Batch) -> Result<(), Undelivered> {
        let body = body(batch);
        let id = id(&body);
        let request = self.client.post(self.url.clone()).header("content-type", "application/json");
        good(self.signer.signed(request, &id, body).send().await).await.map(drop)
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
