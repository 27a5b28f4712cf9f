//! How fast traffic is made: `cargo run --release -p credwatch-simulate --example pace -- 1000000`.

use std::io;
use std::time::Instant;

use credwatch_simulate::{Plan, write_to};

#[expect(clippy::print_stdout, reason = "an example shows its result")]
fn main() -> io::Result<()> {
    let events = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let begin = Instant::now();
    let written = write_to(Plan::of_events(7, events), &mut io::sink(), &mut io::sink())?;
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{} events of {} bytes in {seconds:.1} s: {:.0} events/s",
        written.events,
        written.bytes / written.events.max(1),
        written.events as f64 / seconds
    );
    Ok(())
}
