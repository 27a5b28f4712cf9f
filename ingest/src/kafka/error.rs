//! Why reading Kafka ended, or could not begin. What passes by itself is retried and never comes up here.

use credwatch_lake::LakeError;
use credwatch_schemas::position::Partition;
use thiserror::Error;

use super::login::LoginError;
use crate::redact::key::KeyError;

#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KafkaError {
    #[error("configuration key \"kafka.{key}\": {what}")]
    Configuration { key: &'static str, what: String },
    #[error("read \"{path}\", which \"kafka.{key}\" names")]
    Secret { key: &'static str, path: String, source: std::io::Error },
    #[error("reach Kafka at \"{brokers}\": {what}; check \"kafka.brokers\", the network and \"kafka.security\"")]
    Unreachable { brokers: String, what: String },
    #[error(
        "agree on TLS with Kafka at \"{brokers}\": {what}; check \"kafka.ca_file\", \"kafka.certificate_file\" and \
         \"kafka.key_file\""
    )]
    Tls { brokers: String, what: String },
    #[error("log in to Kafka at \"{brokers}\": {what}; check \"kafka.username\" and the secret's file")]
    Credentials { brokers: String, what: String },
    #[error("find topic \"{topic}\" at Kafka \"{brokers}\": there is none")]
    NoTopic { brokers: String, topic: String },
    #[error(
        "read partition \"{partition}\": the lake holds it up to offset {stored} and it ends at {end}; the topic was \
         created again or has lost records, and nothing was read; choose another topic name"
    )]
    EndsBelow { partition: Partition, stored: i64, end: i64 },
    #[error("{doing}")]
    Client { doing: &'static str, source: rdkafka::error::KafkaError },
    #[error("{doing}: {what}")]
    Admin { doing: &'static str, what: String },
    #[error("read where the lake stands")]
    Lake(#[from] LakeError),
    #[error("configuration key \"bindings\": the topic of binding \"{name}\" is no pattern: {what}")]
    Binding { name: String, what: String },
    #[error("write to the lake")]
    Key(#[from] KeyError),
    #[error("start the thread that reads Kafka")]
    NoThread(#[source] std::io::Error),
    #[error("the thread that reads Kafka ended without an answer")]
    Thread,
}

impl KafkaError {
    /// Whether waiting cannot help. A topic with an id that ends too early may have been created again a moment ago, and
    /// not every broker knows yet.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Client { .. } | Self::Admin { .. } | Self::Unreachable { .. } => false,
            Self::Lake(error) => matches!(error, LakeError::NewerFormat { .. }),
            Self::EndsBelow { partition, .. } => partition.topic_id.is_empty(),
            _ => true,
        }
    }
}

impl From<LoginError> for KafkaError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Configuration { key, what } => Self::Configuration { key, what },
            LoginError::Secret { key, path, source } => Self::Secret { key, path, source },
        }
    }
}

/// Names what was being done when the client library failed.
pub(super) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, KafkaError>;
}

impl<T> Doing<T> for Result<T, rdkafka::error::KafkaError> {
    fn doing(self, doing: &'static str) -> Result<T, KafkaError> {
        self.map_err(|source| KafkaError::Client { doing, source })
    }
}

/// The error and its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
