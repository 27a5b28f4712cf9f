//! `make bench`: what the program needs, beside what else could be had, in one run on one machine.
//!
//! `bench [EVENTS [PART...]]`. What counts are the ratios. All parts together write docs/BENCHMARKS.md; a part alone only
//! prints its section.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench ends by panicking and talks on stdout")]

mod chance;
mod idle;
mod judging;
mod latency;
mod process;
mod reading;
mod server;
mod weekly;

use std::path::Path;
use std::process::Command;

use credwatch_tests::broker::{Broker, Listeners};

const EVENTS: u64 = 5_000_000;
const PARTS: [&str; 6] = ["reading", "latency", "judging", "weekly", "chance", "idle"];

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let events = arguments.next().map_or(EVENTS, |count| count.parse().expect("a number of events"));
    let asked: Vec<String> = arguments.collect();
    let unknown = asked.iter().find(|part| !PARTS.contains(&part.as_str()));
    assert_eq!(unknown, None, "the parts are {PARTS:?}");
    let mut page = head(events);
    for part in PARTS.into_iter().filter(|part| asked.is_empty() || asked.iter().any(|one| one == part)) {
        let section = measure(part, events).await;
        println!("{section}");
        page.push_str(&section);
    }
    if asked.is_empty() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/BENCHMARKS.md");
        std::fs::write(path, page).expect("writing docs/BENCHMARKS.md");
    }
}

async fn measure(part: &str, events: u64) -> String {
    match part {
        "reading" => reading::measure(&Broker::start(Listeners::Plain), events).await,
        "latency" => latency::measure(&Broker::start(Listeners::Plain), events).await,
        "judging" => judging::measure(events).await,
        "weekly" => weekly::measure(events * 2),
        "chance" => chance::measure(),
        _ => idle::measure(&Broker::start(Listeners::Plain)).await,
    }
}

fn head(events: u64) -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(" : unknown");
    let date = Command::new("date").arg("-u").arg("+%Y-%m-%d").output().expect("a date");
    let date = String::from_utf8_lossy(&date.stdout).trim().to_owned();
    let profile = std::env::current_exe().expect("its own path");
    let profile = profile.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    let model = model.trim_start_matches([' ', '\t', ':']);
    format!(
        "# Benchmarks\n\nWritten by `make bench EVENTS={events}`; do not edit. Ratios are what counts: the figures are of this machine, under its \
         load.\n\n{date}, {cores} cores, {model}, profile `{profile}`.\n\n"
    )
}
