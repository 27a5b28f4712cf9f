//! A signed webhook: the message as it is, signed as Standard Webhooks 1.0 says. Its id is the notice's.

use reqwest::{Client, Url};
use serde::Serialize;
use serde_json::json;

use crate::delivering::{Undelivered, taken};
use crate::notices::heartbeat::Alive;
use crate::notices::message::Message;
use crate::outside::Outside;
use crate::signature::Signer;

pub(in crate::notices) struct Webhook {
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
    pub(in crate::notices) fn new(outside: Outside) -> Result<Self, String> {
        let Outside { url, secret, outbound } = outside;
        Ok(Self { signer: Signer::new(secret.as_deref())?, client: outbound.client(&url)?, url })
    }

    pub(super) async fn tell(&self, message: &Message) -> Result<(), Undelivered> {
        self.post("credwatch.notice", &message.notice_id, message).await
    }

    pub(super) async fn beat(&self, alive: &Alive) -> Result<(), Undelivered> {
        self.post("credwatch.heartbeat", &alive.id(), alive).await
    }

    async fn post(&self, kind: &str, id: &str, data: &impl Serialize) -> Result<(), Undelivered> {
        let body = json!({"type": kind, "data": data}).to_string().into_bytes();
        let request = self.client.post(self.url.clone()).header("content-type", "application/json");
        taken(self.signer.signed(request, id, body).send().await).await
    }
}
