//! A sink as it is configured. Reading it touches files with secrets and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use credwatch_export::Vocabulary;
use credwatch_ingest::kafka::Login;
use credwatch_query::TenantScope;
use credwatch_schemas::ids::OrgId;
use serde::Deserialize;
use thiserror::Error;

use super::destination::{Elastic, Folder, Kafka, Otlp, Splunk, Syslog, To, Webhook};
use super::forward::Forwarder;
use crate::outside::{Keys, Outside, OutsideError};
use crate::pull::Stream;

/// One `[[sinks]]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its place is kept under this name.
    pub name: String,
    pub to: Kind,
    /// Where it is: an address, a folder, or the brokers of Kafka.
    pub url: String,
    #[serde(default)]
    pub stream: Which,
    /// Only this org's rows; absent: everybody's.
    pub org: Option<OrgId>,
    /// canonical, ocsf, ocsf-1.5, ocsf-1.3, ecs, otlp, cef or leef; default: what the other side expects.
    pub format: Option<String>,
    /// Where a sink begins that the lake does not know.
    #[serde(default)]
    pub start: Start,
    /// A file with what it asks for: a token, an API key, `user:password`, or the secret of a webhook's signature.
    pub secret_file: Option<PathBuf>,
    /// Elasticsearch: the index or data stream.
    pub index: Option<String>,
    /// Kafka: the topic.
    pub topic: Option<String>,
    /// Kafka: how its brokers are logged in to.
    pub kafka: Option<Login>,
    /// Splunk: whether rows count only once the indexers have acknowledged them.
    #[serde(default = "yes")]
    pub acknowledge: bool,
    /// PEM: who may sign its certificate, besides the authorities that everybody trusts.
    pub ca_file: Option<PathBuf>,
    /// Private addresses that it may be at; others than public ones are refused otherwise.
    #[serde(default)]
    pub allow: Vec<String>,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    SplunkHec,
    Elasticsearch,
    Webhook,
    Otlp,
    Syslog,
    Folder,
    Kafka,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    #[default]
    Events,
    Findings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// With the oldest row that there is.
    #[default]
    Beginning,
    /// With what becomes durable from now on.
    Now,
}

#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("a sink's name is 1 to 64 letters, digits, dots, dashes and underscores, and {0:?} is not")]
    Name(String),
    #[error("two sinks are named {0:?}: each keeps its place under its name")]
    Twice(String),
    #[error("sink {0:?}: {1}")]
    Sink(String, String),
    #[error("sink {name:?}")]
    Outside { name: String, source: OutsideError },
}

/// What forwards to all of them; each needs a name of its own, because its place is kept under it.
pub fn forwarders(sinks: &[Config]) -> Result<Vec<Forwarder>, ConfigError> {
    let mut names = BTreeSet::new();
    if let Some(twice) = sinks.iter().find(|sink| !names.insert(&sink.name)) {
        return Err(ConfigError::Twice(twice.name.clone()));
    }
    sinks.iter().map(Config::forwarder).collect()
}

impl Config {
    /// What forwards it, with its secrets read.
    pub fn forwarder(&self) -> Result<Forwarder, ConfigError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.bytes().all(is_plain) {
            return Err(ConfigError::Name(self.name.clone()));
        }
        Ok(Forwarder {
            name: self.name.clone(),
            stream: self.stream.of(),
            scope: self.org.clone().map_or(TenantScope::Operator, TenantScope::Org),
            vocabulary: self.vocabulary()?,
            start: self.start,
            to: self.destination()?,
        })
    }

    fn vocabulary(&self) -> Result<Vocabulary, ConfigError> {
        let usual = match self.to {
            Kind::SplunkHec | Kind::Webhook | Kind::Folder | Kind::Kafka => Vocabulary::Canonical,
            Kind::Elasticsearch => Vocabulary::Ecs,
            Kind::Otlp => Vocabulary::Otlp,
            Kind::Syslog => Vocabulary::Cef,
        };
        let Some(word) = &self.format else { return Ok(usual) };
        let known = Vocabulary::parse(word).ok_or_else(|| self.wrong(&format!("there is no format {word:?}")))?;
        let fits = match self.to {
            Kind::Otlp => known == Vocabulary::Otlp,
            Kind::Syslog | Kind::Folder | Kind::Kafka => true,
            Kind::SplunkHec | Kind::Webhook | Kind::Elasticsearch => known.is_json(),
        };
        if fits { Ok(known) } else { Err(self.wrong(&format!("format {word:?} is not for this kind of sink"))) }
    }

    fn destination(&self) -> Result<To, ConfigError> {
        self.nothing_foreign()?;
        let made = match self.to {
            Kind::Folder => Ok(To::Folder(Folder::new(Path::new(&self.url), self.vocabulary()?))),
            Kind::Kafka => self.kafka().map(To::Kafka),
            Kind::SplunkHec => Splunk::new(self.outside()?, self.acknowledge).map(To::Splunk),
            Kind::Elasticsearch => Elastic::new(self.outside()?, self.index.as_deref()).map(To::Elastic),
            Kind::Webhook => Webhook::new(self.outside()?).map(To::Webhook),
            Kind::Otlp => Otlp::new(self.outside()?).map(To::Otlp),
            Kind::Syslog => Syslog::new(self.outside()?).map(To::Syslog),
        };
        made.map_err(|why| self.wrong(&why))
    }

    /// Brokers name each other's addresses, and are named by who configures them: the rule on private addresses is not for them.
    fn kafka(&self) -> Result<Kafka, String> {
        let foreign = [
            ("secret_file", self.secret_file.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("allow", !self.allow.is_empty()),
        ];
        if let Some((key, _)) = foreign.into_iter().find(|(_, is_set)| *is_set) {
            return Err(format!("{key} is not for Kafka: what its brokers ask for stands in [sinks.kafka]"));
        }
        Kafka::new(&self.url, self.topic.as_deref(), self.kafka.as_ref())
    }

    /// A key that another kind has would do nothing, and whoever wrote it believes that it does.
    fn nothing_foreign(&self) -> Result<(), ConfigError> {
        let foreign = [
            ("index", Kind::Elasticsearch, self.index.is_some()),
            ("topic", Kind::Kafka, self.topic.is_some()),
            ("kafka", Kind::Kafka, self.kafka.is_some()),
        ];
        match foreign.into_iter().find(|(_, kind, is_set)| *is_set && *kind != self.to) {
            Some((key, ..)) => Err(self.wrong(&format!("{key} is not for this kind of sink"))),
            None => Ok(()),
        }
    }

    fn outside(&self) -> Result<Outside, ConfigError> {
        let (secret_file, ca_file) = (self.secret_file.as_deref(), self.ca_file.as_deref());
        let keys = Keys { url: &self.url, secret_file, ca_file, allow: &self.allow };
        Outside::read(keys).map_err(|source| ConfigError::Outside { name: self.name.clone(), source })
    }

    fn wrong(&self, why: &str) -> ConfigError {
        ConfigError::Sink(self.name.clone(), why.to_owned())
    }
}

impl Which {
    fn of(self) -> Stream {
        match self {
            Self::Events => Stream::Events,
            Self::Findings => Stream::Findings,
        }
    }
}
