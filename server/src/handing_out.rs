//! Handing out an answer, whatever the protocol: it is made in a task of its own, piece by piece, and holds its turn among
//! the statements that run until it is written, given up, stopped or overdue, however slowly its reader reads.

use std::time::Duration;

use arrow::array::RecordBatch;
use credwatch_query::{Params, QueryError, QueryStream, Session};
use futures::{Stream, TryStreamExt, stream};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::problem::Problem;
use crate::sql::cancelled;
use crate::statements::{Ended, Turn};

/// A statement whose first rows are there.
pub(crate) struct Running {
    pub(crate) rows: QueryStream,
    pub(crate) first: Option<RecordBatch>,
    pub(crate) turn: Turn,
    /// Cancelled by whoever stops it.
    pub(crate) stopped: CancellationToken,
    pub(crate) deadline: Instant,
}

impl Running {
    /// Begins a statement and waits for its first rows, unless it is stopped before.
    pub(crate) async fn begin(
        session: Session,
        turn: Turn,
        (sql, params): (&str, Params),
        stopped: CancellationToken,
        time: Duration,
    ) -> Result<Self, Problem> {
        let deadline = Instant::now() + time;
        let begin = async {
            let mut rows = session.run(sql, params).await?;
            let first = rows.try_next().await?;
            Ok::<_, QueryError>((rows, first))
        };
        let begun = tokio::select! {
            begun = begin => begun,
            () = stopped.cancelled() => return Err(cancelled()),
        };
        let (rows, first) = begun.inspect_err(|error| turn.end(Ended::Failed(error.to_string())))?;
        Ok(Self { rows, first, turn, stopped, deadline })
    }
}

/// Puts batches into the pieces of a protocol.
pub(crate) trait Writer: Send + 'static {
    type Piece: Send + 'static;

    fn batch(&mut self, batch: &RecordBatch) -> Result<Self::Piece, Unwritten>;

    /// What follows the last batch.
    fn end(self) -> Result<Option<Self::Piece>, Unwritten>;
}

pub(crate) type Unwritten = Box<dyn std::error::Error + Send + Sync>;

/// An answer that cannot go on. `GET /v1/sql/{query_id}` says why.
#[derive(Debug, Error)]
pub(crate) enum BrokenOff {
    #[error("the answer was broken off: it was not read in time")]
    NotRead,
    #[error("the answer was broken off: it was stopped")]
    Stopped,
    #[error("the answer was broken off: {0}")]
    Failed(QueryError),
    #[error("the answer was broken off: {0}")]
    Unwritten(Unwritten),
}

/// What goes from an answer's own task to the connection.
enum Sent<Piece> {
    Piece(Piece),
    BrokenOff(BrokenOff),
    /// The answer is whole, with what follows its last batch. Without this it is broken off.
    End(Option<Piece>),
}

/// The pieces, as they are made. A client that does not read holds its place only until the deadline.
pub(crate) fn handed_out<W: Writer>(
    running: Running,
    writer: W,
) -> impl Stream<Item = Result<W::Piece, BrokenOff>> + Send + use<W> {
    let (pieces, received) = mpsc::channel(1);
    tokio::spawn(make(running, writer, pieces));
    stream::unfold(Some(received), |received| async {
        let mut received = received?;
        match received.recv().await {
            Some(Sent::Piece(piece)) => Some((Ok(piece), Some(received))),
            Some(Sent::BrokenOff(why)) => Some((Err(why), None)),
            Some(Sent::End(last)) => last.map(|last| (Ok(last), None)),
            None => Some((Err(BrokenOff::NotRead), None)),
        }
    })
}

async fn make<W: Writer>(mut running: Running, writer: W, pieces: mpsc::Sender<Sent<W::Piece>>) {
    let mut writer = Some(writer);
    loop {
        let sent = next(&mut running, &mut writer, &pieces).await.unwrap_or_else(Sent::BrokenOff);
        running.turn.handed_out(running.rows.rows(), running.rows.bytes_scanned());
        let is_last = match &sent {
            Sent::Piece(_) => false,
            Sent::End(_) => ended(&running.turn, Ended::Finished),
            Sent::BrokenOff(why) => ended(&running.turn, Ended::Failed(why.to_string())),
        };
        let is_heard = tokio::select! {
            sent = pieces.send(sent) => sent.is_ok(),
            () = running.stopped.cancelled() => false,
            () = sleep_until(running.deadline) => !ended(&running.turn, Ended::Failed(BrokenOff::NotRead.to_string())),
        };
        if is_last || !is_heard {
            return;
        }
    }
}

fn ended(turn: &Turn, how: Ended) -> bool {
    if let Ended::Failed(why) = &how {
        tracing::warn!(query_id = turn.id(), why, "an answer was broken off");
    }
    turn.end(how);
    true
}

/// The writer is gone once it has written the end.
async fn next<W: Writer>(
    running: &mut Running,
    writer: &mut Option<W>,
    pieces: &mpsc::Sender<Sent<W::Piece>>,
) -> Result<Sent<W::Piece>, BrokenOff> {
    let batch = tokio::select! {
        batch = next_batch(running) => batch?,
        // Whoever hung up waits for nothing.
        () = pieces.closed() => return Err(BrokenOff::Stopped),
    };
    let Some(mut given) = writer.take() else { return Ok(Sent::End(None)) };
    let sent = match batch {
        None => given.end().map(Sent::End),
        Some(batch) => {
            let piece = given.batch(&batch);
            *writer = Some(given);
            piece.map(Sent::Piece)
        }
    };
    sent.map_err(BrokenOff::Unwritten)
}

async fn next_batch(running: &mut Running) -> Result<Option<RecordBatch>, BrokenOff> {
    if let Some(batch) = running.first.take() {
        return Ok(Some(batch));
    }
    tokio::select! {
        batch = running.rows.try_next() => batch.map_err(BrokenOff::Failed),
        () = running.stopped.cancelled() => Err(BrokenOff::Stopped),
    }
}
