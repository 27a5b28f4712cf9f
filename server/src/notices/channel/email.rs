//! Mail to people: a letter a message; letters about one thing follow the first of them.

use crate::delivering::Undelivered;
use crate::mail::{Letter, Mailer};
use crate::notices::heartbeat::Alive;
use crate::notices::message::Message;

#[derive(Debug)]
pub(in crate::notices) struct Email(pub(in crate::notices) Mailer);

impl Email {
    pub(super) async fn tell(&self, message: &Message) -> Result<(), Undelivered> {
        let subject = format!("[{}] {}", message.severity, message.title);
        let letter = Letter {
            id: &message.notice_id,
            // The thread is a letter that nobody wrote; programs that sort mail gather what refers to it.
            follows: Some(&message.thread),
            subject: &subject,
            text: message.text(),
            html: None,
        };
        self.0.send(&letter).await
    }

    pub(super) async fn beat(&self, alive: &Alive) -> Result<(), Undelivered> {
        let (id, text) = (alive.id(), alive.text());
        self.0.send(&Letter { id: &id, follows: None, subject: "credwatch is alive", text, html: None }).await
    }
}
