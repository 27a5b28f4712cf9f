//! Twelve statements that ask for more than there is, one after the other: how each ends, what the process holds meanwhile, and what
//! somebody feels who asks for single events beside it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::{forget_peak, peak_of};
use crate::server::Server;
use crate::stored::Large;

/// Memory of a statement, as docs/access.md says.
const POOL_MIB: f64 = 256.0;
/// How long the neighbour is alone.
const ALONE: Duration = Duration::from_secs(15);
/// The least that the neighbour asks beside a statement, that ended at once.
const LEAST: Duration = Duration::from_secs(2);
/// So often, as nobody asks who has a rate.
const BETWEEN_LOOKS: Duration = Duration::from_millis(25);

/// `{million}` stands for a list of a million numbers, and `{deep}` for as many parentheses as a text may hold.
const STATEMENTS: [(&str, &str); 12] = [
    ("a sort of everything", "SELECT * FROM events ORDER BY path, dest_host, trace_id, event_id"),
    ("a cross join", "SELECT count(*) FROM events a CROSS JOIN events b WHERE a.path < b.path"),
    (
        "a join of three by a column of few values",
        "SELECT count(*) FROM events a JOIN events b ON a.kind = b.kind JOIN events c ON b.kind = c.kind",
    ),
    (
        "a group for each event",
        "SELECT event_id, max(path) AS path, max(trace_id) AS trace_id, count(DISTINCT dest_host) AS hosts FROM events GROUP BY event_id",
    ),
    ("everything in one list", "SELECT array_agg(path) AS paths, array_agg(event_id) AS ids FROM events"),
    (
        "a window over everything",
        "SELECT event_id, row_number() OVER (PARTITION BY kind ORDER BY path, event_id) AS place FROM events",
    ),
    ("all distinct", "SELECT DISTINCT event_id, path, trace_id, agent_id FROM events"),
    (
        "a pattern on everything",
        "SELECT count(*) FROM events WHERE regexp_like(concat(path, dest_host, event_id, agent_id), '^(([a-z0-9./_-])+.?)+(x.*){8}$')",
    ),
    ("a list of a million numbers", "SELECT count(*) FROM events WHERE seq IN ({million})"),
    ("a hundred thousand parentheses", "SELECT {deep}"),
    (
        "a recursion without an end",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    ),
    ("a string of two billion", "SELECT length(repeat('x', 2000000000)) AS long"),
];

pub(crate) fn measure(large: &Large) -> String {
    let Large { program, events, .. } = large;
    let server = Server::of_api(program);
    let neighbour = Neighbour { url: format!("{}/v1/sql", server.address), events: *events };
    neighbour.ask_until(|begin| begin.elapsed() > LEAST);
    let usual = p99(&neighbour.ask_until(|begin| begin.elapsed() > ALONE));
    let mut section = format!(
        "## Hostile statements\n\nOne after the other over {events} events, each with a pool of {POOL_MIB:.0} MiB; beside them somebody asks for single events by \
         their `seq`, which takes {usual:.0} ms at p99 where nobody else is.\n\n\
         | statement | seconds | how it ended | peak memory, MiB | p99 beside it, ms |\n| --- | ---: | --- | ---: | ---: |\n"
    );
    let (mut most, mut beside) = (0.0_f64, Vec::new());
    for (name, statement) in STATEMENTS {
        forget_peak(server.id());
        let (seconds, ended, took) = neighbour.beside(|| run(&server.address, &written_out(statement)));
        let peak = peak_of(server.id());
        let row = format!("| {name} | {seconds:.1} | {ended} | {peak:.0} | {:.0} |\n", p99(&took));
        print!("{row}");
        section.push_str(&row);
        most = most.max(peak);
        beside.extend(took);
    }
    server.stop();
    section.push_str(&format!(
        "\nAt most {most:.0} MiB (goal: under {:.0}, which is 1.5 pools and 200 MiB). Over all of them the neighbour's p99 is {:.1} times the usual one \
         (goal: under 2). The statements:\n\n```sql\n",
        1.5 * POOL_MIB + 200.0,
        p99(&beside) / usual
    ));
    for (name, statement) in STATEMENTS {
        section.push_str(&format!("-- {name}\n{statement};\n"));
    }
    section.push_str("```\n");
    section
}

