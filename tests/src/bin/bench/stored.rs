//! A lake of a large fleet, for what reads it: events of four weeks, imported one file after the other, so that no file of all of
//! them is needed.

use std::fs::{File, remove_file};
use std::io::{BufWriter, Write};
use std::time::Instant;

use credwatch_lake::{Access, Compacted, Lake};
use credwatch_schemas::time::DAY;
use credwatch_simulate::{Plan, Simulation};
use credwatch_tests::program::Program;

pub(crate) const DAYS: u32 = 28;
const FILES: u64 = 20;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Fleet {
    pub(crate) orgs: u32,
    /// Of an org.
    pub(crate) agents: u32,
}

/// A lake that several parts only read.
#[derive(Debug)]
pub(crate) struct Large {
    pub(crate) program: Program,
    pub(crate) events: u64,
    pub(crate) orgs: u32,
}

impl Large {
    const FLEET: Fleet = Fleet { orgs: 1_000, agents: 5 };

    /// With its files merged, as a server does it by the hour.
    pub(crate) async fn of(events: u64) -> Self {
        let program = Program::fresh();
        let events = Self::FLEET.store(&program, events);
        let lake = Lake::open(program.lake().to_str().expect("a path in UTF-8"), Access::Write).await.expect("a lake");
        let (begin, later) = (Instant::now(), Plan::default().start().plus(1_000 * DAY));
        while let Compacted::Done { .. } = lake.compact(later).await.expect("merging") {}
        println!("merged in {:.0} s", begin.elapsed().as_secs_f64());
        Self { program, events, orgs: Self::FLEET.orgs }
    }
}

impl Fleet {
    /// About so many events; how many there are.
    pub(crate) fn store(self, program: &Program, events: u64) -> u64 {
        let begin = Instant::now();
        let plan = Plan { days: DAYS, orgs: self.orgs, agents: self.agents, events: Some(events), ..Plan::default() };
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
}
