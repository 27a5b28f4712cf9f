//! A signed webhook: the message as it is. Its id is the notice's.

use serde::Serialize;
use serde_json::json;

use crate::delivering::{Undelivered, taken};
use crate::notices::heartbeat::Alive;
use crate::notices::message::Message;
use crate::outside::Outside;
use crate::signed_webhook::SignedWebhook;

#[derive(Debug)]
pub(in crate::notices) struct Webhook(SignedWebhook);

impl Webhook {
    pub(in crate::notices) fn new(outside: Outside) -> Result<Self, String> {
        SignedWebhook::new(outside).map(Self)
    }

    pub(super) async fn tell(&self, message: &Message) -> Result<(), Undelivered> {
        self.post("credwatch.notice", &message.notice_id, message).await
    }

    pub(super) async fn beat(&self, alive: &Alive) -> Result<(), Undelivered> {
        self.post("credwatch.heartbeat", &alive.id(), alive).await
    }

    async fn post(&self, kind: &str, id: &str, data: &impl Serialize) -> Result<(), Undelivered> {
        let body = json!({"type": kind, "data": data}).to_string().into_bytes();
        taken(self.0.post(id, body).await).await
    }
}
