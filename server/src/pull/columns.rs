//! A page as a Parquet file, for who loads rows as they are: the fields of the canonical form are its columns. They are taken from
//! the rows and not from their text, so that whatever a producer sent has a place.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use credwatch_export::{STORED_EVENTS, StoredEvent};
use credwatch_schemas::finding::FINDINGS;
use credwatch_schemas::records::column;

use super::stream::Stream;
use crate::answer::{Answer, ShapeError, Streamed};
use crate::problem::Problem;

pub(super) fn parquet(stream: Stream, rows: &[RecordBatch]) -> Result<Vec<u8>, Problem> {
    written(stream, rows).map_err(|error| Problem::internal("writing a page as columns", &error))
}

fn written(stream: Stream, rows: &[RecordBatch]) -> Result<Vec<u8>, ShapeError> {
    let schema = match stream {
        Stream::Events => &*STORED_EVENTS,
        Stream::Findings => &*FINDINGS,
    };
    let (mut answer, mut file) = (Answer::new(Streamed::Parquet, schema.clone())?, Vec::new());
    for batch in rows.iter().filter(|batch| batch.num_rows() > 0) {
        let told = match stream {
            Stream::Events => told_of(batch)?,
            Stream::Findings => Vec::new(),
        };
        file.extend(answer.batch(&fitted(schema, batch, &told)?)?);
    }
    file.extend(answer.end()?);
    Ok(file)
}

/// What the canonical form says of an event in other words than the lake.
fn told_of(batch: &RecordBatch) -> Result<Vec<(&'static str, ArrayRef)>, ArrowError> {
    let stored = StoredEvent::of_rows(batch)?;
    let record_ids: StringArray = stored.iter().map(|one| Some(one.record_id.as_str())).collect();
    let hashes: StringArray = stored.iter().map(|one| Some(one.content_hash.as_str())).collect();
    Ok(vec![("record_id", Arc::new(record_ids)), (column::CONTENT_HASH, Arc::new(hashes))])
}

/// The columns of `schema`: as `told` has them, else as the rows do.
fn fitted(schema: &SchemaRef, batch: &RecordBatch, told: &[(&str, ArrayRef)]) -> Result<RecordBatch, ArrowError> {
    let column = |name: &str| {
        let told = told.iter().find(|(known, _)| *known == name).map(|(_, values)| values);
        let found = told.or_else(|| batch.column_by_name(name));
        found.ok_or_else(|| ArrowError::SchemaError(format!("there is no column \"{name}\"")))
    };
    let columns = schema.fields().iter().map(|field| cast(column(field.name())?, field.data_type()));
    RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)
}
