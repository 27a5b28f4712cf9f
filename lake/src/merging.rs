//! The rows of several files as those of one: in the one order again where they are records, else one file after the other.
//!
//! Files are read side by side and never held: of each a few thousand rows are decoded at a time, and what is merged goes to the
//! new file at once. So a merge costs the memory of what it writes, not of what it reads.

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
use parquet::file::metadata::ParquetMetaData;
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

/// Whether any row has a value in this column; where a footer does not say so, it may.
fn is_filled(footer: &ParquetMetaData, name: &str) -> bool {
    footer.row_groups().iter().any(|group| {
        let columns = group.columns().iter().filter(|column| column.column_path().parts() == [name]);
        let nulls = columns.map(|column| column.statistics().and_then(Statistics::null_count_opt));
        let rows = u64::try_from(group.num_rows()).unwrap_or(u64::MAX);
        nulls.into_iter().any(|nulls| nulls.is_none_or(|nulls| nulls < rows))
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
