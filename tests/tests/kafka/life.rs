//! A topic's ordinary life: it is read, grows, rests, is deleted and created again.

use credwatch_tests::broker::Broker;
use credwatch_tests::oracle::Judgement;
use credwatch_tests::program::Program;
use credwatch_tests::records::{event, poison};
use credwatch_tests::topics::fresh_name;
use credwatch_tests::waiting::until_async;
use rdkafka::message::{Header, OwnedHeaders};
use serde_json::json;

use crate::{Ingest, PATIENCE, read_all, send_events};

#[tokio::test]
async fn events_go_through_kafka_into_the_lake_and_a_second_run_changes_nothing() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("audit"));
    broker.create_topic(&topic, 3).await;
    send_events(&broker.producer(&[]), &topic, 3, 0..3_000);
    for run in ["first", "second"] {
        let mut ingest = Ingest::start(&program, broker, &topic, run, &[]);
        ingest.until_it_says("the group gave us partitions").await;
        ingest.until_all_is_there(broker, &topic).await;
        ingest.stop();
    }
    let judged = Judgement::of(&program.lake());
    judged.assert_exactly_once();
    assert_eq!((judged.accepted, judged.rejected, judged.duplicates), (3_000, 0, 0));
}

#[tokio::test]
async fn poison_of_every_kind_costs_one_row_each_and_no_neighbour() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("poison"));
    broker.create_topic(&topic, 1).await;
    let feed = broker.producer(&[]);
    let mut number = 0..;
    let mut good = || feed.send(&topic, 0, event("org_a", number.next().expect("endless")).as_bytes());
    for (_, payload) in poison() {
        good();
        feed.send(&topic, 0, &payload);
    }
    feed.send_nothing(&topic, 0);
    good();
    feed.flush();
    let judged = read_all(&program, broker, &topic).await;
    let bad = i64::try_from(poison().len()).expect("few") + 1;
    assert_eq!((judged.accepted, judged.rejected, judged.offsets), (bad, bad, 2 * bad));
    let rows = program.rows(&["sql", "-c", "SELECT reason FROM rejects ORDER BY kafka_offset"]);
    let reasons: Vec<&str> = rows.iter().filter_map(|row| row["reason"].as_str()).collect();
    let mut wanted: Vec<&str> = poison().into_iter().map(|(reason, _)| reason).collect();
    wanted.push("empty");
    assert_eq!(reasons, wanted);
}

#[tokio::test]
async fn every_codec_and_both_modes_of_cloud_events_are_read() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("codecs"));
    broker.create_topic(&topic, 1).await;
    for (place, codec) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().enumerate() {
        let begin = place as u64 * 100;
        send_events(&broker.producer(&[("compression.type", codec)]), &topic, 1, begin..begin + 100);
    }
    let feed = broker.producer(&[]);
    let header = |key, value| Header { key, value: Some(value) };
    let headers = [("ce_specversion", "1.0"), ("ce_id", "b-1"), ("ce_source", "/broker"), ("ce_type", "tool.call")];
    let headers = headers.into_iter().chain([("content-type", "application/json")]);
    let headers = headers.fold(OwnedHeaders::new(), |all, (key, value)| all.insert(header(key, value)));
    feed.send_with_headers(&topic, 0, event("org_a", 900).as_bytes(), &headers);
    let data: serde_json::Value = serde_json::from_str(&event("org_a", 901)).expect("an event is JSON");
    let structured = json!({"specversion": "1.0", "id": "s-1", "source": "/broker", "type": "tool.call", "data": data});
    feed.send(&topic, 0, structured.to_string().as_bytes());
    let several = format!("[{},{}]", event("org_a", 902), event("org_a", 903));
    feed.send(&topic, 0, several.as_bytes());
    feed.flush();
    let judged = read_all(&program, broker, &topic).await;
    assert_eq!((judged.accepted, judged.rejected, judged.offsets), (504, 0, 503));
}

