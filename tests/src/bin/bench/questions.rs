//! Twelve questions of analysts, asked of a running server and of two engines that read the same Parquet files with as many threads:
//! DuckDB and chDB. Ours also checks who asks, records it on disk and answers over HTTP.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use credwatch_lake::{Access, Lake, TableName};
use credwatch_tests::program::Program;
use serde_json::{Map, Value, json};

use crate::server::Server;
use crate::stored::Large;

const RUNS: usize = 5;
const FROM: &str = "2026-06-15 00:00:00";
const TO: &str = "2026-06-22 00:00:00";

/// `{org}`, `{connection}`, `{user}` stand for some that are there, `{from}` and `{to}` for the ends of a week.
const QUESTIONS: [(&str, &str); 12] = [
    (
        "hosts by calls",
        "SELECT dest_host, count(*) AS calls FROM events WHERE kind = 'tool_call' GROUP BY dest_host ORDER BY calls DESC, dest_host LIMIT 20",
    ),
    (
        "agents of an org",
        "SELECT agent_id, count(*) AS calls, max(time) AS last_time FROM events WHERE org_id = '{org}' GROUP BY agent_id ORDER BY calls DESC, agent_id LIMIT 50",
    ),
    (
        "failures by day and host",
        "SELECT date_trunc('day', time) AS day, dest_host, count(*) AS calls, sum(CASE WHEN status >= 400 THEN 1 ELSE 0 END) AS failed FROM events WHERE dest_host IS NOT NULL GROUP BY day, dest_host ORDER BY failed DESC, day, dest_host LIMIT 50",
    ),
    (
        "hosts of each agent",
        "SELECT org_id, agent_id, count(DISTINCT dest_host) AS hosts FROM events GROUP BY org_id, agent_id ORDER BY hosts DESC, org_id, agent_id LIMIT 50",
    ),
    (
        "the last 50 of a connection",
        "SELECT time, event_id, kind, outcome FROM events WHERE connection_id = '{connection}' ORDER BY time DESC, event_id LIMIT 50",
    ),
    (
        "what a person's agents did",
        "SELECT count(*) AS events, min(time) AS first_time, max(time) AS last_time FROM events WHERE user_id = '{user}'",
    ),
    (
        "rate limits",
        "SELECT org_id, dest_host, count(*) AS limited FROM events WHERE status = 429 GROUP BY org_id, dest_host ORDER BY limited DESC, org_id, dest_host LIMIT 50",
    ),
    (
        "credentials of other orgs",
        "SELECT org_id, credential_org_id, count(*) AS calls FROM events WHERE credential_org_id <> org_id GROUP BY org_id, credential_org_id ORDER BY calls DESC, org_id LIMIT 50",
    ),
    (
        "a week by the hour",
        "SELECT date_trunc('hour', time) AS hour, count(*) AS events FROM events WHERE time >= {from} AND time < {to} GROUP BY hour ORDER BY hour",
    ),
    ("a word in a path", "SELECT count(*) AS calls FROM events WHERE path LIKE '%admin%'"),
    (
        "destinations by their first call",
        "SELECT org_id, agent_id, dest_host, min(time) AS first_time FROM events WHERE dest_host IS NOT NULL GROUP BY org_id, agent_id, dest_host ORDER BY first_time DESC, org_id, agent_id, dest_host LIMIT 50",
    ),
    (
        "how long hosts take",
        "SELECT dest_host, count(*) AS calls, avg(duration_ms) AS mean, max(duration_ms) AS longest FROM events WHERE duration_ms IS NOT NULL GROUP BY dest_host ORDER BY longest DESC, dest_host LIMIT 20",
    ),
];

