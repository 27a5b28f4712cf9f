//! Whether Kafka is there, lets us in and has the topics: `credwatch check`, and the first step of every run.

use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError as Cause, RDKafkaErrorCode};
use rdkafka::{ClientContext, Message};
use std::sync::Mutex;

use super::config::Config;
use super::error::{Doing, KafkaError};

const PATIENCE: Duration = Duration::from_secs(10);

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
    while let Some(event) = consumer.poll(Duration::ZERO) {
        drop(event.map(|message| message.offset()));
    }
    let heard = consumer.context().heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
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

impl ClientContext for Ears {
    fn error(&self, error: Cause, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let mut heard = self.heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if heard.is_none() || code == RDKafkaErrorCode::Authentication {
            *heard = Some((code, reason.to_owned()));
        }
    }

    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _text: &str) {}
}

impl ConsumerContext for Ears {}
