//! Rows of the table `configuration`: what a judgement depended on besides events, recorded so that it can be repeated.
//!
//! At event time t, the row of a (kind, org, name) recorded last among those with `from_time` <= t holds. In a lake
//! without clocks rows hold from the beginning (`from_time` is null).

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::event::timestamp;
use crate::ids::OrgId;
use crate::time::Micros;

/// What a row configures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigurationKind {
    /// A detector's file, whole.
    Detector,
    /// A data file, such as the provider profiles.
    Data,
    /// Settings of an org: partners, recorded moves, allow-lists.
    OrgSettings,
    /// Event time until which everything is being learnt.
    LearnUntil,
}

/// One recorded fact. Nothing is overwritten: a change is a new row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationRow {
    pub kind: ConfigurationKind,
    /// The org that it is for; `None` is everybody.
    pub org_id: Option<OrgId>,
    /// The detector's id, the data file's name, ...
    pub name: String,
    /// The file or value, whole; `None` switches it off.
    pub content: Option<String>,
    /// Event time from which it holds; `None` is the beginning.
    pub from_time: Option<Micros>,
    /// Order of recording; stamped by the lake.
    pub seq: Option<i64>,
    pub recorded_time: Micros,
    /// Which build wrote it: an older build activates nothing that a newer one recorded.
    pub build: String,
}

/// The columns of the table `configuration`.
pub static CONFIGURATION: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("kind"),
        text("org_id"),
        text("name"),
        text("content"),
        Field::new("from_time", timestamp(), true),
        Field::new("seq", DataType::Int64, true),
        Field::new("recorded_time", timestamp(), true),
        text("build"),
    ]))
});
