//! The rows of one answer, as they come, inside the limits.
//!
//! The plan runs in a task of its own, so that the clock is heard even while an operator computes; dropping the stream
//! ends that task.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use futures::{Stream, StreamExt, TryStreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::error::QueryError;
use crate::ground::{Ground, begin};
use crate::limits::Limits;
use crate::written_out::written_out;

/// Batches that wait for a slow reader.
const WAITING_BATCHES: usize = 2;

/// A stream of batches. After an error it ends.
#[derive(Debug)]
pub struct QueryStream {
    schema: SchemaRef,
    limits: Limits,
    batches: mpsc::Receiver<Result<RecordBatch, QueryError>>,
    deadline: Pin<Box<Sleep>>,
    work: JoinSet<()>,
    rows: usize,
    bytes: usize,
    ended: bool,
    /// What is being run; it counts what it reads.
    plan: Option<Arc<dyn ExecutionPlan>>,
}

impl QueryStream {
    pub(crate) fn new(
        source: SendableRecordBatchStream,
        plan: Option<Arc<dyn ExecutionPlan>>,
        limits: Limits,
        deadline: Instant,
        ground: Option<&Ground>,
    ) -> Self {
        let schema = source.schema();
        let (sender, batches) = mpsc::channel(WAITING_BATCHES);
        let work = begin(ground, pump(source, sender, limits));
        let deadline = Box::pin(sleep_until(deadline));
        Self { schema, limits, batches, deadline, work, rows: 0, bytes: 0, ended: false, plan }
    }

    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Rows that were given out.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of files that were read so far.
    pub fn bytes_scanned(&self) -> u64 {
        self.plan.as_ref().map_or(0, bytes_scanned)
    }

    /// All batches, or the error that ended them.
    pub async fn collect(self) -> Result<Vec<RecordBatch>, QueryError> {
        self.try_collect().await
    }

    /// Counts a batch, or says which limit it breaks.
    fn admit(&mut self, batch: RecordBatch) -> Result<RecordBatch, QueryError> {
        self.rows = self.rows.saturating_add(batch.num_rows());
        self.bytes = self.bytes.saturating_add(written_out(&batch));
        if self.rows > self.limits.rows {
            return Err(QueryError::Rows(self.limits.rows));
        }
        if self.bytes > self.limits.bytes {
            return Err(QueryError::Bytes(self.limits.bytes));
        }
        Ok(batch)
    }

    fn poll_batch(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<RecordBatch, QueryError>>> {
        if self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(QueryError::Time(self.limits.time))));
        }
        let received = std::task::ready!(self.batches.poll_recv(context));
        if let Some(result) = received {
            return Poll::Ready(Some(result.and_then(|batch| self.admit(batch))));
        }
        // The channel also closes when the task dies; that must not look like the end of the answer.
        match std::task::ready!(self.work.poll_join_next(context)) {
            Some(Err(error)) => {
                tracing::error!(%error, "the task of a statement died");
                Poll::Ready(Some(Err(QueryError::Failed("the engine stopped in the middle of it".to_owned()))))
            }
            Some(Ok(())) | None => Poll::Ready(None),
        }
    }
}

impl Stream for QueryStream {
    type Item = Result<RecordBatch, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let item = std::task::ready!(self.poll_batch(context));
        if !matches!(item, Some(Ok(_))) {
            self.ended = true;
            self.work.abort_all();
        }
        Poll::Ready(item)
    }
}

async fn pump(
    mut source: SendableRecordBatchStream,
    sender: mpsc::Sender<Result<RecordBatch, QueryError>>,
    limits: Limits,
) {
    while let Some(result) = source.next().await {
        let result = result.map_err(|error| QueryError::of_execution(&error, &limits));
        let failed = result.is_err();
        if sender.send(result).await.is_err() || failed {
            return;
        }
    }
}

fn bytes_scanned(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let own = plan.metrics().and_then(|metrics| metrics.sum_by_name("bytes_scanned"));
    let own = own.map_or(0, |value| u64::try_from(value.as_usize()).unwrap_or(u64::MAX));
    plan.children().into_iter().map(bytes_scanned).fold(own, u64::saturating_add)
}
