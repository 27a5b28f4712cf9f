//! A topic of Kafka: a row is a message, and counts once every replica in sync has it.
//!
//! The key of an event is its record id, that of a finding its finding id: so all revisions of one finding lie in one partition in
//! their order, and a compacted topic keeps the newest. A row that is sent again has the same header `id`.
//!
//! The order is kept by the client library, which sends what failed again before what follows (idempotence). No message has a time
//! of its own to expire at: after a minute the whole batch is given up, what is still on its way is taken back, and only then is
//! the batch sent again. What a broker already has in its hands cannot be taken back: one that stood still may write it later.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use credwatch_ingest::kafka::{Login, TokenSource};
use credwatch_schemas::time::Micros;
use futures::future::try_join_all;
use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::{DeliveryFuture, FutureProducer, FutureRecord};
use rdkafka::producer::{Producer, PurgeConfig};

use super::Batch;
use crate::causes::chain;
use crate::delivering::{Blames, Undelivered};
use crate::pull::Head;

const DELIVERED_WITHIN: Duration = Duration::from_secs(60);
/// Rows may be a little larger than the records that they were read from.
const LARGEST_MESSAGE: &str = "16777216";
/// The name of the header that holds a row's id.
const ID: &str = "id";

pub(in crate::push) struct Kafka {
    topic: String,
    config: ClientConfig,
    tokens: Option<TokenSource>,
    /// Made with the first batch: who only reads the configuration connects to nobody.
    client: Arc<Mutex<Option<Client>>>,
    complaint: Complaint,
}

/// What the client library complained of last; that time is over says little.
type Complaint = Arc<Mutex<Option<String>>>;

type Client = FutureProducer<Ears>;

struct Ears {
    tokens: Option<TokenSource>,
    complaint: Complaint,
}

impl Drop for Kafka {
    /// Whoever drops the client last waits for its threads: a thread does that which serves nobody.
    fn drop(&mut self) {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(client) = client {
            std::thread::spawn(move || drop(client));
        }
    }
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Kafka").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Kafka {
    pub(in crate::push) fn new(brokers: &str, topic: Option<&str>, login: Option<&Login>) -> Result<Self, String> {
        let topic = topic.filter(|topic| !topic.is_empty()).ok_or("topic names the topic")?.to_owned();
        let how = "[sinks.kafka] says how its brokers are reached: security = \"plaintext\", \"ssl\", \"sasl_ssl\" or \"sasl_plaintext\"";
        let login = login.filter(|login| login.security.is_some()).ok_or(how)?;
        let within = |error| format!("sinks.kafka.{}", chain(&error));
        let (mut config, tokens) = (configuration(brokers)?, login.tokens().map_err(within)?);
        login.tell(&mut config).map_err(within)?;
        Ok(Self { topic, config, tokens, client: Arc::default(), complaint: Complaint::default() })
    }

    pub(super) async fn deliver(&self, batch: &Batch) -> Result<(), Undelivered> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).take();
        let client = self.client().map_err(|error| Undelivered::from(format!("making a client: {error}")))?;
        let (sent, refused) = self.send(&client, batch);
        let taken = tokio::time::timeout(DELIVERED_WITHIN, try_join_all(sent.into_iter().map(taken))).await;
        let why = match (taken, refused) {
            (Ok(Ok(_)), None) => return Ok(()),
            (Ok(Err(error)), _) | (_, Some(error)) => self.undelivered(&error),
            (Err(_), None) => self.late(),
        };
        self.take_back(client).await;
        Err(why)
    }

    /// All rows are on their way at once, up to the first that the library does not take.
    fn send(&self, client: &Client, batch: &Batch) -> (Vec<DeliveryFuture>, Option<KafkaError>) {
        let mut sent = Vec::with_capacity(batch.rows.len());
        for row in &batch.rows {
            let (id, value) = unwrap(row);
            let header = Header { key: ID, value: Some(id) };
            let record = FutureRecord::to(&self.topic).key(key(id)).payload(value);
            match client.send_result(record.headers(OwnedHeaders::new().insert(header))) {
                Ok(future) => sent.push(future),
                Err((error, _)) => return (sent, Some(error)),
            }
        }
        (sent, None)
    }

    /// Nothing of a batch that failed is left on its way when it is sent again, and a client that is beyond help is made anew.
    async fn take_back(&self, client: Client) {
        let kept = Arc::clone(&self.client);
        let taken_back = tokio::task::spawn_blocking(move || {
            client.purge(PurgeConfig::default().queue().inflight());
            // What was taken back is reported like what was delivered.
            let is_clear = client.flush(DELIVERED_WITHIN).is_ok();
            if !is_clear || client.client().fatal_error().is_some() {
                let hopeless = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
                drop(hopeless);
            }
        });
        taken_back.await.unwrap_or_default();
    }

    fn client(&self) -> Result<Client, KafkaError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let ears = Ears { tokens: self.tokens.clone(), complaint: Arc::clone(&self.complaint) };
        let made: Client = self.config.create_with_context(ears)?;
        *client = Some(made.clone());
        Ok(made)
    }

    fn undelivered(&self, error: &KafkaError) -> Undelivered {
        let code = error.rdkafka_error_code();
        let blames = match code {
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessage) => Blames::Message,
            _ => Blames::Receiver,
        };
        let why = code.map_or_else(|| error.to_string(), |code| code.to_string());
        Undelivered { why, after: None, blames }
    }

    fn late(&self) -> Undelivered {
        let complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let complaint = complaint.map_or_else(String::new, |complaint| format!(": {complaint}"));
        Undelivered::from(format!("it did not take the rows within a minute{complaint}"))
    }
}

