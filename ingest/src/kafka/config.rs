//! What can be said about Kafka, and what librdkafka is told of it. Secrets are named by file and read in
//! [`Config::build`]; nothing here that can be printed holds one.

use std::path::PathBuf;
use std::time::Duration;

use credwatch_schemas::time::Micros;
use rdkafka::ClientConfig;
use serde::Deserialize;

use super::error::KafkaError;
use super::login::{Login, Mechanism, Security};
use crate::accumulate::Cut;

/// Unknown keys are errors; every key but `brokers` and `topics` has a default.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// host:port, separated by commas.
    pub brokers: String,
    /// Names separated by commas, or one pattern that begins with `^`.
    pub topics: String,
    /// The consumer group: processes of one group share the partitions. Its offsets only display progress.
    pub group: String,
    /// Where a topic that the lake does not know is begun: `earliest`, `latest` or a time.
    pub start: String,
    pub security: Security,
    /// SASL mechanism; needed with `sasl_plaintext` and `sasl_ssl`.
    pub mechanism: Option<Mechanism>,
    /// With OAUTHBEARER the client id.
    pub username: Option<String>,
    /// File with the password, or with OAUTHBEARER the client secret.
    pub password_file: Option<PathBuf>,
    /// OAUTHBEARER: where tokens are had for client id and secret.
    pub token_url: Option<String>,
    /// OAUTHBEARER: what the token is asked for, where the endpoint wants to know.
    pub token_scope: Option<String>,
    /// Certificates (PEM) of who may sign the broker's; default: those of the system.
    pub ca_file: Option<PathBuf>,
    /// Client certificate and its key (PEM).
    pub certificate_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// A commit at the latest after so many rows, bytes or seconds.
    pub flush_rows: usize,
    pub flush_bytes: usize,
    pub flush_seconds: f64,
    /// So long after a process died its partitions pass to others.
    pub session_seconds: f64,
    /// Bound on what librdkafka holds ready, in KiB over all partitions.
    pub queue_kib: u32,
}

impl Default for Config {
    fn default() -> Self {
        let cut = Cut::default();
        Self {
            brokers: String::new(),
            topics: String::new(),
            group: "credwatch".into(),
            start: "earliest".into(),
            security: Security::Plaintext,
            mechanism: None,
            username: None,
            password_file: None,
            token_url: None,
            token_scope: None,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            flush_rows: cut.rows,
            flush_bytes: cut.bytes,
            flush_seconds: cut.age.as_secs_f64(),
            session_seconds: 45.0,
            queue_kib: 64 << 10,
        }
    }
}

/// Where a topic is begun that the lake does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Earliest,
    Latest,
    At(Micros),
}

impl Config {
    /// The settings of the client library, with the secrets read; validated as far as it can be offline.
    pub(super) fn build(&self) -> Result<ClientConfig, KafkaError> {
        required("brokers", &self.brokers)?;
        required("topics", &self.topics)?;
        required("group", &self.group)?;
        self.start()?;
        self.cut()?;
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", &self.group)
            .set("client.id", "credwatch")
            .set("isolation.level", "read_committed")
            // The table knows the positions: an offset that does not exist is a question, never a reason to jump.
            .set("auto.offset.reset", "error")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // One rebalance takes everything and gives everything: what is gathered then belongs to nobody.
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", self.session()?.as_millis().to_string())
            .set("heartbeat.interval.ms", (self.session()? / 6).as_millis().clamp(100, 3_000).to_string())
            // New partitions, and topics that fit a pattern, are found this soon.
            .set("topic.metadata.refresh.interval.ms", "10000")
            .set("statistics.interval.ms", "5000")
            .set("queued.max.messages.kbytes", self.queue_kib.to_string())
            .set("fetch.message.max.bytes", "1048576")
            .set("fetch.max.bytes", "16777216");
        self.login().tell(&mut client)?;
        Ok(client)
    }

