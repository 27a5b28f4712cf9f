//! The Kafka that companies have: TLS with every mechanism of SASL, or with client certificates. Whoever is not let in is
//! told so in one sentence, and no secret is ever said.

use std::path::Path;

use credwatch_tests::broker::{Broker, Listeners, PASSWORD, USER};
use credwatch_tests::oracle::Judgement;
use credwatch_tests::program::Program;
use credwatch_tests::token_endpoint;
use credwatch_tests::topics::fresh_name;

use crate::{Ingest, PATIENCE, send_events};

const WRONG: &str = "wrong-horse-battery";

/// One broker for all: starting it takes longer than anything else here.
#[tokio::test]
async fn every_way_that_companies_let_a_client_in_works_and_a_refusal_says_what_to_look_at() {
    let (broker, topic) = (Broker::start(Listeners::PlainAndSecure), fresh_name("secure"));
    broker.create_topic(&topic, 1).await;
    send_events(&broker.producer(&[]), &topic, 1, 0..100);
    let token_url = token_endpoint::start();
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] {
        let client = Client::new(&broker, &topic, &broker.secure_address(), "sasl_ssl");
        let password = client.program.folder().join("password");
        let settings = [
            ("MECHANISM", mechanism),
            ("USERNAME", USER),
            ("PASSWORD_FILE", utf8(&password)),
            ("TOKEN_URL", &token_url),
        ];
        std::fs::write(&password, format!("{PASSWORD}\n")).expect("writing a file");
        client.is_let_in(&settings).await;
        std::fs::write(&password, WRONG).expect("writing a file");
        client.is_refused(&settings, &["log in to Kafka", "kafka.username"]);
    }
    let client = Client::new(&broker, &topic, &broker.mutual_address(), "ssl");
    let (certificate, key) = broker.client_certificate("client");
    client.is_let_in(&[("CERTIFICATE_FILE", utf8(&certificate)), ("KEY_FILE", utf8(&key))]).await;
    let (certificate, key) = broker.client_certificate("stranger");
    let stranger = [("CERTIFICATE_FILE", utf8(&certificate)), ("KEY_FILE", utf8(&key))];
    client.is_refused(&stranger, &["TLS with Kafka", "kafka.certificate_file"]);
    client.is_refused(&[], &["TLS with Kafka", "kafka.certificate_file"]);
    client.is_refused(&[("CA_FILE", utf8(&certificate))], &["TLS with Kafka", "kafka.ca_file"]);
}

/// A program that connects in one way.
struct Client<'a> {
    broker: &'a Broker,
    topic: &'a str,
    program: Program,
    settings: Vec<(String, String)>,
}

impl<'a> Client<'a> {
    fn new(broker: &'a Broker, topic: &'a str, address: &str, security: &str) -> Self {
        let (program, trusted) = (Program::fresh(), broker.certificate());
        let settings =
            [("BROKERS", address), ("TOPICS", topic), ("SECURITY", security), ("CA_FILE", utf8(&trusted))].map(named);
        Self { broker, topic, program, settings: settings.into() }
    }

    async fn is_let_in(&self, settings: &[(&str, &str)]) {
        let mut ingest = self.start("ingest", settings);
        ingest.until_all_is_there(self.broker, self.topic).await;
        let words = ingest.words();
        ingest.stop();
        assert_eq!(Judgement::of(&self.program.lake()).accepted, 100, "{settings:?}");
        assert_no_secrets(&words);
    }

    /// One sentence, with all of these words in it.
    fn is_refused(&self, settings: &[(&str, &str)], said: &[&str]) {
        let mut refused = self.start(&fresh_name("refused"), settings);
        let ended = refused.process.wait(PATIENCE);
        let words = refused.words();
        assert_eq!(ended.code(), Some(1), "{settings:?}: {words}");
        assert!(said.iter().all(|said| words.contains(said)), "{settings:?}: {words}");
        assert_eq!(words.lines().filter(|line| line.starts_with("credwatch: ")).count(), 1, "{settings:?}: {words}");
        assert_no_secrets(&words);
    }

    fn start(&self, name: &str, settings: &[(&str, &str)]) -> Ingest<'_> {
        let settings = [self.settings.clone(), settings.iter().copied().map(named).collect()].concat();
        let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (&key[..], &value[..])).collect();
        Ingest::start_as(&self.program, name, &["ingest"], &settings)
    }
}

fn named((key, value): (&str, &str)) -> (String, String) {
    (format!("CREDWATCH_KAFKA__{key}"), value.to_owned())
}

fn assert_no_secrets(words: &str) {
    for secret in [PASSWORD, token_endpoint::TOKEN, WRONG] {
        assert!(!words.contains(secret), "a secret was said aloud:\n{words}");
    }
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