async fn taken(sent: DeliveryFuture) -> Result<(), KafkaError> {
    match sent.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err((error, _))) => Err(error),
        Err(_) => Err(KafkaError::Canceled),
    }
}

fn configuration(brokers: &str) -> Result<ClientConfig, String> {
    if brokers.trim().is_empty() {
        return Err("url names the brokers, host:port, separated by commas".to_owned());
    }
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("client.id", "credwatch")
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", "0")
        .set("message.max.bytes", LARGEST_MESSAGE)
        // A name that is mistyped is no new topic.
        .set("allow.auto.create.topics", "false")
        // As the Java clients do, so that a key lies where they would look for it.
        .set("partitioner", "murmur2_random")
        .set("compression.type", "lz4");
    Ok(config)
}

impl ClientContext for Ears {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        Ok(self.tokens.as_ref().ok_or("no token is configured")?.token(now())?)
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "writing to Kafka");
        *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }

    fn log(&self, _: RDKafkaLogLevel, facility: &str, text: &str) {
        tracing::debug!(facility, text, "Kafka client");
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a token holds is counted by the wall clock")]
fn now() -> Micros {
    Micros(chrono::Utc::now().timestamp_micros())
}

/// The id on a line before the row. Ids are ours: none holds an end of a line.
pub(super) fn wrap(head: &Head<'_>, row: Vec<u8>) -> Vec<u8> {
    let mut wrapped = head.id.as_bytes().to_vec();
    wrapped.push(b'\n');
    wrapped.extend(row);
    wrapped
}

fn unwrap(wrapped: &[u8]) -> (&[u8], &[u8]) {
    let end = wrapped.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    (&wrapped[..end], wrapped.get(end + 1..).unwrap_or_default())
}

/// Of a revision, the finding.
fn key(id: &[u8]) -> &[u8] {
    id.split(|byte| *byte == b'.').next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use credwatch_schemas::finding::Severity;

    use super::*;

    #[test]
    fn revisions_of_a_finding_have_one_key_and_a_row_is_what_it_was() {
        let head =
            |id: &'static str| Head { id: id.into(), time: Micros(0), severity: Severity::High, kind: "finding" };
        for (id, expected) in [("f_1.3", "f_1"), ("r_1", "r_1")] {
            let wrapped = wrap(&head(id), b"{\"a\":\"x\"}\nmore".to_vec());
            let (read, row) = unwrap(&wrapped);
            assert_eq!((read, key(read), row), (id.as_bytes(), expected.as_bytes(), &b"{\"a\":\"x\"}\nmore"[..]));
        }
    }

    #[test]
    fn what_is_missing_is_said_before_anything_is_sent() {
        let login = |text: &str| serde_json::from_str::<Login>(text).unwrap();
        let why = |topic, text: &str| Kafka::new("k:9092", topic, Some(&login(text))).unwrap_err();
        let plain = r#"{"security":"plaintext"}"#;
        assert_eq!(why(None, plain), "topic names the topic");
        assert_eq!(why(Some(""), plain), "topic names the topic");
        assert!(Kafka::new(" ", Some("t"), Some(&login(plain))).unwrap_err().contains("brokers"));
        assert!(Kafka::new("k:9092", Some("t"), None).unwrap_err().contains("[sinks.kafka]"));
        assert!(why(Some("t"), "{}").contains("security"));
        assert!(why(Some("t"), r#"{"security":"sasl_ssl","mechanism":"PLAIN"}"#).contains("sinks.kafka.username"));
        let unused = r#"{"security":"ssl","username":"u"}"#;
        assert!(why(Some("t"), unused).contains("sasl_ssl"), "a password that would not be used");
    }
}
