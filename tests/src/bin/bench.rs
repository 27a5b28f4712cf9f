//! `make bench`: how fast records get from Kafka into a committed table, and what stands beside that.
//!
//! In one run, on one machine: the program over real Kafka; decoding and writing Parquet alone, in this process; and a
//! straightforward consumer in Python. What counts are the ratios. Writes docs/BENCHMARKS.md itself.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench ends by panicking and talks on stdout")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use credwatch_ingest::{Accumulator, Binding, ClockRule, Cut, Decoder, Limits, RawRecord, RedactionKey};
use credwatch_schemas::position::Partition;
use credwatch_schemas::time::Micros;
use credwatch_simulate::{Plan, Simulation};
use credwatch_tests::broker::{Broker, Listeners};
use credwatch_tests::guarded::Guarded;
use credwatch_tests::program::Program;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

const TOPIC: &str = "bench";
const PARTITIONS: i32 = 4;
const SEED: u64 = 7;
/// What the slower contestants are given: their rate does not depend on the number.
const SAMPLE: usize = 200_000;

/// What one contestant needed.
#[derive(Debug, Clone, Copy)]
struct Needed {
    events: f64,
    wall: f64,
    cpu: f64,
    peak_mib: f64,
}

impl Needed {
    fn rate(&self) -> f64 {
        self.events / self.wall
    }

    fn cpu_per_million(&self) -> f64 {
        self.cpu / self.events * 1e6
    }

    fn row(&self, name: &str) -> String {
        let (rate, cpu, peak) = (self.rate(), self.cpu_per_million(), self.peak_mib);
        format!("| {name} | {:.0} | {rate:.0} | {cpu:.1} | {peak:.0} |\n", self.events)
    }
}

#[tokio::main]
async fn main() {
    let events: u64 = std::env::args().nth(1).map_or(5_000_000, |count| count.parse().expect("a number of events"));
    let broker = Broker::start(Listeners::Plain);
    broker.create_topic(TOPIC, PARTITIONS).await;
    let (sample, bytes) = produce(&broker, events);
    assert_eq!(
        broker.ends(TOPIC).iter().sum::<i64>(),
        i64::try_from(events).expect("fewer"),
        "the topic holds them all"
    );
    let (ours, kafka) = ours(&broker, events).await;
    let alone = decode_and_write(&sample);
    let python = python(&broker, sample.len());
    let page = page(&ours, kafka, &alone, &python, bytes);
    print!("{page}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/BENCHMARKS.md");
    std::fs::write(path, page).expect("writing docs/BENCHMARKS.md");
}

/// Fills the topic; the first events as a sample, and the mean size of a record.
fn produce(broker: &Broker, events: u64) -> (Vec<String>, u64) {
    let feed = broker.producer(&[("compression.type", "zstd"), ("linger.ms", "50"), ("batch.num.messages", "10000")]);
    let (mut sample, mut bytes, begin) = (Vec::new(), 0, Instant::now());
    for (number, simulated) in Simulation::history(Plan::of_events(SEED, events)).traffic().enumerate() {
        let json = simulated.json().expect("an event is JSON");
        bytes += json.len() as u64;
        feed.send(TOPIC, i32::try_from(number % 4).expect("few"), json.as_bytes());
        if sample.len() < SAMPLE {
            sample.push(json);
        }
    }
    feed.flush();
    println!("produced {events} events in {:.0} s", begin.elapsed().as_secs_f64());
    (sample, bytes / events)
}

