//! The kinds of sinks, and what they have in common: a batch is taken as a whole, or it is not.

mod elastic;
mod folder;
mod kafka;
mod otlp;
mod splunk;
mod syslog;
mod webhook;

use credwatch_export::{StoredEvent, Vocabulary};
use credwatch_schemas::event::Event;
use credwatch_schemas::ids::RecordId;
use credwatch_schemas::time::Micros;

pub(super) use elastic::Elastic;
pub(super) use folder::Folder;
pub(super) use kafka::Kafka;
pub(super) use otlp::Otlp;
pub(super) use splunk::Splunk;
pub(super) use syslog::Syslog;
pub(super) use webhook::Webhook;

use crate::delivering::Undelivered;
use crate::pull::{Head, Stream, Wrap, bare};

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

/// A destination of any kind.
#[derive(Debug)]
pub(super) enum To {
    Splunk(Splunk),
    Elastic(Elastic),
    Webhook(Webhook),
    Otlp(Otlp),
    Syslog(Syslog),
    Folder(Folder),
    Kafka(Kafka),
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
            Self::Kafka(kafka) => kafka.deliver(batch).await,
        }
    }

    pub(super) fn wrap(&self) -> Wrap {
        match self {
            Self::Splunk(_) => splunk::wrap,
            Self::Elastic(_) => elastic::wrap,
            Self::Syslog(_) => syslog::wrap,
            Self::Kafka(_) => kafka::wrap,
            Self::Webhook(_) | Self::Otlp(_) | Self::Folder(_) => bare,
        }
    }
}
