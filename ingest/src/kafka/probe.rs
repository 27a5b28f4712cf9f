//! Whether Kafka is there, lets us in and has the topics: `credwatch check`, and the first step of every run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError as Cause, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::client::token;
use super::config::Config;
use super::error::{Doing, KafkaError};
use super::reader::now;
use super::token::TokenSource;

const PATIENCE: Duration = Duration::from_secs(10);
const ONE_CALL: Duration = Duration::from_secs(2);
/// Of the client's queue that are looked through for a reason.
const EVENTS: u32 = 50;

/// A topic as the brokers describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    pub name: String,
    pub partitions: usize,
}

/// The configured topics that exist; a configured name that does not is an error. Blocks for up to ten seconds.
pub fn probe(config: &Config) -> Result<Vec<Topic>, KafkaError> {
    let ears = Ears { tokens: config.login().tokens()?, ..Ears::default() };
    let consumer: BaseConsumer<Ears> = config.build()?.create_with_context(ears).doing("set up a client of Kafka")?;
    await_token(&consumer);
    let metadata = metadata(config, &consumer)?;
    let sound = metadata.topics().iter().filter(|topic| topic.error().is_none());
    let all: Vec<Topic> =
        sound.map(|topic| Topic { name: topic.name().to_owned(), partitions: topic.partitions().len() }).collect();
    chosen(config, all)
}

/// The client library asks for a token in a poll, and waits for it in whatever else it does.
fn await_token(consumer: &BaseConsumer<Ears>) {
    let ears = consumer.context();
    let begin = Instant::now();
    while ears.tokens.is_some() && !ears.has_asked.load(Ordering::Relaxed) && begin.elapsed() < PATIENCE {
        drop(consumer.poll(Duration::from_millis(10)));
    }
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

/// The call itself only times out; why stands in the events that wait in the client's queue. Whoever is told why does not
/// wait any longer: another broker had its chance in the time of one call.
fn metadata(config: &Config, consumer: &BaseConsumer<Ears>) -> Result<Metadata, KafkaError> {
    let begin = Instant::now();
    loop {
        let error = match consumer.fetch_metadata(None, ONE_CALL) {
            Ok(metadata) => return Ok(metadata),
            Err(error) => error,
        };
        listen(consumer);
        if consumer.context().has_heard_why() || begin.elapsed() >= PATIENCE {
            return Err(unreachable(config, consumer, &error));
        }
    }
}

/// Every poll serves an event or two; there is no message without a subscription.
fn listen(consumer: &BaseConsumer<Ears>) {
    for _ in 0..EVENTS {
        drop(consumer.poll(Duration::from_millis(10)));
        if consumer.context().has_heard_why() {
            return;
        }
    }
}

fn unreachable(config: &Config, consumer: &BaseConsumer<Ears>, error: &Cause) -> KafkaError {
    let heard = consumer.context().heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let brokers = config.brokers.clone();
    match heard {
        Some((Why::Credentials, what)) => KafkaError::Credentials { brokers, what },
        Some((Why::Tls, what)) => KafkaError::Tls { brokers, what },
        Some((Why::Unknown, what)) => KafkaError::Unreachable { brokers, what },
        None => KafkaError::Unreachable { brokers, what: error.to_string() },
    }
}

/// Somebody was there, and what he said is a reason. Everything unknown only means that nobody can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Credentials,
    Tls,
    Unknown,
}

impl Why {
    /// With TLS 1.3 a broker looks at the client's certificate after the handshake. Its refusal is a broken connection
    /// then, and only OpenSSL's words tell it from others.
    fn of(code: Option<RDKafkaErrorCode>, reason: &str) -> Self {
        match code {
            Some(RDKafkaErrorCode::Authentication) => Self::Credentials,
            Some(RDKafkaErrorCode::SSL) => Self::Tls,
            _ if reason.contains("SSL routines") => Self::Tls,
            _ => Self::Unknown,
        }
    }
}

/// Keeps the most telling of the client's complaints; a failed log-in or handshake tells more than "all brokers are down".
#[derive(Default)]
struct Ears {
    heard: Mutex<Option<(Why, String)>>,
    tokens: Option<TokenSource>,
    /// Whether a token was asked for, in vain or not.
    has_asked: AtomicBool,
}

impl Ears {
    fn has_heard_why(&self) -> bool {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.as_ref().is_some_and(|(why, _)| *why != Why::Unknown)
    }
}

impl ClientContext for Ears {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.has_asked.store(true, Ordering::Relaxed);
        token(self.tokens.as_ref(), now())
    }

    fn error(&self, error: Cause, reason: &str) {
        let why = Why::of(error.rdkafka_error_code(), reason);
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.is_none() || why != Why::Unknown {
            *heard = Some((why, reason.to_owned()));
        }
    }

    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _text: &str) {}
}

impl ConsumerContext for Ears {}
