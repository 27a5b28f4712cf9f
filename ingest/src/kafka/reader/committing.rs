//! A batch on its way into the lake: it takes off if the topics are still those that it was read from, and whatever comes
//! of it is either told to Kafka or a reason to begin again.

use std::time::{Duration, Instant};

use credwatch_lake::{Appended, LakeError};
use credwatch_schemas::position::Partition;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::task::JoinHandle;

use super::{FIRST_PAUSE, POLL, Reader, now};
use crate::kafka::error::KafkaError;
use crate::kafka::{metrics, topic_ids};

/// A batch on its way into the lake.
pub(super) struct Flight {
    landing: JoinHandle<Result<Appended, LakeError>>,
    ends: Vec<(Partition, i64)>,
    since: Instant,
}

impl Reader<'_> {
    /// Sends what was gathered on its way, if the topics are still those that it was read from.
    pub(super) fn take_off(&mut self) {
        match self.are_topics_the_same() {
            Ok(true) => {}
            Ok(false) => return self.begin_again(Duration::ZERO),
            Err(error) => {
                tracing::warn!("{error}; nothing is committed until Kafka answers");
                self.commit_at = Instant::now() + FIRST_PAUSE;
                return;
            }
        }
        let Some(batch) = self.accumulator.take() else { return };
        let ends = batch.progress().iter().map(|progress| (progress.partition.clone(), progress.end)).collect();
        let (lake, now) = (self.source.lake.clone(), now());
        let landing = self.runtime.spawn(async move { lake.append(batch, now).await });
        self.flight = Some(Flight { landing, ends, since: Instant::now() });
        self.last_commit = Instant::now();
    }

    /// Asked after the last read of the batch: an offset means nothing if the topic became another one meanwhile.
    fn are_topics_the_same(&self) -> Result<bool, KafkaError> {
        let topics: Vec<&str> = self.held.keys().map(String::as_str).collect();
        let ids = topic_ids::ask(&self.consumer, &topics)?;
        let changed = self.held.iter().find(|(topic, held)| ids.get(*topic) != Some(&held.id));
        if let Some((topic, _)) = changed {
            tracing::warn!(topic, "the topic is not the one that was read: it was deleted or created again");
        }
        Ok(changed.is_none())
    }

    /// Waits for the batch that is on its way, at most `patience`, and acts on what became of it.
    pub(super) fn land(&mut self, patience: Duration) {
        let Some(flight) = &mut self.flight else { return };
        if patience.is_zero() && !flight.landing.is_finished() {
            return;
        }
        let landing = &mut flight.landing;
        let landed = self.runtime.block_on(async { tokio::time::timeout(patience.max(POLL), landing).await });
        match landed {
            Err(_) => {}
            Ok(Err(died)) => self.lost(&died),
            Ok(Ok(Err(refused))) => self.lost(&refused),
            Ok(Ok(Ok(appended))) => self.landed(&appended),
        }
    }

    fn landed(&mut self, appended: &Appended) {
        let Some(flight) = self.flight.take() else { return };
        if let Appended::Stale(_) = appended {
            tracing::info!("somebody else has read on; beginning again where the table stands");
            return self.begin_again(Duration::ZERO);
        }
        self.pause = FIRST_PAUSE;
        metrics::committed(appended, flight.since.elapsed());
        credwatch_lake::fail_point::reach("ingest-before-ack");
        self.acknowledge(&flight.ends);
        (self.source.committed)(appended);
    }

    /// It is in the table or it is not: whoever plans anew will see.
    fn lost(&mut self, error: &dyn std::error::Error) {
        self.flight = None;
        metrics::commit_failed();
        self.begin_again_later(error);
    }

    /// For display only: the table knows. A lost acknowledgement is told by the next one.
    fn acknowledge(&self, ends: &[(Partition, i64)]) {
        let mut list = TopicPartitionList::new();
        for (partition, end) in ends {
            let added = list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(*end));
            if added.is_err() {
                return;
            }
        }
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            tracing::debug!(%error, "Kafka was not told how far we are");
        }
    }
}
