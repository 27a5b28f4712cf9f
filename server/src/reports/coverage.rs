//! What a report can speak of: sources with their silences, and what each detector has judged. Pure.

use std::collections::{BTreeMap, BTreeSet};

use credwatch_detectors::{InForce, Reached};
use credwatch_query::TenantScope;
use credwatch_schemas::ids::{DetectorId, OrgId, SourceId};
use credwatch_schemas::outcome::{Coverage as CoverageRow, Outcome};
use credwatch_schemas::time::{HOUR, Micros};
use credwatch_schemas::weekly_report::{Blind, Detector, Hour, Source, Stretch};

use super::answers::{Bounds, HourRow, SourceRow};
use crate::detector_status::sees;

/// As many as `sql/sources.sql` lists.
const MOST_SOURCES: usize = 10_000;

/// When each source was heard, and the calls of each hour: folded as they come, one row a source and hour in the order of
/// sources.
#[derive(Debug)]
pub(super) struct Heard {
    by_source: BTreeMap<(Option<OrgId>, Option<SourceId>), OfSource>,
    pub(super) hours: Vec<Hour>,
    /// Of all sources, however many.
    pub(super) events: i64,
    /// The last event of the week.
    pub(super) last: Option<Micros>,
    /// The highest `seq` of the week's events.
    pub(super) data_seq: i64,
}

#[derive(Debug, Clone, Default)]
struct OfSource {
    events: i64,
    late: i64,
    hours: BTreeSet<i64>,
}

impl Heard {
    pub(super) fn new(bounds: Bounds) -> Self {
        let hours = usize::try_from(hours_of(bounds)).unwrap_or(0);
        Self { by_source: BTreeMap::new(), hours: vec![Hour::default(); hours], events: 0, last: None, data_seq: 0 }
    }

    pub(super) fn take(&mut self, row: HourRow) {
        if let Some(hour) = usize::try_from(row.hour).ok().and_then(|place| self.hours.get_mut(place)) {
            hour.calls += row.calls;
            hour.failures += row.failures;
        }
        self.events += row.events;
        self.last = self.last.max(Some(row.last_time));
        self.data_seq = self.data_seq.max(row.data_seq);
        let source = (row.org_id, row.source);
        // Those that are listed come first.
        if self.by_source.len() < MOST_SOURCES || self.by_source.contains_key(&source) {
            let heard = self.by_source.entry(source).or_default();
            heard.events += row.events;
            heard.late += row.late;
            heard.hours.insert(row.hour);
        }
    }
}

/// Everything that was heard of before the end of the week, also what was silent in it. `known` is how far the lake
/// reaches: hours beyond it are not silent, they are not there yet.
pub(super) fn sources(rows: &[SourceRow], heard: &Heard, bounds: Bounds, known: Micros) -> Vec<Source> {
    rows.iter().map(|row| source(row, heard, bounds, known)).collect()
}

fn source(row: &SourceRow, heard: &Heard, bounds: Bounds, known: Micros) -> Source {
    let heard = heard.by_source.get(&(row.org_id.clone(), row.source.clone())).cloned().unwrap_or_default();
    let first = (row.since.0 - bounds.from.0).max(0) / HOUR;
    let silences = silences(&heard.hours, first, hours_until(bounds, known));
    let longest = silences.iter().copied().max_by_key(|(from, to)| (to - from, -from));
    let at = |hour: i64| bounds.from.plus(hour * HOUR).min(bounds.to);
    Source {
        org_id: row.org_id.clone(),
        source: row.source.clone(),
        events: heard.events,
        late: heard.late,
        silent_hours: silences.iter().map(|(from, to)| to - from).sum(),
        longest_silence: longest.map(|(from, to)| Stretch { from_time: at(from), to_time: at(to) }),
    }
}

/// One that is only half there counts: it has a place in the chart too.
pub(super) fn hours_of(bounds: Bounds) -> i64 {
    (bounds.to.0 - bounds.from.0 + HOUR - 1) / HOUR
}

fn hours_until(bounds: Bounds, known: Micros) -> i64 {
    hours_of(Bounds { to: bounds.to.min(known).max(bounds.from), ..bounds })
}

/// Stretches of hours in which nothing was heard.
fn silences(heard: &BTreeSet<i64>, first: i64, hours: i64) -> Vec<(i64, i64)> {
    let ends = heard.iter().copied().filter(|hour| (first..hours).contains(hour)).chain([hours]);
    let mut silences = Vec::new();
    let mut from = first;
    for end in ends {
        if end > from {
            silences.push((from, end));
        }
        from = end + 1;
    }
    silences
}

/// What the judgements of a week must have seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct ToJudge {
    pub(super) bounds: Bounds,
    /// The last event of the week: nobody can judge beyond it.
    pub(super) last: Option<Micros>,
    /// The highest `seq` of the week's events.
    pub(super) data_seq: i64,
}

