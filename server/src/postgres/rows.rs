//! An answer as rows of the protocol. It is made in a task of its own and holds its turn among the statements that run
//! until it is written, given up, stopped or overdue, however slowly its reader reads.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use arrow_pg::row_encoder::RowEncoder;
use credwatch_query::QueryStream;
use futures::{StreamExt, TryStreamExt, stream};
use pgwire::api::results::{FieldInfo, QueryResponse, Response};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::data::DataRow;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::refusal::{error, refusal};
use crate::problem::Problem;
use crate::statements::{Ended, Turn};

/// A statement whose first rows are there.
pub(super) struct Running {
    pub(super) rows: QueryStream,
    pub(super) first: Option<RecordBatch>,
    pub(super) turn: Turn,
    pub(super) stopped: CancellationToken,
    pub(super) deadline: Instant,
}

enum Sent {
    Rows(Vec<DataRow>),
    Failed(PgWireError),
    /// The answer is whole; without it, it is an error.
    End,
}

/// `shown` are the columns as the client was told of them.
pub(super) fn answer(running: Running, shown: Arc<Schema>, fields: Arc<Vec<FieldInfo>>) -> Response {
    let (sender, received) = mpsc::channel(1);
    tokio::spawn(make(running, (shown, Arc::clone(&fields)), sender));
    let batches = stream::unfold(Some(received), |received| async {
        let mut received = received?;
        match received.recv().await {
            Some(Sent::Rows(rows)) => Some((Ok(rows), Some(received))),
            Some(Sent::Failed(why)) => Some((Err(why), None)),
            Some(Sent::End) => None,
            None => Some((Err(error("ERROR", "57014", "the answer was not read in time")), None)),
        }
    });
    let rows = batches.flat_map(|batch: PgWireResult<Vec<DataRow>>| match batch {
        Ok(rows) => stream::iter(rows.into_iter().map(Ok).collect::<Vec<_>>()),
        Err(why) => stream::iter(vec![Err(why)]),
    });
    Response::Query(QueryResponse::new(fields, rows))
}

type Columns = (Arc<Schema>, Arc<Vec<FieldInfo>>);

async fn make(mut running: Running, columns: Columns, sender: mpsc::Sender<Sent>) {
    loop {
        let (sent, ended) = match next(&mut running, &columns).await {
            Ok(Some(rows)) => (Sent::Rows(rows), None),
            Ok(None) => (Sent::End, Some(Ended::Finished)),
            Err(why) => {
                let ended = Ended::Failed(why.to_string());
                (Sent::Failed(why), Some(ended))
            }
        };
        running.turn.handed_out(running.rows.rows(), running.rows.bytes_scanned());
        let is_last = ended.is_some();
        if let Some(ended) = ended {
            running.turn.end(ended);
        }
        let is_heard = tokio::select! {
            sent = sender.send(sent) => sent.is_ok(),
            () = running.stopped.cancelled() => false,
            () = sleep_until(running.deadline) => false,
        };
        if is_last || !is_heard {
            return;
        }
    }
}

async fn next(running: &mut Running, (shown, fields): &Columns) -> PgWireResult<Option<Vec<DataRow>>> {
    let batch = match running.first.take() {
        Some(batch) => Some(batch),
        None => tokio::select! {
            batch = running.rows.try_next() => batch.map_err(|error| refusal(&Problem::from(error)))?,
            () = running.stopped.cancelled() => return Err(PgWireError::QueryCanceled),
        },
    };
    batch.map(|batch| encoded(&batch, shown, Arc::clone(fields))).transpose()
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
