//! How fast readers get their rows: an operator's cursor over everything, in each of two vocabularies, and one org's among a
//! thousand; and how long the first page of a server takes that has read nothing yet.

use std::time::{Duration, Instant};

use credwatch_tests::program::Program;

use crate::process::{cpu_of, peak_of, resident};
use crate::server::Server;
use crate::stored::Large;

/// A walk ends after so long, wherever it is.
const LONGEST: Duration = Duration::from_secs(60);
const LIMIT: usize = 1_000;

/// One walk with a cursor, as far as it went.
#[derive(Debug, Clone, Copy)]
struct Walked {
    rows: usize,
    wall: f64,
    cpu: f64,
    first: f64,
    /// What the server held after a third of all rows, if it went so far, and when it ended.
    after_a_third: Option<f64>,
    held: f64,
}

pub(crate) fn measure(large: &Large) -> String {
    let Large { program, events, orgs } = large;
    let org = an_org_of(program);
    let mut section = format!(
        "## Pulling\n\nPages of {LIMIT} rows from the beginning, of {events} events of {orgs} orgs; each walk with a server of its own, for at most {} s. \
         CPU is the server's.\n\n| walk | rows | rows/s | rows a CPU second | first page, ms | memory after a third, MiB | at the end, MiB |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        LONGEST.as_secs()
    );
    let mut rates = Vec::new();
    for (name, words) in [
        ("everything, canonical", String::new()),
        ("everything, ocsf", "&format=ocsf".to_owned()),
        ("one org, canonical", format!("&org={org}")),
    ] {
        let walked = walk(program, &words, events / 3);
        let (rows, per_core) = (walked.rows as f64, walked.rows as f64 / walked.cpu);
        let row = format!(
            "| {name} | {} | {:.0} | {per_core:.0} | {:.0} | {} | {:.0} |\n",
            walked.rows,
            rows / walked.wall,
            walked.first * 1e3,
            walked.after_a_third.map_or_else(|| "not reached".to_owned(), |held| format!("{held:.0}")),
            walked.held
        );
        print!("{row}");
        section.push_str(&row);
        rates.push((per_core, rows / walked.wall));
    }
    section.push_str(&format!(
        "\nA CPU second gives {:.0} rows as they are (goal: at least 50,000) and {:.0} in OCSF (25,000); one org's cursor gets {:.0} of its rows a \
         second (10,000). Goal for the first page: under 300 ms.\n",
        rates[0].0, rates[1].0, rates[2].1
    ));
    section
}

/// One in the middle of the fleet.
fn an_org_of(program: &Program) -> String {
    let rows = program.rows(&[
        "sql",
        "-c",
        "SELECT org_id FROM events GROUP BY org_id ORDER BY count(*), org_id OFFSET 500 LIMIT 1",
    ]);
    rows[0]["org_id"].as_str().expect("an org").to_owned()
}

fn walk(program: &Program, words: &str, a_third: u64) -> Walked {
    let server = Server::of_api(program);
    let begin = Instant::now();
    let (cpu, mut rows, mut first, mut cursor) = (cpu_of(server.id()), 0, None, String::new());
    let mut after_a_third = None;
    while begin.elapsed() < LONGEST {
        let (taken, next, has_more) = page(&server, words, &cursor);
        first.get_or_insert(begin.elapsed().as_secs_f64());
        (rows, cursor) = (rows + taken, format!("&cursor={next}"));
        if rows as u64 >= a_third {
            after_a_third.get_or_insert_with(|| resident(server.id()));
        }
        if !has_more {
            break;
        }
    }
    let walked = Walked {
        rows,
        wall: begin.elapsed().as_secs_f64(),
        cpu: cpu_of(server.id()) - cpu,
        first: first.expect("a page"),
        after_a_third,
        held: resident(server.id()),
    };
    println!("at most {:.0} MiB", peak_of(server.id()));
    server.stop();
    walked
}

/// How many rows, where to go on, and whether there is more.
fn page(server: &Server<'_>, words: &str, cursor: &str) -> (usize, String, bool) {
    let url = format!("{}/v1/events?limit={LIMIT}{words}{cursor}", server.address);
    loop {
        let asked = ureq::get(&url).config().http_status_as_error(false).build();
        let mut answer = asked.header("accept", "application/x-ndjson").call().expect("an answer");
        let told = |name: &str| {
            answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        // It paces its readers: a walk waits as it is told.
        if answer.status() == 429 {
            std::thread::sleep(Duration::from_secs(told("retry-after").parse().unwrap_or(1)));
            continue;
        }
        assert_eq!(answer.status(), 200, "a page");
        let (next, has_more) = (told("x-cursor"), told("x-has-more") == "true");
        let body = answer.body_mut().with_config().limit(64 << 20).read_to_vec().expect("a body");
        return (body.iter().filter(|byte| **byte == b'\n').count(), next, has_more);
    }
}
