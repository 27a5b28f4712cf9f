//! What the weekly report costs over a month of a large fleet.

use std::fs::{File, remove_file};
use std::io::{BufWriter, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use credwatch_simulate::{Plan, Simulation};
use credwatch_tests::program::{Program, binary};

use crate::process::used_by;

const AGENTS: u32 = 50;
const ORGS: u32 = 20;
const DAYS: u32 = 28;
/// Imported one after the other, so that no file of all events is needed.
const FILES: u64 = 20;
/// The last week that has ended.
const WEEK: &str = "2026-W26";
const RUNS: usize = 3;

#[derive(Debug, Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
    peak: f64,
}

pub(crate) fn measure(events: u64) -> String {
    let program = Program::fresh();
    let stored = store(&program, events);
    let mut section = format!(
        "## Weekly report\n\n`credwatch report weekly` for all orgs over {stored} events of {} agents in {DAYS} days.\n\n| run | seconds | CPU seconds | peak memory, MiB |\n\
         | --- | ---: | ---: | ---: |\n",
        AGENTS * ORGS
    );
    let mut worst = Cost { wall: 0.0, cpu: 0.0, peak: 0.0 };
    for run in 1..=RUNS {
        let cost = report(&program);
        let row = format!("| {run} | {:.2} | {:.2} | {:.0} |\n", cost.wall, cost.cpu, cost.peak);
        print!("{row}");
        section.push_str(&row);
        worst = Cost { wall: worst.wall.max(cost.wall), cpu: worst.cpu.max(cost.cpu), peak: worst.peak.max(cost.peak) };
    }
    section.push_str(&format!(
        "\nAt most {:.1} s (goal at 10,000,000 events: under 5) and {:.0} MiB (goal: under 400).\n\n",
        worst.wall, worst.peak
    ));
    section
}

fn store(program: &Program, events: u64) -> u64 {
    let begin = Instant::now();
    let plan = Plan { days: DAYS, orgs: ORGS, agents: AGENTS, events: Some(events), ..Plan::default() };
    let mut traffic = Simulation::history(plan).traffic();
    let a_file = usize::try_from(events.div_ceil(FILES)).expect("few");
    for part in 0.. {
        let file = program.folder().join(format!("part-{part}.ndjson"));
        let mut out = BufWriter::new(File::create(&file).expect("creating a file"));
        let mut written = 0;
        for simulated in traffic.by_ref().take(a_file) {
            writeln!(out, "{}", simulated.json().expect("an event is JSON")).expect("writing an event");
            written += 1;
        }
        out.flush().expect("writing an event");
        if written == 0 {
            break;
        }
        program.ok(&["import", file.to_str().expect("a path in UTF-8")]);
        remove_file(&file).expect("removing a file");
    }
    let stored = program.number("SELECT count(*) AS n FROM events");
    println!("stored {stored} events in {:.0} s", begin.elapsed().as_secs_f64());
    u64::try_from(stored).expect("a count")
}

fn report(program: &Program) -> Cost {
    let begin = Instant::now();
    let mut child = Command::new(binary())
        .args(["report", "weekly", "--week", WEEK, "--format", "json"])
        .env("CREDWATCH_LAKE", program.lake())
        .env("HOME", program.folder())
        .stdout(Stdio::null())
        .spawn()
        .expect("starting a report");
    let cost = watch(&mut child);
    let status = child.wait().expect("waiting for a report");
    assert!(status.success(), "{status}");
    Cost { wall: begin.elapsed().as_secs_f64(), ..cost }
}

/// What it has used, as long as it can be asked.
fn watch(child: &mut Child) -> Cost {
    let (process, mut cost) = (child.id().to_string(), Cost { wall: 0.0, cpu: 0.0, peak: 0.0 });
    while child.try_wait().expect("asking for a report").is_none() {
        if let Some((cpu, peak)) = used_by(&process) {
            cost = Cost { cpu, peak, ..cost };
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    cost
}
