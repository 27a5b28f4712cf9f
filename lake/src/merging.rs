//! The rows of several files as those of one: in the one order again where they are records, else one file after the other.
//!
//! Files are read side by side: of each a few thousand rows are decoded at a time, and what is merged goes to the new file at once.
//! So a merge holds what it writes, and of each file a page of every column.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use credwatch_schemas::records::{SORT_ORDER, STORED, column};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, UnboundedMemoryPool};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::sorts::streaming_merge::StreamingMergeBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::executor::block_on_stream;
use futures::stream;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::statistics::Statistics;

use crate::data_file::DataFile;
use crate::error::BoxError;
use crate::parquet_file::{Encoder, Order, Outline};

/// Decoded rows of all files together, about.
const ROWS_AT_ONCE: usize = 65_536;
const ROWS_OF_A_FILE: std::ops::RangeInclusive<usize> = 512..=8_192;
/// Rows that are merged before they are written.
const ROWS_OF_A_BATCH: usize = 8_192;

/// The file that holds the rows of all of these, and how many there are. Blocks: for a thread that serves nobody.
pub(crate) fn merged(folder: &Path, schema: &SchemaRef, group: &[Arc<DataFile>]) -> Result<(Bytes, usize), BoxError> {
    let opened = group.iter().map(|file| open(folder, file)).collect::<Result<Vec<_>, BoxError>>()?;
    let order = if *schema == *STORED { Order::Sorted } else { Order::AsGiven };
    let outline = Outline {
        rows: opened.iter().map(|builder| rows_in(builder.metadata())).sum(),
        is_filled: &|name| opened.iter().any(|builder| is_filled(builder.metadata(), name)),
    };
    let mut encoder = Encoder::new(schema, order, &outline)?;
    let batch_size = (ROWS_AT_ONCE / group.len().max(1)).clamp(*ROWS_OF_A_FILE.start(), *ROWS_OF_A_FILE.end());
    let readers = opened.into_iter().map(|builder| builder.with_batch_size(batch_size).build());
    let readers = readers.collect::<Result<Vec<_>, _>>()?;
    let mut rows = 0;
    let rows_in_order = match order {
        Order::Sorted => in_one_order(schema, readers)?,
        Order::AsGiven => one_after_the_other(schema, readers),
    };
    for batch in block_on_stream(rows_in_order) {
        let batch = batch?;
        rows += batch.num_rows();
        encoder.write(&batch)?;
    }
    Ok((encoder.end()?, rows))
}

type Opened = ParquetRecordBatchReaderBuilder<File>;

fn open(folder: &Path, file: &DataFile) -> Result<Opened, BoxError> {
    Ok(ParquetRecordBatchReaderBuilder::try_new(File::open(folder.join(file.path.as_ref()))?)?)
}

fn rows_in(footer: &ParquetMetaData) -> usize {
    usize::try_from(footer.file_metadata().num_rows()).unwrap_or(0)
}

/// Whether any row has a value in this column, or in what it consists of; where a footer does not say so, it may.
fn is_filled(footer: &ParquetMetaData, name: &str) -> bool {
    footer.row_groups().iter().any(|group| {
        let rows = u64::try_from(group.num_rows()).unwrap_or(u64::MAX);
        let is_of_it = |column: &ColumnChunkMetaData| column.column_path().parts().first().is_some_and(|of| of == name);
        let may_hold = |column: &ColumnChunkMetaData| {
            column.statistics().and_then(Statistics::null_count_opt).is_none_or(|nulls| nulls < rows)
        };
        group.columns().iter().any(|column| is_of_it(column) && may_hold(column))
    })
}

/// Records that the one order cannot tell apart stand in the order of their `seq`.
fn in_one_order(schema: &SchemaRef, readers: Vec<ParquetRecordBatchReader>) -> Result<SendableRecordBatchStream> {
    let options = SortOptions { descending: false, nulls_first: false };
    let sort = |name: &&str| Ok(PhysicalSortExpr::new(col(name, schema)?, options));
    let order = SORT_ORDER.iter().chain(&[column::SEQ]).map(sort).collect::<Result<Vec<_>>>()?;
    let order = LexOrdering::new(order).ok_or_else(|| DataFusionError::Plan("the one order is empty".to_owned()))?;
    // It is bounded by what is read at once, and nobody shares it.
    let memory: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
    StreamingMergeBuilder::new()
        .with_streams(readers.into_iter().map(|reader| streamed(schema, reader)).collect())
        .with_schema(Arc::clone(schema))
        .with_expressions(&order)
        .with_metrics(BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), 0))
        .with_batch_size(ROWS_OF_A_BATCH)
        .with_reservation(MemoryConsumer::new("merging files").register(&memory))
        .with_round_robin_tie_breaker(false)
        .build()
}

fn one_after_the_other(schema: &SchemaRef, readers: Vec<ParquetRecordBatchReader>) -> SendableRecordBatchStream {
    let batches = readers.into_iter().flatten().map(fitting(schema));
    Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), stream::iter(batches)))
}

fn streamed(schema: &SchemaRef, reader: ParquetRecordBatchReader) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), stream::iter(reader.map(fitting(schema)))))
}

