//! The events that a detector looks at over and over, held from tick to tick: of them only the new ones are read.
//!
//! A finding that grows for a day is judged over that day whenever an event comes. Where the file says which few events
//! matter (`looks_at`), they stay here, and what a tick reads of the files follows what is new. What is held is what the
//! files hold, never more; whoever puts a lake back to an earlier state starts its servers anew. Whatever does not fit is
//! read from the files as if nothing were held: a judgement that reaches further back, and more rows than there is room for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{concat_batches, max};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use credwatch_schemas::records::column;
use credwatch_schemas::time::{HOUR, Micros};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;

use crate::definition::LooksAt;
use crate::rows_of::{Between, Records};

/// For the rows of one declaration.
const MOST_BYTES: usize = 64 << 20;

/// A batch with fewer rows grows by the next ones: every tick brings few.
const ROWS_OF_A_BATCH: usize = 8_192;

/// So much further back is held than was asked for, so that a late event does not miss what is held.
const SLACK: i64 = 6 * HOUR;

/// What did not fit is not tried again before so many rows have come, or much less is asked for.
const ROWS_BETWEEN_TRIALS: i64 = 1_000_000;

/// One late event is read from the files; when everybody asks for more than is held, more is held.
const MOST_MISSES: u32 = 8;

/// A declaration that nobody asked for meanwhile is no longer in force.
const ASKS_REMEMBERED: u64 = 1_000;

/// By declaration, so that detectors which look at the same events share them.
#[derive(Debug)]
pub(crate) struct Remembered {
    /// For the rows of one declaration.
    most_bytes: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    asks: u64,
    /// Each with the ask that was the last for it.
    memories: BTreeMap<LooksAt, (u64, Memory)>,
}

/// What is known of one declaration at one `seq`.
#[derive(Debug)]
enum Memory {
    Rows(Held),
    TooMany { from: Micros, seq: i64 },
}

/// Every row from one time on up to one `seq` for which the declaration holds.
#[derive(Debug)]
struct Held {
    from: Micros,
    seq: i64,
    /// Asks for more, one after the other.
    misses: u32,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Default for Remembered {
    fn default() -> Self {
        Self::with_room(MOST_BYTES)
    }
}

impl Remembered {
    fn with_room(most_bytes: usize) -> Self {
        Self { most_bytes, known: Mutex::default() }
    }

    /// Every row that `looks_at` means from `from` on, perhaps with some before; `None`: they are to be read from the files.
    pub(crate) async fn rows(
        &self,
        context: &SessionContext,
        records: &Records,
        looks_at: &LooksAt,
        from: Micros,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        let reading = Reading { context, records, looks_at, most_bytes: self.most_bytes };
        let now = match self.take(looks_at) {
            Some(too_many @ Memory::TooMany { .. }) if too_many.still_holds(from, records.data_seq) => too_many,
            Some(Memory::Rows(held)) if held.serves(from, records.data_seq) => reading.go_on(held, from).await?,
            Some(Memory::Rows(held)) if held.is_worth_keeping(records.data_seq) => {
                self.put(looks_at, Memory::Rows(held.missed()));
                return Ok(None);
            }
            _ => reading.begin(from).await?,
        };
        let rows = match &now {
            Memory::Rows(held) => Some(held.table()?),
            Memory::TooMany { .. } => None,
        };
        self.put(looks_at, now);
        Ok(rows)
    }

    /// Out of reach for others while it is worked on: they read for themselves.
    fn take(&self, looks_at: &LooksAt) -> Option<Memory> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.memories.remove(looks_at).map(|(_, memory)| memory)
    }

    fn put(&self, looks_at: &LooksAt, memory: Memory) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.asks += 1;
        let now = known.asks;
        known.memories.insert(looks_at.clone(), (now, memory));
        known.memories.retain(|_, (asked, _)| *asked + ASKS_REMEMBERED > now);
    }
}

impl Memory {
    fn still_holds(&self, asked: Micros, data_seq: i64) -> bool {
        match self {
            Self::Rows(_) => false,
            Self::TooMany { from, seq } => {
                asked < from.plus(2 * SLACK) && (0..ROWS_BETWEEN_TRIALS).contains(&(data_seq - seq))
            }
        }
    }
}

