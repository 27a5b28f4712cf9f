//! Killed at every step, at least three times each, under load, with repeats on other partitions, rejects, two
//! consumers and rebalances: then every position of the topic is in the lake, once, and no event twice.

use std::sync::atomic::{AtomicBool, Ordering};

use credwatch_tests::broker::Broker;
use credwatch_tests::oracle::Judgement;
use credwatch_tests::program::Program;
use credwatch_tests::records::event;
use credwatch_tests::topics::{Feed, fresh_name};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Ingest, PATIENCE};

/// Steps of an append and of its acknowledgement, in order.
const STEPS: [&str; 5] =
    ["lake-after-parquet", "lake-after-sync", "lake-before-log", "lake-after-log", "ingest-before-ack"];
const KILLS_A_STEP: usize = 3;
/// How a shell tells of a child that SIGKILL ended.
const KILLED: i32 = 137;
const PARTITIONS: i32 = 3;
const SEED: u64 = 7;

#[tokio::test]
async fn killed_at_every_step_three_times_nothing_is_lost_and_nothing_is_there_twice() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("kills"));
    broker.create_topic(&topic, PARTITIONS).await;
    let (feed, is_over) = (broker.producer(&[]), AtomicBool::new(false));
    let sent = std::thread::scope(|scope| {
        let load = scope.spawn(|| load(&feed, &topic, &is_over));
        let mut steady = Ingest::start(&program, broker, &topic, "steady", &[]);
        for (place, step) in STEPS.into_iter().cycle().take(STEPS.len() * KILLS_A_STEP).enumerate() {
            // It passes the step a few times before it dies there, another number each round.
            let point = format!("{step}={}*off->return", place % 4);
            let mut victim = Ingest::start(&program, broker, &topic, step, &[("FAILPOINTS", &point)]);
            let ended = victim.process.wait(PATIENCE);
            assert_eq!(ended.code(), Some(KILLED), "{step}: it was to be killed:\n{}", victim.words());
            if place % 4 == 3 {
                steady.process.kill9();
                steady = Ingest::start(&program, broker, &topic, "steady", &[]);
            }
        }
        is_over.store(true, Ordering::Relaxed);
        let sent = load.join().expect("the load ran");
        (sent, steady)
    });
    let (sent, mut steady) = sent;
    steady.until_all_is_there(broker, &topic).await;
    steady.stop();
    println!("load: {} records, {} of them repeats and {} rejects", sent.records, sent.repeats, sent.rejects);
    let judged = Judgement::of(&program.lake());
    judged.assert_exactly_once();
    assert_eq!(judged.offsets, broker.ends(&topic).iter().sum::<i64>(), "positions in the lake and in Kafka");
    assert_eq!(judged.rejected, sent.rejects);
    assert_eq!(judged.duplicates, sent.repeats);
}

#[derive(Debug, Default)]
struct Sent {
    records: i64,
    repeats: i64,
    rejects: i64,
}

/// Sends as fast as the machine lets it, with a breath after each hundred, until told that it is enough.
fn load(feed: &Feed, topic: &str, is_over: &AtomicBool) -> Sent {
    let (mut chance, mut sent, mut next) = (ChaCha8Rng::seed_from_u64(SEED), Sent::default(), 0_u64);
    while !is_over.load(Ordering::Relaxed) {
        for _ in 0..100 {
            let partition = chance.random_range(0..PARTITIONS);
            sent.records += 1;
            match chance.random_range(0..20) {
                0 => {
                    feed.send(topic, partition, b"not an event");
                    sent.rejects += 1;
                }
                1 if next > 0 => {
                    let again = chance.random_range(0..next);
                    feed.send(topic, partition, event("org_a", again).as_bytes());
                    sent.repeats += 1;
                }
                _ => {
                    feed.send(topic, partition, event("org_a", next).as_bytes());
                    next += 1;
                }
            }
        }
        feed.flush();
    }
    sent
}
