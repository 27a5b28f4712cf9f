//! Long-running parts of one process, and how they end: one after the other, in the order in which they were added.
//!
//! What brings data stops before what works on it, and what answers stops last. Everything together has one deadline;
//! whoever misses it is named.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, anyhow};
use futures::future::select_all;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Default)]
pub(crate) struct Running {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    name: &'static str,
    stop: CancellationToken,
    ended: JoinHandle<anyhow::Result<()>>,
}

const GRACE: Duration = Duration::from_secs(1);

impl Running {
    /// Starts a part; it must end soon after its token is cancelled.
    pub(crate) fn add<Work>(&mut self, name: &'static str, work: impl FnOnce(CancellationToken) -> Work)
    where
        Work: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let ended = tokio::spawn(work(stop.clone()));
        self.parts.push(Part { name, stop, ended });
    }

    /// Waits until a part ends by itself; its name, and how.
    pub(crate) async fn ended(&mut self) -> (&'static str, anyhow::Result<()>) {
        if self.parts.is_empty() {
            return std::future::pending().await;
        }
        let (ended, place, _) = select_all(self.parts.iter_mut().map(|part| &mut part.ended)).await;
        (self.parts.remove(place).name, flat(ended))
    }

    /// Stops the parts in order. The first failure is the answer; the others are logged.
    pub(crate) async fn stop(self, within: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        let mut outcome = Ok(());
        for part in self.parts {
            part.stop.cancel();
            let abort = part.ended.abort_handle();
            // Who comes after a late one still gets a moment.
            let latest = deadline.max(Instant::now() + GRACE);
            let ended = match timeout_at(latest, part.ended).await {
                Ok(ended) => flat(ended),
                Err(_) => {
                    abort.abort();
                    Err(anyhow!("it did not stop within {within:?}"))
                }
            };
            if let Err(error) = ended {
                tracing::error!(part = part.name, "{error:#}");
                outcome = outcome.and(Err(error.context(format!("stopping {}", part.name))));
            }
        }
        outcome
    }
}

fn flat(ended: Result<anyhow::Result<()>, JoinError>) -> anyhow::Result<()> {
    ended.unwrap_or_else(|error| Err(anyhow!("it died: {error}")))
}

/// SIGINT (Ctrl-C) and SIGTERM, heard from the moment that this is made: who still starts is stopped in order too.
#[derive(Debug)]
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let heard = |kind| signal(kind).context("listening for signals");
        Ok(Self { interrupt: heard(SignalKind::interrupt())?, terminate: heard(SignalKind::terminate())? })
    }

    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn parts_stop_one_after_the_other_in_order() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut running = Running::default();
        for name in ["source", "detectors", "http"] {
            let order = Arc::clone(&order);
            running.add(name, |stop| async move {
                stop.cancelled().await;
                tokio::task::yield_now().await;
                order.lock().unwrap().push(name);
                Ok(())
            });
        }
        running.stop(Duration::from_secs(5)).await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["source", "detectors", "http"]);
    }

    #[tokio::test]
    async fn a_part_that_never_ends_is_named_and_the_rest_is_stopped() {
        let mut running = Running::default();
        let rest = Arc::new(Mutex::new(false));
        running.add("stubborn", |_| std::future::pending());
        let seen = Arc::clone(&rest);
        running.add("http", |stop| async move {
            stop.cancelled().await;
            *seen.lock().unwrap() = true;
            Ok(())
        });
        let error = running.stop(Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "stopping stubborn: it did not stop within 20ms");
        assert!(*rest.lock().unwrap());
    }

    #[tokio::test]
    async fn a_part_that_ends_by_itself_is_told() {
        let mut running = Running::default();
        running.add("steady", |stop| async move {
            stop.cancelled().await;
            Ok(())
        });
        running.add("broken", |_| async { Err(anyhow!("the broker is away")) });
        let (name, ended) = running.ended().await;
        assert_eq!((name, ended.unwrap_err().to_string().as_str()), ("broken", "the broker is away"));
        running.stop(Duration::from_secs(5)).await.unwrap();
    }
}
