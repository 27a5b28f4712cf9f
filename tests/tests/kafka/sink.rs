//! Rows that are sent on to a topic: every one of them, in order, whoever dies meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use credwatch_tests::broker::{Broker, Listeners, PASSWORD, USER};
use credwatch_tests::program::Program;
use credwatch_tests::topics::{Message, fresh_name};
use credwatch_tests::waiting::until;
use serde_json::Value;

use crate::{Ingest, PATIENCE, send_events};

const EVENTS: u64 = 40_000;

fn configuration(program: &Program, broker: &Broker, topic: &str) -> String {
    let (file, password) = (program.folder().join("credwatch.toml"), program.folder().join("password"));
    std::fs::write(&password, format!("{PASSWORD}\n")).expect("writing a secret");
    let sink = format!(
        "[[sinks]]\nname = \"lake\"\nto = \"kafka\"\nurl = {:?}\ntopic = {topic:?}\n[sinks.kafka]\nsecurity = \"sasl_ssl\"\n\
         mechanism = \"SCRAM-SHA-512\"\nusername = {USER:?}\npassword_file = {password:?}\nca_file = {:?}\n",
        broker.secure_address(),
        broker.certificate(),
    );
    std::fs::write(&file, sink).expect("writing the configuration");
    file.to_str().expect("a path in UTF-8").to_owned()
}

/// The `seq` of each row that came, in the order of its partition.
fn seqs(messages: &[Message]) -> BTreeMap<i32, Vec<i64>> {
    let mut by_partition: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for message in messages {
        let row: Value = serde_json::from_slice(&message.payload).expect("a row is JSON");
        assert_eq!(row["record_id"].as_str(), Some(message.id.as_str()), "the header names the row");
        assert_eq!(message.key, message.id, "and so does the key");
        by_partition.entry(message.partition).or_default().push(row["seq"].as_i64().expect("a number"));
    }
    by_partition
}

fn first_arrivals(seqs: &[i64]) -> Vec<i64> {
    let mut seen = BTreeSet::new();
    seqs.iter().copied().filter(|seq| seen.insert(*seq)).collect()
}

#[tokio::test]
async fn every_row_reaches_a_topic_in_order_although_we_are_killed_and_the_broker_goes_away() {
    let (mut broker, program) = (Broker::start(Listeners::PlainAndSecure), Program::fresh());
    let (from, to) = (fresh_name("audit"), fresh_name("copy"));
    broker.create_topic(&from, 2).await;
    broker.create_topic(&to, 3).await;
    let (address, config) = (broker.address(), configuration(&program, &broker, &to));
    let arguments = ["serve", "--roles", "ingest,export", "--brokers", &address, "--topic", &from, "--config", &config];
    let mut first = Ingest::start_as(&program, "first", &arguments, &[]);
    send_events(&broker.producer(&[]), &from, 2, 0..EVENTS / 2);
    until("some rows came", PATIENCE, || (broker.ends(&to).iter().sum::<i64>() > 0).then_some(()));
    first.process.kill9();
    let second = Ingest::start_as(&program, "second", &arguments, &[]);
    send_events(&broker.producer(&[]), &from, 2, EVENTS / 2..EVENTS);
    // It writes while the broker goes away.
    let some = broker.ends(&to).iter().sum::<i64>();
    until("more rows came", PATIENCE, || (broker.ends(&to).iter().sum::<i64>() > some).then_some(()));
    broker.stop();
    broker.start_again();
    let mut came = Vec::new();
    until("every row came", PATIENCE, || {
        came = broker.read(&to);
        let ids: BTreeSet<&str> = came.iter().map(|message| message.id.as_str()).collect();
        (ids.len() as u64 == EVENTS).then_some(())
    });
    let words = second.words();
    second.stop();
    for (partition, seqs) in seqs(&came) {
        let first = first_arrivals(&seqs);
        assert!(first.is_sorted(), "partition {partition} is in order but for what came again: {first:?}");
    }
    assert!(!words.contains(PASSWORD));
}

#[tokio::test]
async fn a_topic_can_be_tried_and_one_that_is_not_there_is_said() {
    let (broker, program, topic) = (Broker::start(Listeners::PlainAndSecure), Program::fresh(), fresh_name("tried"));
    let config = configuration(&program, &broker, &topic);
    let tried = || program.run(&["export", "test", "lake", "--config", &config]);
    let refused = tried();
    assert!(refused.code == Some(1) && refused.stderr.contains("Unknown topic"), "{}", refused.stderr);
    broker.create_topic(&topic, 1).await;
    let taken = tried();
    assert_eq!(taken.code, Some(0), "{}", taken.stderr);
    let messages = broker.read(&topic);
    assert_eq!(messages.len(), 1);
    assert!(String::from_utf8_lossy(&messages[0].payload).contains("credwatch.export_test"));
}