/// With the schema of the table, which says the same.
fn fitting(
    schema: &SchemaRef,
) -> impl FnMut(std::result::Result<RecordBatch, arrow::error::ArrowError>) -> Result<RecordBatch> + use<> {
    let schema = Arc::clone(schema);
    move |batch| Ok(RecordBatch::try_new(Arc::clone(&schema), batch?.columns().to_vec())?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::{
        Array, ArrayRef, AsArray, Int64Array, ListBuilder, StringArray, StringBuilder, TimestampMicrosecondArray,
        UInt32Array, new_null_array,
    };
    use arrow::compute::{concat_batches, take_record_batch};
    use arrow::datatypes::{DataType, Field, Int64Type};
    use arrow::row::{RowConverter, SortField};
    use parquet::basic::{Compression, ZstdLevel};

    use super::*;
    use crate::data_file::Bounds;
    use crate::parquet_file::encode;

    /// More rows than are merged at a time, of few keys, some of them null; `seq` from `first` on, in the one order.
    fn records(first: i64, rows: usize) -> RecordBatch {
        let some = |row: usize, of: usize| (row * 7_919 + usize::try_from(first).unwrap() * 31) % of;
        let texts = |prefix: &str, of: usize| -> ArrayRef {
            let text = |row| Some(some(row, of)).filter(|key| *key > 0).map(|key| format!("{prefix}{key}"));
            Arc::new((0..rows).map(text).collect::<StringArray>())
        };
        let times: TimestampMicrosecondArray =
            (0..rows).map(|row| Some(i64::try_from(some(row, 97)).unwrap())).collect();
        let column = |name: &str| -> Option<ArrayRef> {
            match name {
                "seq" => Some(Arc::new(Int64Array::from_iter_values((first..).take(rows)))),
                "time" => Some(Arc::new(times.clone().with_timezone("UTC"))),
                "org_id" => Some(texts("o", 3)),
                "event_id" => Some(texts("e", 11)),
                "scopes_granted" => Some(lists(rows)),
                _ => None,
            }
        };
        let columns = STORED.fields().iter();
        let columns =
            columns.map(|field| column(field.name()).unwrap_or_else(|| new_null_array(field.data_type(), rows)));
        let unsorted = RecordBatch::try_new(STORED.clone(), columns.collect()).unwrap();
        let sorted = in_order(&unsorted, &SORT_ORDER);
        let mut columns = sorted.columns().to_vec();
        columns[0] = Arc::new(Int64Array::from_iter_values((first..).take(rows)));
        RecordBatch::try_new(STORED.clone(), columns).unwrap()
    }

    /// Of every second row.
    fn lists(rows: usize) -> ArrayRef {
        let element = Field::new("element", DataType::Utf8, true);
        let mut lists = ListBuilder::new(StringBuilder::new()).with_field(element);
        (0..rows).for_each(|row| lists.append_option((row % 2 == 0).then_some([Some("repo")])));
        Arc::new(lists.finish())
    }

    fn in_order(rows: &RecordBatch, by: &[&str]) -> RecordBatch {
        let options = SortOptions { descending: false, nulls_first: false };
        let keys: Vec<ArrayRef> = by.iter().map(|name| Arc::clone(&rows[*name])).collect();
        let fields = keys.iter().map(|key| SortField::new_with_options(key.data_type().clone(), options)).collect();
        let converted = RowConverter::new(fields).unwrap().convert_columns(&keys).unwrap();
        let mut order: Vec<u32> = (0..u32::try_from(rows.num_rows()).unwrap()).collect();
        let key = |place: u32| converted.row(usize::try_from(place).unwrap());
        order.sort_by_key(|place| key(*place));
        take_record_batch(rows, &UInt32Array::from(order)).unwrap()
    }

    #[test]
    fn rows_of_large_files_stand_in_the_one_order_and_none_is_lost_at_a_seam() {
        let folder = tempfile::tempdir().unwrap();
        let parts = [records(1, 20_000), records(20_001, 9_001), records(29_002, 3)];
        let files = parts.iter().enumerate().map(|(place, rows)| {
            let bytes = encode(rows, Order::Sorted).unwrap();
            let path = format!("{place}.parquet");
            std::fs::write(folder.path().join(&path), &bytes).unwrap();
            let (bytes, rows) = (bytes.len() as u64, Bounds::of(rows));
            let partition = BTreeMap::new();
            Arc::new(DataFile {
                path: path.into(),
                bytes,
                rows: rows.num_records,
                partition,
                bounds: rows,
                modified_ms: 0,
            })
        });
        let (bytes, rows) = merged(folder.path(), &STORED, &files.collect::<Vec<_>>()).unwrap();
        let opened = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        let has_bloom = |name: &str| {
            let column =
                opened.metadata().row_group(0).columns().iter().find(|one| one.column_path().parts() == [name]);
            column.unwrap().bloom_filter_offset().is_some()
        };
        assert_eq!(
            [has_bloom("event_id"), has_bloom("user_id")],
            [true, false],
            "only where there is something to find"
        );
        let codec = |name: &str| {
            let mut columns = opened.metadata().row_group(0).columns().iter();
            columns.find(|one| one.column_path().parts()[0] == name).unwrap().compression()
        };
        let zstd = Compression::ZSTD(ZstdLevel::default());
        assert_eq!([codec("event_id"), codec("scopes_granted")], [zstd; 2], "also a list");
        assert_eq!([codec("user_id"), codec("steps"), codec("attributes")], [Compression::UNCOMPRESSED; 3]);
        let batches: Vec<RecordBatch> = opened.build().unwrap().map(Result::unwrap).collect();
        let found = concat_batches(&batches[0].schema(), &batches).unwrap();
        let all = concat_batches(&STORED, &parts).unwrap();
        let expected = in_order(&all, &[&SORT_ORDER[..], &[column::SEQ]].concat());
        assert_eq!((rows, found.num_rows()), (29_004, 29_004));
        for name in ["seq", "time", "org_id", "event_id"] {
            assert_eq!(&found[name], &expected[name], "{name}");
        }
        let seqs = found["seq"].as_primitive::<Int64Type>();
        assert!(!seqs.values().is_sorted(), "rows of different files lie between each other");
    }
}
