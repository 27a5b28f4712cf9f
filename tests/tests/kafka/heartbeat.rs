//! The heartbeat: it comes while all of it works, and its absence is the alarm.

use credwatch_schemas::time::{MINUTE, Micros};
use credwatch_tests::broker::Broker;
use credwatch_tests::people::People;
use credwatch_tests::program::Program;
use credwatch_tests::topics::fresh_name;
use credwatch_tests::waiting::until_async;
use serde_json::{Value, json};

use crate::{Ingest, PATIENCE};

#[expect(clippy::disallowed_methods, reason = "a heartbeat is of the clock on the wall")]
fn now() -> Micros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Micros(i64::try_from(since.as_micros()).expect("a time of today"))
}

fn beats(people: &People) -> Vec<Value> {
    people.heard("webhook").into_iter().filter(|one| one["type"] == "credwatch.heartbeat").collect()
}

#[tokio::test]
async fn it_says_how_far_everything_has_come_and_is_silent_while_nothing_is_judged() {
    let (broker, program, topic, people) = (Broker::shared(), Program::fresh(), fresh_name("alive"), People::start());
    broker.create_topic(&topic, 1).await;
    let feed = broker.producer(&[]);
    for number in 0..20 {
        // Long enough ago that the windows of the last quarter of an hour before the watermark can be judged.
        let time = now().plus(-40 * MINUTE + number * MINUTE).to_string();
        let event = json!({"event_id": format!("e{number}"), "time": time, "kind": "tool_call", "org_id": "org_a",
            "agent_id": "a", "dest_host": "slack.com", "outcome": "success"});
        feed.send(&topic, 0, event.to_string().as_bytes());
    }
    feed.flush();
    let config = program.folder().join("credwatch.toml");
    let beat = format!("[[heartbeats]]\nname = \"alive\"\nevery_seconds = 2.0\n{}", people.way("webhook"));
    std::fs::write(&config, beat).expect("writing the configuration");
    let (address, config) = (broker.address(), config.to_str().expect("a path in UTF-8").to_owned());
    let serve = |roles: &'static str| {
        ["serve", "--roles", roles, "--brokers", &address, "--topic", &topic, "--config", &config].map(str::to_owned)
    };
    let start = |name: &str, roles: &'static str| {
        let arguments = serve(roles);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Ingest::start_as(&program, name, &arguments, &[])
    };
    // Events are read, and nobody judges them.
    let reads = start("reads", "ingest,notify");
    until_async("it says why it is silent", PATIENCE, || {
        let said = reads.words().contains("the lake has no detectors in force");
        async move { said.then_some(()) }
    })
    .await;
    assert!(beats(&people).is_empty());
    reads.stop();
    let all = start("all", "ingest,detect,notify");
    until_async("three beats", PATIENCE, || {
        let beats = beats(&people).len();
        async move { (beats >= 3).then_some(()) }
    })
    .await;
    let beats = beats(&people);
    for one in &beats {
        let time = |key: &str| Micros::parse(one["data"][key].as_str().expect("a time")).expect("a time");
        let behind = time("time").0 - time("caught_up_to").0;
        assert!((15 * MINUTE..60 * MINUTE).contains(&behind), "{one}");
        assert!(one["data"]["detectors"].as_i64() > Some(0), "{one}");
    }
    all.stop();
}
