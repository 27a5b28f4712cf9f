//! Killed at every step of an append, at least three times each, under load, with repeats on other partitions, rejects,
//! two consumers and rebalances: then every position of the topic is in the lake, once, and no event twice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use credwatch_tests::broker::Broker;
use credwatch_tests::oracle::Judgement;
use credwatch_tests::program::Program;
use credwatch_tests::records::event;
use credwatch_tests::topics::fresh_name;

use crate::Ingest;
use crate::load::{Load, Sent};

/// Steps of an append and of its acknowledgement, in order.
const STEPS: [&str; 5] =
    ["lake-after-parquet", "lake-after-sync", "lake-before-log", "lake-after-log", "ingest-before-ack"];
const KILLS_A_STEP: usize = 3;
/// So many that batches grow while somebody is killed.
const RECORDS_A_VERSION: u32 = 200;
const PARTITIONS: i32 = 3;
const SEED: u64 = 7;

#[tokio::test]
async fn killed_at_every_step_three_times_nothing_is_lost_and_nothing_is_there_twice() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("kills"));
    broker.create_topic(&topic, PARTITIONS).await;
    let (feed, is_over, begin) = (broker.producer(&[]), AtomicBool::new(false), Instant::now());
    let payload = |number| event("org_a", number);
    let load = Load::new(&feed, (&topic, PARTITIONS), SEED, &payload);
    let (sent, mut steady) = std::thread::scope(|scope| {
        let load = scope.spawn(|| load.run_with(&program, RECORDS_A_VERSION, &is_over));
        let mut steady = Ingest::start(&program, broker, &topic, "steady", &[]);
        for (place, step) in STEPS.into_iter().cycle().take(STEPS.len() * KILLS_A_STEP).enumerate() {
            // It passes the step a few times before it dies there, another number each round.
            let point = format!("{step}={}*off->return", place % 4);
            Ingest::start(&program, broker, &topic, step, &[("FAILPOINTS", &point)]).until_it_kills_itself();
            if place % 4 == 3 {
                steady.process.kill9();
                steady = Ingest::start(&program, broker, &topic, "steady", &[]);
            }
        }
        is_over.store(true, Ordering::Relaxed);
        (load.join().expect("the load ran"), steady)
    });
    sent.tell("load of an append", begin.elapsed());
    steady.until_all_is_there(broker, &topic).await;
    steady.stop();
    assert_everything_once(&program, broker, &topic, sent);
}

/// The lake holds what was sent, as readers say that share no code with us.
pub(crate) fn assert_everything_once(program: &Program, broker: &Broker, topic: &str, sent: Sent) {
    let judged = Judgement::of(&program.lake());
    judged.assert_exactly_once();
    assert_eq!(judged.offsets, broker.ends(topic).iter().sum::<i64>(), "positions in the lake and in Kafka");
    assert_eq!(judged.offsets, sent.records);
    assert_eq!(judged.rejected, sent.rejects);
    assert_eq!(judged.duplicates, sent.repeats);
}
