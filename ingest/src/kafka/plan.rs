//! Where each partition that was given to us is read from: the table's position, and nothing else.
//!
//! A topic that the lake has never seen begins where the configuration says, all its partitions at once and committed
//! before the first record is read: otherwise a second process, or this one after a kill, could begin elsewhere. What
//! appears later (a new partition, a topic created again under its name) begins at its beginning.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use credwatch_lake::{Appended, Lake, LakeError, LakeSnapshot};
use credwatch_schemas::position::Partition;
use credwatch_schemas::time::Micros;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::runtime::Handle;

use super::client::Notes;
use super::config::Start;
use super::error::{Doing, KafkaError, chain};
use super::topic_ids;
use crate::accumulate::{Accumulator, ClockRule, Cut};

const PATIENCE: Duration = Duration::from_secs(10);
/// One partition without a leader must not use up the time of all.
const A_PARTITION: Duration = Duration::from_secs(3);
/// Two processes may see a topic for the first time at once; the second finds the first one's positions.
const MOST_ATTEMPTS: u32 = 10;

/// A partition of ours, and where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beginning {
    pub(super) partition: Partition,
    /// The table's position.
    pub(super) base: i64,
    /// Above the base where Kafka has deleted records that nobody read.
    pub(super) start: i64,
}

/// What to read, and what there was no topic for.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) beginnings: Vec<Beginning>,
    pub(super) absent: Vec<String>,
}

pub(super) struct Planner<'a> {
    pub(super) consumer: &'a BaseConsumer<Notes>,
    pub(super) lake: &'a Lake,
    pub(super) runtime: &'a Handle,
    pub(super) start: Start,
    /// Topics that were there when the program began; others are new, and nothing of them may be missed.
    pub(super) first_topics: &'a BTreeSet<String>,
    pub(super) now: Micros,
}

