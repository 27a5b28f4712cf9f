//! Judges from outside: DuckDB and deltalake read the tables without any code of ours.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use credwatch_detectors::Registry;
use credwatch_detectors::definition::{Definition, Merge};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What the independent readers say of `records`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Judgement {
    pub rows: i64,
    pub accepted: i64,
    pub rejected: i64,
    pub duplicates: i64,
    /// Different (topic, topic id, partition, offset, index).
    pub positions: i64,
    /// Different (topic, topic id, partition, offset).
    pub offsets: i64,
    /// Different (source, org, event id, content hash) among accepted rows.
    pub identities: i64,
    pub lowest_seq: Option<i64>,
    pub highest_seq: Option<i64>,
    /// The value of the transaction `seq` in the table's log.
    pub logged_seq: Option<i64>,
}

impl Judgement {
    /// Reads the lake's table of records; fails with one sentence when the readers are not installed.
    pub fn of(lake: &Path) -> Self {
        ask("judge.py", &lake.join("records"), "")
    }

    /// Nothing twice, no hole in `seq`, every row at a position of its own.
    pub fn assert_exactly_once(&self) {
        assert_eq!(self.positions, self.rows, "two rows at one position: {self:?}");
        assert_eq!(self.identities, self.accepted, "an event stands twice: {self:?}");
        if self.rows > 0 {
            assert_eq!((self.lowest_seq, self.highest_seq), (Some(1), Some(self.rows)), "seq has holes: {self:?}");
            assert_eq!(self.logged_seq, self.highest_seq, "the log's seq is not the rows': {self:?}");
        }
    }
}

/// A sum that a rollup kept, and what the accepted records say that it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sum {
    pub table: String,
    pub name: String,
    pub kept: i64,
    pub counted: i64,
}

impl Sum {
    /// Every sum of every rollup that the library declares.
    pub fn all_of(lake: &Path) -> Vec<Self> {
        ask("rollups.py", lake, &serde_json::to_string(&declared()).expect("words are JSON"))
    }
}

/// A rollup as its declaration says: SQL that another engine understands as well.
#[derive(Debug, Serialize)]
struct Declared {
    table: String,
    when: String,
    sums: BTreeMap<String, String>,
}

fn declared() -> Vec<Declared> {
    let registry = Registry::embedded().expect("the library is sound");
    let mut declared = Vec::new();
    for (id, content) in registry.detectors() {
        let definition = Definition::parse(id.as_str(), content).expect("the library is sound");
        for rollup in definition.rollups.values() {
            let sums = rollup.aggregates.iter().filter(|(_, aggregate)| aggregate.merge == Merge::Sum);
            let sums = sums.map(|(name, aggregate)| (name.clone(), aggregate.sql.clone())).collect();
            declared.push(Declared { table: format!("rollup_{}", rollup.table()), when: rollup.when.clone(), sums });
        }
    }
    declared
}

/// How many records of each class a validator of OCSF finds in lines, or what is wrong with one of them.
pub fn ocsf_classes(lines: &str) -> Result<BTreeMap<String, usize>, String> {
    try_ask("ocsf.py", Path::new("-"), lines)
}

/// What an independent reader of `format` (cef or otlp) makes of each line, or why it cannot read one.
pub fn read_lines(format: &str, lines: &str) -> Result<Vec<serde_json::Map<String, serde_json::Value>>, String> {
    try_ask("lines.py", Path::new(format), lines)
}

/// The record ids that dlt has in its own table after one more run against the server at `url`.
pub fn pulled_with_dlt(folder: &Path, url: &str) -> Vec<String> {
    ask("dlt_pull.py", folder, url)
}

/// Runs a reader with `words` on its stdin; what it prints is JSON.
fn ask<Answer: DeserializeOwned>(script: &str, place: &Path, words: &str) -> Answer {
    try_ask(script, place, words).unwrap_or_else(|why| panic!("the independent readers failed: {why}"))
}

fn try_ask<Answer: DeserializeOwned>(script: &str, place: &Path, words: &str) -> Result<Answer, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("../target/venv/bin/python");
    assert!(
        python.exists(),
        "the independent readers are not in target/venv; run `make test` (or `scripts/needs build test`) to fetch them"
    );
    let mut reader = Command::new(python);
    reader.arg(here.join("oracle").join(script)).arg(place);
    reader.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut reader = reader.spawn().expect("starting the independent readers");
    let mut stdin = reader.stdin.take().expect("its stdin is ours");
    // Who found something wrong reads no further, and says why.
    let asked = stdin.write_all(words.as_bytes());
    drop(stdin);
    let answer = reader.wait_with_output().expect("waiting for the independent readers");
    if !answer.status.success() {
        return Err(String::from_utf8_lossy(&answer.stderr).into_owned());
    }
    asked.expect("asking the independent readers");
    Ok(serde_json::from_slice(&answer.stdout).expect("an answer is JSON"))
}
