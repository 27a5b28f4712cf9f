//! Where the client library stands in each partition: lag, and whether it has read everything.
//!
//! Messages alone cannot say that a partition is read to its end, because the last records may be markers of
//! transactions that no consumer is shown. The client's statistics can.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::accumulate::Accumulator;
use credwatch_schemas::position::Partition;
use credwatch_schemas::time::MINUTE;

/// The part of librdkafka's statistics that is used; its documents call the fields so.
#[derive(Debug, Deserialize)]
pub(super) struct Standing {
    /// When they were taken: microseconds of a clock that never goes back, from an unknown beginning.
    ts: i64,
    #[serde(default)]
    brokers: BTreeMap<String, Broker>,
    #[serde(default)]
    topics: BTreeMap<String, Topic>,
}

#[derive(Debug, Deserialize)]
struct Broker {
    nodeid: i64,
    /// Microseconds since it last answered.
    #[serde(default)]
    rxidle: i64,
}

#[derive(Debug, Deserialize)]
struct Topic {
    #[serde(default)]
    partitions: BTreeMap<String, One>,
}

#[derive(Debug, Clone, Deserialize)]
struct One {
    leader: i64,
    /// `active` while the partition is being fetched; between an assignment and its first fetch it is something else.
    fetch_state: String,
    /// Messages that are fetched and not yet polled.
    fetchq_cnt: i64,
    /// What is fetched next.
    next_offset: i64,
    /// The end for readers of committed records: below an open transaction.
    ls_offset: i64,
    /// The end of everything.
    hi_offset: i64,
}

impl Standing {
    pub(super) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// When they were taken, by the client's clock.
    pub(super) fn taken(&self) -> i64 {
        self.ts
    }

    /// Where the client stands if it has fetched everything and nothing of it waits to be polled: records up to there
    /// were read, or are markers. Only true of statistics that were taken since the partition is read from where it is
    /// read, and even then only when the next ones say the same: librdkafka's threads write them at their own pace.
    pub(super) fn fetched_end(&self, partition: &Partition) -> Option<i64> {
        let one = self.heard(partition)?;
        let is_at_end = one.next_offset == one.ls_offset && one.fetchq_cnt == 0;
        is_at_end.then_some(one.next_offset)
    }

    /// Whether everything that the partition has was read. Behind an open transaction there may be more, which counts
    /// as not read.
    pub(super) fn is_read(&self, partition: &Partition, accumulator: &Accumulator) -> bool {
        let Some((one, end)) = self.heard(partition).zip(accumulator.end(partition)) else { return false };
        one.hi_offset == one.ls_offset && end >= one.ls_offset
    }

    /// The partition, if it is being fetched and its leader has answered within a minute.
    fn heard(&self, partition: &Partition) -> Option<&One> {
        let one = self.one(partition).filter(|one| one.fetch_state == "active" && one.ls_offset >= 0)?;
        let leader = self.brokers.values().find(|broker| broker.nodeid == one.leader)?;
        (0..MINUTE).contains(&leader.rxidle).then_some(one)
    }

    /// Records that Kafka has and we have not read.
    pub(super) fn lag(&self, partition: &Partition, accumulator: &Accumulator) -> Option<i64> {
        let (one, end) = (self.one(partition)?, accumulator.end(partition)?);
        (one.ls_offset >= 0).then(|| one.ls_offset.saturating_sub(end).max(0))
    }

    fn one(&self, partition: &Partition) -> Option<&One> {
        self.topics.get(&partition.topic)?.partitions.get(&partition.partition.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accumulate::{ClockRule, Cut};

    fn partition() -> Partition {
        Partition { topic: "audit".into(), topic_id: "id".into(), partition: 0 }
    }

    /// The client at `next`, with so many messages waiting; the ends for committed records and for all.
    fn standing(next: i64, waiting: i64, ends: (i64, i64), idle: i64, state: &str) -> Standing {
        let (stable, high) = ends;
        let one = format!(
            r#"{{"leader":1,"fetch_state":"{state}","fetchq_cnt":{waiting},"next_offset":{next},"ls_offset":{stable},"hi_offset":{high}}}"#
        );
        let brokers = format!(r#"{{"k:1":{{"nodeid":1,"rxidle":{idle}}}}}"#);
        let text = format!(r#"{{"ts":100,"brokers":{brokers},"topics":{{"audit":{{"partitions":{{"0":{one}}}}}}}}}"#);
        Standing::parse(text.as_bytes()).unwrap()
    }

    fn read_up_to(end: i64) -> Accumulator {
        let mut accumulator = Accumulator::new(Cut::default());
        accumulator.begin(&partition(), Some(end), end, ClockRule::Moves);
        accumulator
    }

    #[test]
    fn trailing_markers_are_read_when_the_client_stands_behind_them() {
        assert_eq!(standing(9, 0, (9, 9), 1, "active").fetched_end(&partition()), Some(9));
    }

    #[test]
    fn it_is_not_the_end_while_anything_is_unread_unpolled_unheard_or_not_being_fetched() {
        let partition = partition();
        assert_eq!(standing(8, 0, (9, 9), 1, "active").fetched_end(&partition), None);
        assert_eq!(standing(9, 1, (9, 9), 1, "active").fetched_end(&partition), None);
        assert_eq!(standing(9, 0, (9, 9), MINUTE, "active").fetched_end(&partition), None);
        assert_eq!(standing(9, 0, (9, 9), -1, "active").fetched_end(&partition), None);
        assert_eq!(standing(9, 0, (9, 9), 1, "stopping").fetched_end(&partition), None);
        assert_eq!(standing(-1001, 0, (-1001, -1001), 1, "active").fetched_end(&partition), None);
    }

    #[test]
    fn a_partition_is_read_when_we_are_behind_its_last_record_and_no_transaction_is_open() {
        let read = |ends, up_to| standing(9, 3, ends, 1, "active").is_read(&partition(), &read_up_to(up_to));
        assert!(read((9, 9), 9), "what waits in the client is of other partitions");
        assert!(!read((9, 9), 8));
        assert!(!read((9, 12), 9), "records stand behind an open transaction");
    }

    #[test]
    fn lag_is_what_kafka_has_above_what_was_read() {
        assert_eq!(standing(9, 0, (12, 12), 1, "active").lag(&partition(), &read_up_to(7)), Some(5));
        assert_eq!(standing(9, 0, (-1001, -1001), 1, "active").lag(&partition(), &read_up_to(7)), None);
    }
}