#[tokio::test]
async fn a_first_run_begins_at_the_latest_record_and_what_appears_later_at_its_beginning() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("latest"));
    broker.create_topic(&topic, 1).await;
    let feed = broker.producer(&[]);
    send_events(&feed, &topic, 1, 0..50);
    let mut ingest = Ingest::start(&program, broker, &topic, "ingest", &[("CREDWATCH_KAFKA__START", "latest")]);
    ingest.until_it_is_at(&topic, 50).await;
    send_events(&feed, &topic, 1, 50..60);
    ingest.until_it_is_at(&topic, 60).await;
    broker.grow_topic(&topic, 2).await;
    // A producer of its own: the old one does not know the new partition yet.
    send_events(&broker.producer(&[]), &topic, 2, 60..80);
    ingest.until_all_is_there(broker, &topic).await;
    ingest.stop();
    let judged = Judgement::of(&program.lake());
    judged.assert_exactly_once();
    assert_eq!((judged.accepted, judged.offsets), (30, 30), "the first fifty were there before");
}

#[tokio::test]
async fn a_first_run_may_begin_at_a_time() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("time"));
    broker.create_topic(&topic, 1).await;
    let feed = broker.producer(&[]);
    send_events(&feed, &topic, 1, 0..10);
    let between = chrono_of_the_next_second().await;
    send_events(&feed, &topic, 1, 10..15);
    let mut ingest = Ingest::start(&program, broker, &topic, "ingest", &[("CREDWATCH_KAFKA__START", &between)]);
    ingest.until_it_is_at(&topic, 15).await;
    ingest.stop();
    assert_eq!(Judgement::of(&program.lake()).accepted, 5);
}

/// Waits for a second of the clock to begin, so that records before and after it have other timestamps.
async fn chrono_of_the_next_second() -> String {
    let seconds = || {
        let since = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970");
        since.as_secs()
    };
    let begin = seconds();
    let second =
        until_async("a second begins", PATIENCE, || async { Some(seconds()).filter(|now| *now > begin) }).await;
    // Written with an epoch's worth of days and seconds by the schema's own type.
    let micros = i64::try_from(second).expect("before the year 292277") * 1_000_000;
    credwatch_schemas::time::Micros(micros).to_string()
}

#[tokio::test]
async fn a_topic_that_was_created_again_is_another_topic() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("again"));
    broker.create_topic(&topic, 1).await;
    let feed = broker.producer(&[]);
    send_events(&feed, &topic, 1, 0..20);
    let mut ingest = Ingest::start(&program, broker, &topic, "ingest", &[]);
    ingest.until_it_is_at(&topic, 20).await;
    broker.delete_topic(&topic).await;
    broker.create_topic(&topic, 1).await;
    // A producer of its own: the old one still knows the topic that is gone. More records than the old topic had.
    send_events(&broker.producer(&[]), &topic, 1, 20..60);
    ingest.until_it_is_at(&topic, 20 + 40).await;
    ingest.stop();
    let judged = Judgement::of(&program.lake());
    judged.assert_exactly_once();
    assert_eq!((judged.accepted, judged.offsets), (60, 60));
    assert_eq!(program.positions(&topic).await.len(), 2, "two topics of one name");
}

#[tokio::test]
async fn what_retention_deleted_before_it_was_read_stands_as_a_row() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("gone"));
    broker.create_topic(&topic, 1).await;
    let feed = broker.producer(&[]);
    send_events(&feed, &topic, 1, 0..20);
    let mut ingest = Ingest::start(&program, broker, &topic, "first", &[]);
    ingest.until_it_is_at(&topic, 20).await;
    ingest.stop();
    send_events(&feed, &topic, 1, 20..60);
    broker.delete_records_below(&topic, 50).await;
    let mut ingest = Ingest::start(&program, broker, &topic, "second", &[]);
    ingest.until_it_is_at(&topic, 60).await;
    ingest.stop();
    let rejects = program.rows(&["sql", "-c", "SELECT reason, kafka_offset, detail FROM rejects"]);
    assert_eq!(rejects.len(), 1, "one row for a run of records: {rejects:?}");
    assert_eq!((&rejects[0]["reason"], &rejects[0]["kafka_offset"]), (&json!("deleted_unread"), &json!(20)));
    assert!(rejects[0]["detail"].as_str().is_some_and(|detail| detail.contains("offsets 20 to 49")), "{rejects:?}");
    let lost = program.rows(&["sql", "-c", LOST]);
    assert_eq!((&lost[0]["lost"], &lost[0]["events"]), (&json!(30), &json!(30)));
}

