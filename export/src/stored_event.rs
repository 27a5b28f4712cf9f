//! An accepted event as it leaves credwatch: what its producer sent, and the four things that the lake knows of it.
//!
//! `content_hash` is written as sixteen hexadecimal digits, because a JSON number of 64 bits loses digits in most
//! readers. Where the row came from in Kafka is about the ingest and not about the event, so it stays inside.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use credwatch_schemas::cell;
use credwatch_schemas::event::{Event, timestamp};
use credwatch_schemas::ids::RecordId;
use credwatch_schemas::records::{column, event_fields};
use credwatch_schemas::time::Micros;
use serde::Serialize;

/// Its fields as columns.
pub static STORED_EVENTS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![
        Field::new("record_id", DataType::Utf8, false),
        Field::new(column::SEQ, DataType::Int64, false),
        Field::new(column::INGEST_TIME, timestamp(), false),
        Field::new(column::CONTENT_HASH, DataType::Utf8, false),
    ];
    fields.extend(event_fields());
    Arc::new(Schema::new(fields))
});

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredEvent {
    /// Names the event for ever, in every table and export.
    pub record_id: RecordId,
    pub seq: i64,
    /// When it became durable.
    pub ingest_time: Micros,
    pub content_hash: String,
    #[serde(flatten)]
    pub event: Event,
}

impl StoredEvent {
    /// Rows of the view `events`.
    pub fn of_rows(rows: &RecordBatch) -> Result<Vec<Self>, ArrowError> {
        let seq = cell::int64s(named(rows, column::SEQ)?)?;
        let ingest_time = cell::times(named(rows, column::INGEST_TIME)?)?;
        let content_hash = cell::int64s(named(rows, column::CONTENT_HASH)?)?;
        let lake = seq.into_iter().zip(ingest_time).zip(content_hash);
        Event::of_rows(rows)?.into_iter().zip(lake).map(|(event, lake)| Self::of(event, lake)).collect()
    }

    fn of(event: Event, lake: ((Option<i64>, Option<Micros>), Option<i64>)) -> Result<Self, ArrowError> {
        let (((Some(seq), Some(ingest_time)), Some(hash)), Some(event_id)) = (lake, event.event_id.as_deref()) else {
            return Err(ArrowError::InvalidArgumentError("an accepted row has no identity".to_owned()));
        };
        let record_id = RecordId::of(event.source.as_deref(), event.org_id.as_deref(), event_id, hash);
        Ok(Self { record_id, seq, ingest_time, content_hash: format!("{hash:016x}"), event })
    }
}

fn named<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    rows.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("there is no column \"{name}\"")))
}
