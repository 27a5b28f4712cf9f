//! What Kafka and the disk do to a running process: it waits, says so, and goes on.

use std::process::Command;

use credwatch_tests::broker::{Broker, Listeners};
use credwatch_tests::oracle::Judgement;
use credwatch_tests::program::Program;
use credwatch_tests::topics::fresh_name;
use credwatch_tests::waiting::until;

use crate::{Ingest, PATIENCE, send_events};

#[tokio::test]
async fn a_broker_that_stops_and_comes_back_costs_nothing() {
    let (mut broker, program, topic) = (Broker::start(Listeners::Plain), Program::fresh(), fresh_name("away"));
    broker.create_topic(&topic, 2).await;
    send_events(&broker.producer(&[]), &topic, 2, 0..500);
    let mut ingest = Ingest::start(&program, &broker, &topic, "ingest", &[]);
    ingest.until_all_is_there(&broker, &topic).await;
    broker.kill9();
    broker.start_again();
    send_events(&broker.producer(&[]), &topic, 2, 500..1_000);
    ingest.until_all_is_there(&broker, &topic).await;
    ingest.stop();
    let judged = Judgement::of(&program.lake());
    judged.assert_exactly_once();
    assert_eq!((judged.accepted, judged.offsets), (1_000, 1_000));
}

#[test]
fn who_is_asked_to_stop_while_it_still_looks_for_a_broker_stops_in_order() {
    for command in ["ingest", "serve"] {
        let program = Program::fresh();
        let roles: &[&str] = if command == "serve" { &["--roles", "ingest"] } else { &[] };
        let nowhere = ["--verbose", "--brokers", "127.0.0.1:1", "--topic", "audit"];
        let looks = Ingest::start_as(&program, command, &[&[command][..], roles, &nowhere].concat(), &[]);
        let log = program.lake().join("records/_delta_log");
        until("the lake is there", PATIENCE, || log.exists().then_some(()));
        looks.stop();
    }
}

#[tokio::test]
async fn while_no_file_can_be_written_it_waits_and_then_goes_on() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("full"));
    broker.create_topic(&topic, 2).await;
    let feed = broker.producer(&[]);
    send_events(&feed, &topic, 2, 0..500);
    let mut ingest = Ingest::start_with_full_disks_survived(&program, broker, &topic);
    ingest.until_all_is_there(broker, &topic).await;
    limit_files(&ingest, "0");
    send_events(&feed, &topic, 2, 500..2_000);
    ingest.until_it_says("trying again in").await;
    limit_files(&ingest, "unlimited");
    ingest.until_all_is_there(broker, &topic).await;
    ingest.stop();
    let judged = Judgement::of(&program.lake());
    judged.assert_exactly_once();
    assert_eq!((judged.accepted, judged.offsets), (2_000, 2_000));
}

/// Every write of the process fails from now on, as on a full disk, or no longer.
fn limit_files(ingest: &Ingest<'_>, bytes: &str) {
    let limited = Command::new("prlimit").args(["--pid", ingest.process.id(), &format!("--fsize={bytes}:")]).status();
    assert!(limited.expect("starting prlimit").success(), "prlimit failed");
}

#[tokio::test]
async fn what_keeps_it_from_beginning_is_one_sentence() {
    let (broker, program) = (Broker::shared(), Program::fresh());
    let address = broker.address();
    for (arguments, said) in [
        (vec!["ingest", "--brokers", "127.0.0.1:1", "--topic", "audit"], "reach Kafka at \"127.0.0.1:1\""),
        (vec!["ingest", "--brokers", &address, "--topic", "nowhere"], "find topic \"nowhere\""),
        (vec!["ingest", "--brokers", &address, "--topic", "^("], "kafka.topics"),
        (vec!["ingest", "--topic", "audit"], "--brokers"),
        (vec!["check", "--brokers", &address, "--topic", "nowhere"], "find topic \"nowhere\""),
    ] {
        let ended = program.run(&arguments);
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{arguments:?}: {}", ended.stderr);
    }
}
