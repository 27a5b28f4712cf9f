//! An answer as rows of the protocol. It is made in a task of its own and holds its turn among the statements that run
//! until it is written, given up, stopped or overdue, however slowly its reader reads.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
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

pub(super) fn answer(running: Running, fields: Arc<Vec<FieldInfo>>) -> Response {
    let (sender, received) = mpsc::channel(1);
    tokio::spawn(make(running, Arc::clone(&fields), sender));
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

async fn make(mut running: Running, fields: Arc<Vec<FieldInfo>>, sender: mpsc::Sender<Sent>) {
    loop {
        let (sent, ended) = match next(&mut running, &fields).await {
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

async fn next(running: &mut Running, fields: &Arc<Vec<FieldInfo>>) -> PgWireResult<Option<Vec<DataRow>>> {
    let batch = match running.first.take() {
        Some(batch) => Some(batch),
        None => tokio::select! {
            batch = running.rows.try_next() => batch.map_err(|error| refusal(&Problem::from(error)))?,
            () = running.stopped.cancelled() => return Err(PgWireError::QueryCanceled),
        },
    };
    batch.map(|batch| encoded(&batch, Arc::clone(fields))).transpose()
}

/// Spans of time go as text: the library writes those that are null as none at all.
pub(super) fn on_the_wire(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Interval(_) | DataType::Duration(_) => Arc::new(Field::new(field.name(), DataType::Utf8, true)),
        _ => Arc::clone(field),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

pub(super) fn encoded(batch: &RecordBatch, fields: Arc<Vec<FieldInfo>>) -> PgWireResult<Vec<DataRow>> {
    let schema = Arc::new(on_the_wire(&batch.schema()));
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| match column.data_type() == field.data_type() {
        true => Ok(Arc::clone(column)),
        false => cast(column, field.data_type()),
    });
    let unfit = |cause: ArrowError| refusal(&Problem::internal("writing rows", &cause));
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(unfit)?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let batch = RecordBatch::try_new_with_options(schema, columns, &rows).map_err(unfit)?;
    let mut encoder = RowEncoder::new(batch, fields);
    std::iter::from_fn(|| encoder.next_row()).collect()
}
