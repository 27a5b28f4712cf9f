//! Where a walk begins that has no cursor: the last place before a time at which rows became durable.
//!
//! `ingest_time` never goes back as `seq` goes up, so a time is a place. The log's bounds of files say between which two
//! numbers it lies; only the files between them are read. Revisions of findings are stamped by whoever writes them, so
//! their time may go back a little: there the place is below every revision that is recorded at the time or later.

use std::sync::Arc;

use credwatch_lake::{DataFile, LakeSnapshot, TableName};
use credwatch_query::{Limits, Params, Session, TenantScope};
use credwatch_schemas::cell;
use credwatch_schemas::records::column;
use credwatch_schemas::time::Micros;
use datafusion::scalar::ScalarValue;

use super::span::later;
use super::stream::Stream;
use super::walk::highest_seq;
use crate::problem::Problem;

const RECORDED_TIME: &str = "recorded_time";

/// The place behind which everything lies that became durable at `time` or later.
pub(crate) async fn position(
    snapshot: &LakeSnapshot,
    stream: Stream,
    scope: &TenantScope,
    time: Micros,
) -> Result<i64, Problem> {
    let between = between(stamped(snapshot, stream), highest_seq(snapshot, stream), time);
    if between.first >= between.last {
        return Ok(between.last);
    }
    let found = first_at(snapshot, stream, scope, time, between).await?;
    Ok(found.map_or(between.last, |seq| seq - 1))
}

/// A file and the times of its rows.
#[derive(Debug, Clone, Copy)]
struct Stamped {
    seq: (i64, i64),
    /// `None` when nothing is known.
    time: Option<(Micros, Micros)>,
}

/// The place lies at one of these two or between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Between {
    first: i64,
    last: i64,
}

fn between(files: impl Iterator<Item = Stamped>, head: i64, time: Micros) -> Between {
    let mut between = Between { first: head, last: head };
    for file in files {
        match file.time {
            Some((_, latest)) if latest < time => continue,
            Some((earliest, _)) if earliest >= time => between.last = between.last.min(file.seq.0 - 1),
            _ => {}
        }
        between.first = between.first.min(file.seq.0 - 1);
    }
    between
}

fn stamped(snapshot: &LakeSnapshot, stream: Stream) -> impl Iterator<Item = Stamped> {
    let (table, time) = match stream {
        Stream::Events => (TableName::Records, column::INGEST_TIME),
        Stream::Findings => (TableName::Findings, RECORDED_TIME),
    };
    let files: &[Arc<DataFile>] = snapshot.table(&table).map(credwatch_lake::TableSnapshot::files).unwrap_or_default();
    files
        .iter()
        .map(move |file| Stamped { seq: file.seq_range().unwrap_or((1, i64::MAX)), time: file.times_between(time) })
}

async fn first_at(
    snapshot: &LakeSnapshot,
    stream: Stream,
    scope: &TenantScope,
    time: Micros,
    between: Between,
) -> Result<Option<i64>, Problem> {
    let sql = match stream {
        Stream::Events => "SELECT min(seq) AS seq FROM events WHERE ingest_time >= $1 AND seq > $2 AND seq <= $3",
        Stream::Findings => "SELECT min(seq) AS seq FROM findings WHERE recorded_time >= $1 AND seq > $2 AND seq <= $3",
    };
    let time = ScalarValue::TimestampMicrosecond(Some(time.0), Some("UTC".into()));
    let params = vec![time, ScalarValue::from(between.first), ScalarValue::from(between.last)];
    let session = Session::open(snapshot, scope.clone(), Limits::default()).map_err(|error| later(&error))?;
    let stream = session.run(sql, Params::Positional(params)).await.map_err(|error| later(&error))?;
    for batch in stream.collect().await.map_err(|error| later(&error))? {
        let seq = cell::int64s(batch.column(0)).map_err(|error| Problem::internal("finding a start", &error))?;
        if let Some(seq) = seq.into_iter().flatten().next() {
            return Ok(Some(seq));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(first: i64, last: i64, earliest: i64, latest: i64) -> Stamped {
        Stamped { seq: (first, last), time: Some((Micros(earliest), Micros(latest))) }
    }

    fn place(files: &[Stamped], time: i64) -> (i64, i64) {
        let between = between(files.iter().copied(), 20, Micros(time));
        (between.first, between.last)
    }

    #[test]
    fn bounds_of_files_alone_say_where_a_time_lies_between_two_commits() {
        let files = [file(1, 10, 100, 100), file(11, 20, 200, 200)];
        assert_eq!(place(&files, 50), (0, 0));
        assert_eq!(place(&files, 100), (0, 0));
        assert_eq!(place(&files, 101), (10, 10));
        assert_eq!(place(&files, 200), (10, 10));
        assert_eq!(place(&files, 201), (20, 20), "the end as it stands");
    }

    #[test]
    fn a_file_that_spans_the_time_is_to_be_read_and_none_besides() {
        let files = [file(1, 5, 100, 100), file(6, 15, 200, 400), file(16, 20, 500, 500)];
        assert_eq!(place(&files, 300), (5, 15));
    }

    #[test]
    fn a_file_of_unknown_times_may_hold_anything() {
        let unknown = Stamped { seq: (3, 9), time: None };
        assert_eq!(place(&[file(1, 2, 100, 100), unknown, file(10, 20, 900, 900)], 500), (2, 9));
    }
}
