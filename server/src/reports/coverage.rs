//! What a report can speak of: sources with their silences, and how far each detector has judged. Pure.

use std::collections::{BTreeMap, BTreeSet};

use credwatch_detectors::Registry;
use credwatch_detectors::definition::{Definition, ParameterValue};
use credwatch_schemas::finding::Finding;
use credwatch_schemas::ids::DetectorId;
use credwatch_schemas::outcome::Outcome;
use credwatch_schemas::time::{HOUR, Micros};
use credwatch_schemas::weekly_report::{Blind, Detector, Source, Stretch};

use super::answers::{Bounds, FirstRow, HourRow, SourceRow};
use crate::detector_status::{DetectorStatus, SourceStatus};

/// What a detector's file says that a report needs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Facts {
    warm_up: Option<i64>,
    /// Findings that chance may raise for an agent in a day.
    pub(super) false_findings: Option<f64>,
}

/// The parameter that statistical detectors keep their budget in.
const BUDGET: &str = "false_findings";

pub(super) fn facts(registry: &Registry) -> BTreeMap<DetectorId, Facts> {
    let of = |(id, content): (&DetectorId, &String)| {
        let file = Definition::parse(id.as_str(), content).ok()?;
        let value = |name: &str| file.parameters.get(name)?.typed();
        let warm_up = match value(file.warm_up.as_deref()?) {
            Some(ParameterValue::Integer(micros)) => Some(micros),
            _ => None,
        };
        let false_findings = match value(BUDGET) {
            Some(ParameterValue::Number(number)) => Some(number),
            _ => None,
        };
        Some((id.clone(), Facts { warm_up, false_findings }))
    };
    registry.detectors().iter().filter_map(of).collect()
}

pub(super) fn sources(rows: Vec<SourceRow>, hours: &[HourRow], bounds: Bounds) -> Vec<Source> {
    rows.into_iter().map(|row| source(row, hours, bounds)).collect()
}

fn source(row: SourceRow, hours: &[HourRow], bounds: Bounds) -> Source {
    let heard: BTreeSet<i64> = hours.iter().filter(|hour| hour.source == row.source).map(|hour| hour.hour).collect();
    let silences = silences(&heard, hours_of(bounds));
    let longest = silences.iter().copied().max_by_key(|(from, to)| (to - from, -from));
    let at = |hour: i64| bounds.from.plus(hour * HOUR);
    Source {
        source: row.source,
        events: row.events,
        first_time: row.first_time,
        last_time: row.last_time,
        late: row.late,
        silent_hours: silences.iter().map(|(from, to)| to - from).sum(),
        longest_silence: longest.map(|(from, to)| Stretch { from_time: at(from), to_time: at(to) }),
    }
}

pub(super) fn hours_of(bounds: Bounds) -> i64 {
    (bounds.to.0 - bounds.from.0) / HOUR
}

/// Stretches of hours in which nothing was heard.
fn silences(heard: &BTreeSet<i64>, hours: i64) -> Vec<(i64, i64)> {
    let ends = heard.iter().copied().filter(|hour| (0..hours).contains(hour)).chain([hours]);
    let mut silences = Vec::new();
    let mut from = 0;
    for end in ends {
        if end > from {
            silences.push((from, end));
        }
        from = end + 1;
    }
    silences
}

/// How each detector stands in this week. `last` is when the last event of the week happened: nobody can judge beyond it.
pub(super) fn detectors(
    statuses: Vec<DetectorStatus>,
    facts: &BTreeMap<DetectorId, Facts>,
    firsts: &[FirstRow],
    findings: &[&Finding],
    (bounds, last): (Bounds, Option<Micros>),
) -> Vec<Detector> {
    let detector = |status: DetectorStatus| {
        let of_detector = findings.iter().filter(|finding| finding.detector_id == status.id);
        let found = of_detector.clone().count();
        let judged = status.coverage.and_then(|covered| overlap(covered.from_time, covered.to_time, bounds));
        let is_whole = judged.is_some_and(|judged| judged.to_time >= last.unwrap_or(bounds.from));
        let outcome = match status.outcome {
            Outcome::Clear | Outcome::Findings if !is_whole => Outcome::Behind,
            Outcome::Clear | Outcome::Findings if found > 0 => Outcome::Findings,
            Outcome::Findings => Outcome::Clear,
            other => other,
        };
        let warm_up = facts.get(&status.id).and_then(|facts| facts.warm_up);
        let blind = status.sources.iter().filter_map(|source| blind(source, warm_up, firsts, bounds)).collect();
        let findings = i64::try_from(found).unwrap_or(i64::MAX);
        Detector { detector_id: status.id, title: status.title, outcome, judged, findings, blind }
    };
    statuses.into_iter().map(detector).collect()
}

fn overlap(from: Micros, to: Micros, bounds: Bounds) -> Option<Stretch> {
    let (from_time, to_time) = (from.max(bounds.from), to.min(bounds.to));
    (from_time < to_time).then_some(Stretch { from_time, to_time })
}

fn blind(source: &SourceStatus, warm_up: Option<i64>, firsts: &[FirstRow], bounds: Bounds) -> Option<Blind> {
    let blind = |outcome, detail| Blind {
        org_id: source.org_id.clone(),
        source: source.source.clone(),
        outcome,
        columns: source.not_observable.clone(),
        detail,
    };
    match source.outcome {
        // In full hours, as silence is. Whether it was learnt is told from the events, so that a week says the same whenever it is asked about.
        Outcome::Clear | Outcome::Findings | Outcome::NotReady => {
            let learnt = learnt_until(source, warm_up?, firsts).filter(|until| *until > bounds.from.plus(HOUR))?;
            Some(blind(Outcome::NotReady, Some(format!("learns until {learnt}"))))
        }
        other => Some(blind(other, source.detail.clone())),
    }
}

fn learnt_until(source: &SourceStatus, warm_up: i64, firsts: &[FirstRow]) -> Option<Micros> {
    let is_it = |row: &&FirstRow| row.org_id == source.org_id && row.source == source.source;
    firsts.iter().find(is_it).map(|row| row.since.plus(warm_up))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_counted_in_full_hours_and_its_longest_stretch_is_told() {
        assert_eq!(silences(&BTreeSet::from([0, 1, 5, 9]), 10), [(2, 5), (6, 9)]);
        assert_eq!(silences(&BTreeSet::new(), 3), [(0, 3)]);
        assert_eq!(silences(&BTreeSet::from([2, 7]), 3), [(0, 2)], "what lies beyond the week is not of it");
        assert_eq!(silences(&(0..168).collect(), 168), []);
    }

    #[test]
    fn what_was_judged_is_told_of_this_week_only() {
        let bounds = Bounds { before: Micros(0), from: Micros(10), to: Micros(20) };
        assert_eq!(overlap(Micros(0), Micros(10), bounds), None);
        assert_eq!(
            overlap(Micros(0), Micros(15), bounds),
            Some(Stretch { from_time: Micros(10), to_time: Micros(15) })
        );
    }

    #[test]
    fn the_librarys_statistical_detector_has_a_budget_and_all_have_facts() {
        let facts = facts(&Registry::embedded().unwrap());
        assert!(facts[&DetectorId::new("error-rate-spike")].false_findings.is_some());
        assert!(facts[&DetectorId::new("new-destination")].warm_up.is_some());
    }
}
