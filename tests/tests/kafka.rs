//! Kafka into the lake, against a real Apache Kafka: everything arrives once, whatever breaks. Judged by readers that
//! share no code with the program.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use credwatch_tests::broker::{Broker, Listeners, PASSWORD, USER};
use credwatch_tests::guarded::Guarded;
use credwatch_tests::oracle::Judgement;
use credwatch_tests::program::Program;
use credwatch_tests::records::{event, poison};
use credwatch_tests::topics::{Feed, fresh_name};
use credwatch_tests::waiting::until;

const PATIENCE: Duration = Duration::from_secs(90);
/// Commits often, and passes partitions on soon after a kill.
const QUICK: [(&str, &str); 2] = [("CREDWATCH_KAFKA__FLUSH_SECONDS", "0.2"), ("CREDWATCH_KAFKA__SESSION_SECONDS", "2")];

fn ingest(program: &Program, broker: &Broker, topics: &str, name: &str, environment: &[(&str, &str)]) -> Guarded {
    let (address, group) = (broker.address(), format!("group-of-{topics}"));
    let environment = [&QUICK[..], &[("CREDWATCH_KAFKA__GROUP", group.as_str())], environment].concat();
    program.start(name, &["ingest", "--verbose", "--brokers", &address, "--topic", topics], &environment)
}

/// Waits until the lake holds all that the topic holds; the process must live meanwhile.
fn until_all_is_there(program: &Program, broker: &Broker, topic: &str, process: &mut Guarded, log: &str) {
    let wanted: i64 = broker.ends(topic).iter().sum();
    until("everything is in the lake", PATIENCE, || {
        assert!(process.has_ended().is_none(), "it ended:\n{}", words(program, log));
        (offsets_of(program, topic) == wanted).then_some(())
    });
}

fn offsets_of(program: &Program, topic: &str) -> i64 {
    if !program.lake().join("records/_delta_log").exists() {
        return 0;
    }
    let all = format!(
        "SELECT count(*) FROM (SELECT DISTINCT kafka_topic_id, kafka_partition, kafka_offset FROM \
         (SELECT kafka_topic, kafka_topic_id, kafka_partition, kafka_offset FROM events UNION ALL \
         SELECT kafka_topic, kafka_topic_id, kafka_partition, kafka_offset FROM rejects UNION ALL \
         SELECT kafka_topic, kafka_topic_id, kafka_partition, kafka_offset FROM duplicates) \
         WHERE kafka_topic = '{topic}')"
    );
    program.number(&all)
}

fn words(program: &Program, log: &str) -> String {
    std::fs::read_to_string(program.log(log)).unwrap_or_default()
}

fn send_events(feed: &Feed, topic: &str, partitions: i32, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let partition = i32::try_from(number % u64::try_from(partitions).expect("positive")).expect("small");
        feed.send(topic, partition, event("org_a", number).as_bytes());
    }
    feed.flush();
}

#[tokio::test]
async fn events_go_through_kafka_into_the_lake_and_a_second_run_changes_nothing() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("audit"));
    broker.create_topic(&topic, 3).await;
    send_events(&broker.producer(&[]), &topic, 3, 0..3_000);
    for run in ["first", "second"] {
        let mut process = ingest(&program, broker, &topic, run, &[]);
        until_all_is_there(&program, broker, &topic, &mut process, run);
        assert!(process.stop().success(), "{}", words(&program, run));
    }
    let judged = Judgement::of(&program.lake());
    judged.assert_exactly_once();
    assert_eq!((judged.accepted, judged.rejected, judged.duplicates), (3_000, 0, 0));
}
