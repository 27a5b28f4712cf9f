//! Writing simulated events to Kafka, for `demo` and `simulate`. Nothing of the product itself produces.

use std::time::Duration;

use anyhow::{Context, bail};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;

const PATIENCE: Duration = Duration::from_secs(30);
/// While the client's own queue is full.
const BREATH: Duration = Duration::from_millis(20);

pub(crate) struct Feed {
    producer: ThreadedProducer<DefaultProducerContext>,
    topic: String,
}

impl Feed {
    pub(crate) fn to(brokers: &str, topic: &str) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("linger.ms", "20").set("compression.type", "zstd");
        let producer: ThreadedProducer<DefaultProducerContext> =
            config.create().context("setting up a producer for Kafka")?;
        let metadata = producer.client().fetch_metadata(Some(topic), PATIENCE);
        let metadata = metadata.with_context(|| format!("reaching Kafka at {brokers:?}"))?;
        if metadata.topics().iter().any(|found| found.error().is_some()) {
            bail!("there is no topic {topic:?} at Kafka {brokers:?}");
        }
        Ok(Self { producer, topic: topic.to_owned() })
    }

    /// Waits while the client has no room; blocks.
    pub(crate) fn send(&self, key: &str, payload: &str) -> anyhow::Result<()> {
        let mut record = BaseRecord::to(&self.topic).key(key).payload(payload);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    std::thread::sleep(BREATH);
                }
                Err((error, _)) => return Err(error).context("producing to Kafka"),
            }
        }
    }

    /// Waits until Kafka has everything; blocks.
    pub(crate) fn flush(&self) -> anyhow::Result<()> {
        self.producer.flush(PATIENCE).context("producing to Kafka")
    }
}