    /// The topics as the client library subscribes to them: a name, or a pattern that begins with `^`.
    pub(super) fn subscription(&self) -> Vec<&str> {
        if self.topics.starts_with('^') {
            return vec![&self.topics];
        }
        self.topics.split(',').map(str::trim).filter(|topic| !topic.is_empty()).collect()
    }

    pub(super) fn start(&self) -> Result<Start, KafkaError> {
        match self.start.as_str() {
            "earliest" => Ok(Start::Earliest),
            "latest" => Ok(Start::Latest),
            time => Micros::parse(time).map(Start::At).ok_or_else(|| KafkaError::Configuration {
                key: "start",
                what: format!("{time:?} is neither \"earliest\", \"latest\" nor a time like 2026-06-01T00:00:00Z"),
            }),
        }
    }

    pub(super) fn cut(&self) -> Result<Cut, KafkaError> {
        let age = seconds("flush_seconds", self.flush_seconds)?;
        Ok(Cut { rows: self.flush_rows.max(1), bytes: self.flush_bytes.max(1), age })
    }

    fn session(&self) -> Result<Duration, KafkaError> {
        seconds("session_seconds", self.session_seconds)
    }

    /// Who reads and who writes log in in the same way.
    pub(super) fn login(&self) -> Login {
        Login {
            security: Some(self.security),
            mechanism: self.mechanism,
            username: self.username.clone(),
            password_file: self.password_file.clone(),
            token_url: self.token_url.clone(),
            token_scope: self.token_scope.clone(),
            ca_file: self.ca_file.clone(),
            certificate_file: self.certificate_file.clone(),
            key_file: self.key_file.clone(),
        }
    }
}

fn seconds(key: &'static str, value: f64) -> Result<Duration, KafkaError> {
    let what = |error| KafkaError::Configuration { key, what: format!("{value} cannot be a time: {error}") };
    Duration::try_from_secs_f64(value).map_err(what)
}

fn required(key: &'static str, value: &str) -> Result<(), KafkaError> {
    if value.trim().is_empty() { Err(missing(key, "it is needed and not set")) } else { Ok(()) }
}

fn missing(key: &'static str, what: &str) -> KafkaError {
    KafkaError::Configuration { key, what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn sasl(file: &Path) -> Config {
        Config {
            brokers: "k:9093".into(),
            topics: "audit, audit-eu".into(),
            security: Security::SaslSsl,
            mechanism: Some(Mechanism::ScramSha512),
            username: Some("reader".into()),
            password_file: Some(file.to_owned()),
            ..Config::default()
        }
    }

    #[test]
    fn the_password_comes_from_its_file_and_is_in_no_debug_print_of_the_configuration() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\n").unwrap();
        let config = sasl(file.path());
        assert_eq!(config.build().unwrap().get("sasl.password"), Some("s3cret"));
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_missing_is_named_by_its_key() {
        let config = Config { username: None, ..sasl(Path::new("/none")) };
        assert!(config.build().unwrap_err().to_string().contains("kafka.username"));
        assert!(sasl(Path::new("/none")).build().unwrap_err().to_string().contains("kafka.password_file"));
        assert!(Config::default().build().unwrap_err().to_string().contains("kafka.brokers"));
        let config = Config { start: "soon".into(), brokers: "k".into(), topics: "t".into(), ..Config::default() };
        assert!(config.build().unwrap_err().to_string().contains("kafka.start"));
    }

    #[test]
    fn topics_are_a_list_or_one_pattern() {
        assert_eq!(sasl(Path::new("x")).subscription(), ["audit", "audit-eu"]);
        let config = Config { topics: "^audit-(eu,us)".into(), ..Config::default() };
        assert_eq!(config.subscription(), ["^audit-(eu,us)"]);
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        assert!(serde_json::from_str::<Config>(r#"{"brokers":"k","toppic":"t"}"#).is_err());
    }
}
