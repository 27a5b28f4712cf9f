//! From an event that was produced to a finding that the API shows, while traffic comes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use credwatch_schemas::time::Micros;
use credwatch_simulate::{Plan, Simulation};
use credwatch_tests::broker::Broker;
use credwatch_tests::program::Program;
use credwatch_tests::topics::Feed;
use credwatch_tests::waiting::until;

const SEED: u64 = 7;
const PARTITIONS: i32 = 4;
const EVENTS_A_SECOND: u64 = 5_000;
const SECONDS: u64 = 90;
/// What has come by then only warms up.
const WARM: Duration = Duration::from_secs(15);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) async fn measure(broker: &Broker) -> String {
    let mut section = format!(
        "## From event to finding\n\n`credwatch serve` with all roles under {EVENTS_A_SECOND} events a second for {SECONDS} s, all detectors; \
         a call that meets another org comes every second, and the API is asked every {} ms.\n\n\
         | flush | findings | p50, s | p99, s | longest, s | CPU seconds a second | peak memory, MiB |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        BETWEEN_LOOKS.as_millis()
    );
    let mut longest = Vec::new();
    for flush in ["5.0", "1.0"] {
        let topic = format!("latency-{}", flush.replace('.', "-"));
        broker.create_topic(&topic, PARTITIONS).await;
        let (took, cpu, peak) = with_flush(broker, &topic, flush);
        let at = |share: f64| took[((took.len() - 1) as f64 * share).round() as usize];
        let row = format!(
            "| {flush} s | {} | {:.2} | {:.2} | {:.2} | {cpu:.2} | {peak:.0} |\n",
            took.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
        print!("{row}");
        section.push_str(&row);
        longest.push(at(0.99));
    }
    section.push_str(&format!(
        "\np99 with the default flush is {:.1} s (goal: under 8 s), with a flush of a second {:.1} s (goal: under 3 s).\n\n",
        longest[0], longest[1]
    ));
    section
}

/// How long each finding took, ascending; CPU seconds a second, and peak memory.
fn with_flush(broker: &Broker, topic: &str, flush: &str) -> (Vec<f64>, f64, f64) {
    let program = Program::fresh();
    let config = program.folder().join("credwatch.toml");
    std::fs::write(&config, format!("[kafka]\nflush_seconds = {flush}\n")).expect("writing the configuration");
    let config = config.to_str().expect("a path in UTF-8");
    let address = broker.address();
    let arguments = [
        "serve",
        "--roles",
        "ingest,detect,api",
        "--listen",
        "127.0.0.1:0",
        "--config",
        config,
        "--brokers",
        &address,
        "--topic",
        topic,
    ];
    let mut server = program.start("serve", &arguments, &[]);
    let words = || std::fs::read_to_string(program.log("serve")).unwrap_or_default();
    let api = until("it says where it listens", PATIENCE, || {
        assert!(server.has_ended().is_none(), "it ended:\n{}", words());
        words().lines().find_map(|line| line.split_once("listening on ")).map(|(_, address)| address.to_owned())
    });
    let (done, begin) = (AtomicBool::new(false), Instant::now());
    let (sent, seen) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(&api, &done));
        let sent = produce(&broker.producer(&[("linger.ms", "5"), ("compression.type", "zstd")]), topic);
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline && server.has_ended().is_none() {
            std::thread::sleep(BETWEEN_LOOKS);
        }
        done.store(true, Ordering::Relaxed);
        (sent, watch.join().expect("watching"))
    });
    let cpu = crate::process::cpu_of(server.id()) / begin.elapsed().as_secs_f64();
    let peak = crate::process::peak_of(server.id());
    assert!(server.stop().success(), "it stops cleanly:\n{}", words());
    let mut took: Vec<f64> = Vec::new();
    for (marker, at) in sent.iter().filter(|(_, at)| at.duration_since(begin) > WARM) {
        assert!(seen.contains_key(marker), "{marker} was never seen:\n{}", words());
        let seen = &seen[marker];
        took.push(seen.duration_since(*at).as_secs_f64());
    }
    took.sort_by(f64::total_cmp);
    (took, cpu, peak)
}

/// Sends traffic that says it is of now, and a marker every second; when each marker was sent.
fn produce(feed: &Feed, topic: &str) -> BTreeMap<String, Instant> {
    let traffic = Simulation::history(Plan::of_events(SEED, EVENTS_A_SECOND * SECONDS)).traffic();
    let (mut markers, begin) = (BTreeMap::new(), Instant::now());
    for (number, mut one) in (0_u64..).zip(traffic) {
        let due = Duration::from_micros(number * 1_000_000 / EVENTS_A_SECOND);
        if let Some(early) = due.checked_sub(begin.elapsed()).filter(|early| early.as_millis() > 5) {
            std::thread::sleep(early);
        }
        one.event.time = Some(now());
        let partition = i32::try_from(number % 4).expect("few");
        feed.send(topic, partition, one.json().expect("an event is JSON").as_bytes());
        if number % EVENTS_A_SECOND == 0 {
            let name = format!("marker-{}", number / EVENTS_A_SECOND);
            feed.send(topic, partition, marker(&name).as_bytes());
            markers.insert(name, Instant::now());
        }
    }
    feed.flush();
    markers
}

fn marker(name: &str) -> String {
    serde_json::json!({
        "event_id": name, "time": now().to_string(), "kind": "tool_call", "source": "bench", "org_id": "org_a", "agent_id": "prober",
        "connection_id": name, "credential_org_id": "org_b", "dest_host": "slack.com", "outcome": "success", "status": 200,
    })
    .to_string()
}

/// When the finding about each marker was first shown.
fn watch(api: &str, done: &AtomicBool) -> BTreeMap<String, Instant> {
    let mut seen = BTreeMap::new();
    let path = format!("{api}/v1/findings?detector=cross-tenant-lookup&severity=critical&limit=1000");
    while !done.load(Ordering::Relaxed) {
        let answer = ureq::get(&path).call().ok().and_then(|mut answer| answer.body_mut().read_json().ok());
        let findings = answer.as_ref().and_then(|answer: &serde_json::Value| answer["findings"].as_array());
        for finding in findings.into_iter().flatten() {
            if let Some(marker) = finding["subject"]["connection_id"].as_str() {
                seen.entry(marker.to_owned()).or_insert_with(Instant::now);
            }
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    seen
}

fn now() -> Micros {
    #[expect(clippy::disallowed_methods, reason = "traffic that says it is of now must ask what now is")]
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
    Micros(i64::try_from(since.as_micros()).expect("a time of this millennium"))
}
