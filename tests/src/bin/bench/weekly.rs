//! What the weekly report costs over a month of a large fleet.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use credwatch_tests::program::{Program, binary};

use crate::process::used_by;
use crate::stored::{DAYS, Fleet};

const FLEET: Fleet = Fleet { orgs: 20, agents: 50 };
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
    let stored = FLEET.store(&program, events);
    let mut section = format!(
        "## Weekly report\n\n`credwatch report weekly` for all orgs over {stored} events of {} agents in {DAYS} days.\n\n| run | seconds | CPU seconds | peak memory, MiB |\n\
         | --- | ---: | ---: | ---: |\n",
        FLEET.orgs * FLEET.agents
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
