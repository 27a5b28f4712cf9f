//! A fenced change of a small table: findings, coverage, configuration, rollups, ledgers.
//!
//! The maker says what it has seen (`expect`) and what the change makes of it (`set`). If the table says otherwise, or
//! any other commit gets in between, the change is lost as a whole and its maker looks again.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int64Type, SchemaRef};
use credwatch_schemas::records::column;

use crate::append::{discard, put_files};
use crate::data_file::{Bounds, DataFile};
use crate::error::{BoxError, Doing, LakeError};
use crate::parquet_file::{Order, encode};
use crate::snapshot::SEQ;
use crate::state::State;
use crate::table::{Edit, Landed, Table};

#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Rows in the table's columns. Where the table has a `seq`, rows without one are stamped in their order.
    pub append: Vec<RecordBatch>,
    /// Files that these rows replace; all of them must be active still.
    pub replace: Option<Vec<Arc<DataFile>>>,
    /// Application transactions as the maker has seen them; `None` is absent.
    pub expect: Vec<(String, Option<i64>)>,
    /// Application transactions after the change.
    pub set: Vec<(String, i64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Committed {
    Done {
        version: i64,
    },
    /// An expectation did not hold, or another commit came first: look again and decide again.
    Lost,
}

pub(crate) async fn commit(table: &Table, change: Change, now_ms: i64) -> Result<Committed, LakeError> {
    let state = table.refresh().await?;
    if !expectations_hold(&state, &change) {
        return Ok(Committed::Lost);
    }
    let schema = Arc::clone(&table.schema);
    let last_seq = state.transactions.get(SEQ).copied().unwrap_or(0);
    let append = change.append;
    let encoded = tokio::task::spawn_blocking(move || encode_rows(&schema, &append, last_seq, now_ms));
    let encoded = encoded.await.map_err(BoxError::from).and_then(|done| done).doing("encode rows", &table.name)?;
    let mut set = change.set;
    if let Some(highest) = encoded.highest_seq.filter(|_| !set.iter().any(|(name, _)| name == SEQ)) {
        set.push((SEQ.to_owned(), highest));
    }
    let remove = change.replace.unwrap_or_default();
    if encoded.file.is_empty() && set.is_empty() && remove.is_empty() {
        return Ok(done(state.version));
    }
    put_files(table, &encoded.file).await?;
    let add = encoded.file.into_iter().map(|(file, _)| file).collect();
    let edit = Edit { add, remove, set, now_ms, ..Edit::default() };
    match table.commit(&state, &edit).await? {
        Landed::Done(version) => Ok(done(version)),
        Landed::Lost => {
            discard(table, &edit).await;
            Ok(Committed::Lost)
        }
        Landed::Overtaken => Ok(Committed::Lost),
    }
}

fn done(version: u64) -> Committed {
    Committed::Done { version: i64::try_from(version).unwrap_or(i64::MAX) }
}

fn expectations_hold(state: &State, change: &Change) -> bool {
    let seen = change.expect.iter().all(|(name, value)| state.transactions.get(name).copied() == *value);
    seen && change.replace.iter().flatten().all(|file| state.is_active(&file.path))
}

struct Encoded {
    /// None or one.
    file: Vec<(DataFile, bytes::Bytes)>,
    highest_seq: Option<i64>,
}

fn encode_rows(schema: &SchemaRef, append: &[RecordBatch], last_seq: i64, now_ms: i64) -> Result<Encoded, BoxError> {
    let fitting: Vec<RecordBatch> = append.iter().map(|batch| fit(schema, batch)).collect::<Result<_, _>>()?;
    let rows = concat_batches(schema, &fitting)?;
    if rows.num_rows() == 0 {
        return Ok(Encoded { file: Vec::new(), highest_seq: None });
    }
    let (rows, highest_seq) = stamp(rows, last_seq)?;
    let bytes = encode(&rows, Order::AsGiven)?;
    let bounds = Bounds::of(&rows);
    let file = DataFile {
        path: format!("{}.parquet", uuid::Uuid::new_v4()).into(),
        bytes: bytes.len() as u64,
        rows: bounds.num_records,
        partition: Default::default(),
        bounds,
        modified_ms: now_ms,
    };
    Ok(Encoded { file: vec![(file, bytes)], highest_seq })
}

/// The batch in the table's own schema. Names and types must be the same; what is nullable may differ.
fn fit(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, BoxError> {
    let same = |(ours, theirs): (&Arc<arrow::datatypes::Field>, &Arc<arrow::datatypes::Field>)| {
        ours.name() == theirs.name() && ours.data_type().equals_datatype(theirs.data_type())
    };
    let given = batch.schema();
    if given.fields().len() != schema.fields().len() || !schema.fields().iter().zip(given.fields()).all(same) {
        return Err(format!("rows with the columns {:?} do not fit the table's", given.fields()).into());
    }
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (field, values) in schema.fields().iter().zip(batch.columns()) {
        columns.push(arrow::compute::cast(values, field.data_type())?);
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// Numbers the rows whose `seq` is null, from `last_seq` + 1 on; `None` when nothing was stamped.
fn stamp(rows: RecordBatch, last_seq: i64) -> Result<(RecordBatch, Option<i64>), BoxError> {
    let Some(place) = rows.schema().index_of(column::SEQ).ok().filter(|place| rows.column(*place).null_count() > 0)
    else {
        return Ok((rows, None));
    };
    let mut highest = last_seq;
    let given = rows.column(place).as_primitive::<Int64Type>();
    let stamped: Int64Array = given
        .iter()
        .map(|seq| {
            seq.or_else(|| {
                highest += 1;
                Some(highest)
            })
        })
        .collect();
    let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
    columns[place] = Arc::new(stamped);
    Ok((RecordBatch::try_new(rows.schema(), columns)?, Some(highest)))
}
