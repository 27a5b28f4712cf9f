//! Gathers rows until a batch is worth a commit, and knows how far that batch brings each partition.
//!
//! It holds one invariant: every record from a partition's base up to its end is among the rows, or was skipped on
//! purpose. So it takes no record twice (one below the end is passed over), none of a partition that it was not told
//! to read, and the rows of a partition that is taken away go with it, while those of its neighbours stay.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use credwatch_schemas::batch::ValidBatch;
use credwatch_schemas::position::{Partition, Progress};
use credwatch_schemas::reject::{NEXT_OFFSET, Reason};
use credwatch_schemas::time::Micros;

use crate::binding::Binding;
use crate::columns::{Columns, Place, Reject};
use crate::decode::Decoder;
use crate::raw_record::RawRecord;
use crate::rejection::Known;

/// When a batch is due: whichever comes first. Batches are cut between records, never inside one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub rows: usize,
    /// About as many bytes of memory.
    pub bytes: usize,
    /// Since the oldest gathered record was read.
    pub age: Duration,
}

impl Default for Cut {
    fn default() -> Self {
        Self { rows: 100_000, bytes: 64 << 20, age: Duration::from_secs(5) }
    }
}

/// Whether a partition's events move a clock, and with it the watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockRule {
    /// Partitions of Kafka, and doors.
    Moves,
    /// Imports: history says nothing about what is still to come.
    None,
}

#[derive(Debug)]
pub struct Accumulator {
    cut: Cut,
    columns: Columns,
    readings: BTreeMap<Partition, Reading>,
    /// Rows of partitions that were taken away; they leave with the next batch.
    dead: Vec<Range<usize>>,
    /// When the oldest gathered record was read.
    oldest: Option<Micros>,
}

/// One partition since the last batch.
#[derive(Debug)]
struct Reading {
    base: Option<i64>,
    end: i64,
    rule: ClockRule,
    clock: Option<Micros>,
    has_clock_to_commit: bool,
    /// Its rows among the gathered ones.
    rows: Vec<Range<usize>>,
}

impl Accumulator {
    pub fn new(cut: Cut) -> Self {
        Self { cut, columns: Columns::new(), readings: BTreeMap::new(), dead: Vec::new(), oldest: None }
    }

    /// From now on `partition` is read, from `start` on. `base` is the table's position, `None` where the table does
    /// not know the partition: then, and when `start` lies above it, the start alone is something to commit. What was
    /// gathered of this partition before is forgotten.
    pub fn begin(&mut self, partition: &Partition, base: Option<i64>, start: i64, clock: ClockRule) {
        self.forget(partition);
        let end = base.map_or(start, |base| base.max(start));
        let reading = Reading { base, end, rule: clock, clock: None, has_clock_to_commit: false, rows: Vec::new() };
        self.readings.insert(partition.clone(), reading);
    }

    /// What lies between the table's position and the start of a partition that was just begun can be read by nobody any
    /// more: one row says so, and stands where the first of it would.
    pub fn tell_lost(&mut self, partition: &Partition, now: Micros) {
        let Some(reading) = self.readings.get_mut(partition) else { return };
        let Some(lost) = reading.passed_over() else { return };
        let row = self.columns.rows();
        push_lost(&mut self.columns, partition, &lost, now);
        reading.add_rows(row..self.columns.rows());
        self.oldest = Some(self.oldest.map_or(now, |oldest| oldest.min(now)));
    }

    /// One record becomes one row, or one a value of its list. Offsets may have gaps. A record below the partition's
    /// end is among the rows already, and one of a partition that was never begun or is forgotten is somebody else's:
    /// both change nothing.
    pub fn push(&mut self, decoder: &Decoder, binding: &Binding, record: &RawRecord<'_>) {
        let Some(reading) = self.readings.get_mut(record.partition).filter(|reading| reading.end <= record.offset)
        else {
            return;
        };
        let first = self.columns.rows();
        let latest = decoder.decode(record, binding, &mut self.columns);
        reading.add_rows(first..self.columns.rows());
        reading.end = record.offset.saturating_add(1);
        if let Some(latest) = latest {
            reading.move_clock(latest);
        }
        self.oldest = Some(self.oldest.map_or(record.now, |oldest| oldest.min(record.now)));
    }

    /// Nothing but control records or gaps lies below `next`: progress without rows.
    pub fn skip_to(&mut self, partition: &Partition, next: i64) {
        if let Some(reading) = self.readings.get_mut(partition) {
            reading.end = reading.end.max(next);
        }
    }

    /// The clock of a partition that is read up to its end; it never goes back.
    pub fn tell_clock(&mut self, partition: &Partition, clock: Micros) {
        if let Some(reading) = self.readings.get_mut(partition) {
            reading.move_clock(clock);
        }
    }

