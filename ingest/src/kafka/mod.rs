//! Reading Kafka into the lake, each record exactly once.
//!
//! A consumer group shares the partitions of the topics among processes; Kafka's own offsets only display progress. The
//! table knows how far each partition is: whoever is given one begins there, and a batch is committed only against the
//! positions that it was read from. Losing a partition, a race or an answer therefore costs reading again, never a row.
//!
//! One thread polls, decodes and decides; while a batch is on its way into the lake it gathers the next. It polls also
//! while storage is away (with its partitions paused), so that the group does not take it for dead.
//!
//! This room reads a clock: its own time decides when a batch is due and which event times may move a partition's clock.

mod client;
mod config;
mod error;
mod idle;
mod login;
mod metrics;
mod plan;
mod probe;
mod reader;
mod standing;
mod token;
mod topic_ids;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use credwatch_lake::{Appended, Lake};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::binding::Binding;
use crate::decode::Decoder;
use reader::Reader;

pub use config::Config;
pub use error::KafkaError;
pub use login::{Login, LoginError, Mechanism, Security};
pub use probe::{Topic, probe};
pub use token::TokenSource;

/// What is read, how, and into which lake.
pub struct KafkaSource {
    pub config: Config,
    pub lake: Lake,
    pub decoder: Decoder,
    /// The first whose topic matches decides about a record; without one, the record decides itself.
    pub bindings: Vec<Binding>,
    /// Told of every commit, on the reading thread: keep it short.
    pub committed: Box<dyn Fn(&Appended) + Send + Sync>,
}

impl std::fmt::Debug for KafkaSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("KafkaSource").field("config", &self.config).finish_non_exhaustive()
    }
}

impl KafkaSource {
    /// Reads until `stop` is ready, then commits what was gathered and leaves the group. Fails at once when Kafka
    /// cannot be reached, does not let us in or lacks a topic; later outages are waited for.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), KafkaError> {
        self.decoder.key().claim(&self.lake).await?;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (tell, told) = oneshot::channel();
        let (runtime, flag) = (Handle::current(), Arc::clone(&is_stopped));
        let read = move || {
            let mut reader = match Reader::start(&self, runtime) {
                Ok(reader) => reader,
                // Nobody waits any more for what did not begin.
                Err(_) if flag.load(Ordering::Relaxed) => return tell.send(Ok(())).unwrap_or_default(),
                Err(error) => return tell.send(Err(error)).unwrap_or_default(),
            };
            let ended = reader.run(&flag);
            // After a good end the group is left before anybody hears of it; a failure is told at once. Nobody listens
            // any more only when the whole process is going down.
            if ended.is_ok() {
                drop(reader);
            }
            tell.send(ended).unwrap_or_default();
        };
        std::thread::Builder::new().name("kafka".into()).spawn(read).map_err(KafkaError::NoThread)?;
        let stopping = async {
            stop.await;
            is_stopped.store(true, Ordering::Relaxed);
            std::future::pending().await
        };
        tokio::select! {
            ended = told => ended.unwrap_or(Err(KafkaError::Thread)),
            never = stopping => never,
        }
    }
}
