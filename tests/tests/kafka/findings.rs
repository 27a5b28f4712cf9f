//! The same log gives the same findings through a real Kafka too: over one partition or several, in order or not, with
//! repeats, and with the service killed on the way.

use credwatch_tests::broker::Broker;
use credwatch_tests::program::Program;
use credwatch_tests::topics::fresh_name;
use credwatch_tests::way::{Line, Order, Run, Way, simulated};
use serde_json::{Map, Value};

use crate::Ingest;
use crate::standing::{assert_same, judged_to_the_end};

const SEED: u64 = 11;
const EVENTS: u64 = 30_000;

#[tokio::test]
async fn kafka_gives_the_same_findings_on_every_way_and_after_a_kill() {
    let lines = simulated(SEED, EVENTS);
    let plain = Way { order: Order::Sorted, partitions: 1, cut: 0, run: Run::Live, restarts: false };
    let expected = findings(&plain, &lines).await;
    assert!(!expected.is_empty(), "traffic with incidents gives findings");
    for (order, partitions, restarts) in
        [(Order::Shuffled, 4, false), (Order::Repeated, 4, true), (Order::Late, 2, true)]
    {
        let way = Way { order, partitions, restarts, ..plain };
        let found = findings(&way, &lines).await;
        assert_same(&expected, &found, &format!("{way:?}"));
    }
}

/// What stands after ingest and detectors have seen everything, by id.
async fn findings(way: &Way, lines: &[Line]) -> Map<String, Value> {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("ways"));
    let partitions = i32::try_from(way.partitions).expect("few");
    broker.create_topic(&topic, partitions).await;
    let (address, feed) = (broker.address(), broker.producer(&[]));
    let arguments = ["serve", "--roles", "ingest,detect", "--brokers", &address, "--topic", &topic];
    let mut serve = Ingest::start_as(&program, "serve", &arguments, &[]);
    let arrivals = way.arrivals(lines, 0);
    let (early, late) = arrivals.split_at(arrivals.len() / 2);
    let send = |part: &[credwatch_tests::way::Arrival]| {
        for arrival in part {
            let partition = i32::try_from(arrival.partition).expect("few");
            feed.send(&topic, partition, lines[arrival.line].json.as_bytes());
        }
        feed.flush();
    };
    send(early);
    if way.restarts {
        serve.until_all_is_there(broker, &topic).await;
        serve.process.kill9();
        serve = Ingest::start_as(&program, "again", &arguments, &[]);
    }
    send(late);
    serve.until_all_is_there(broker, &topic).await;
    serve.stop();
    judged_to_the_end(&program)
}
