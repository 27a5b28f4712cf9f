//! Writes rows of the table `audit`, many at once, and tells each caller when its row is durable.
//!
//! What waits while one commit is under way goes into the next, so the log costs one commit however many ask. The queue
//! is bounded: who finds it full is told that the audit is away, and so is everybody whose row could not be written.

use std::time::Duration;

use arrow::error::ArrowError;
use credwatch_lake::{Change, Committed, Lake, LakeError, TableName};
use credwatch_schemas::audit::{AUDIT, AuditRow};
use credwatch_schemas::rows::to_batch;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::Clock;

/// Rows that may wait.
const LONGEST_QUEUE: usize = 4_096;
/// Rows that one commit takes.
const MOST_ROWS: usize = 1_024;
/// Commits between two merges of their files.
const COMMITS_A_MERGE: u32 = 64;
/// Losses against other servers before the rows are given up.
const MOST_ATTEMPTS: u32 = 100;
/// Nobody waits longer for a row.
const PATIENCE: Duration = Duration::from_secs(10);

/// A row could not be made durable, so what it stands for must not be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the audit cannot be written")]
pub(crate) struct AuditAway;

#[derive(Debug, Error)]
enum WriteError {
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error(transparent)]
    Rows(#[from] ArrowError),
    #[error("other writers of the audit came first {MOST_ATTEMPTS} times")]
    Contention,
}

/// Where rows are handed in. Clones share one writer; it ends when the last of them is gone.
#[derive(Debug, Clone)]
pub struct AuditLog {
    waiting: mpsc::Sender<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    row: AuditRow,
    durable: oneshot::Sender<()>,
}

impl AuditLog {
    /// Starts the writer; it needs a lake that may be written.
    pub fn start(lake: Lake, clock: Clock) -> Self {
        let (waiting, queue) = mpsc::channel(LONGEST_QUEUE);
        tokio::spawn(write_all(lake, clock, queue));
        Self { waiting }
    }

    /// Returns when the row is durable.
    pub(crate) async fn write(&self, row: AuditRow) -> Result<(), AuditAway> {
        let (durable, told) = oneshot::channel();
        self.waiting.try_send(Waiting { row, durable }).map_err(|_| AuditAway)?;
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(AuditAway),
        }
    }
}

async fn write_all(lake: Lake, clock: Clock, mut queue: mpsc::Receiver<Waiting>) {
    let (mut together, mut commits, mut merging) = (Vec::new(), 0, None::<JoinHandle<()>>);
    while queue.recv_many(&mut together, MOST_ROWS).await > 0 {
        let (rows, told): (Vec<AuditRow>, Vec<_>) = together.drain(..).map(|one| (one.row, one.durable)).unzip();
        match commit(&lake, &rows, clock).await {
            // Whoever gave up waiting is not there to be told.
            Ok(()) => told.into_iter().for_each(|durable| durable.send(()).unwrap_or_default()),
            Err(error) => tracing::error!(%error, rows = rows.len(), "the audit could not be written"),
        }
        commits += 1;
        if commits % COMMITS_A_MERGE == 0 && merging.as_ref().is_none_or(JoinHandle::is_finished) {
            merging = Some(tokio::spawn(merge(lake.clone(), clock)));
        }
    }
}

/// Beside the writer: nobody waits for it.
async fn merge(lake: Lake, clock: Clock) {
    if let Err(error) = lake.compact_log(&TableName::Audit, clock()).await {
        tracing::warn!(%error, "the files of the audit could not be merged");
    }
}

async fn commit(lake: &Lake, rows: &[AuditRow], clock: Clock) -> Result<(), WriteError> {
    let rows = to_batch(&AUDIT, rows)?;
    for _ in 0..MOST_ATTEMPTS {
        let change = Change { append: vec![rows.clone()], ..Change::default() };
        if let Committed::Done { .. } = lake.commit(&TableName::Audit, change, clock()).await? {
            return Ok(());
        }
    }
    Err(WriteError::Contention)
}
