//! What one tick of all detectors costs, and what that follows: new events, not stored ones, and not the number of orgs.

use std::time::Instant;

use credwatch_detectors::Registry;
use credwatch_schemas::time::{DAY, Micros};
use credwatch_simulate::{Plan, Simulation, Traffic};
use credwatch_tests::way::{Arrival, Line};
use credwatch_tests::world::World;

use crate::process::cpu_of;

const SEED: u64 = 7;
const PARTITIONS: usize = 4;
/// New events of a measured tick.
const NEW: usize = 50_000;
/// While the history is stored.
const COMMITS_A_TICK: usize = 10;
/// Measured ticks; the middle one counts.
const TICKS: usize = 3;
/// Events of an org a day, so that ten times the events are ten times the history.
const EVENTS_A_DAY: u64 = 100_000;

#[derive(Debug, Clone, Copy)]
struct Case {
    stored: u64,
    orgs: u32,
    agents: u32,
    days: u64,
}

/// The middle tick.
#[derive(Debug, Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
}

pub(crate) async fn measure(events: u64) -> String {
    let (few, many) = (events / 5, events * 2);
    let case = |stored, orgs, agents| Case { stored, orgs, agents, days: (stored / EVENTS_A_DAY).max(10) };
    let mut section = format!(
        "## Judging\n\nOne tick of every detector of the library over {NEW} new events, in one process; the middle of {TICKS}.\n\n\
         | stored events | days | orgs | agents of an org | seconds | CPU seconds |\n| ---: | ---: | ---: | ---: | ---: | ---: |\n"
    );
    let mut costs = Vec::new();
    for case in [case(few, 20, 25), case(many, 20, 25), case(few, 10, 600), case(few, 1_000, 6)] {
        let cost = tick_of(case).await;
        let row = format!(
            "| {} | {} | {} | {} | {:.2} | {:.2} |\n",
            case.stored, case.days, case.orgs, case.agents, cost.wall, cost.cpu
        );
        print!("{row}");
        section.push_str(&row);
        costs.push(cost.wall);
    }
    section.push_str(&format!(
        "\nTen times the stored events cost {:.2} times as much (goal: less than 3), a hundred times the orgs {:.2} times (goal: less \
         than 2).\n\n",
        costs[1] / costs[0],
        costs[3] / costs[2]
    ));
    section
}

async fn tick_of(case: Case) -> Cost {
    let plan = Plan {
        seed: SEED,
        days: u32::try_from(case.days).expect("few days"),
        orgs: case.orgs,
        agents: case.agents,
        events: Some(case.stored + (NEW * TICKS) as u64),
        ..Plan::default()
    };
    let mut traffic = Simulation::history(plan).traffic();
    let mut world = World::of(&Registry::embedded().expect("the library is sound")).await;
    let mut ends = vec![0; PARTITIONS];
    store(&mut world, &mut traffic, &mut ends, case.stored).await;
    let mut costs = Vec::new();
    for _ in 0..TICKS {
        append(&world, &take(&mut traffic, NEW), &mut ends).await;
        let (begin, cpu) = (Instant::now(), cpu_of("self"));
        world.judge(now()).await;
        costs.push(Cost { wall: begin.elapsed().as_secs_f64(), cpu: cpu_of("self") - cpu });
    }
    costs.sort_by(|a, b| a.wall.total_cmp(&b.wall));
    costs[TICKS / 2]
}

/// As it would have come: in commits, with a tick now and then.
async fn store(world: &mut World, traffic: &mut Traffic, ends: &mut [i64], events: u64) {
    let (mut left, begin) = (events, Instant::now());
    while left > 0 {
        for _ in 0..COMMITS_A_TICK {
            let lines = take(traffic, NEW.min(usize::try_from(left).expect("few")));
            left -= lines.len() as u64;
            append(world, &lines, ends).await;
        }
        world.judge(now()).await;
    }
    println!("stored {events} events and judged them in {:.0} s", begin.elapsed().as_secs_f64());
}

fn take(traffic: &mut Traffic, many: usize) -> Vec<Line> {
    let line = |one: credwatch_simulate::Simulated| Line {
        time: one.time,
        org: one.key().to_owned(),
        json: one.json().expect("an event is JSON"),
    };
    traffic.take(many).map(line).collect()
}

async fn append(world: &World, lines: &[Line], ends: &mut [i64]) {
    if lines.is_empty() {
        return;
    }
    let arrivals: Vec<Arrival> = (0..lines.len()).map(|line| Arrival { line, partition: line % PARTITIONS }).collect();
    world.append(lines, &arrivals, ends, now()).await;
}

/// Later than every simulated event.
fn now() -> Micros {
    Plan::default().start().plus(1_000 * DAY)
}
