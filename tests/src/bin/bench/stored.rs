//! A lake of a large fleet, for what reads it: events of four weeks, imported one file after the other, so that no file of all of
//! them is needed.

use std::fs::{File, remove_file};
use std::io::{BufWriter, Write};
use std::time::Instant;

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
