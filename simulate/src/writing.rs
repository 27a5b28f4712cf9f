//! Traffic and truth as files: one JSON object a line.

use std::io::{self, Write};

use credwatch_schemas::time::Micros;

use crate::plan::Plan;
use crate::simulation::Simulation;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    pub events: u64,
    /// Bytes of the events, line ends included.
    pub bytes: u64,
    pub truths: u64,
    /// Times of the first and the last event.
    pub span: Option<(Micros, Micros)>,
}

/// Writes the plan's history to `events` and the truth about it to `truths`. Neither needs a buffer of its own.
pub fn write_to(plan: Plan, events: &mut impl Write, truths: &mut impl Write) -> io::Result<Written> {
    let simulation = Simulation::history(plan);
    let mut written = Written::default();
    let mut lines = io::BufWriter::with_capacity(1 << 20, events);
    let mut line = Vec::new();
    for simulated in simulation.traffic() {
        line.clear();
        serde_json::to_writer(&mut line, &simulated.event)?;
        line.push(b'\n');
        lines.write_all(&line)?;
        written.events += 1;
        written.bytes += line.len() as u64;
        let first = written.span.map_or(simulated.time, |(first, _)| first);
        written.span = Some((first, simulated.time));
    }
    lines.flush()?;
    let mut lines = io::BufWriter::new(truths);
    for truth in simulation.truths() {
        serde_json::to_writer(&mut lines, truth)?;
        lines.write_all(b"\n")?;
        written.truths += 1;
    }
    lines.flush()?;
    Ok(written)
}
