//! What a detector can say besides findings. "Nothing found" is one of six answers, and the only one that means health.
//!
//! Rows of the table `coverage`: for each detector, org and source the event-time interval that was judged and how it
//! ended. Missing is not empty: where a detector lacks history or fields, the row says so and names them.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::event::timestamp;
use crate::ids::{DetectorId, DetectorVersion, OrgId, SourceId};
use crate::time::Micros;

/// How the judgement of one interval ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ran, it could see, there was nothing.
    Clear,
    /// It found something.
    Findings,
    /// Warm-up, or too little history: `detail` says until when.
    NotReady,
    /// Columns that it needs are never filled by this source: `detail` names them.
    NotObservable,
    /// It could not run: `detail` says why in one sentence.
    Failed,
    /// The interval is not covered yet.
    Behind,
}

/// One interval of one detector, as judged. A later row for the same interval replaces an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    pub detector_id: DetectorId,
    pub detector_version: DetectorVersion,
    pub org_id: Option<OrgId>,
    pub source: Option<SourceId>,
    /// Event time, inclusive.
    pub from_time: Micros,
    /// Event time, exclusive.
    pub to_time: Micros,
    pub outcome: Outcome,
    /// Columns that could not be observed.
    pub columns: Vec<String>,
    pub detail: Option<String>,
    /// The highest `seq` of `records` that the judgement saw.
    pub data_seq: i64,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Findings => "findings",
            Self::NotReady => "not_ready",
            Self::NotObservable => "not_observable",
            Self::Failed => "failed",
            Self::Behind => "behind",
        }
    }
}

/// The columns of the table `coverage`.
pub static COVERAGE: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("detector_id"),
        text("detector_version"),
        text("org_id"),
        text("source"),
        Field::new("from_time", timestamp(), true),
        Field::new("to_time", timestamp(), true),
        text("outcome"),
        Field::new("columns", DataType::List(Arc::new(Field::new("element", DataType::Utf8, true))), true),
        text("detail"),
        Field::new("data_seq", DataType::Int64, true),
    ]))
});
