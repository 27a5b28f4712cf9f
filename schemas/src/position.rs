//! Where a record came from, and how far a partition has been read.
//!
//! A position is (topic, topic id, partition, offset, index). The topic's id is Kafka's own: it tells a topic from
//! one that was created again under the same name. Everything that enters the lake has a position, an import too: its
//! topic is `import:<hash of the file and its binding>` and its offset is the line.

use std::fmt;

use crate::time::Micros;

/// One partition of one incarnation of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    pub topic: String,
    /// Kafka's id of the topic; empty where the broker has none (and for imports).
    pub topic_id: String,
    pub partition: i32,
}

impl Partition {
    /// Name of the application transaction that holds the next offset to read.
    pub fn position_key(&self) -> String {
        format!("p/{self}")
    }

    /// Name of the application transaction that holds the partition's clock.
    pub fn clock_key(&self) -> String {
        format!("c/{self}")
    }

    /// Reads back what [`Self::position_key`] or [`Self::clock_key`] wrote, without its first two characters.
    pub fn parse(key: &str) -> Option<Self> {
        let (rest, partition) = key.rsplit_once('/')?;
        let (topic, topic_id) = rest.rsplit_once('/')?;
        Some(Self { topic: topic.to_owned(), topic_id: topic_id.to_owned(), partition: partition.parse().ok()? })
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/{}", self.topic, self.topic_id, self.partition)
    }
}

/// What one batch did to one partition: it holds every record from `base` up to, not including, `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub partition: Partition,
    /// The table's position before this batch; `None` when the table does not know the partition yet.
    pub base: Option<i64>,
    pub end: i64,
    /// The partition's clock after this batch; `None` leaves it as it is (imports have no clock).
    pub clock: Option<Micros>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_reads_back_from_its_key() {
        let partition = Partition { topic: "audit/eu".into(), topic_id: "Qw3-_x".into(), partition: 11 };
        assert_eq!(Partition::parse(&partition.position_key()[2..]), Some(partition));
    }

    #[test]
    fn a_topic_without_id_reads_back_too() {
        let partition = Partition { topic: "import:ab12".into(), topic_id: String::new(), partition: 0 };
        assert_eq!(Partition::parse(&partition.clock_key()[2..]), Some(partition));
    }
}
