//! The demo as its user sees it: an address, the first finding within a minute, a page of answers, a clean end.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use credwatch_tests::oracle::Judgement;
use credwatch_tests::program::Program;
use credwatch_tests::waiting::until;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(120);

fn get(address: &str, path: &str) -> Option<Value> {
    ureq::get(format!("{address}{path}")).call().ok()?.body_mut().read_json().ok()
}

#[test]
fn the_demo_finds_what_is_wrong_in_history_and_in_live_traffic_and_ends_cleanly() {
    let program = Program::fresh();
    let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its number").port();
    let (port, folder) = (port.to_string(), program.folder().join("kept"));
    let begin = Instant::now();
    let arguments = ["demo", "--port", &port, "--keep", folder.to_str().expect("UTF-8")];
    let mut demo = program.start("demo", &arguments, &[]);
    let words = || std::fs::read_to_string(program.log("demo")).unwrap_or_default();
    until("it finds something", PATIENCE, || {
        assert!(demo.has_ended().is_none(), "it ended:\n{}", words());
        words().contains("for the first time").then_some(())
    });
    println!("the first finding came after {:?}, in an unoptimised build", begin.elapsed());
    let address = until("it says where it listens", PATIENCE, || {
        let words = words();
        let address = words.lines().find_map(|line| line.strip_prefix("listening on "))?;
        Some(address.to_owned())
    });
    until("it is healthy", PATIENCE, || ureq::get(format!("{address}/healthz")).call().ok());
    let by_kafka = "SELECT count(*) AS n FROM events WHERE kafka_topic = 'audit'";
    until("live events are in the lake", PATIENCE, || {
        let asked = serde_json::json!({ "sql": by_kafka });
        let mut answer = ureq::post(format!("{address}/v1/sql")).send_json(asked).ok()?;
        let text = answer.body_mut().read_to_string().ok()?;
        (!text.contains("\"n\":0") && text.contains("\"n\":")).then_some(())
    });
    let listed = get(&address, "/v1/findings").expect("findings over HTTP");
    let first = &listed["findings"][0]["finding_id"];
    let one = get(&address, &format!("/v1/findings/{}", first.as_str().expect("an id"))).expect("one finding");
    assert!(one.to_string().contains("SELECT"), "a finding carries its own SQL: {one}");
    demo.signal("-INT");
    let ended = demo.wait(PATIENCE);
    assert!(ended.success(), "{ended}:\n{}", words());
    let words = words();
    let last = words.lines().find(|line| line.starts_with("produced ")).expect("it compares at the end");
    let numbers: Vec<i64> = last.split(|one: char| !one.is_ascii_digit()).filter_map(|one| one.parse().ok()).collect();
    assert!(matches!(numbers[..], [produced, committed] if produced == committed && produced > 0), "{last}");
    Judgement::of(&folder.join("lake")).assert_exactly_once();
}
