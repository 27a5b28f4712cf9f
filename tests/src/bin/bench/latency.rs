//! From an event that was produced to a finding that the API shows, while traffic comes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use credwatch_schemas::time::Micros;
use credwatch_simulate::{Plan, Simulation};
use credwatch_tests::broker::Broker;
use credwatch_tests::program::Program;
use credwatch_tests::topics::Feed;

use crate::process::{cpu_of, peak_of};
use crate::server::Server;

const SEED: u64 = 7;
const PARTITIONS: i32 = 4;
/// At most: fewer when the whole bench is asked for fewer.
const MOST_EVENTS_A_SECOND: u64 = 5_000;
const SECONDS: u64 = 90;
/// What has come by then only warms up.
const WARM: Duration = Duration::from_secs(15);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// Whatever takes longer than this would be lost.
const LONGEST: Duration = Duration::from_secs(60);

pub(crate) async fn measure(broker: &Broker, events: u64) -> String {
    let rate = (events / SECONDS).clamp(1, MOST_EVENTS_A_SECOND);
    let mut section = format!(
        "## From event to finding\n\n`credwatch serve` with all roles under {rate} events a second for {SECONDS} s, all detectors; \
         a call that meets another org comes every second, and the API is asked every {} ms.\n\n\
         | flush | findings | p50, s | p99, s | longest, s | one look at the API, s | CPU seconds a second | peak memory, MiB |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        BETWEEN_LOOKS.as_millis()
    );
    let mut longest = Vec::new();
    for flush in ["5.0", "1.0"] {
        let topic = format!("latency-{}", flush.replace('.', "-"));
        broker.create_topic(&topic, PARTITIONS).await;
        let run = with_flush(broker, &topic, flush, rate);
        let row = format!(
            "| {flush} s | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} |\n",
            run.took.len(),
            run.within(0.5),
            run.within(0.99),
            run.within(1.0),
            run.look,
            run.cpu,
            run.peak_mib
        );
        print!("{row}");
        section.push_str(&row);
        longest.push(run.within(0.99));
    }
    section.push_str(&format!(
        "\np99 with the default flush is {:.1} s (goal: under 8 s), with a flush of a second {:.1} s (goal: under 3 s).\n\n",
        longest[0], longest[1]
    ));
    section
}

/// What a run came to: how long each finding took, ascending; how long the API took to show them, on average; CPU seconds
/// a second; and peak memory.
struct Run {
    took: Vec<f64>,
    look: f64,
    cpu: f64,
    peak_mib: f64,
}

impl Run {
    fn within(&self, share: f64) -> f64 {
        self.took[((self.took.len() - 1) as f64 * share).round() as usize]
    }
}

fn with_flush(broker: &Broker, topic: &str, flush: &str, rate: u64) -> Run {
    let program = Program::fresh();
    let server = Server::start(&program, broker, topic, &[("CREDWATCH_KAFKA__FLUSH_SECONDS", flush)]);
    let begin = Instant::now();
    let (sent, (seen, look)) = send_and_watch(broker, topic, rate, &server.address);
    let cpu = cpu_of(server.id()) / begin.elapsed().as_secs_f64();
    let peak_mib = peak_of(server.id());
    let judged = sent.iter().filter(|(_, at)| at.duration_since(begin) > WARM);
    let mut took: Vec<f64> = judged
        .map(|(marker, at)| {
            let seen = seen.get(marker).map(|seen| seen.duration_since(*at).as_secs_f64());
            seen.expect("every marker becomes a finding")
        })
        .collect();
    took.sort_by(f64::total_cmp);
    server.stop();
    Run { took, look, cpu, peak_mib }
}

type Times = BTreeMap<String, Instant>;

/// When each marker was sent, and when it was first seen. The last ones get their time to be seen.
fn send_and_watch(broker: &Broker, topic: &str, rate: u64, api: &str) -> (Times, (Times, f64)) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(api, &done));
        let sent = produce(&broker.producer(&[("linger.ms", "5"), ("compression.type", "zstd")]), topic, rate);
        std::thread::sleep(LONGEST);
        done.store(true, Ordering::Relaxed);
        (sent, watch.join().expect("watching"))
    })
}

/// Sends traffic that says it is of now, and a marker every second; when each marker was sent.
fn produce(feed: &Feed, topic: &str, rate: u64) -> Times {
    let traffic = Simulation::history(Plan::of_events(SEED, rate * SECONDS)).traffic();
    let (mut markers, begin) = (BTreeMap::new(), Instant::now());
    for (number, mut one) in (0_u64..).zip(traffic) {
        let due = Duration::from_micros(number * 1_000_000 / rate);
        if let Some(early) = due.checked_sub(begin.elapsed()).filter(|early| early.as_millis() > 5) {
            std::thread::sleep(early);
        }
        one.event.time = Some(now());
        let partition = i32::try_from(number % 4).expect("few");
        feed.send(topic, partition, one.json().expect("an event is JSON").as_bytes());
        if number % rate == 0 {
            let name = format!("marker-{}", number / rate);
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

/// When the finding about each marker was first shown, and the seconds that one answer took, on average.
fn watch(api: &str, done: &AtomicBool) -> (Times, f64) {
    let (mut seen, mut looks, mut waited) = (BTreeMap::new(), 0_u32, Duration::ZERO);
    let path = format!("{api}/v1/findings?detector=cross-tenant-lookup&severity=critical&limit=1000");
    while !done.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let answer = ureq::get(&path).call().ok().and_then(|mut answer| answer.body_mut().read_json().ok());
        (looks, waited) = (looks + 1, waited + begin.elapsed());
        let findings = answer.as_ref().and_then(|answer: &serde_json::Value| answer["findings"].as_array());
        for finding in findings.into_iter().flatten() {
            if let Some(marker) = finding["subject"]["connection_id"].as_str() {
                seen.entry(marker.to_owned()).or_insert_with(Instant::now);
            }
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    (seen, waited.as_secs_f64() / f64::from(looks.max(1)))
}

fn now() -> Micros {
    #[expect(clippy::disallowed_methods, reason = "traffic that says it is of now must ask what now is")]
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
    Micros(i64::try_from(since.as_micros()).expect("a time of this millennium"))
}