/// `credwatch ingest`, from its start until the lake has every record; and the broker's CPU seconds meanwhile.
async fn ours(broker: &Broker, events: u64) -> (Needed, f64) {
    let program = Program::fresh();
    let address = broker.address();
    let broker_before = cpu_of(broker.process_id());
    let begin = Instant::now();
    let mut process = program.start("ingest", &["ingest", "--brokers", &address, "--topic", TOPIC], &[]);
    let wanted = i64::try_from(events).expect("fewer");
    while program.positions(TOPIC).await.values().sum::<i64>() < wanted {
        assert!(process.has_ended().is_none(), "it ended");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let wall = begin.elapsed().as_secs_f64();
    let needed = Needed { events: events as f64, wall, cpu: cpu_of(process.id()), peak_mib: peak_of(&process) };
    let kafka = cpu_of(broker.process_id()) - broker_before;
    process.stop();
    (needed, kafka)
}

/// The same decoder, and Parquet with the same compression, on one thread without anything else.
fn decode_and_write(sample: &[String]) -> Needed {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let key = RedactionKey::load_or_create(&folder.path().join("key")).expect("drawing a key");
    let (decoder, binding) = (Decoder::new(key, Limits::default()), Binding::default());
    let partition = Partition { topic: TOPIC.into(), topic_id: String::new(), partition: 0 };
    let (begin, cpu) = (Instant::now(), cpu_of("self"));
    let mut accumulator = Accumulator::new(Cut::default());
    accumulator.begin(&partition, Some(0), 0, ClockRule::Moves);
    let now = Micros(1_790_000_000_000_000);
    for (offset, line) in (0..).zip(sample) {
        let payload = Some(line.as_bytes());
        let record = RawRecord { payload, headers: &[], arrival: now, now, partition: &partition, offset };
        accumulator.push(&decoder, &binding, &record);
        if accumulator.rows() == Cut::default().rows {
            write(&mut accumulator, &folder.path().join(format!("{offset}.parquet")));
        }
    }
    write(&mut accumulator, &folder.path().join("last.parquet"));
    let (wall, cpu) = (begin.elapsed().as_secs_f64(), cpu_of("self") - cpu);
    Needed { events: sample.len() as f64, wall, cpu, peak_mib: 0.0 }
}

fn write(accumulator: &mut Accumulator, path: &Path) {
    let Some(batch) = accumulator.take() else { return };
    let compression = Compression::ZSTD(ZstdLevel::try_new(3).expect("a level of zstd"));
    let properties = WriterProperties::builder().set_compression(compression).build();
    let file = std::fs::File::create(path).expect("creating a file");
    let mut writer = ArrowWriter::try_new(file, batch.rows().schema(), Some(properties)).expect("a writer");
    writer.write(batch.rows()).expect("writing rows");
    writer.close().expect("closing a file");
}

/// confluent-kafka, `json.loads` and `deltalake`, as one would write it in an afternoon.
fn python(broker: &Broker, events: usize) -> Needed {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (python, script) = (here.join("../target/venv/bin/python"), here.join("oracle/consumer.py"));
    let folder = tempfile::tempdir().expect("a scratch folder");
    let ran = Command::new(python)
        .args([path(&script), broker.address(), TOPIC.into(), events.to_string(), path(&folder.path().join("table"))])
        .output()
        .expect("starting Python");
    assert!(ran.status.success(), "the Python consumer failed: {}", String::from_utf8_lossy(&ran.stderr));
    let said: serde_json::Value = serde_json::from_slice(&ran.stdout).expect("its answer is JSON");
    let number = |name: &str| said[name].as_f64().expect("a number");
    Needed { events: number("events"), wall: number("wall"), cpu: number("cpu"), peak_mib: number("peak_mib") }
}

fn path(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// CPU seconds of a process until now, user and system.
fn cpu_of(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("a process on Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("after the name").split_whitespace().collect();
    // utime and stime, in ticks of which Linux has a hundred a second.
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("ticks") / 100.0).sum()
}

fn peak_of(process: &Guarded) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("a process on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("KiB") / 1024.0
}

fn page(ours: &Needed, kafka: f64, alone: &Needed, python: &Needed, bytes: u64) -> String {
    let mut page = format!(
        "# Benchmarks\n\nWritten by `make bench`; do not edit. Ratios are what counts: the figures are of this machine, under its load.\n\n\
         {}\n\n## Kafka to a committed table\n\nOne process, {PARTITIONS} partitions, records of {bytes} bytes on average, zstd in the topic.\n\n\
         | | events | events/s | CPU seconds per million | peak memory, MiB |\n| --- | ---: | ---: | ---: | ---: |\n",
        machine()
    );
    page.push_str(&ours.row("credwatch ingest"));
    page.push_str(&alone.row("decode and Parquet alone, one thread").replace("| 0 |\n", "| not measured |\n"));
    page.push_str(&python.row("Python: confluent-kafka, json, deltalake"));
    let to_alone = alone.cpu_per_million() / ours.cpu_per_million();
    let to_python = ours.rate() / python.rate();
    page.push_str(&format!(
        "\nThe broker itself took {kafka:.1} CPU seconds meanwhile. CPU of decoding and writing alone is {to_alone:.2} of ours \
         (goal: at least 0.5); our rate is {to_python:.1} times that of the Python consumer (goal: at least 10).\n"
    ));
    page
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(" : unknown");
    let date = Command::new("date").arg("-u").arg("+%Y-%m-%d").output().expect("a date");
    let date = String::from_utf8_lossy(&date.stdout).trim().to_owned();
    let profile = std::env::current_exe().expect("its own path");
    let profile = profile.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    format!("{date}, {cores} cores, {}, profile `{profile}`.", model.trim_start_matches([' ', '\t', ':']))
}
