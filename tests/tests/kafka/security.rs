//! The Kafka that companies have: TLS and SASL.

use credwatch_tests::broker::{Broker, Listeners, PASSWORD, USER};
use credwatch_tests::oracle::Judgement;
use credwatch_tests::program::Program;
use credwatch_tests::topics::fresh_name;

use crate::{Ingest, send_events};

#[tokio::test]
async fn events_come_through_tls_and_scram_and_a_wrong_password_is_said_to_be_one() {
    let (broker, program, topic) = (Broker::start(Listeners::PlainAndSecure), Program::fresh(), fresh_name("secure"));
    broker.create_topic(&topic, 1).await;
    send_events(&broker.producer(&[]), &topic, 1, 0..100);
    let (password, certificate) = (program.folder().join("password"), broker.certificate());
    std::fs::write(&password, format!("{PASSWORD}\n")).expect("writing a file");
    let (address, password) = (broker.secure_address(), password.to_str().expect("UTF-8").to_owned());
    let settings = [
        ("CREDWATCH_KAFKA__BROKERS", address.as_str()),
        ("CREDWATCH_KAFKA__TOPICS", &topic),
        ("CREDWATCH_KAFKA__SECURITY", "sasl_ssl"),
        ("CREDWATCH_KAFKA__MECHANISM", "SCRAM-SHA-512"),
        ("CREDWATCH_KAFKA__USERNAME", USER),
        ("CREDWATCH_KAFKA__PASSWORD_FILE", &password),
        ("CREDWATCH_KAFKA__CA_FILE", certificate.to_str().expect("UTF-8")),
    ];
    let mut ingest = Ingest::start_as(&program, "ingest", &["ingest", "--verbose"], &settings);
    ingest.until_all_is_there(&broker, &topic).await;
    let words = ingest.words();
    ingest.stop();
    assert!(!words.contains(PASSWORD), "the password was said aloud:\n{words}");
    assert_eq!(Judgement::of(&program.lake()).accepted, 100);

    std::fs::write(&password, "wrong").expect("writing a file");
    let mut refused = Ingest::start_as(&program, "refused", &["ingest"], &settings);
    let ended = refused.process.wait(crate::PATIENCE);
    let words = refused.words();
    assert_eq!(ended.code(), Some(1), "{words}");
    assert!(words.contains("log in to Kafka") && words.contains("kafka.username"), "{words}");
}
