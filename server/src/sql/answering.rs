//! An answer under way. It is made in a task of its own, piece by piece, and holds its turn among the statements that run
//! until it is written, given up, stopped or overdue, however slowly its reader reads.

use arrow::array::RecordBatch;
use axum::body::Body;
use credwatch_query::QueryStream;
use futures::{TryStreamExt, stream};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::answer::Answer;
use crate::statements::{Ended, Turn};

/// What goes from an answer's own task to the connection.
enum Sent {
    Piece(Vec<u8>),
    BrokenOff(BrokenOff),
    /// The answer is whole. Without it the connection is broken off.
    End,
}

/// The answer is made in a task of its own: a client that does not read holds its place only until the deadline.
pub(super) fn streamed(running: Running, deadline: Instant) -> Body {
    let (pieces, received) = mpsc::channel(1);
    tokio::spawn(make(running, pieces, deadline));
    Body::from_stream(stream::unfold(Some(received), |received| async {
        let mut received = received?;
        match received.recv().await {
            Some(Sent::Piece(piece)) => Some((Ok(piece), Some(received))),
            Some(Sent::BrokenOff(why)) => Some((Err(why), None)),
            Some(Sent::End) => None,
            None => Some((Err(BrokenOff("it was not read in time".to_owned())), None)),
        }
    }))
}

async fn make(mut running: Running, pieces: mpsc::Sender<Sent>, deadline: Instant) {
    loop {
        let cancelled = running.turn.cancelled();
        let sent = match next_piece(running).await {
            Ok(None) => return drop(pieces.send(Sent::End).await),
            Err(why) => return drop(pieces.send(Sent::BrokenOff(why)).await),
            Ok(Some((piece, next))) => {
                running = next;
                pieces.send(Sent::Piece(piece))
            }
        };
        tokio::select! {
            sent = sent => if sent.is_err() { return },
            () = cancelled => return,
            () = sleep_until(deadline) => return running.turn.end(Ended::Failed("it was not read in time".to_owned())),
        }
    }
}

/// An answer under way. It holds its turn until it is written or given up.
pub(super) struct Running {
    pub(super) rows: QueryStream,
    /// Gone once the end was written.
    pub(super) answer: Option<Answer>,
    pub(super) first: Option<RecordBatch>,
    pub(super) turn: Turn,
}

async fn next_piece(mut running: Running) -> Result<Option<(Vec<u8>, Running)>, BrokenOff> {
    let Some(mut answer) = running.answer.take() else { return Ok(None) };
    let batch = match running.first.take() {
        Some(batch) => Some(batch),
        None => next_batch(&mut running).await?,
    };
    running.turn.handed_out(running.rows.rows(), running.rows.bytes_scanned());
    let piece = match &batch {
        Some(batch) => answer.batch(batch),
        None => {
            let last = answer.end().map_err(|error| broken_off(&running.turn, error.to_string()))?;
            running.turn.end(Ended::Finished);
            return Ok(Some((last, running)));
        }
    };
    let piece = piece.map_err(|error| broken_off(&running.turn, error.to_string()))?;
    running.answer = Some(answer);
    Ok(Some((piece, running)))
}

async fn next_batch(running: &mut Running) -> Result<Option<RecordBatch>, BrokenOff> {
    let next = tokio::select! {
        next = running.rows.try_next() => next,
        () = running.turn.cancelled() => return Err(broken_off(&running.turn, "it was stopped".to_owned())),
    };
    next.map_err(|error| broken_off(&running.turn, error.to_string()))
}

/// An answer that cannot go on. The connection is broken off, and `GET /v1/sql/{query_id}` says why.
#[derive(Debug, Error)]
#[error("the answer was broken off: {0}")]
struct BrokenOff(String);

fn broken_off(turn: &Turn, why: String) -> BrokenOff {
    tracing::warn!(query_id = turn.id(), why, "an answer was broken off");
    turn.end(Ended::Failed(why.clone()));
    BrokenOff(why)
}
