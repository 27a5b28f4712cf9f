//! Answers in the protocol's messages: the columns first, then batches.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{Any, ProstMessageExt};
use arrow_flight::{FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, Ticket};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tonic::metadata::MetadataValue;
use tonic::{Response, Status};

use super::plain;
use super::refusal::refusal;
use crate::handing_out::{BrokenOff, Running, Unwritten, Writer, handed_out};
use crate::problem::Problem;
use crate::sql::{QUERY_ID, cancelled};

pub(super) type Rows = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// So many rows are put into messages at a time.
const ROWS_AT_A_TIME: usize = 256;

/// Batches as they are; they are put into messages when these are read.
struct Batches;

impl Writer for Batches {
    type Piece = RecordBatch;

    fn batch(&mut self, batch: &RecordBatch) -> Result<RecordBatch, Unwritten> {
        Ok(batch.clone())
    }

    fn end(self) -> Result<Option<RecordBatch>, Unwritten> {
        Ok(None)
    }
}

/// An answer as it comes. Its metadata names the statement.
pub(super) fn answer(running: Running) -> Response<Rows> {
    // The server draws these ids itself, in hexadecimal digits.
    let (schema, id) = (plain::columns(&running.rows.schema()), MetadataValue::try_from(running.turn.id()).ok());
    let (columns, deadline) = (Arc::clone(&schema), running.deadline);
    let batches = handed_out(running, Batches).map_err(|why| broken_off(&why));
    let slices = batches.map_ok(|batch| stream::iter(slices(&batch).map(Ok::<_, Status>))).try_flatten();
    let written = slices.map(move |slice: Result<RecordBatch, Status>| {
        plain::written_out(&slice?, &columns).map_err(|error| unwritten(&error))
    });
    let messages = encoded(schema, written.map_err(FlightError::from));
    let mut response = Response::new(read_until(deadline, messages));
    if let Some(id) = id {
        response.metadata_mut().insert(QUERY_ID, id);
    }
    response
}

fn slices(batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> + Send + use<> {
    let (batch, rows) = (batch.clone(), batch.num_rows());
    (0..rows).step_by(ROWS_AT_A_TIME).map(move |from| batch.slice(from, ROWS_AT_A_TIME.min(rows - from)))
}

/// Whoever does not read is given up at the deadline. A connection may ask for nothing for ever, and then nobody looks at
/// its answer again: so it is made elsewhere.
fn read_until(deadline: Instant, mut messages: Rows) -> Rows {
    let (sender, received) = mpsc::channel(1);
    tokio::spawn(timeout_at(deadline + AFTER_THE_END, async move {
        while let Some(message) = messages.next().await {
            if sender.send(Some(message)).await.is_err() {
                return;
            }
        }
        sender.send(None).await.unwrap_or_default();
    }));
    Box::pin(stream::unfold(Some(received), |received| async {
        let mut received = received?;
        match received.recv().await {
            Some(Some(message)) => Some((message, Some(received))),
            Some(None) => None,
            // Without its end it is broken off.
            None => Some((Err(Status::deadline_exceeded(BrokenOff::NotRead.to_string())), None)),
        }
    }))
}

/// What is made by the deadline may still be read.
const AFTER_THE_END: Duration = Duration::from_secs(10);

/// An answer that is there already.
pub(super) fn whole(batch: RecordBatch) -> Response<Rows> {
    Response::new(encoded(batch.schema(), stream::iter([Ok(batch)])))
}

fn encoded(schema: SchemaRef, batches: impl Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static) -> Rows {
    let encoder = FlightDataEncoderBuilder::new().with_schema(schema).build(batches);
    Box::pin(encoder.map_err(Status::from))
}

fn broken_off(why: &BrokenOff) -> Status {
    match why {
        BrokenOff::Failed(error) => refusal(&Problem::from(error.clone())),
        BrokenOff::Stopped => refusal(&cancelled()),
        BrokenOff::NotRead => Status::deadline_exceeded(why.to_string()),
        BrokenOff::Unwritten(_) => Status::internal(why.to_string()),
    }
}

/// What to come back with for an answer of these columns.
pub(super) fn invitation(
    asked: FlightDescriptor,
    schema: &Schema,
    ticket: &impl ProstMessageExt,
) -> Result<Response<FlightInfo>, Status> {
    let ticket = Ticket::new(Any::encode_to_vec(&ticket.as_any()));
    let info = FlightInfo::new().try_with_schema(schema).map_err(|error| unwritten(&error))?;
    Ok(Response::new(info.with_descriptor(asked).with_endpoint(FlightEndpoint::new().with_ticket(ticket))))
}

pub(super) fn unwritten(error: &ArrowError) -> Status {
    refusal(&Problem::internal("writing the answer", error))
}