fn written_out(statement: &str) -> String {
    let million = || (0..1_000_000).map(|number| (number * 7).to_string()).collect::<Vec<_>>().join(",");
    match statement {
        long if long.contains("{million}") => long.replace("{million}", &million()),
        deep => deep.replace("{deep}", &format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000))),
    }
}

/// Somebody who asks for single events.
struct Neighbour {
    url: String,
    events: u64,
}

/// Seconds of each question.
type Took = Vec<f64>;

impl Neighbour {
    fn ask_until(&self, is_over: impl Fn(Instant) -> bool) -> Took {
        let (begin, mut took) = (Instant::now(), Took::new());
        while !is_over(begin) {
            took.push(self.ask(took.len() as u64));
            std::thread::sleep(BETWEEN_LOOKS);
        }
        took
    }

    fn ask(&self, number: u64) -> f64 {
        let seq = number * 7_919 % self.events + 1;
        let sql = format!("SELECT time, event_id, kind FROM events WHERE seq = {seq}");
        let begin = Instant::now();
        let answer = ureq::post(&self.url).send_json(json!({"sql": sql, "format": "ndjson"}));
        let text = answer.expect("an answer").body_mut().read_to_string().expect("a row");
        assert_eq!(text.lines().count(), 1, "one event has the seq {seq}");
        begin.elapsed().as_secs_f64()
    }

    /// Asks as long as `work` takes, and a little longer; how long that was, what it came to, and how long the questions took.
    fn beside(&self, work: impl FnOnce() -> String) -> (f64, String, Took) {
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let is_over = |begin: Instant| is_done.load(Ordering::Relaxed) && begin.elapsed() > LEAST;
            let asking = scope.spawn(move || self.ask_until(is_over));
            let begin = Instant::now();
            let ended = work();
            let seconds = begin.elapsed().as_secs_f64();
            is_done.store(true, Ordering::Relaxed);
            (seconds, ended, asking.join().expect("asking"))
        })
    }
}

/// How the statement ended: what the server says of it. Half an answer is none.
fn run(address: &str, sql: &str) -> String {
    let id = format!("hostile-{:x}", rand::random::<u64>());
    let asked = ureq::post(&format!("{address}/v1/sql")).config().http_status_as_error(false).build();
    let sent = asked.send_json(json!({"sql": sql, "format": "ndjson", "query_id": id}));
    // A body that is too long is refused before it has come, and this client does not listen while it sends.
    if let Err(ureq::Error::Io(error)) = &sent {
        return format!("refused while it was being sent ({error})");
    }
    let mut answer = sent.expect("an answer");
    if answer.status() != 200 {
        let problem: Value = answer.body_mut().read_json().expect("a problem");
        return format!("{}: {}", answer.status().as_u16(), shortened(problem["detail"].as_str().expect("a sentence")));
    }
    // The connection breaks off where the answer is not whole.
    std::io::copy(&mut answer.body_mut().as_reader(), &mut std::io::sink()).ok();
    let report = ureq::get(&format!("{address}/v1/sql/{id}")).call().expect("a report").body_mut().read_json::<Value>();
    let report = report.expect("a report");
    match report["error"].as_str() {
        Some(error) => shortened(error),
        None => format!("{}, {} rows", report["state"].as_str().expect("a state"), report["rows"]),
    }
}

fn shortened(sentence: &str) -> String {
    let words: String = sentence.chars().take(120).collect();
    words.replace('|', "/").replace('\n', " ")
}

/// In milliseconds.
fn p99(took: &Took) -> f64 {
    let mut ordered = took.clone();
    ordered.sort_by(f64::total_cmp);
    ordered[((ordered.len() - 1) as f64 * 0.99).round() as usize] * 1e3
}
