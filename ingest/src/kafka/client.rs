//! What the client library calls back: changes of our partitions, its statistics, its complaints.
//!
//! Callbacks only note things down. The reader acts on them between two polls, where it can read the table, wait for a
//! commit and take its time; the group waits for it (until `max.poll.interval.ms`).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use credwatch_schemas::time::Micros;
use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use super::reader::now;
use super::standing::Standing;
use super::token::TokenSource;

/// The group decided anew.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Assigned(Vec<(String, i32)>),
    Revoked,
}

#[derive(Debug)]
pub(super) struct Notes {
    created: Instant,
    /// When the first statistics were taken, by the client's clock. That was after `created`, which ties the client's
    /// clock to ours.
    first_taken: OnceLock<i64>,
    changes: Mutex<VecDeque<Change>>,
    standing: Mutex<Option<(Standing, Instant)>>,
    /// From then on partitions that are taken are given at once: nobody looks at the notes any more.
    is_closing: AtomicBool,
    tokens: Option<TokenSource>,
}

impl Notes {
    /// `now` is an instant before the client is created.
    pub(super) fn new(now: Instant, tokens: Option<TokenSource>) -> Self {
        Self {
            created: now,
            first_taken: OnceLock::new(),
            changes: Mutex::default(),
            standing: Mutex::default(),
            is_closing: AtomicBool::new(false),
            tokens,
        }
    }

    pub(super) fn next_change(&self) -> Option<Change> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// The newest statistics, once, and an instant after which they were certainly taken.
    pub(super) fn take_standing(&self) -> Option<(Standing, Instant)> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }
}

impl ClientContext for Notes {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        token(self.tokens.as_ref(), now())
    }

    fn stats_raw(&self, statistics: &[u8]) {
        match Standing::parse(statistics) {
            Ok(standing) => {
                let first = *self.first_taken.get_or_init(|| standing.taken());
                let age = u64::try_from(standing.taken().saturating_sub(first)).unwrap_or(0);
                let after = self.created + Duration::from_micros(age);
                *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = Some((standing, after));
            }
            Err(error) => tracing::warn!(%error, "the Kafka client's statistics cannot be read"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka");
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        match level {
            RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
                tracing::debug!(facility, text, "Kafka client");
            }
            _ => tracing::info!(facility, text, "Kafka client"),
        }
    }
}

/// Asked for by the client library, which tells our listeners when there is none.
pub(super) fn token(tokens: Option<&TokenSource>, now: Micros) -> Result<OAuthToken, Box<dyn std::error::Error>> {
    Ok(tokens.ok_or("no token is configured")?.token(now)?)
}

impl ConsumerContext for Notes {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if self.is_closing.load(Ordering::Relaxed) {
            // The consumer is being dropped; whether this works changes nothing any more.
            consumer.unassign().ok();
            return;
        }
        let change = if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let elements = list.elements();
            Change::Assigned(elements.iter().map(|one| (one.topic().to_owned(), one.partition())).collect())
        } else {
            Change::Revoked
        };
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push_back(change);
    }
}