/// How a memory is brought to a snapshot.
struct Reading<'a> {
    context: &'a SessionContext,
    records: &'a Records,
    looks_at: &'a LooksAt,
    most_bytes: usize,
}

impl Reading<'_> {
    async fn begin(&self, from: Micros) -> Result<Memory> {
        let rows = self.records.looked_at(self.context, self.looks_at, 0, Between::default())?;
        let schema = Arc::new(rows.schema().as_arrow().clone());
        let nothing = Held { from: from.plus(-SLACK), seq: 0, misses: 0, schema, batches: Vec::new() };
        self.go_on(nothing, from).await
    }

    /// With the rows above its own `seq`, and without those that nobody asks for any more.
    async fn go_on(&self, mut held: Held, from: Micros) -> Result<Memory> {
        held.misses = 0;
        if held.seq == self.records.data_seq {
            return Ok(Memory::Rows(held));
        }
        held.forget_before(from.plus(-SLACK));
        let since = Between { from: Some(held.from), to: None };
        let mut news = self.records.looked_at(self.context, self.looks_at, held.seq, since)?.execute_stream().await?;
        while let Some(batch) = news.try_next().await? {
            held.hold(&batch)?;
            if held.bytes() > self.most_bytes {
                return Ok(Memory::TooMany { from: held.from, seq: self.records.data_seq });
            }
        }
        held.seq = self.records.data_seq;
        Ok(Memory::Rows(held))
    }
}

impl Held {
    fn serves(&self, from: Micros, data_seq: i64) -> bool {
        self.from <= from && self.seq <= data_seq
    }

    fn is_worth_keeping(&self, data_seq: i64) -> bool {
        self.seq <= data_seq && self.misses < MOST_MISSES
    }

    fn missed(self) -> Self {
        Self { misses: self.misses + 1, ..self }
    }