/// How each detector stands to this week; `found` are its findings that stand.
pub(super) fn detectors(
    detectors: &[InForce],
    outcomes: &[CoverageRow],
    sources: &[SourceRow],
    found: &BTreeMap<DetectorId, i64>,
    (week, scope): (ToJudge, &TenantScope),
) -> Vec<Detector> {
    let of = |detector: &InForce| {
        let findings = found.get(&detector.id).copied().unwrap_or(0);
        let rows: Vec<&CoverageRow> = outcomes.iter().filter(|row| row.detector_id == detector.id).collect();
        let has_failed = rows.iter().any(|row| is_own(row) && row.outcome == Outcome::Failed);
        let outcome = match () {
            () if has_failed => Outcome::Failed,
            () if !has_judged(detector, week) => Outcome::Behind,
            () if findings > 0 => Outcome::Findings,
            () => Outcome::Clear,
        };
        let seen = rows.iter().filter(|row| !is_own(row) && sees(scope, row.org_id.as_ref()));
        let blind = seen.filter_map(|row| blind(row, detector.warm_up, sources, week.bounds)).collect();
        Detector { detector_id: detector.id.clone(), title: detector.title.clone(), outcome, findings, blind }
    };
    detectors.iter().map(of).collect()
}

fn is_own(row: &CoverageRow) -> bool {
    row.org_id.is_none() && row.source.is_none()
}

fn has_judged(detector: &InForce, week: ToJudge) -> bool {
    let has_seen = detector.data_seq > 0 && detector.data_seq >= week.data_seq;
    let windows = match detector.window {
        None => true,
        Some(Reached::Nothing) => false,
        Some(Reached::Until(until)) => until >= week.bounds.to || week.last.is_none_or(|last| until > last),
    };
    has_seen && windows
}

fn blind(row: &CoverageRow, warm_up: Option<i64>, sources: &[SourceRow], bounds: Bounds) -> Option<Blind> {
    let blind = |outcome, detail| Blind {
        org_id: row.org_id.clone(),
        source: row.source.clone(),
        outcome,
        columns: row.columns.clone(),
        detail,
    };
    let source = sources.iter().find(|source| source.org_id == row.org_id && source.source == row.source)?;
    match row.outcome {
        // In full hours, as silence is. Whether it was learnt is told from the events, so that a week says the same whenever
        // it is asked about.
        Outcome::Clear | Outcome::Findings | Outcome::NotReady | Outcome::Behind => {
            let learnt = Some(source.since.plus(warm_up?)).filter(|until| *until > bounds.from.plus(HOUR))?;
            Some(blind(Outcome::NotReady, Some(format!("learns until {learnt}"))))
        }
        // The detector says itself that it failed, and why is the engine's own text.
        Outcome::Failed => None,
        Outcome::NotObservable => Some(blind(Outcome::NotObservable, row.detail.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::in_force;

    #[test]
    fn silence_is_counted_in_hours_and_its_longest_stretch_is_told() {
        assert_eq!(silences(&BTreeSet::from([0, 1, 5, 9]), 0, 10), [(2, 5), (6, 9)]);
        assert_eq!(silences(&BTreeSet::new(), 0, 3), [(0, 3)]);
        assert_eq!(silences(&BTreeSet::from([2, 7]), 0, 3), [(0, 2)], "what lies beyond the week is not of it");
        assert_eq!(silences(&BTreeSet::from([5]), 4, 6), [(4, 5)], "nor what lies before the source was there");
        assert_eq!(silences(&(0..168).collect(), 0, 168), []);
    }

    #[test]
    fn half_an_hour_has_a_place_too() {
        let bounds = Bounds { before: Micros(0), from: Micros(0), to: Micros(168 * HOUR + HOUR / 2) };
        assert_eq!(
            (hours_of(bounds), hours_until(bounds, Micros(3 * HOUR)), hours_until(bounds, Micros(-1))),
            (169, 3, 0)
        );
    }

    fn detector(data_seq: i64, window: Option<Reached>) -> InForce {
        InForce { data_seq, window, ..in_force("d") }
    }

    #[test]
    fn a_week_is_judged_when_its_last_event_and_its_last_window_are() {
        let bounds = Bounds { before: Micros(0), from: Micros(10), to: Micros(20) };
        let week = ToJudge { bounds, last: Some(Micros(15)), data_seq: 7 };
        assert!(has_judged(&detector(7, None), week) && !has_judged(&detector(6, None), week));
        assert!(has_judged(&detector(7, Some(Reached::Until(Micros(16)))), week));
        assert!(!has_judged(&detector(7, Some(Reached::Until(Micros(15)))), week));
        assert!(!has_judged(&detector(7, Some(Reached::Nothing)), week));
        let empty = ToJudge { last: None, data_seq: 0, ..week };
        assert!(!has_judged(&detector(0, None), empty), "who has judged nothing has not judged an empty week");
    }
}
