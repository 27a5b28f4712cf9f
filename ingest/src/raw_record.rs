//! A record as it arrived: bytes and where they came from, nothing read yet.

use credwatch_schemas::position::Partition;
use credwatch_schemas::time::Micros;

/// A message of Kafka, a body posted at a door, or a line of a file.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    /// `None` is a message without a value.
    pub payload: Option<&'a [u8]>,
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Kafka's timestamp of the record; in an import, when the import began.
    pub arrival: Micros,
    /// Ingest's own clock when it read the record. It decides only which event times may move a clock.
    pub now: Micros,
    pub partition: &'a Partition,
    pub offset: i64,
}
