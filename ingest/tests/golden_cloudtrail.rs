//! A handful of real CloudTrail records as rows, for people to read: `golden/cloudtrail.json`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use arrow::json::LineDelimitedWriter;
use credwatch_ingest::{Accumulator, Binding, ClockRule, Cut, Decoder, Limits, RawRecord, RedactionKey};
use credwatch_schemas::position::Partition;
use credwatch_schemas::time::Micros;
use flate2::read::GzDecoder;
use serde_json::Value;

const NOW: Micros = Micros(1_780_305_243_000_000);

/// A call of a user, a refused one, one of a role, one that AWS reports by itself, a sign-in, a new access key.
const LINES: [usize; 6] = [0, 94, 96, 197, 2_319, 2_337];

#[test]
fn real_records_become_these_rows() {
    let expected = fs::read_to_string(folder().join("tests/golden/cloudtrail.json")).unwrap_or_default();
    let rows = serde_json::to_string_pretty(&rows_of(&lines())).unwrap();
    assert!(rows.trim() == expected.trim(), "the rows are not those of tests/golden/cloudtrail.json, but\n{rows}");
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn lines() -> Vec<(usize, String)> {
    let file = fs::File::open(folder().join(Path::new("../tests/data/cloudtrail-attack.ndjson.gz"))).unwrap();
    let all = BufReader::new(GzDecoder::new(file)).lines().map(Result::unwrap).enumerate();
    all.filter(|(number, _)| LINES.contains(number)).collect()
}

/// Rows as JSON, without what is absent.
fn rows_of(lines: &[(usize, String)]) -> Vec<Value> {
    let decoder = Decoder::new(RedactionKey::from_bytes([7; 32]), Limits::default());
    let partition = Partition { topic: "audit".into(), topic_id: "t1".into(), partition: 0 };
    let mut accumulator = Accumulator::new(Cut::default());
    accumulator.begin(&partition, Some(0), 0, ClockRule::Moves);
    for (number, line) in lines {
        let (payload, offset) = (Some(line.as_bytes()), i64::try_from(*number).unwrap());
        let record = RawRecord { payload, headers: &[], arrival: NOW, now: NOW, partition: &partition, offset };
        accumulator.push(&decoder, &Binding::default(), &record);
    }
    let batch = accumulator.take().unwrap();
    let mut json = Vec::new();
    let mut writer = LineDelimitedWriter::new(&mut json);
    writer.write(batch.rows()).unwrap();
    writer.finish().unwrap();
    json.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}
