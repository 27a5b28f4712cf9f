//! The kinds of receivers, and how each is told.

mod email;
mod pagerduty;
mod slack;
mod webhook;

use crate::delivering::Undelivered;

pub(super) use email::Email;
pub(super) use pagerduty::PagerDuty;
pub(super) use slack::Slack;
pub(super) use webhook::Webhook;

use super::heartbeat::Alive;
use super::message::Message;

#[derive(Debug)]
pub(super) enum Channel {
    Slack(Slack),
    PagerDuty(PagerDuty),
    Email(Email),
    Webhook(Webhook),
}

impl Channel {
    /// `Ok` once the other side has it.
    pub(super) async fn tell(&self, message: &Message) -> Result<(), Undelivered> {
        match self {
            Self::Slack(slack) => slack.tell(message).await,
            Self::PagerDuty(pagerduty) => pagerduty.tell(message).await,
            Self::Email(email) => email.tell(message).await,
            Self::Webhook(webhook) => webhook.tell(message).await,
        }
    }

    pub(super) async fn beat(&self, alive: &Alive) -> Result<(), Undelivered> {
        match self {
            Self::Slack(slack) => slack.say(&alive.text()).await,
            Self::PagerDuty(_) => Err(Undelivered::from("a pager is not told that all is well".to_owned())),
            Self::Email(email) => email.beat(alive).await,
            Self::Webhook(webhook) => webhook.beat(alive).await,
        }
    }

    /// Nobody is woken when it is told that something is over or was wrong.
    pub(super) fn closes_quietly(&self) -> bool {
        matches!(self, Self::PagerDuty(_))
    }
}
