//! What `serve` holds when there is nothing to do.

use std::time::Duration;

use credwatch_tests::broker::Broker;
use credwatch_tests::program::Program;

use crate::process::{cpu_of, of_files, peak_of, resident};
use crate::server::Server;

const TOPIC: &str = "idle";
const STORY: &str = "idle-history";
const SEED: &str = "7";
/// Quiet before the look: the compaction of what came before runs every half minute.
const QUIET: Duration = Duration::from_secs(60);

pub(crate) async fn measure(broker: &Broker) -> String {
    broker.create_topic(TOPIC, 4).await;
    let program = Program::fresh();
    let file = program.folder().join(format!("{STORY}.ndjson"));
    let file = file.to_str().expect("a path in UTF-8");
    program.ok(&["simulate", "--seed", SEED, "--days", "10", "--out", file]);
    program.ok(&["import", file]);
    let server = Server::start(&program, broker, TOPIC, &[]);
    std::thread::sleep(QUIET);
    let cpu = cpu_of(server.id());
    std::thread::sleep(QUIET);
    let (held, files, peak) = (resident(server.id()), of_files(server.id()), peak_of(server.id()));
    let cpu = cpu_of(server.id()) - cpu;
    server.stop();
    let rows = program.number("SELECT count(*) AS n FROM events");
    format!(
        "## Idle\n\n`credwatch serve` with all roles over a lake of {rows} events, judged at its start, on an idle topic: {held:.0} MiB two \
         minutes later (goal: under 150; {files:.0} MiB of it are pages of files, of the program's own above all), at most {peak:.0} MiB before, and {:.1} % of a core in the last minute.\n",
        cpu / QUIET.as_secs_f64() * 100.0
    )
}
