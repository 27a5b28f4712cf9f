//! What must be judged again: for each grain (an org, or a series of one) the event time from which on.
//!
//! Causality makes this small. Whether a claim exists depends on events up to its `raised_time`, and what it says on
//! events up to `window` later; so a new event at t can change only claims raised at t - window or later.

use std::collections::BTreeMap;

use credwatch_schemas::finding::Finding;
use credwatch_schemas::ids::OrgId;
use credwatch_schemas::time::Micros;

/// Values of the grain's columns; `None` is null.
pub(crate) type GrainKey = Vec<Option<String>>;

/// Grains and the lowest `raised_time` to be judged in each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dirty {
    pub(crate) columns: Vec<String>,
    pub(crate) from: BTreeMap<GrainKey, Micros>,
}

impl Dirty {
    pub(crate) fn new(columns: Vec<String>) -> Self {
        Self { columns, from: BTreeMap::new() }
    }

    pub(crate) fn mark(&mut self, grain: GrainKey, from: Micros) {
        let known = self.from.entry(grain).or_insert(from);
        *known = (*known).min(from);
    }

    /// The grain of what names its columns: of a finding, org and subject.
    pub(crate) fn grain_of(&self, finding: &Finding) -> GrainKey {
        let value = |column: &String| match column.as_str() {
            "org_id" => finding.org_id.as_ref().map(|org| org.as_str().to_owned()),
            other => finding.subject.get(other).cloned(),
        };
        self.columns.iter().map(value).collect()
    }

    /// Whether this judgement decides about the finding.
    pub(crate) fn covers(&self, finding: &Finding) -> bool {
        self.from.get(&self.grain_of(finding)).is_some_and(|from| *from <= finding.raised_time)
    }

    /// The same, as if nothing before `start` had to be judged, and nothing of what begins at `end` or later.
    pub(crate) fn within(&self, start: Micros, end: Option<Micros>) -> Self {
        let inside = self.from.iter().filter(|(_, from)| end.is_none_or(|end| **from < end));
        Self {
            columns: self.columns.clone(),
            from: inside.map(|(key, from)| (key.clone(), (*from).max(start))).collect(),
        }
    }

    pub(crate) fn earliest(&self) -> Option<Micros> {
        self.from.values().min().copied()
    }

    /// The orgs, where they are part of the grain.
    pub(crate) fn orgs(&self) -> Option<Vec<Option<String>>> {
        let place = self.columns.iter().position(|column| column == "org_id")?;
        let mut orgs: Vec<_> = self.from.keys().map(|key| key[place].clone()).collect();
        orgs.sort();
        orgs.dedup();
        Some(orgs)
    }

    /// Whether a change for `org` (`None`: for all) touches the grain.
    pub(crate) fn concerns(&self, grain: &GrainKey, org: Option<&OrgId>) -> bool {
        let Some(org) = org else { return true };
        match self.columns.iter().position(|column| column == "org_id") {
            Some(place) => grain[place].as_deref() == Some(org.as_str()),
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(org: &str) -> GrainKey {
        vec![Some(org.to_owned())]
    }

    #[test]
    fn a_grain_is_dirty_from_its_earliest_reason() {
        let mut dirty = Dirty::new(vec!["org_id".into()]);
        dirty.mark(key("a"), Micros(9));
        dirty.mark(key("a"), Micros(4));
        dirty.mark(key("a"), Micros(7));
        assert_eq!(dirty.from[&key("a")], Micros(4));
        assert_eq!(dirty.earliest(), Some(Micros(4)));
    }

    #[test]
    fn a_cut_keeps_what_reaches_into_it() {
        let mut dirty = Dirty::new(vec!["org_id".into()]);
        dirty.mark(key("a"), Micros(4));
        dirty.mark(key("b"), Micros(20));
        let cut = dirty.within(Micros(10), Some(Micros(20)));
        assert_eq!(cut.from, BTreeMap::from([(key("a"), Micros(10))]));
    }
}
