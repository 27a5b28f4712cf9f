//! What a route takes, and when it may be told. Pure.

use std::collections::{BTreeMap, BTreeSet};

use credwatch_schemas::finding::Severity;
use credwatch_schemas::ids::{DetectorId, OrgId};
use credwatch_schemas::time::{HOUR, MINUTE, SECOND};

use super::brief::Brief;
use super::quiet::QuietHours;

#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) route: String,
    /// This severity or worse.
    pub(super) severity: Severity,
    /// Empty: all.
    pub(super) detectors: BTreeSet<DetectorId>,
    pub(super) org: Option<OrgId>,
    /// Columns of the subject, and the values that each may have.
    pub(super) subject: BTreeMap<String, BTreeSet<String>>,
    /// Before the first message of a group, in case more belongs to it (microseconds, as all that follow).
    pub(super) group_wait: i64,
    /// Between two messages of a group.
    pub(super) group_interval: i64,
    /// What comes later than this after the first message begins a group of its own.
    pub(super) group_window: i64,
    pub(super) quiet: Option<QuietHours>,
    /// Messages in an hour, without critical ones.
    pub(super) most_per_hour: usize,
    /// Whether it hears that something is over.
    pub(super) tells_resolved: bool,
    /// Whether it can be told at any time that something is over or was wrong, because nobody is woken by that.
    pub(super) closes_quietly: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            route: String::new(),
            severity: Severity::High,
            detectors: BTreeSet::new(),
            org: None,
            subject: BTreeMap::new(),
            group_wait: 30 * SECOND,
            group_interval: 5 * MINUTE,
            group_window: HOUR,
            quiet: None,
            most_per_hour: 20,
            tells_resolved: false,
            closes_quietly: false,
        }
    }
}

impl Rules {
    pub(super) fn takes(&self, brief: &Brief) -> bool {
        let has = |(column, values): (&String, &BTreeSet<String>)| {
            brief.subject.get(column).is_some_and(|value| values.contains(value))
        };
        brief.severity >= self.severity
            && (self.detectors.is_empty() || self.detectors.contains(&brief.detector_id))
            && self.org.as_ref().is_none_or(|org| brief.org_id.as_ref() == Some(org))
            && self.subject.iter().all(has)
    }
}
