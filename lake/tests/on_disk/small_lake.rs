//! A lake in a temporary folder, batches for it that are made of a few words, and its rows as a test reads them.

use std::io::Cursor;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::json::ReaderBuilder;
use credwatch_lake::{Access, Appended, Lake};
use credwatch_schemas::batch::ValidBatch;
use credwatch_schemas::position::{Partition, Progress};
use credwatch_schemas::records::UNDATED;
use credwatch_schemas::time::{DAY, Micros, SECOND};
use datafusion::prelude::SessionContext;

/// 2026-06-01T00:00:00Z, where event times begin.
pub(crate) const BEGIN: Micros = Micros(1_780_272_000 * SECOND);

/// The wall clock of a test that does not care.
pub(crate) const NOW: Micros = Micros(BEGIN.0 + DAY);

/// What a message holds.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    Event { id: String, time: Micros },
    Bad,
}

/// An event of so many seconds after [`BEGIN`].
pub(crate) fn event(id: &str, seconds: i64) -> Record {
    Record::Event { id: id.to_owned(), time: BEGIN.plus(seconds * SECOND) }
}

pub(crate) fn partition(number: i32) -> Partition {
    Partition { topic: "audit".into(), topic_id: "t1".into(), partition: number }
}

/// `records` stand in the partition from `base` on; its clock is the latest of their times.
pub(crate) fn batch(number: i32, base: Option<i64>, records: &[Record]) -> ValidBatch {
    let latest = records.iter().filter_map(time_of).max();
    batch_with_clock(number, base, records, latest)
}

pub(crate) fn batch_with_clock(
    number: i32,
    base: Option<i64>,
    records: &[Record],
    clock: Option<Micros>,
) -> ValidBatch {
    let first = base.unwrap_or(0);
    let end = first + i64::try_from(records.len()).unwrap();
    let lines: Vec<String> = (first..).zip(records).map(|(offset, record)| line(number, offset, record)).collect();
    let progress = Progress { partition: partition(number), base, end, clock };
    ValidBatch::new(rows_of(&lines), vec![progress]).unwrap()
}

fn time_of(record: &Record) -> Option<Micros> {
    match record {
        Record::Event { time, .. } => Some(*time),
        Record::Bad => None,
    }
}

fn rows_of(lines: &[String]) -> RecordBatch {
    let reader = ReaderBuilder::new(UNDATED.clone()).with_batch_size(lines.len().max(1));
    let mut rows = reader.build(Cursor::new(lines.join("\n"))).unwrap();
    rows.next().map_or_else(|| RecordBatch::new_empty(UNDATED.clone()), Result::unwrap)
}

fn line(number: i32, offset: i64, record: &Record) -> String {
    let position = format!(
        r#""kafka_topic":"audit","kafka_topic_id":"t1","kafka_partition":{number},"kafka_offset":{offset},"kafka_index":0"#
    );
    match record {
        Record::Event { id, time } => {
            let (date, hash) = (&time.to_string()[..10], id.bytes().map(i64::from).sum::<i64>());
            format!(
                r#"{{"disposition":"accepted","date":"{date}",{position},"time":"{time}","kind":"tool_call","org_id":"org_a","source":"b","event_id":"{id}","content_hash":{hash}}}"#
            )
        }
        Record::Bad => {
            format!(r#"{{"disposition":"rejected","date":"2026-06-01",{position},"reason":"not_json","detail":"x"}}"#)
        }
    }
}

pub(crate) async fn open(folder: &tempfile::TempDir) -> Lake {
    Lake::open(folder.path().to_str().unwrap(), Access::Write).await.unwrap()
}

/// Appends and expects that it is committed; returns its first `seq` and how many were accepted, rejected, duplicates.
pub(crate) async fn append(lake: &Lake, batch: ValidBatch) -> (i64, [usize; 3]) {
    match lake.append(batch, NOW).await.unwrap() {
        Appended::Committed { first_seq, accepted, rejected, duplicates, .. } => {
            (first_seq, [accepted, rejected, duplicates])
        }
        other => panic!("expected a commit, not {other:?}"),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) seq: i64,
    pub(crate) ingest_time: i64,
    pub(crate) disposition: String,
    pub(crate) event_id: Option<String>,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// All rows of `records` by `seq`, as a query over a new snapshot sees them.
pub(crate) async fn rows(lake: &Lake) -> Vec<Row> {
    let provider = lake.snapshot().await.unwrap().records().provider();
    let session = SessionContext::new();
    session.register_table("records", provider).unwrap();
    let asked =
        "SELECT seq, ingest_time, disposition, event_id, kafka_partition, kafka_offset FROM records ORDER BY seq";
    let batches = session.sql(asked).await.unwrap().collect().await.unwrap();
    batches.iter().flat_map(rows_of_batch).collect()
}

fn rows_of_batch(batch: &RecordBatch) -> Vec<Row> {
    let numbers = |place: usize| batch.column(place).as_primitive::<Int64Type>().clone();
    let texts = |place: usize| batch.column(place).as_string::<i32>().clone();
    let (seq, disposition, event_id, offset) = (numbers(0), texts(2), texts(3), numbers(5));
    let ingest_time = batch.column(1).as_primitive::<TimestampMicrosecondType>().clone();
    let partition = batch.column(4).as_primitive::<Int32Type>().clone();
    let row = |row: usize| Row {
        seq: seq.value(row),
        ingest_time: ingest_time.value(row),
        disposition: disposition.value(row).to_owned(),
        event_id: event_id.is_valid(row).then(|| event_id.value(row).to_owned()),
        partition: partition.value(row),
        offset: offset.value(row),
    };
    (0..batch.num_rows()).map(row).collect()
}

/// `seq` is 1, 2, 3 and so on, no position stands twice, no event is accepted twice.
pub(crate) fn assert_exactly_once(rows: &[Row]) {
    let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    assert_eq!(seqs, (1..).take(rows.len()).collect::<Vec<_>>(), "seq has a hole or a repetition");
    let mut positions: Vec<_> = rows.iter().map(|row| (row.partition, row.offset)).collect();
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions.len(), rows.len(), "a position stands twice");
    let mut events = accepted(rows);
    let all = events.len();
    events.sort_unstable();
    events.dedup();
    assert_eq!(events.len(), all, "an event is accepted twice");
}

pub(crate) fn accepted(rows: &[Row]) -> Vec<&str> {
    let accepted = rows.iter().filter(|row| row.disposition == "accepted");
    accepted.map(|row| row.event_id.as_deref().unwrap()).collect()
}

pub(crate) fn count(rows: &[Row], disposition: &str) -> usize {
    rows.iter().filter(|row| row.disposition == disposition).count()
}