/// As the weekly report asks for it.
const LOST: &str = "SELECT (SELECT sum(CAST(attributes['next_offset'] AS BIGINT) - kafka_offset) FROM rejects \
     WHERE reason = 'deleted_unread') AS lost, (SELECT count(*) FROM events) AS events";

#[tokio::test]
async fn a_pattern_finds_topics_that_are_created_later() {
    let (broker, program, word) = (Broker::shared(), Program::fresh(), fresh_name("family"));
    let (first, second) = (format!("{word}-a"), format!("{word}-b"));
    broker.create_topic(&first, 1).await;
    let feed = broker.producer(&[]);
    send_events(&feed, &first, 1, 0..10);
    let mut ingest =
        Ingest::start(&program, broker, &format!("^{word}-.*"), "ingest", &[("CREDWATCH_KAFKA__START", "latest")]);
    ingest.until_it_is_at(&first, 10).await;
    broker.create_topic(&second, 1).await;
    send_events(&feed, &second, 1, 10..25);
    ingest.until_it_is_at(&second, 15).await;
    ingest.stop();
    assert_eq!(Judgement::of(&program.lake()).accepted, 15, "nothing of a new topic is missed");
}

#[tokio::test]
async fn aborted_records_are_not_read_and_a_quiet_partition_does_not_hold_the_watermark_back() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("quiet"));
    broker.create_topic(&topic, 2).await;
    send_events(&broker.producer(&[]), &topic, 1, 0..30);
    let transactional = broker.transactional(&fresh_name("producer"));
    transactional.send_and_end(&topic, 1, &[event("org_a", 900)], true);
    transactional.send_and_end(&topic, 1, &[event("org_a", 901), event("org_a", 902)], false);
    let mut ingest = Ingest::start(&program, broker, &topic, "ingest", &[]);
    // The last offset of partition 1 is a marker: no message ever says that it was read.
    ingest.until_all_is_there(broker, &topic).await;
    until_async("the quiet partition has a clock that goes on", PATIENCE, || async {
        let clocks = program.clocks(&topic).await;
        (clocks.len() == 2
            && clocks.values().max() > Some(&credwatch_schemas::time::Micros(1_780_305_243_000_000 + 1_000_000)))
        .then_some(())
    })
    .await;
    ingest.stop();
    let judged = Judgement::of(&program.lake());
    judged.assert_exactly_once();
    assert_eq!((judged.accepted, judged.rejected), (31, 0));
}

#[tokio::test]
async fn an_import_beside_live_ingest_of_the_same_events_counts_each_once() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("beside"));
    broker.create_topic(&topic, 2).await;
    let file = program.folder().join("history.ndjson");
    let lines: Vec<String> = (0..2_000).map(|number| event("org_a", number)).collect();
    std::fs::write(&file, lines.join("\n")).expect("writing a file");
    let mut ingest = Ingest::start(&program, broker, &topic, "ingest", &[]);
    let import = program.start("import", &["import", file.to_str().expect("UTF-8")], &[]);
    send_events(&broker.producer(&[]), &topic, 2, 1_000..3_000);
    ingest.until_all_is_there(broker, &topic).await;
    let mut import = import;
    assert!(import.wait(PATIENCE).success());
    ingest.stop();
    let judged = Judgement::of(&program.lake());
    judged.assert_exactly_once();
    assert_eq!((judged.accepted, judged.duplicates, judged.offsets), (3_000, 1_000, 4_000));
}