    /// Whether there are enough rows or bytes, or the oldest record has waited long enough. Progress and clocks
    /// without a record wait for nobody: whoever tells them decides when they are worth a commit.
    pub fn is_due(&self, now: Micros) -> bool {
        let age = i64::try_from(self.cut.age.as_micros()).unwrap_or(i64::MAX);
        let is_old = self.oldest.is_some_and(|oldest| now.0.saturating_sub(oldest.0) >= age);
        self.rows() >= self.cut.rows || self.bytes() >= self.cut.bytes || is_old
    }

    /// Whether there is nothing to commit: no rows, no progress, no clock.
    pub fn is_empty(&self) -> bool {
        self.readings.values().all(Reading::has_nothing)
    }

    /// About as many bytes as the gathered rows hold in memory, those of forgotten partitions included.
    pub fn bytes(&self) -> usize {
        self.columns.bytes()
    }

    /// Rows of the next batch.
    pub fn rows(&self) -> usize {
        self.columns.rows() - self.dead.iter().map(Range::len).sum::<usize>()
    }

    /// What was gathered, if there is anything to commit. The next batch begins where this one ends: a batch that is
    /// lost has to be committed again, or its partitions begun again.
    pub fn take(&mut self) -> Option<ValidBatch> {
        if self.is_empty() {
            return None;
        }
        let progress = self.readings.iter_mut().filter_map(|(partition, reading)| reading.take(partition)).collect();
        let rows = self.take_rows();
        // Columns fit their schema, and rows lie inside their partitions' progress, by construction. If not, nothing is
        // committed; the table stays where it is, finds the next batch stale, and the records are read again.
        let batch = rows.map_err(|error| error.to_string());
        let batch = batch.and_then(|rows| ValidBatch::new(rows, progress).map_err(|error| error.to_string()));
        batch.inspect_err(|error| tracing::error!(%error, "a batch does not fit its positions and was dropped")).ok()
    }

    fn take_rows(&mut self) -> Result<RecordBatch, ArrowError> {
        self.oldest = None;
        let rows = self.columns.take()?;
        let dead = std::mem::take(&mut self.dead);
        if dead.is_empty() {
            return Ok(rows);
        }
        let mut keep = vec![true; rows.num_rows()];
        for range in dead {
            keep[range].fill(false);
        }
        filter_record_batch(&rows, &BooleanArray::from(keep))
    }

    /// The partition was taken away: its rows, progress and clock since the last batch go; whoever has it now reads
    /// them. Its neighbours keep theirs.
    pub fn forget(&mut self, partition: &Partition) {
        let Some(reading) = self.readings.remove(partition) else { return };
        self.dead.extend(reading.rows);
        if self.rows() == 0 {
            self.columns = Columns::new();
            self.dead.clear();
            self.oldest = None;
        }
    }

    /// The next offset of a partition that is being read.
    pub fn end(&self, partition: &Partition) -> Option<i64> {
        self.readings.get(partition).map(|reading| reading.end)
    }
}

impl Reading {
    fn has_nothing(&self) -> bool {
        self.base == Some(self.end) && !self.has_clock_to_commit
    }

    /// Offsets between the table's position and the start, before anything was read.
    fn passed_over(&self) -> Option<Range<i64>> {
        let base = self.base.filter(|base| self.rows.is_empty() && *base < self.end)?;
        Some(base..self.end)
    }

    /// Consecutive rows are one range, so that there are few.
    fn add_rows(&mut self, rows: Range<usize>) {
        match self.rows.last_mut() {
            Some(last) if last.end == rows.start => last.end = rows.end,
            _ => self.rows.push(rows),
        }
    }

    fn move_clock(&mut self, clock: Micros) {
        if self.rule == ClockRule::Moves && self.clock.is_none_or(|present| present < clock) {
            self.clock = Some(clock);
            self.has_clock_to_commit = true;
        }
    }

    fn take(&mut self, partition: &Partition) -> Option<Progress> {
        if self.has_nothing() {
            return None;
        }
        let clock = self.clock.filter(|_| self.has_clock_to_commit);
        let progress = Progress { partition: partition.clone(), base: self.base, end: self.end, clock };
        self.base = Some(self.end);
        self.has_clock_to_commit = false;
        self.rows.clear();
        Some(progress)
    }
}

/// A run of records that Kafka deleted before they were read, as one row.
fn push_lost(columns: &mut Columns, partition: &Partition, lost: &Range<i64>, now: Micros) {
    let (first, next) = (lost.start, lost.end);
    let detail =
        format!("Kafka deleted offsets {first} to {} before they were read: its retention is too short", next - 1);
    let reject = Reject {
        arrival: now,
        content_hash: None,
        reason: Reason::DeletedUnread,
        detail: &detail,
        raw: None,
        known: &Known::default(),
        attributes: &[(NEXT_OFFSET.into(), next.to_string().into())],
    };
    columns.push_reject(Place { partition, offset: first, index: 0 }, &reject);
}

#[cfg(test)]
mod tests;
