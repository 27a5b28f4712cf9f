//! What is known to be wrong, and what only looks like it: the ground truth beside the traffic.
//!
//! A finding is about the same thing as a truth when detector and org agree, when the columns that both subjects name have
//! the same values, and when their spans touch. Where several truths fit, `must` speaks before `may`, and `may` before
//! `must_not`. A finding that fits none is a false alarm.

use std::collections::BTreeMap;

use credwatch_schemas::time::Micros;
use serde::{Deserialize, Serialize};

/// Which detector watches for which kind of incident. Names of detectors are data: code knows only what it stages.
const DETECTORS: &str = include_str!("../data/detectors.tsv");

/// What a detector is expected to do about an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// A finding must be there.
    Must,
    /// A finding is right, and so is its absence.
    May,
    /// An open finding is a false alarm; a digest is not.
    MustNot,
}

/// One incident, or one harmless change that looks like it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// Unique within a simulation.
    pub id: String,
    /// What was staged: `new_destination`, `outage`, ...
    pub kind: String,
    /// Id of the detector that is asked.
    pub detector: String,
    pub org_id: String,
    /// What it is about, by columns of the event. A finding need not name all of these.
    pub subject: BTreeMap<String, String>,
    pub from: Micros,
    pub to: Micros,
    pub expected: Expected,
    /// Ids of the events that prove it, in order of time. Empty where the whole of a span is meant.
    pub evidence: Vec<String>,
    /// One plain sentence.
    pub why: String,
}

impl Truth {
    pub fn is_incident(&self) -> bool {
        self.expected == Expected::Must
    }
}

/// The detector that watches for this kind; empty for a kind that stands in no line of the list.
pub(crate) fn detector(kind: &str) -> String {
    let pairs = DETECTORS.lines().filter_map(|line| line.split_once('\t'));
    pairs.filter(|(name, _)| *name == kind).map(|(_, detector)| detector.to_owned()).collect()
}

/// A subject from pairs of column and value.
pub(crate) fn subject<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(column, value)| (column.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_stands_once_in_the_list() {
        let kinds: Vec<_> = DETECTORS.lines().filter_map(|line| line.split('\t').next()).collect();
        for kind in &kinds {
            assert_eq!(kinds.iter().filter(|other| *other == kind).count(), 1, "{kind}");
        }
        assert_eq!(detector("error_spike"), "error-rate-spike");
        assert_eq!(detector("unheard_of"), "");
    }
}
