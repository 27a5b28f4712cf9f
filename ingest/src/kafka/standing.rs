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

#[derive(Debug, Clone, Copy, Deserialize)]
struct One {
    leader: i64,
    /// Messages that are fetched and not yet polled.
    fetchq_cnt: i64,
    /// What is fetched next.
    next_offset: i64,
    /// The end for readers of committed records.
    ls_offset: i64,
}

impl Standing {
    pub(super) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// When they were taken, by the client's clock.
    pub(super) fn taken(&self) -> i64 {
        self.ts
    }

    /// The partition's end, if everything below it was read: the leader answered within a minute, and nothing waits in
    /// the client. Only true of statistics that were taken since the partition is read from where it is read.
    pub(super) fn read_end(&self, partition: &Partition) -> Option<i64> {
        let one = self.one(partition)?;
        let leader = self.brokers.values().find(|broker| broker.nodeid == one.leader)?;
        let is_heard = (0..MINUTE).contains(&leader.rxidle);
        let is_at_end = one.ls_offset >= 0 && one.next_offset == one.ls_offset && one.fetchq_cnt == 0;
        (is_heard && is_at_end).then_some(one.next_offset)
    }

    /// Records that Kafka has and we have not read.
    pub(super) fn lag(&self, partition: &Partition, accumulator: &Accumulator) -> Option<i64> {
        let (one, end) = (self.one(partition)?, accumulator.end(partition)?);
        (one.ls_offset >= 0).then(|| one.ls_offset.saturating_sub(end).max(0))
    }

    fn one(&self, partition: &Partition) -> Option<One> {
        self.topics.get(&partition.topic)?.partitions.get(&partition.partition.to_string()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accumulate::{ClockRule, Cut};

    fn partition() -> Partition {
        Partition { topic: "audit".into(), topic_id: "id".into(), partition: 0 }
    }

    fn standing(next: i64, end: i64, waiting: i64, idle: i64) -> Standing {
        let text = format!(
            r#"{{"ts":100,"brokers":{{"k:1":{{"nodeid":1,"rxidle":{idle}}}}},"topics":{{"audit":{{"partitions":{{"0":
            {{"leader":1,"fetchq_cnt":{waiting},"next_offset":{next},"ls_offset":{end}}}}}}}}}}}"#
        );
        Standing::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn trailing_markers_are_read_when_the_client_stands_behind_them() {
        assert_eq!(standing(9, 9, 0, 1).read_end(&partition()), Some(9));
    }

    #[test]
    fn it_is_not_the_end_while_anything_is_unread_unpolled_or_unheard() {
        let partition = partition();
        assert_eq!(standing(8, 9, 0, 1).read_end(&partition), None);
        assert_eq!(standing(9, 9, 1, 1).read_end(&partition), None);
        assert_eq!(standing(9, 9, 0, MINUTE).read_end(&partition), None);
        assert_eq!(standing(9, 9, 0, -1).read_end(&partition), None);
        assert_eq!(standing(-1001, -1001, 0, 1).read_end(&partition), None);
    }

    #[test]
    fn lag_is_what_kafka_has_above_what_was_read() {
        let mut accumulator = Accumulator::new(Cut::default());
        accumulator.begin(&partition(), Some(7), 7, ClockRule::Moves);
        assert_eq!(standing(9, 12, 0, 1).lag(&partition(), &accumulator), Some(5));
        assert_eq!(standing(9, -1001, 0, 1).lag(&partition(), &accumulator), None);
    }
}
