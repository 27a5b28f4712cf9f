//! The finding, version 1: something happened to a subject during an episode, and here is why we say so.
//!
//! The table `findings` is an append-only log of revisions; the last revision of each `finding_id` is its current
//! state. The engine writes `status`, people write `triage` and its companions; neither touches the other's fields.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::event::{text_map, timestamp};
use crate::ids::{DetectorId, DetectorVersion, FindingId, OrgId};
use crate::significant::read_some;
use crate::time::Micros;
use crate::words::words;

/// What a finding is about: columns of the event and their values. Together with the org it names one thing.
pub type Subject = BTreeMap<String, String>;

/// A whole finding on the wire: the contract by example.
pub const EXAMPLE: &str = include_str!("../wire/finding-v1.example.json");

/// One revision of one finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    pub finding_id: FindingId,
    /// 1, 2, ...
    pub revision: i64,
    /// Order in which revisions became durable, without holes; stamped by the lake.
    pub seq: Option<i64>,
    pub detector_id: DetectorId,
    pub detector_version: DetectorVersion,
    pub org_id: Option<OrgId>,
    #[schema(inline)]
    pub subject: Subject,
    /// Tells two findings about one subject apart: an epoch-aligned window start, or a record id.
    pub episode: String,
    pub title: String,
    pub summary: String,
    pub severity: Severity,
    pub status: Status,
    /// True until the watermark has passed the evidence.
    pub provisional: bool,
    pub triage: Triage,
    pub verdict: Option<Verdict>,
    pub assignee: Option<String>,
    pub comment: Option<String>,
    /// The principal of this revision, or `engine`.
    pub changed_by: String,
    pub first_time: Micros,
    pub last_time: Micros,
    /// Event time at which the evidence sufficed.
    pub raised_time: Micros,
    /// Wall clock at which this revision was written.
    pub recorded_time: Micros,
    /// Exact number of events that are evidence.
    pub event_count: i64,
    /// The first 100 of them by (time, event_id, content_hash).
    pub event_ids: Vec<String>,
    pub compared: Vec<Comparison>,
    /// What was attached instead of reported alone.
    #[schema(value_type = Vec<std::collections::HashMap<String, String>>)]
    pub members: Vec<Subject>,
    /// Returns the evidence rows when it is run as it stands.
    pub sql: String,
    /// The highest `seq` of `records` that the judgement saw.
    pub data_seq: i64,
    pub not_seen: Vec<NotSeen>,
    pub replaced_by: Option<FindingId>,
    /// Why the engine gave this status: which exception, which recovery, what took it back.
    pub status_reason: Option<String>,
}

/// One number that was looked at, and what it was held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    pub name: String,
    #[serde(default, deserialize_with = "read_some")]
    pub observed: Option<f64>,
    #[serde(default, deserialize_with = "read_some")]
    pub expected: Option<f64>,
    #[serde(default, deserialize_with = "read_some")]
    pub threshold: Option<f64>,
    pub unit: String,
}

/// Something that could not be observed, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct NotSeen {
    pub what: String,
    pub why: String,
}

words! {
    /// How much it matters, from least to most.
    Severity { Info = "info", Low = "low", Medium = "medium", High = "high", Critical = "critical", }
    /// The engine's word.
    Status {
        Open = "open",
        Digest = "digest",
        Suppressed = "suppressed",
        Resolved = "resolved",
        Withdrawn = "withdrawn",
    }
    /// People's word.
    Triage { New = "new", Acknowledged = "acknowledged", InProgress = "in_progress", Closed = "closed", }
    /// People's word at closing.
    Verdict {
        TruePositive = "true_positive",
        Benign = "benign",
        FalsePositive = "false_positive",
        Duplicate = "duplicate",
    }
}

impl Status {
    /// Whether lists of current findings leave it out unless asked.
    pub fn is_quiet(self) -> bool {
        matches!(self, Self::Digest | Self::Suppressed | Self::Withdrawn)
    }
}

/// The columns of the table `findings`.
pub static FINDINGS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let number = |name| Field::new(name, DataType::Int64, true);
    let time = |name| Field::new(name, timestamp(), true);
    let list = |name, of| Field::new(name, DataType::List(Arc::new(Field::new("element", of, true))), true);
    Arc::new(Schema::new(vec![
        text("finding_id"),
        number("revision"),
        number("seq"),
        text("detector_id"),
        text("detector_version"),
        text("org_id"),
        Field::new("subject", text_map(), true),
        text("episode"),
        text("title"),
        text("summary"),
        text("severity"),
        text("status"),
        Field::new("provisional", DataType::Boolean, true),
        text("triage"),
        text("verdict"),
        text("assignee"),
        text("comment"),
        text("changed_by"),
        time("first_time"),
        time("last_time"),
        time("raised_time"),
        time("recorded_time"),
        number("event_count"),
        list("event_ids", DataType::Utf8),
        list("compared", DataType::Struct(comparison_fields())),
        list("members", text_map()),
        text("sql"),
        number("data_seq"),
        list("not_seen", DataType::Struct(Fields::from(vec![text("what"), text("why")]))),
        text("replaced_by"),
        text("status_reason"),
    ]))
});

fn comparison_fields() -> Fields {
    let float = |name| Field::new(name, DataType::Float64, true);
    Fields::from(vec![
        Field::new("name", DataType::Utf8, true),
        float("observed"),
        float("expected"),
        float("threshold"),
        Field::new("unit", DataType::Utf8, true),
    ])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::rows;

    pub(crate) fn example() -> Finding {
        serde_json::from_str(EXAMPLE).unwrap()
    }

    #[test]
    fn the_example_is_written_as_it_stands() {
        let stands: serde_json::Value = serde_json::from_str(EXAMPLE).unwrap();
        assert_eq!(serde_json::to_value(example()).unwrap(), stands);
    }

    #[test]
    fn a_finding_survives_its_table() {
        let batch = rows::to_batch(&FINDINGS, &[example()]).unwrap();
        let back: Vec<Finding> = rows::from_batch(&batch).unwrap();
        assert_eq!(back, [example()]);
    }

    #[test]
    fn the_rust_type_and_the_table_name_the_same_fields() {
        let value = serde_json::to_value(example()).unwrap();
        let written: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        let columns: Vec<_> = FINDINGS.fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(written, columns);
    }
}
