//! What those who are sent rows want around each: what it is known by there, when it was, how much it matters. Pure.

use std::borrow::Cow;

use credwatch_export::StoredEvent;
use credwatch_schemas::finding::{Finding, Severity};
use credwatch_schemas::time::Micros;

/// What of a row stands outside of it.
#[derive(Debug, Clone)]
pub(crate) struct Head<'a> {
    /// The same for the same row, for ever: sinks that know ids take it once.
    pub(crate) id: Cow<'a, str>,
    pub(crate) time: Micros,
    pub(crate) severity: Severity,
    pub(crate) kind: &'static str,
}

/// A row as it is written, in its envelope.
pub(crate) type Wrap = fn(&Head<'_>, Vec<u8>) -> Vec<u8>;

/// No envelope.
pub(crate) fn bare(_head: &Head<'_>, row: Vec<u8>) -> Vec<u8> {
    row
}

impl<'a> Head<'a> {
    pub(crate) fn of_event(event: &'a StoredEvent) -> Self {
        Self {
            id: Cow::Borrowed(event.record_id.as_str()),
            time: event.event.time.unwrap_or(event.ingest_time),
            severity: Severity::Info,
            kind: "event",
        }
    }

    pub(crate) fn of_finding(finding: &Finding) -> Self {
        Self {
            id: Cow::Owned(format!("{}.{}", finding.finding_id, finding.revision)),
            time: finding.raised_time,
            severity: finding.severity,
            kind: "finding",
        }
    }
}
