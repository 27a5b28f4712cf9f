//! Many connections at once that ask short questions, each again as soon as it is answered: pgbench, which fails where one of them does.

use std::process::{Child, Command, Stdio};

use credwatch_tests::brought::brought;
use credwatch_tests::program::Program;

use crate::process::{cpu_of, peak_of};
use crate::server::Server;
use crate::stored::Large;

/// Each is somebody with a pool of connections: a key has a rate of its own.
const KEYS: usize = 20;
const CONNECTIONS_OF_A_KEY: usize = 10;
const SECONDS: u32 = 30;
/// What the names of pgbench's logs begin with.
const LOGS: &str = "crowd";

pub(crate) fn measure(large: &Large) -> String {
    let Large { program, events, .. } = large;
    let script = program.folder().join("short.sql");
    let statement = format!(
        "\\set number random(1, {events})\nSELECT time, event_id, kind, outcome FROM events WHERE seq = :number;\n"
    );
    std::fs::write(&script, statement).expect("writing a script");
    let (server, port) = Server::of_postgres(program);
    let keys: Vec<String> = (0..KEYS).map(|number| key(program, number)).collect();
    let cpu = cpu_of(server.id());
    let crowd: Vec<Child> = keys.iter().map(|key| start(program, &port, key)).collect();
    crowd.into_iter().for_each(assert_answered);
    let (cpu, peak) = (cpu_of(server.id()) - cpu, peak_of(server.id()));
    server.stop();
    let took = took(program);
    let within = |share: f64| took[((took.len() - 1) as f64 * share).round() as usize];
    format!(
        "## A crowd\n\n{} connections of {KEYS} keys over the wire of Postgres, by pgbench for {SECONDS} s: each asks for one of {events} events by its `seq` \
         as a prepared statement, and again as soon as it is answered.\n\n| answered | failed | a second | p50, ms | p99, ms | longest, ms | CPU ms each | peak memory, MiB |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n| {} | 0 | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} | {peak:.0} |\n",
        KEYS * CONNECTIONS_OF_A_KEY,
        took.len(),
        took.len() as f64 / f64::from(SECONDS),
        within(0.5),
        within(0.99),
        within(1.0),
        cpu * 1e3 / took.len() as f64,
    )
}

fn key(program: &Program, number: usize) -> String {
    program.ok(&["keys", "create", &format!("crowd-{number}"), "--role", "analyst", "--all-orgs"]).trim().to_owned()
}

fn start(program: &Program, port: &str, key: &str) -> Child {
    let connections = CONNECTIONS_OF_A_KEY.to_string();
    let mut pgbench = Command::new(brought("pgbench"));
    pgbench
        .args(["--no-vacuum", "--protocol", "prepared", "--client", &connections, "--jobs", "1"])
        .args(["--time", &SECONDS.to_string(), "--file", "short.sql", "--log", "--log-prefix", LOGS])
        .current_dir(program.folder())
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port)
        .env("PGUSER", &key[4..20])
        .env("PGDATABASE", "credwatch")
        .env("PGPASSWORD", key);
    pgbench.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starting pgbench")
}

fn assert_answered(client: Child) {
    let ended = client.wait_with_output().expect("waiting for pgbench");
    let said = String::from_utf8_lossy(&ended.stdout);
    let is_well = ended.status.success() && said.contains("failed transactions: 0 ");
    assert!(is_well, "{said}\n{}", String::from_utf8_lossy(&ended.stderr));
}

/// Milliseconds of each statement, ascending: the third word of each line of pgbench's logs is its microseconds.
fn took(program: &Program) -> Vec<f64> {
    let logs = std::fs::read_dir(program.folder()).expect("a folder").map(|entry| entry.expect("a file").path());
    let ours = logs.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(LOGS)));
    let lines = ours.flat_map(|path| {
        let text = std::fs::read_to_string(path).expect("a log");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    let micros = |line: String| line.split(' ').nth(2).and_then(|word| word.parse::<f64>().ok()).expect("microseconds");
    let mut took: Vec<f64> = lines.map(|line| micros(line) / 1e3).collect();
    took.sort_by(f64::total_cmp);
    took
}
