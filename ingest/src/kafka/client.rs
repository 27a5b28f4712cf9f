//! What the client library calls back: changes of our partitions, its statistics, its complaints.
//!
//! Callbacks only note things down. The reader acts on them between two polls, where it can read the table, wait for a
//! commit and take its time; the group waits for it (until `max.poll.interval.ms`).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use super::standing::Standing;

/// The group decided anew.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Assigned(Vec<(String, i32)>),
    Revoked,
}

#[derive(Debug, Default)]
pub(super) struct Notes {
    changes: Mutex<VecDeque<Change>>,
    standing: Mutex<Option<Standing>>,
    /// From then on partitions that are taken are given at once: nobody looks at the notes any more.
    is_closing: AtomicBool,
}

impl Notes {
    pub(super) fn next_change(&self) -> Option<Change> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// The newest statistics, once.
    pub(super) fn take_standing(&self) -> Option<Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }
}

impl ClientContext for Notes {
    fn stats_raw(&self, statistics: &[u8]) {
        match Standing::parse(statistics) {
            Ok(standing) => *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = Some(standing),
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