    /// What comes out of a filter has room for more rows than it has: a copy has not.
    fn hold(&mut self, rows: &RecordBatch) -> Result<()> {
        let has_room = |last: &mut RecordBatch| last.num_rows() < ROWS_OF_A_BATCH;
        let last = self.batches.pop_if(has_room).unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(&self.schema)));
        let whole = concat_batches(&self.schema, [&last, rows])?;
        if whole.num_rows() > 0 {
            self.batches.push(whole);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.batches.iter().map(RecordBatch::get_array_memory_size).sum()
    }

    /// As far as whole batches go.
    fn forget_before(&mut self, from: Micros) {
        if from <= self.from {
            return;
        }
        let latest = |rows: &RecordBatch| max(rows[column::TIME].as_primitive::<TimestampMicrosecondType>());
        let before = self.batches.len();
        self.batches.retain(|rows| latest(rows).is_none_or(|latest| latest >= from.0));
        if self.batches.len() < before {
            self.from = from;
        }
    }

    fn table(&self) -> Result<Arc<dyn TableProvider>> {
        Ok(Arc::new(MemTable::try_new(Arc::clone(&self.schema), vec![self.batches.clone()])?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;

    /// Each row's hour and whether it matters; its place is its `seq`.
    type Rows = [(i64, bool)];

    fn files(rows: &Rows) -> Records {
        let many = rows.len();
        let times = rows.iter().map(|(hour, _)| hour * HOUR);
        let seqs = || (1..).take(many);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("seq", Arc::new(seqs().collect::<Int64Array>())),
            ("content_hash", Arc::new(seqs().collect::<Int64Array>())),
            ("time", Arc::new(TimestampMicrosecondArray::from_iter_values(times.clone()).with_timezone("UTC"))),
            ("date", Arc::new(times.map(|time| Some(Micros(time).utc_day())).collect::<Date32Array>())),
            ("disposition", Arc::new(StringArray::from(vec!["accepted"; many]))),
            (
                "outcome",
                Arc::new(rows.iter().map(|(_, matters)| matters.then_some("failure")).collect::<StringArray>()),
            ),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let provider = Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap());
        Records { provider, data_seq: i64::try_from(many).unwrap(), news: None }
    }

    fn looks_at() -> LooksAt {
        LooksAt { when: "outcome = 'failure'".to_owned(), columns: vec!["content_hash".to_owned(), "time".to_owned()] }
    }

    async fn hashes(context: &SessionContext, rows: Arc<dyn TableProvider>, from: Micros) -> Vec<i64> {
        let mut hashes = Vec::new();
        for batch in context.read_table(rows).unwrap().collect().await.unwrap() {
            let times = batch["time"].as_primitive::<TimestampMicrosecondType>().values();
            let late = times.iter().zip(batch["content_hash"].as_primitive::<Int64Type>().values());
            hashes.extend(late.filter(|(time, _)| **time >= from.0).map(|(_, hash)| *hash));
        }
        hashes.sort_unstable();
        hashes
    }

    fn expected(rows: &Rows, from: Micros) -> Vec<i64> {
        let matters = (1..).zip(rows).filter(|(_, (hour, matters))| *matters && hour * HOUR >= from.0);
        matters.map(|(seq, _)| seq).collect()
    }

    proptest! {
        #[test]
        fn what_is_held_is_what_the_files_hold(
            rows in prop::collection::vec((24_i64..96, any::<bool>()), 1..60),
            looks in prop::collection::vec((0_usize..60, 24_i64..96), 1..24),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (remembered, context) = (Remembered::default(), SessionContext::new());
                for (many, hour) in looks {
                    let (there, from) = (&rows[..many.min(rows.len())], Micros(hour * HOUR));
                    if let Some(held) = remembered.rows(&context, &files(there), &looks_at(), from).await.unwrap() {
                        assert_eq!(hashes(&context, held, from).await, expected(there, from));
                    }
                }
            });
        }
    }

    async fn held(remembered: &Remembered, rows: &Rows, hour: i64) -> Option<Vec<i64>> {
        let (context, from) = (SessionContext::new(), Micros(hour * HOUR));
        let held = remembered.rows(&context, &files(rows), &looks_at(), from).await.unwrap()?;
        Some(hashes(&context, held, from).await)
    }

    fn hourly(hours: i64) -> Vec<(i64, bool)> {
        (0..hours).map(|hour| (hour, true)).collect()
    }

    #[tokio::test]
    async fn small_batches_become_one_and_what_is_old_goes() {
        let (remembered, rows) = (Remembered::default(), hourly(3));
        for many in 1..=3 {
            assert_eq!(held(&remembered, &rows[..many], 0).await.unwrap().len(), many);
        }
        let known = remembered.known.lock().unwrap();
        let (_, Memory::Rows(kept)) = &known.memories[&looks_at()] else { panic!("nothing is held") };
        let mut kept = Held { batches: kept.batches.clone(), schema: Arc::clone(&kept.schema), ..*kept };
        assert_eq!(kept.batches.len(), 1);
        kept.forget_before(Micros(2 * HOUR));
        assert_eq!((kept.batches.len(), kept.from), (1, Micros(-SLACK)), "some of the batch is still asked for");
        kept.forget_before(Micros(3 * HOUR));
        assert_eq!((kept.batches.len(), kept.from), (0, Micros(3 * HOUR)));
    }

    #[tokio::test]
    async fn a_late_event_is_read_from_the_files_and_takes_nothing_from_what_is_held() {
        let (remembered, rows) = (Remembered::default(), hourly(48));
        assert_eq!(held(&remembered, &rows, 40).await.unwrap().len(), 8);
        for _ in 0..MOST_MISSES {
            assert_eq!(held(&remembered, &rows, 10).await, None);
        }
        assert_eq!(held(&remembered, &rows, 10).await.unwrap().len(), 38, "everybody asks for more: more is held");
        assert_eq!(held(&remembered, &rows, 40).await.unwrap().len(), 8);
    }

    #[tokio::test]
    async fn what_does_not_fit_is_left_to_the_files_until_less_is_asked_for() {
        let (remembered, rows) = (Remembered::with_room(20_000), hourly(4_000));
        assert_eq!(held(&remembered, &rows, 0).await, None);
        assert_eq!(held(&remembered, &rows, 5).await, None, "about as much is not tried again");
        assert_eq!(held(&remembered, &rows, 3_990).await.unwrap().len(), 10);
    }
}
