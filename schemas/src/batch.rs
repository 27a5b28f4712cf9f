//! A batch that may be committed: rows of `records` with the positions that they stand for.
//!
//! [`ValidBatch::new`] is the only way to make one, so that whoever commits need not check again: every row lies in
//! one of the named partitions, between its base and its end; a record that holds an array is whole.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use thiserror::Error;

use crate::position::{Partition, Progress};
use crate::records::{UNDATED, column};

/// Rows in the schema [`UNDATED`], in any order, and how far they bring each partition.
#[derive(Debug, Clone)]
pub struct ValidBatch {
    rows: RecordBatch,
    progress: Vec<Progress>,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum InvalidBatch {
    #[error("its columns are not those of a record before commit")]
    Schema,
    #[error("partition \"{0}\" ends at {1}, before its base {2}")]
    Backwards(Partition, i64, i64),
    #[error("partition \"{0}\" stands in it twice")]
    Twice(Partition),
    #[error("row {0} has no disposition, date, topic, topic id, partition, offset or index")]
    NoPosition(usize),
    #[error("row {0} at offset {1} lies outside what the batch says of partition \"{2}\"")]
    Outside(usize, i64, Partition),
}

impl ValidBatch {
    /// Checks what is promised above. A batch without rows is fine: a partition's start, or a gap in its offsets, is
    /// progress too.
    pub fn new(rows: RecordBatch, mut progress: Vec<Progress>) -> Result<Self, InvalidBatch> {
        if rows.schema().fields() != UNDATED.fields() {
            return Err(InvalidBatch::Schema);
        }
        progress.sort_by(|a, b| a.partition.cmp(&b.partition));
        check_progress(&progress)?;
        check_rows(&rows, &progress)?;
        Ok(Self { rows, progress })
    }

    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// Sorted by partition.
    pub fn progress(&self) -> &[Progress] {
        &self.progress
    }
}

fn check_progress(progress: &[Progress]) -> Result<(), InvalidBatch> {
    for step in progress {
        if let Some(base) = step.base.filter(|base| step.end < *base) {
            return Err(InvalidBatch::Backwards(step.partition.clone(), step.end, base));
        }
    }
    for pair in progress.windows(2) {
        if pair[0].partition == pair[1].partition {
            return Err(InvalidBatch::Twice(pair[0].partition.clone()));
        }
    }
    Ok(())
}

fn check_rows(rows: &RecordBatch, progress: &[Progress]) -> Result<(), InvalidBatch> {
    let known: BTreeMap<(&str, &str, i32), &Progress> = progress
        .iter()
        .map(|step| ((step.partition.topic.as_str(), step.partition.topic_id.as_str(), step.partition.partition), step))
        .collect();
    let topics = rows[column::KAFKA_TOPIC].as_string::<i32>();
    let topic_ids = rows[column::KAFKA_TOPIC_ID].as_string::<i32>();
    let partitions = rows[column::KAFKA_PARTITION].as_primitive::<Int32Type>();
    let offsets = rows[column::KAFKA_OFFSET].as_primitive::<Int64Type>();
    let needed = [
        column::KAFKA_TOPIC,
        column::KAFKA_TOPIC_ID,
        column::KAFKA_PARTITION,
        column::KAFKA_OFFSET,
        column::KAFKA_INDEX,
    ];
    let needed = needed.map(|name| &rows[name]);
    for row in 0..rows.num_rows() {
        if needed.iter().any(|values| values.is_null(row)) {
            return Err(InvalidBatch::NoPosition(row));
        }
        let offset = offsets.value(row);
        let inside = known
            .get(&(topics.value(row), topic_ids.value(row), partitions.value(row)))
            .is_some_and(|step| step.base.is_none_or(|base| base <= offset) && offset < step.end);
        if !inside {
            let partition = Partition {
                topic: topics.value(row).to_owned(),
                topic_id: topic_ids.value(row).to_owned(),
                partition: partitions.value(row),
            };
            return Err(InvalidBatch::Outside(row, offset, partition));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> Partition {
        Partition { topic: "audit".into(), topic_id: "t1".into(), partition: number }
    }

    fn empty() -> RecordBatch {
        RecordBatch::new_empty(UNDATED.clone())
    }

    #[test]
    fn progress_without_rows_is_a_batch() {
        let start = Progress { partition: partition(0), base: None, end: 500, clock: None };
        assert!(ValidBatch::new(empty(), vec![start]).is_ok());
    }

    #[test]
    fn a_partition_cannot_go_backwards() {
        let back = Progress { partition: partition(0), base: Some(5), end: 4, clock: None };
        assert_eq!(ValidBatch::new(empty(), vec![back]).unwrap_err(), InvalidBatch::Backwards(partition(0), 4, 5));
    }

    #[test]
    fn a_partition_cannot_stand_twice() {
        let one = Progress { partition: partition(0), base: Some(1), end: 2, clock: None };
        let two = Progress { partition: partition(0), base: Some(2), end: 3, clock: None };
        assert_eq!(ValidBatch::new(empty(), vec![two, one]).unwrap_err(), InvalidBatch::Twice(partition(0)));
    }
}