pub(crate) async fn measure(large: &Large) -> String {
    let Large { program, events, orgs } = large;
    let questions = questions(program);
    let ours = ours(program, &questions);
    let files = files(program).await;
    let [duckdb, chdb] = ["duckdb", "chdb"].map(|engine| theirs(engine, &files, &questions));
    let mut section = format!(
        "## Questions\n\n{} questions over {events} events of {orgs} orgs in {} files, the middle of {RUNS} runs: `POST /v1/sql` of a running server, and \
         DuckDB and chDB over the same files with two threads.\n\n| question | credwatch, ms | DuckDB, ms | chDB, ms | ours / the better |\n\
         | --- | ---: | ---: | ---: | ---: |\n",
        questions.len(),
        files.len()
    );
    let mut ratios = Vec::new();
    for (place, (name, _)) in questions.iter().enumerate() {
        let [ours, duckdb, chdb] = [&ours, &duckdb, &chdb].map(|answers| answers[place]);
        assert_eq!((duckdb.told, chdb.told), (ours.told, ours.told), "{name}: the answers are the same");
        let ratio = ours.seconds / duckdb.seconds.min(chdb.seconds);
        let [ours, duckdb, chdb] = [ours, duckdb, chdb].map(|answer| answer.seconds * 1e3);
        section.push_str(&format!("| {name} | {ours:.0} | {duckdb:.0} | {chdb:.0} | {ratio:.2} |\n"));
        ratios.push(ratio);
    }
    let slowest = ratios.iter().copied().fold(0.0, f64::max);
    let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
    section.push_str(&format!(
        "\nThe worst takes {slowest:.2} times as long as the better of the two (goal: at most 1.2), their geometric mean is {mean:.2} (goal: at most \
         0.8). Their SQL:\n\n```sql\n"
    ));
    for (name, statement) in QUESTIONS {
        section.push_str(&format!("-- {name}\n{statement};\n"));
    }
    section.push_str("```\n");
    section
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    seconds: f64,
    told: Told,
}

/// Rows, and the sum of all whole numbers in them.
type Told = (usize, i64);

/// With ids that are there: each of something in the middle.
fn questions(program: &Program) -> Vec<(&'static str, String)> {
    let some = |column: &str| {
        let sql = format!(
            "SELECT {column} AS id FROM events WHERE {column} IS NOT NULL GROUP BY {column} ORDER BY count(*), {column} OFFSET 500 LIMIT 1"
        );
        program.rows(&["sql", "-c", &sql])[0]["id"].as_str().expect("an id").to_owned()
    };
    let (org, connection, user) = (some("org_id"), some("connection_id"), some("user_id"));
    let named = |sql: &str| sql.replace("{org}", &org).replace("{connection}", &connection).replace("{user}", &user);
    QUESTIONS.iter().map(|(name, sql)| (*name, named(sql))).collect()
}

/// The files of accepted events that the table has now.
async fn files(program: &Program) -> Vec<String> {
    let lake = Lake::open(program.lake().to_str().expect("a path in UTF-8"), Access::Read).await.expect("a lake");
    let snapshot = lake.snapshot().await.expect("a snapshot");
    let table = snapshot.table(&TableName::Records).expect("its records");
    let accepted = table.files().iter().filter(|file| file.partition_value("disposition") == Some("accepted"));
    let folder = program.lake().join("records");
    accepted.map(|file| folder.join(file.path.as_ref()).display().to_string()).collect()
}

fn ours(program: &Program, questions: &[(&str, String)]) -> Vec<Answer> {
    let server = Server::of_api(program);
    let url = format!("{}/v1/sql", server.address);
    let ask = |sql: &str| -> Told {
        let sql = sql.replace("{from}", &format!("TIMESTAMP '{FROM}Z'")).replace("{to}", &format!("TIMESTAMP '{TO}Z'"));
        let mut answer = ureq::post(&url).send_json(json!({"sql": sql, "format": "ndjson"})).expect("an answer");
        let text = answer.body_mut().read_to_string().expect("its rows");
        let rows = text.lines().map(|line| serde_json::from_str::<Map<String, Value>>(line).expect("a row"));
        rows.fold((0, 0), |(rows, sum), row| (rows + 1, sum + row.values().filter_map(Value::as_i64).sum::<i64>()))
    };
    let answers = questions.iter().map(|(_, sql)| {
        let told = ask(sql);
        let mut seconds: Vec<f64> = (0..RUNS).map(|_| timed(|| ask(sql))).collect();
        seconds.sort_by(f64::total_cmp);
        Answer { seconds: seconds[RUNS / 2], told }
    });
    let answers = answers.collect();
    server.stop();
    answers
}

fn timed(work: impl FnOnce() -> Told) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_secs_f64()
}

fn theirs(engine: &str, files: &[String], questions: &[(&str, String)]) -> Vec<Answer> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(here.join("../target/venv/bin/python"));
    python.arg(here.join("oracle/questions.py")).arg(engine).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = python.spawn().expect("starting Python");
    let asked = json!({"files": files, "questions": questions, "runs": RUNS, "from": FROM, "to": TO}).to_string();
    python.stdin.take().expect("its stdin").write_all(asked.as_bytes()).expect("asking");
    let said = python.wait_with_output().expect("waiting for Python");
    assert!(said.status.success(), "{engine} failed");
    let answers: Vec<(f64, usize, i64)> = serde_json::from_slice(&said.stdout).expect("its answer is JSON");
    answers.into_iter().map(|(seconds, rows, sum)| Answer { seconds, told: (rows, sum) }).collect()
}
