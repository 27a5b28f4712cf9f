//! Whether Kafka is there, lets us in and has the topics: `credwatch check`, and the first step of every run.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError as Cause, RDKafkaErrorCode};

use super::config::Config;
use super::error::{Doing, KafkaError};

const PATIENCE: Duration = Duration::from_secs(10);
/// Of the client's queue that are looked through for a reason.
const EVENTS: u32 = 200;

/// A topic as the brokers describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    pub name: String,
    pub partitions: usize,
}

/// The configured topics that exist; a configured name that does not is an error. Blocks for up to ten seconds.
pub fn probe(config: &Config) -> Result<Vec<Topic>, KafkaError> {
    let client = config.build()?;
    let consumer: BaseConsumer<Ears> = client.create_with_context(Ears::default()).doing("set up a client of Kafka")?;
    let metadata = match consumer.fetch_metadata(None, PATIENCE) {
        Ok(metadata) => metadata,
        Err(error) => return Err(unreachable(config, &consumer, &error)),
    };
    let sound = metadata.topics().iter().filter(|topic| topic.error().is_none());
    let all: Vec<Topic> =
        sound.map(|topic| Topic { name: topic.name().to_owned(), partitions: topic.partitions().len() }).collect();
    chosen(config, all)
}

fn chosen(config: &Config, all: Vec<Topic>) -> Result<Vec<Topic>, KafkaError> {
    let wanted = config.subscription();
    if let [pattern] = wanted.as_slice()
        && pattern.starts_with('^')
    {
        let what = |error: regex::Error| KafkaError::Configuration { key: "topics", what: error.to_string() };
        let pattern = regex::Regex::new(pattern).map_err(what)?;
        return Ok(all.into_iter().filter(|topic| pattern.is_match(&topic.name)).collect());
    }
    let absent = wanted.iter().find(|name| !all.iter().any(|topic| topic.name == **name));
    if let Some(topic) = absent {
        return Err(KafkaError::NoTopic { brokers: config.brokers.clone(), topic: (*topic).to_owned() });
    }
    Ok(all.into_iter().filter(|topic| wanted.contains(&topic.name.as_str())).collect())
}

fn unreachable(config: &Config, consumer: &BaseConsumer<Ears>, error: &Cause) -> KafkaError {
    // The call itself only times out; why stands in the events that wait in the client's queue.
    for _ in 0..EVENTS {
        // Every poll serves an event or two; there is no message without a subscription.
        drop(consumer.poll(Duration::from_millis(10)));
        if consumer.context().has_heard_of_credentials() {
            break;
        }
    }
    let heard = consumer.context().heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let brokers = config.brokers.clone();
    match heard {
        Some((RDKafkaErrorCode::Authentication, what)) => KafkaError::Credentials { brokers, what },
        Some((_, what)) => KafkaError::Unreachable { brokers, what },
        None => KafkaError::Unreachable { brokers, what: error.to_string() },
    }
}

/// Keeps the most telling of the client's complaints; a failed log-in tells more than "all brokers are down".
#[derive(Default)]
struct Ears {
    heard: Mutex<Option<(RDKafkaErrorCode, String)>>,
}

impl Ears {
    fn has_heard_of_credentials(&self) -> bool {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*heard, Some((RDKafkaErrorCode::Authentication, _)))
    }
}

impl ClientContext for Ears {
    fn error(&self, error: Cause, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.is_none() || code == RDKafkaErrorCode::Authentication {
            *heard = Some((code, reason.to_owned()));
        }
    }

    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _text: &str) {}
}

impl ConsumerContext for Ears {}
