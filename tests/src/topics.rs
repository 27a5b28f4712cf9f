//! Topics and records on a broker: create, delete, grow, produce, and ask for the ends.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::broker::Broker;
use crate::waiting::{until, until_async};

const PATIENCE: Duration = Duration::from_secs(30);

/// A name that no other test uses.
pub fn fresh_name(word: &str) -> String {
    format!("{word}-{:08x}", rand::random::<u32>())
}

impl Broker {
    /// Creates a topic and waits until its partitions have leaders.
    pub async fn create_topic(&self, name: &str, partitions: i32) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let admin = self.admin();
        // A topic that was just deleted may still be on its way out.
        until_async("a topic is created", PATIENCE, || async {
            let created = admin.create_topics([&topic], &AdminOptions::new()).await.expect("asking for a topic");
            match created.into_iter().next().expect("an answer for one topic") {
                Ok(_) => Some(()),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => None,
                Err((_, code)) => panic!("the topic {name:?} could not be created: {code}"),
            }
        })
        .await;
        self.await_partitions(name, partitions);
    }

    pub async fn delete_topic(&self, name: &str) {
        let deleted = self.admin().delete_topics(&[name], &AdminOptions::new()).await.expect("asking for deletion");
        deleted.into_iter().next().expect("an answer for one topic").expect("deleting a topic");
        until("a topic is gone", PATIENCE, || (self.partitions(name) == 0).then_some(()));
    }

    /// Deletes what lies below `offset` in partition 0, as retention does.
    pub async fn delete_records_below(&self, name: &str, offset: i64) {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(name, 0, Offset::Offset(offset)).expect("an offset");
        let deleted = self.admin().delete_records(&offsets, &AdminOptions::new()).await.expect("asking for deletion");
        deleted.elements().first().expect("an answer for one partition").error().expect("deleting records");
    }

    /// Lets the topic have `partitions` partitions.
    pub async fn grow_topic(&self, name: &str, partitions: i32) {
        let count = usize::try_from(partitions).expect("a positive count");
        let grown = self.admin().create_partitions([&NewPartitions::new(name, count)], &AdminOptions::new()).await;
        grown.expect("asking for partitions").into_iter().next().expect("one answer").expect("adding partitions");
        self.await_partitions(name, partitions);
    }

    /// The next offset of every partition of the topic.
    pub fn ends(&self, name: &str) -> Vec<i64> {
        let client: BaseConsumer = self.client().create().expect("creating a Kafka client");
        let partitions = 0..self.partitions(name);
        partitions.map(|one| client.fetch_watermarks(name, one, PATIENCE).expect("asking for an end").1).collect()
    }

    /// Everything that is in the topic now.
    pub fn read(&self, name: &str) -> Vec<Message> {
        let client: BaseConsumer = self.client().set("group.id", "reads").create().expect("creating a Kafka client");
        let ends = self.ends(name);
        let mut partitions = TopicPartitionList::new();
        for partition in (0..).take(ends.len()) {
            partitions.add_partition_offset(name, partition, Offset::Beginning).expect("an offset");
        }
        client.assign(&partitions).expect("reading from the beginning");
        let wanted = usize::try_from(ends.iter().sum::<i64>()).expect("a positive count");
        let mut messages = Vec::with_capacity(wanted);
        until("everything is read", PATIENCE, || {
            // Brokers that were away a moment ago are heard of as errors; the client goes on by itself.
            while let Some(Ok(polled)) = client.poll(Duration::from_millis(100)) {
                messages.push(Message::of(&polled));
            }
            (messages.len() >= wanted).then_some(())
        });
        messages
    }

    pub fn producer(&self, settings: &[(&str, &str)]) -> Feed {
        let mut config: ClientConfig = self.client();
        config.set("linger.ms", "5").set("message.max.bytes", "8000000");
        for (key, value) in settings {
            config.set(*key, *value);
        }
        Feed { producer: config.create().expect("creating a producer") }
    }

    /// A producer whose records count only when its transaction is committed.
    pub fn transactional(&self, id: &str) -> Transactions {
        let producer: BaseProducer =
            self.client().set("transactional.id", id).create().expect("creating a transactional producer");
        producer.init_transactions(PATIENCE).expect("beginning with transactions");
        Transactions { producer }
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("creating a Kafka client")
    }

    fn partitions(&self, name: &str) -> i32 {
        let client: BaseConsumer = self.client().set("log_level", "0").create().expect("creating a Kafka client");
        let metadata = client.fetch_metadata(Some(name), PATIENCE).expect("asking for metadata");
        let topic = metadata.topics().iter().find(|topic| topic.name() == name && topic.error().is_none());
        let ready = topic.map_or(0, |topic| topic.partitions().iter().filter(|one| one.leader() >= 0).count());
        i32::try_from(ready).expect("few partitions")
    }

    fn await_partitions(&self, name: &str, wanted: i32) {
        until("partitions have leaders", PATIENCE, || (self.partitions(name) == wanted).then_some(()));
    }
}

/// One message with its key, and what its header `id` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub partition: i32,
    pub key: String,
    pub id: String,
    pub payload: Vec<u8>,
}

impl Message {
    fn of(polled: &BorrowedMessage<'_>) -> Self {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let id = polled.headers().and_then(|headers| headers.iter().find(|header| header.key == "id")?.value);
        let payload = polled.payload().unwrap_or_default().to_vec();
        Self { partition: polled.partition(), key: text(polled.key()), id: text(id), payload }
    }
}

/// Writes records to a broker, one transaction after the other.
pub struct Transactions {
    producer: BaseProducer,
}

impl std::fmt::Debug for Transactions {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Transactions")
    }
}

impl Transactions {
    /// One transaction with these records, committed or aborted.
    pub fn send_and_end(&self, topic: &str, partition: i32, payloads: &[String], commit: bool) {
        self.producer.begin_transaction().expect("beginning a transaction");
        for payload in payloads {
            let record = BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(payload.as_bytes());
            self.producer.send(record).map_err(|(error, _)| error).expect("producing to Kafka");
        }
        self.producer.flush(PATIENCE).expect("producing to Kafka");
        let producer = &self.producer;
        let ended = if commit { producer.commit_transaction(PATIENCE) } else { producer.abort_transaction(PATIENCE) };
        ended.expect("ending a transaction");
    }
}

/// Writes records to a broker.
pub struct Feed {
    producer: ThreadedProducer<DefaultProducerContext>,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Feed")
    }
}

impl Feed {
    pub fn send(&self, topic: &str, partition: i32, payload: &[u8]) {
        self.queue(|| BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(payload));
    }

    /// A record without any bytes, not even an empty value.
    pub fn send_nothing(&self, topic: &str, partition: i32) {
        self.queue(|| BaseRecord::<(), [u8]>::to(topic).partition(partition));
    }

    pub fn send_with_headers(&self, topic: &str, partition: i32, payload: &[u8], headers: &OwnedHeaders) {
        self.queue(|| BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(payload).headers(headers.clone()));
    }

    /// Waits until the broker has everything.
    pub fn flush(&self) {
        self.producer.flush(Duration::from_secs(60)).expect("producing to Kafka");
    }

    fn queue<'a>(&self, record: impl Fn() -> BaseRecord<'a, (), [u8]>) {
        until("the producer has room", PATIENCE, || match self.producer.send(record()) {
            Ok(()) => Some(()),
            Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => None,
            Err((error, _)) => panic!("producing to Kafka: {error}"),
        });
    }
}
