//! Judges from outside: DuckDB and deltalake read the tables without any code of ours.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

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
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = here.join("../target/venv/bin/python");
        assert!(
            python.exists(),
            "the independent readers are not in target/venv; run `make test` (or `scripts/needs build test`) to fetch them"
        );
        let judged = Command::new(python).arg(here.join("oracle/judge.py")).arg(lake.join("records")).output();
        let judged = judged.expect("starting the independent readers");
        assert!(judged.status.success(), "the independent readers failed: {}", String::from_utf8_lossy(&judged.stderr));
        serde_json::from_slice(&judged.stdout).expect("a judgement is JSON")
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
