//! From the rows of a batch to the rows of its files: repeats become duplicates, everything is sorted, and `seq` and
//! `ingest_time` are stamped. Pure.
//!
//! `seq` continues without a hole in the order of the files and of the rows in them, so each file covers one
//! contiguous range of it.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::{SortOptions, nullif, take};
use arrow::datatypes::Date32Type;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use credwatch_schemas::records::{Disposition, SORT_ORDER, STORED, column};
use credwatch_schemas::time::{DAY, Micros};

/// The rows of one file to be.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) disposition: String,
    /// Days since 1970.
    pub(crate) date: i32,
    pub(crate) rows: RecordBatch,
    pub(crate) first_seq: i64,
}

/// What a duplicate keeps: identity, time and position.
const KEPT_BY_DUPLICATES: [&str; 12] = [
    column::DISPOSITION,
    column::DATE,
    column::KAFKA_TOPIC,
    column::KAFKA_TOPIC_ID,
    column::KAFKA_PARTITION,
    column::KAFKA_OFFSET,
    column::KAFKA_INDEX,
    column::CONTENT_HASH,
    column::TIME,
    column::ORG_ID,
    column::EVENT_ID,
    column::SOURCE,
];

/// Rows of one (disposition, date), stamped from `last_seq` + 1 on.
pub(crate) fn arrange(
    undated: &RecordBatch,
    repeats: &[bool],
    last_seq: i64,
    ingest_time: Micros,
) -> Result<Vec<Part>, ArrowError> {
    let marked = mark_duplicates(undated, repeats)?;
    let sorted = sort(&marked)?;
    let mut parts = Vec::new();
    let mut first_seq = last_seq + 1;
    for range in ranges(&sorted) {
        let rows = sorted.slice(range.start, range.len());
        let part = stamp(&rows, first_seq, ingest_time)?;
        first_seq += i64::try_from(range.len()).map_err(|error| ArrowError::ComputeError(error.to_string()))?;
        parts.push(part);
    }
    Ok(parts)
}

/// The folder of a part, in the layout that readers of partitioned tables know.
impl Part {
    pub(crate) fn folder(&self) -> String {
        format!("{}={}/{}={}", column::DISPOSITION, self.disposition, column::DATE, date_text(self.date))
    }

    pub(crate) fn partition(&self) -> [(String, Option<String>); 2] {
        [
            (column::DISPOSITION.to_owned(), Some(self.disposition.clone())),
            (column::DATE.to_owned(), Some(date_text(self.date))),
        ]
    }
}

fn date_text(date: i32) -> String {
    let day = chrono::DateTime::from_timestamp_micros(i64::from(date).saturating_mul(DAY));
    day.map_or_else(|| date.to_string(), |day| day.date_naive().to_string())
}

fn mark_duplicates(undated: &RecordBatch, repeats: &[bool]) -> Result<RecordBatch, ArrowError> {
    if !repeats.contains(&true) {
        return Ok(undated.clone());
    }
    let mask = BooleanArray::from(repeats.to_vec());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(undated.num_columns());
    for (field, values) in undated.schema().fields().iter().zip(undated.columns()) {
        columns.push(match field.name().as_str() {
            column::DISPOSITION => with_duplicates(values, repeats),
            kept if KEPT_BY_DUPLICATES.contains(&kept) => Arc::clone(values),
            _ => nullif(values, &mask)?,
        });
    }
    RecordBatch::try_new(undated.schema(), columns)
}

fn with_duplicates(dispositions: &ArrayRef, repeats: &[bool]) -> ArrayRef {
    let before = dispositions.as_string::<i32>();
    let after = repeats.iter().enumerate().map(|(row, repeat)| match repeat {
        true => Disposition::Duplicate.as_str(),
        false => before.value(row),
    });
    Arc::new(StringArray::from_iter_values(after))
}

fn sort(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let files = [column::DISPOSITION, column::DATE];
    // Rows that the one order cannot tell apart (rejects, repeats) stand in the order of their positions.
    let ties = [
        column::KAFKA_TOPIC,
        column::KAFKA_TOPIC_ID,
        column::KAFKA_PARTITION,
        column::KAFKA_OFFSET,
        column::KAFKA_INDEX,
    ];
    let keys: Vec<ArrayRef> =
        files.iter().chain(&SORT_ORDER).chain(&ties).map(|name| Arc::clone(&rows[*name])).collect();
    let indices = sorted_indices(&keys)?;
    // Half of the columns are null throughout; in any order they are the same.
    let in_order = |values: &ArrayRef| match values.null_count() == values.len() {
        true => Ok(Arc::clone(values)),
        false => take(values, &indices, None),
    };
    RecordBatch::try_new(rows.schema(), rows.columns().iter().map(in_order).collect::<Result<_, _>>()?)
}

/// Ascending, nulls last.
fn sorted_indices(keys: &[ArrayRef]) -> Result<arrow::array::UInt32Array, ArrowError> {
    let options = SortOptions { descending: false, nulls_first: false };
    let fields = keys.iter().map(|key| SortField::new_with_options(key.data_type().clone(), options)).collect();
    let converted = RowConverter::new(fields)?.convert_columns(keys)?;
    let mut order: Vec<(_, u32)> = converted.iter().zip(0..).collect();
    order.sort_unstable();
    Ok(order.into_iter().map(|(_, index)| Some(index)).collect())
}

/// Runs of equal (disposition, date).
fn ranges(sorted: &RecordBatch) -> Vec<Range<usize>> {
    let dispositions = sorted[column::DISPOSITION].as_string::<i32>();
    let dates = sorted[column::DATE].as_primitive::<Date32Type>();
    let mut ranges = Vec::new();
    let mut start = 0;
    for row in 1..=sorted.num_rows() {
        let ends = row == sorted.num_rows()
            || dispositions.value(row) != dispositions.value(start)
            || dates.value(row) != dates.value(start);
        if ends {
            ranges.push(start..row);
            start = row;
        }
    }
    ranges
}

fn stamp(rows: &RecordBatch, first_seq: i64, ingest_time: Micros) -> Result<Part, ArrowError> {
    let count = rows.num_rows();
    let stamped: ArrayRef = Arc::new(TimestampMicrosecondArray::from_value(ingest_time.0, count).with_timezone("UTC"));
    let seq: ArrayRef = Arc::new(Int64Array::from_iter_values((first_seq..).take(count)));
    let mut columns = vec![seq, stamped];
    for field in &STORED.fields()[2..] {
        columns.push(Arc::clone(&rows[field.name().as_str()]));
    }
    Ok(Part {
        disposition: rows[column::DISPOSITION].as_string::<i32>().value(0).to_owned(),
        date: rows[column::DATE].as_primitive::<Date32Type>().value(0),
        rows: RecordBatch::try_new(STORED.clone(), columns)?,
        first_seq,
    })
}
