//! An answer as rows of the protocol.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use arrow_pg::row_encoder::RowEncoder;
use futures::{TryStreamExt, stream};
use pgwire::api::results::{FieldInfo, QueryResponse, Response};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::data::DataRow;

use super::refusal::{error, refusal};
use crate::handing_out::{BrokenOff, Running, Unwritten, Writer, handed_out};
use crate::problem::Problem;

/// Writes batches as rows, in columns that the client was told of.
struct Rows {
    shown: Arc<Schema>,
    fields: Arc<Vec<FieldInfo>>,
}

impl Writer for Rows {
    type Piece = Vec<DataRow>;

    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<DataRow>, Unwritten> {
        Ok(encoded(batch, &self.shown, Arc::clone(&self.fields))?)
    }

    fn end(self) -> Result<Option<Vec<DataRow>>, Unwritten> {
        Ok(None)
    }
}

/// `shown` are the columns as the client was told of them.
pub(super) fn answer(running: Running, shown: Arc<Schema>, fields: Arc<Vec<FieldInfo>>) -> Response {
    let batches = handed_out(running, Rows { shown, fields: Arc::clone(&fields) }).map_err(|why| broken_off(&why));
    let rows = batches.map_ok(|rows| stream::iter(rows.into_iter().map(Ok))).try_flatten();
    Response::Query(QueryResponse::new(fields, rows))
}

fn broken_off(why: &BrokenOff) -> PgWireError {
    match why {
        BrokenOff::Failed(error) => refusal(&Problem::from(error.clone())),
        BrokenOff::Stopped => PgWireError::QueryCanceled,
        BrokenOff::NotRead => error("ERROR", "57014", why.to_string()),
        BrokenOff::Unwritten(_) => error("ERROR", "XX000", why.to_string()),
    }
}

/// How a column goes over the wire, where that is not as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    /// Spans of time: the library writes those that are null as none at all.
    Plain,
    /// Maps, and lists of anything but plain values, which the library or the clients do not know.
    Json,
}

fn text(kind: &DataType) -> Option<Text> {
    match kind {
        DataType::Interval(_) | DataType::Duration(_) => Some(Text::Plain),
        DataType::List(element) if !element.data_type().is_nested() => None,
        kind if kind.is_nested() => Some(Text::Json),
        _ => None,
    }
}

/// The columns as they go over the wire.
pub(super) fn on_the_wire(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| match text(field.data_type()) {
        Some(_) => Arc::new(Field::new(field.name(), DataType::Utf8, true)),
        None if field.data_type().is_null() => Arc::new(Field::new(field.name(), DataType::Utf8, true)),
        None => Arc::clone(field),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// What was said of nulls when the statement was planned may not hold for its rows.
fn nullable(schema: &Schema) -> Arc<Schema> {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn as_text(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match text(column.data_type()) {
        None => Ok(Arc::clone(column)),
        Some(Text::Plain) => cast(column, &DataType::Utf8),
        Some(Text::Json) => as_json(column),
    }
}

fn as_json(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let batch = RecordBatch::try_from_iter_with_nullable([("v", Arc::clone(column), true)])?;
    let mut lines = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    lines.write(&batch)?;
    lines.finish()?;
    let lines = String::from_utf8_lossy(&lines.into_inner()).into_owned();
    let values =
        lines.lines().map(|line| line.strip_prefix("{\"v\":")?.strip_suffix('}').filter(|value| *value != "null"));
    Ok(Arc::new(values.collect::<StringArray>()))
}

pub(super) fn encoded(
    batch: &RecordBatch,
    shown: &Arc<Schema>,
    fields: Arc<Vec<FieldInfo>>,
) -> PgWireResult<Vec<DataRow>> {
    let columns = batch.columns().iter().zip(shown.fields()).map(|(column, field)| {
        let column = as_text(column)?;
        if column.data_type() == field.data_type() { Ok(column) } else { cast(&column, field.data_type()) }
    });
    let unfit = |cause: ArrowError| refusal(&Problem::internal("writing rows", &cause));
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(unfit)?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let batch = RecordBatch::try_new_with_options(nullable(shown), columns, &rows).map_err(unfit)?;
    let mut encoder = RowEncoder::new(batch, fields);
    std::iter::from_fn(|| encoder.next_row()).collect()
}
