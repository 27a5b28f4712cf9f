//! Long tasks of a server: each is one idempotent function, run by the clock and by a nudge, and never retried inside.
//!
//! A task takes no input, so that a restart and the hot path are one path. Its last result is kept under its name and
//! shown; a task that fails is a status, never a stopped server.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How the last run of a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastRun {
    Never,
    Ok,
    Failed(String),
}

/// The board on which every task writes how it is doing.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<&'static str, LastRun>>>);

impl Board {
    pub fn read(&self) -> BTreeMap<&'static str, LastRun> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self, name: &'static str, run: LastRun) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, run);
    }
}

/// For the monitor: how the last run ended, and when one succeeded last.
#[expect(clippy::disallowed_methods, reason = "a monitor compares it with its own clock")]
fn measure(name: &'static str, ended: &LastRun) {
    let is_well = *ended == LastRun::Ok;
    metrics::gauge!("credwatch_task_healthy", "task" => name).set(f64::from(u8::from(is_well)));
    if is_well {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        metrics::gauge!("credwatch_task_last_success_timestamp_seconds", "task" => name).set(since_1970.as_secs_f64());
    }
}

/// Wakes a task before its period is over. It carries that something changed, not what.
#[derive(Debug, Clone, Default)]
pub struct Nudge(Arc<Notify>);

impl Nudge {
    pub fn nudge(&self) {
        self.0.notify_one();
    }
}

/// Runs `work` every `period` and at each nudge, until `shutdown`; a run under way is finished first.
pub fn start<Work, Run, Failure>(
    name: &'static str,
    period: Duration,
    nudge: Nudge,
    board: Board,
    shutdown: CancellationToken,
    mut work: Work,
) -> JoinHandle<()>
where
    Work: FnMut() -> Run + Send + 'static,
    Run: Future<Output = Result<(), Failure>> + Send,
    Failure: std::fmt::Display,
{
    board.write(name, LastRun::Never);
    tokio::spawn(async move {
        loop {
            let ended = match work().await {
                Ok(()) => LastRun::Ok,
                Err(error) => LastRun::Failed(error.to_string()),
            };
            if let LastRun::Failed(why) = &ended
                && board.read().get(name) != Some(&ended)
            {
                tracing::error!(task = name, "{why}");
            }
            measure(name, &ended);
            board.write(name, ended);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = nudge.0.notified() => {}
                () = tokio::time::sleep(period) => {}
            }
        }
    })
}
