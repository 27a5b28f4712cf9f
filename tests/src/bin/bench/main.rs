//! `make bench`: what the program needs, beside what else could be had, in one run on one machine.
//!
//! `bench [EVENTS [PART...]]`. What counts are the ratios. Each part prints its section and writes it into docs/BENCHMARKS.md.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench ends by panicking and talks on stdout")]

mod chance;
mod crowd;
mod hostile;
mod idle;
mod judging;
mod latency;
mod page;
mod process;
mod pulling;
mod questions;
mod reading;
mod server;
mod stored;
mod weekly;

use std::path::Path;
use std::process::Command;

use credwatch_tests::broker::{Broker, Listeners};

use page::Measured;
use stored::Large;

const EVENTS: u64 = 5_000_000;
const PARTS: [&str; 10] =
    ["reading", "latency", "judging", "weekly", "chance", "pulling", "questions", "crowd", "hostile", "idle"];
/// They read one lake.
const OF_LARGE: [&str; 4] = ["pulling", "questions", "crowd", "hostile"];

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let events = arguments.next().map_or(EVENTS, |count| count.parse().expect("a number of events"));
    let asked: Vec<String> = arguments.collect();
    let unknown = asked.iter().find(|part| !PARTS.contains(&part.as_str()));
    assert_eq!(unknown, None, "the parts are {PARTS:?}");
    let mut large = None;
    for part in PARTS.into_iter().filter(|part| asked.is_empty() || asked.iter().any(|one| one == part)) {
        let text = match (part, &large) {
            (part, None) if OF_LARGE.contains(&part) => of_large(part, large.insert(Large::of(events * 2).await)).await,
            (part, Some(large)) if OF_LARGE.contains(&part) => of_large(part, large).await,
            _ => measure(part, events).await,
        };
        println!("{text}");
        page::record(
            &head(),
            &Measured { text, command: format!("make bench EVENTS={events} PARTS={part}"), date: today() },
        );
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

async fn of_large(part: &str, large: &Large) -> String {
    match part {
        "pulling" => pulling::measure(large),
        "questions" => questions::measure(large).await,
        "crowd" => crowd::measure(large),
        _ => hostile::measure(large),
    }
}

fn head() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(" : unknown");
    let profile = std::env::current_exe().expect("its own path");
    let profile = profile.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    let model = model.trim_start_matches([' ', '\t', ':']);
    format!(
        "# Benchmarks\n\nWritten by `make bench`; do not edit. Each section names its command. Ratios are what counts: the figures are of this \
         machine, under its load.\n\n{cores} cores, {model}, profile `{profile}`.\n"
    )
}

fn today() -> String {
    let date = Command::new("date").arg("-u").arg("+%Y-%m-%d").output().expect("a date");
    String::from_utf8_lossy(&date.stdout).trim().to_owned()
}
