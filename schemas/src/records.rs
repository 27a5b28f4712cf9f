//! The table `records`: one row for each event and for each record that did not become one.
//!
//! `disposition` and `date` are its partition columns; `events`, `rejects` and `duplicates` are views of it. A row is
//! first *undated*: it has everything but `seq` and `ingest_time`, which are stamped when the row becomes durable.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::event::{FIELDS, timestamp};

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// It is an event.
    Accepted,
    /// It could not be an event; `reason`, `detail` and `raw` say why.
    Rejected,
    /// It is an event that is already there; only identity and position are kept.
    Duplicate,
}

impl Disposition {
    pub const ALL: [Self; 3] = [Self::Accepted, Self::Rejected, Self::Duplicate];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Duplicate => "duplicate",
        }
    }
}

/// Columns that the lake adds in front of the event's own. Names are part of the contract.
pub mod column {
    pub const DISPOSITION: &str = "disposition";
    pub const DATE: &str = "date";
    pub const SEQ: &str = "seq";
    pub const INGEST_TIME: &str = "ingest_time";
    pub const KAFKA_TOPIC: &str = "kafka_topic";
    pub const KAFKA_TOPIC_ID: &str = "kafka_topic_id";
    pub const KAFKA_PARTITION: &str = "kafka_partition";
    pub const KAFKA_OFFSET: &str = "kafka_offset";
    pub const KAFKA_INDEX: &str = "kafka_index";
    pub const CONTENT_HASH: &str = "content_hash";
    pub const REASON: &str = "reason";
    pub const DETAIL: &str = "detail";
    pub const RAW: &str = "raw";
    pub const TIME: &str = "time";
    pub const ORG_ID: &str = "org_id";
    pub const EVENT_ID: &str = "event_id";
    pub const SOURCE: &str = "source";
}

/// The one order used everywhere: ascending, nulls last.
pub const SORT_ORDER: [&str; 5] =
    [column::ORG_ID, column::TIME, column::EVENT_ID, column::CONTENT_HASH, column::SOURCE];

/// Columns that people look single things up by; their Parquet chunks carry bloom filters.
pub const BLOOM_COLUMNS: [&str; 5] = ["event_id", "connection_id", "user_id", "trace_id", "token_fp"];

/// Columns whose minimum and maximum stand in the table's log. Personal columns stay out of it: the log outlives rows.
pub const STATISTICS_COLUMNS: [&str; 6] =
    [column::SEQ, column::INGEST_TIME, column::KAFKA_PARTITION, column::KAFKA_OFFSET, column::TIME, column::ORG_ID];

/// A row before it is durable: without `seq` and `ingest_time`.
///
/// `disposition` and `date` are columns here; in a file they are partition values. Rejects and duplicates leave the
/// event's columns null, but for `time`, `org_id`, `event_id` and `source` where they are known.
pub static UNDATED: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields =
        vec![Field::new(column::DISPOSITION, DataType::Utf8, false), Field::new(column::DATE, DataType::Date32, false)];
    fields.extend(position_fields());
    fields.extend(event_fields());
    Arc::new(Schema::new(fields))
});

/// A row of the table, partition columns last as readers of partitioned tables expect them.
pub static RECORDS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields: Vec<Field> = STORED.fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.push(Field::new(column::DISPOSITION, DataType::Utf8, true));
    fields.push(Field::new(column::DATE, DataType::Date32, true));
    Arc::new(Schema::new(fields))
});

/// A row of a data file: the table without its partition columns.
pub static STORED: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields =
        vec![Field::new(column::SEQ, DataType::Int64, true), Field::new(column::INGEST_TIME, timestamp(), true)];
    fields.extend(position_fields());
    fields.extend(event_fields());
    Arc::new(Schema::new(fields))
});

fn position_fields() -> Vec<Field> {
    vec![
        Field::new(column::KAFKA_TOPIC, DataType::Utf8, true),
        Field::new(column::KAFKA_TOPIC_ID, DataType::Utf8, true),
        Field::new(column::KAFKA_PARTITION, DataType::Int32, true),
        Field::new(column::KAFKA_OFFSET, DataType::Int64, true),
        Field::new(column::KAFKA_INDEX, DataType::Int32, true),
        Field::new(column::CONTENT_HASH, DataType::Int64, true),
        Field::new(column::REASON, DataType::Utf8, true),
        Field::new(column::DETAIL, DataType::Utf8, true),
        Field::new(column::RAW, DataType::Binary, true),
    ]
}

/// A column for each field of an event.
pub fn event_fields() -> impl Iterator<Item = Field> {
    FIELDS.iter().map(|field| Field::new(field.name, field.shape.arrow(), true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_column_exists() {
        for name in SORT_ORDER.iter().chain(&BLOOM_COLUMNS).chain(&STATISTICS_COLUMNS) {
            assert!(RECORDS.index_of(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn personal_columns_have_no_statistics_in_the_log() {
        for name in ["user_id", "src_ip", "owner_id", "event_id", "connection_id"] {
            assert!(!STATISTICS_COLUMNS.contains(&name), "{name}");
        }
    }
}
