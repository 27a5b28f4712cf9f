//! The kinds of sinks, and what they have in common: a batch is taken as a whole, or it is not.

mod elastic;
mod folder;
mod otlp;
mod splunk;
mod syslog;
mod webhook;

use std::time::Duration;

use credwatch_export::{StoredEvent, Vocabulary};
use credwatch_schemas::event::Event;
use credwatch_schemas::ids::RecordId;
use credwatch_schemas::time::Micros;
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode, Url};
use thiserror::Error;

pub(super) use elastic::Elastic;
pub(super) use folder::Folder;
pub(super) use otlp::Otlp;
pub(super) use splunk::Splunk;
pub(super) use syslog::Syslog;
pub(super) use webhook::Webhook;

use super::outbound::Outbound;
use crate::causes::chain;
use crate::pull::{Head, Stream, Wrap, bare};

/// Where a sink is, and what it asks for. Knows a secret, so it cannot be printed.
pub(super) struct Outside {
    pub(super) url: Url,
    pub(super) secret: Option<String>,
    pub(super) outbound: Outbound,
}

/// Rows on their way, in the envelope of their destination.
#[derive(Debug)]
pub(super) struct Batch {
    /// The sink's.
    pub(super) name: String,
    pub(super) stream: Stream,
    /// The place before the first of them, and behind the last: they name the batch.
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) rows: Vec<Vec<u8>>,
}

impl Batch {
    /// One row that is nobody's: an event of the kind `credwatch.export_test`.
    pub(super) fn of_a_test(
        name: &str,
        vocabulary: Vocabulary,
        wrap: Wrap,
        now: Micros,
    ) -> Result<Self, serde_json::Error> {
        let id = format!("test-{}", now.0);
        let event = Event {
            time: Some(now),
            kind: Some("credwatch.export_test".to_owned()),
            event_id: Some(id.clone()),
            ..Event::default()
        };
        let (record_id, content_hash) = (RecordId::of(None, None, &id, 0), format!("{:016x}", 0));
        let stored = StoredEvent { record_id, seq: 0, ingest_time: now, content_hash, event };
        let rows = vec![wrap(&Head::of_event(&stored), vocabulary.event(&stored)?)];
        Ok(Self { name: name.to_owned(), stream: Stream::Events, from: now.0, to: now.0, rows })
    }
}

/// Why a batch was not taken. It says nothing secret.
#[derive(Debug, Error)]
#[error("{why}")]
pub(super) struct Undelivered {
    pub(super) why: String,
    /// The other side asks for a pause of this length.
    pub(super) after: Option<Duration>,
}

impl From<String> for Undelivered {
    fn from(why: String) -> Self {
        Self { why, after: None }
    }
}

/// A destination of any kind.
#[derive(Debug)]
pub(super) enum To {
    Splunk(Splunk),
    Elastic(Elastic),
    Webhook(Webhook),
    Otlp(Otlp),
    Syslog(Syslog),
    Folder(Folder),
}

impl To {
    /// `Ok` once the other side has every row of it for good.
    pub(super) async fn deliver(&self, batch: &Batch) -> Result<(), Undelivered> {
        match self {
            Self::Splunk(splunk) => splunk.deliver(batch).await,
            Self::Elastic(elastic) => elastic.deliver(batch).await,
            Self::Webhook(webhook) => webhook.deliver(batch).await,
            Self::Otlp(otlp) => otlp.deliver(batch).await,
            Self::Syslog(syslog) => syslog.deliver(batch).await,
            Self::Folder(folder) => folder.deliver(batch).await,
        }
    }

    pub(super) fn wrap(&self) -> Wrap {
        match self {
            Self::Splunk(_) => splunk::wrap,
            Self::Elastic(_) => elastic::wrap,
            Self::Syslog(_) => syslog::wrap,
            Self::Webhook(_) | Self::Otlp(_) | Self::Folder(_) => bare,
        }
    }
}

/// Of what another side says, this much is repeated.
const LONGEST_WORDS: usize = 300;
const LARGEST_ANSWER: usize = 16 << 20;

/// The body of a good answer; of any other, why it is none.
async fn good(answer: Result<Response, reqwest::Error>) -> Result<Vec<u8>, Undelivered> {
    let failed = |error: reqwest::Error| Undelivered::from(chain(&error.without_url()));
    let mut answer = answer.map_err(failed)?;
    let (status, after) = (answer.status(), asked_pause(&answer));
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST_ANSWER {
            return Err(Undelivered::from("its answer is too large".to_owned()));
        }
    }
    match status {
        status if status.is_success() => Ok(body),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Err(Undelivered { why: format!("it answers {status}: {}", words(&body)), after })
        }
        status => Err(Undelivered::from(format!("it answers {status}: {}", words(&body)))),
    }
}

fn asked_pause(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What another side says, on one line and not too long.
fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).take(LONGEST_WORDS).collect()
}