impl Planner<'_> {
    pub(super) fn plan(&self, wanted: &[(String, i32)]) -> Result<Plan, KafkaError> {
        let topics: BTreeSet<&str> = wanted.iter().map(|(topic, _)| topic.as_str()).collect();
        let topics: Vec<&str> = topics.into_iter().collect();
        let ids = topic_ids::ask(self.consumer, &topics)?;
        let positions = self.settle(&ids)?;
        let mut plan = Plan::default();
        plan.absent.extend(topics.iter().filter(|topic| !ids.contains_key(**topic)).map(|topic| (*topic).to_owned()));
        for (topic, number) in wanted {
            let Some(id) = ids.get(topic) else { continue };
            let partition = Partition { topic: topic.clone(), topic_id: id.clone(), partition: *number };
            // A partition that is younger than the last look at its topic is settled by the next plan.
            let Some(base) = positions.get(&partition).copied() else { continue };
            let (low, high) = match self.bounds(topic, *number) {
                Ok(bounds) => bounds,
                Err(error) => {
                    // Its neighbours may have leaders that answer.
                    tracing::warn!(%partition, "{}; it is looked for again", chain(&error));
                    continue;
                }
            };
            let start = place(&partition, base, low, high)?;
            plan.beginnings.push(Beginning { partition, base, start });
        }
        Ok(plan)
    }

    /// The table's positions, after every partition of these topics has one.
    fn settle(&self, ids: &BTreeMap<String, String>) -> Result<BTreeMap<Partition, i64>, KafkaError> {
        for _ in 0..MOST_ATTEMPTS {
            let snapshot = self.lake(self.lake.snapshot())?;
            let positions = snapshot.positions();
            let mut accumulator = Accumulator::new(Cut::default());
            for (topic, id) in ids {
                self.retire_clocks(&snapshot, topic, id)?;
                for (partition, start) in self.unsettled(topic, id, &positions)? {
                    accumulator.begin(&partition, None, start, ClockRule::Moves);
                }
            }
            let Some(batch) = accumulator.take() else { return Ok(positions) };
            match self.lake(self.lake.append(batch, self.now))? {
                Appended::Committed { .. } | Appended::AlreadyThere | Appended::Stale(_) => {}
            }
        }
        Err(KafkaError::Admin { doing: "commit where topics begin", what: "others were faster every time".into() })
    }

    /// Partitions of the topic that the table does not know, and where they begin.
    fn unsettled(
        &self,
        topic: &str,
        id: &str,
        positions: &BTreeMap<Partition, i64>,
    ) -> Result<Vec<(Partition, i64)>, KafkaError> {
        let metadata = self.consumer.fetch_metadata(Some(topic), PATIENCE).doing("ask Kafka for partitions")?;
        let partitions = metadata.topics().iter().filter(|one| one.name() == topic).flat_map(MetadataTopic::partitions);
        let is_first = self.first_topics.contains(topic) && !positions.keys().any(|known| known.topic == topic);
        let start = if is_first { self.start } else { Start::Earliest };
        let mut unsettled = Vec::new();
        for number in partitions.map(MetadataPartition::id) {
            let partition = Partition { topic: topic.to_owned(), topic_id: id.to_owned(), partition: number };
            if !positions.contains_key(&partition) {
                unsettled.push((partition, self.first_offset(topic, number, start)?));
            }
        }
        Ok(unsettled)
    }

    fn first_offset(&self, topic: &str, number: i32, start: Start) -> Result<i64, KafkaError> {
        let (low, high) = self.bounds(topic, number)?;
        match start {
            Start::Earliest => Ok(low),
            Start::Latest => Ok(high),
            Start::At(time) => {
                let mut asked = TopicPartitionList::new();
                let doing = "ask Kafka for the offset of a time";
                asked.add_partition_offset(topic, number, Offset::Offset(time.0.div_euclid(1_000))).doing(doing)?;
                let answer = self.consumer.offsets_for_times(asked, PATIENCE).doing(doing)?;
                let elements = answer.elements();
                let found = elements.first().ok_or(KafkaError::Admin { doing, what: "no answer".into() })?;
                found.error().doing(doing)?;
                match found.offset() {
                    Offset::Offset(offset) => Ok(offset),
                    // Every record is older.
                    Offset::End => Ok(high),
                    other => Err(KafkaError::Admin { doing, what: format!("the answer is {other:?}") }),
                }
            }
        }
    }

    /// The clocks of a topic that went away must not hold the others back.
    fn retire_clocks(&self, snapshot: &LakeSnapshot, topic: &str, id: &str) -> Result<(), KafkaError> {
        for partition in snapshot.clocks().into_keys().filter(|old| old.topic == topic && old.topic_id != id) {
            tracing::warn!(%partition, "the topic was created again; the clock of the old one is retired");
            self.lake(self.lake.retire_clock(&partition))?;
        }
        Ok(())
    }

    /// Storage that hangs must not keep the thread from polling for long.
    fn lake<T>(&self, work: impl Future<Output = Result<T, LakeError>>) -> Result<T, KafkaError> {
        let done = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await });
        let what = || format!("storage gave no answer within {PATIENCE:?}");
        done.map_err(|_| KafkaError::Admin { doing: "find out where the lake stands", what: what() })?
            .map_err(Into::into)
    }

    fn bounds(&self, topic: &str, number: i32) -> Result<(i64, i64), KafkaError> {
        self.consumer.fetch_watermarks(topic, number, A_PARTITION).doing("ask Kafka for the ends of a partition")
    }
}

/// Where to begin, given the table's position and what Kafka still has.
fn place(partition: &Partition, base: i64, low: i64, high: i64) -> Result<i64, KafkaError> {
    if high < base {
        return Err(KafkaError::EndsBelow { partition: partition.clone(), stored: base, end: high });
    }
    if base < low {
        tracing::warn!(%partition, base, low, "Kafka deleted records before they were read: retention is too short");
    }
    Ok(base.max(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> Partition {
        Partition { topic: "audit".into(), topic_id: String::new(), partition: 3 }
    }

    #[test]
    fn reading_begins_where_the_table_stands() {
        assert_eq!(place(&partition(), 7, 0, 10).unwrap(), 7);
        assert_eq!(place(&partition(), 10, 0, 10).unwrap(), 10);
    }

    #[test]
    fn what_retention_took_is_passed_over() {
        assert_eq!(place(&partition(), 7, 9, 10).unwrap(), 9);
    }

    #[test]
    fn a_partition_that_ends_below_what_the_table_holds_stops_and_says_so() {
        let error = place(&partition(), 7, 0, 3).unwrap_err().to_string();
        assert!(error.contains("up to offset 7") && error.contains("ends at 3"), "{error}");
    }
}
