//! A signed webhook. The id of a message is made of its rows: when they are sent again it is the same, and their receiver can
//! tell.

use sha2::{Digest, Sha256};

use super::Batch;
use crate::delivering::{Undelivered, good};
use crate::outside::Outside;
use crate::signed_webhook::SignedWebhook;

#[derive(Debug)]
pub(in crate::push) struct Webhook(SignedWebhook);

impl Webhook {
    pub(in crate::push) fn new(outside: Outside) -> Result<Self, String> {
        SignedWebhook::new(outside).map(Self)
    }

    pub(super) async fn deliver(&self, batch: &Batch) -> Result<(), Undelivered> {
        let body = body(batch);
        let id = id(&body);
        good(self.0.post(&id, body).await).await.map(drop)
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
