//! One detector, one snapshot: what is dirty, what its SQL claims there, and which revisions follow.

use std::collections::{BTreeMap, BTreeSet};

use credwatch_lake::TableName;
use credwatch_schemas::finding::{Finding, Status};
use credwatch_schemas::ids::{DetectorId, DetectorVersion, OrgId};
use credwatch_schemas::outcome::Coverage;
use credwatch_schemas::time::Micros;

use crate::claim::{self, Stamp};
use crate::configuration::{BEGINNING, concerns, data_tables};
use crate::definition::{Definition, ParameterValue, Span};
use crate::dirty::Dirty;
use crate::engine::{Ask, RunKind};
use crate::error::sentence;
use crate::grains;
use crate::known::Files;
use crate::observe::sights;
use crate::outcomes::{self, Judged};
use crate::plan::{self, Question};
use crate::reconcile::{Findings, Moment, reconcile};
use crate::rows_of::Between;
use crate::stretch::{Again, Rules, Stretch, judged_until, touched_from, version_of};
use crate::view::{View, judged_key};

/// What must be written so that the detector's findings say what its claims say.
#[derive(Debug)]
pub(crate) struct Judgement<'a> {
    pub(crate) revisions: Vec<Finding>,
    pub(crate) expect: Vec<(String, Option<i64>)>,
    pub(crate) set: Vec<(String, i64)>,
    /// `None`: it says nothing of how far the detector was judged.
    pub(crate) covered: Option<Interval<'a>>,
}

/// What was judged, and what it came to: outcomes follow from it once the findings are visible.
#[derive(Debug)]
pub(crate) struct Interval<'a> {
    rules: Rules<'a>,
    from: Micros,
    to: Micros,
    with_findings: BTreeSet<Option<OrgId>>,
}

/// How far the detector was judged before: its transactions in `findings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Rows of `records` that were seen.
    data: Option<i64>,
    /// Rows of `configuration` that were seen.
    configuration: Option<i64>,
    /// End of the last window that was judged.
    window: Option<Micros>,
}

/// Why a detector could not be judged, in one sentence.
pub(crate) type Why = String;

#[derive(Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) view: &'a View,
    pub(crate) ask: &'a Ask,
    pub(crate) id: &'a DetectorId,
    pub(crate) files: &'a Files,
    pub(crate) now: Micros,
}

/// Application transactions as a judgement has seen them.
type Seen = Vec<(String, Option<i64>)>;
/// Application transactions after it.
type Set = Vec<(String, i64)>;

impl<'a> Judge<'a> {
    pub(crate) async fn judge(&self, current: &Findings) -> Result<Judgement<'a>, Why> {
        let progress = self.progress();
        let stretches = self.stretches(progress).await?;
        let mut claimed = Findings::new();
        for stretch in stretches.iter().filter(|stretch| !stretch.dirty.from.is_empty()) {
            claimed.extend(self.claims(stretch).await?);
        }
        let decides = |finding: &Finding| stretches.iter().any(|stretch| stretch.decides(finding));
        let revisions = reconcile(current, claimed, &decides, self.moment(&stretches));
        let covered = self.covered(&stretches, current, &revisions);
        let (expect, set) = self.steps(progress, &stretches);
        Ok(Judgement { revisions, expect, set, covered })
    }

    /// Whether a newer judgement than this snapshot allows is there already.
    pub(crate) fn is_overtaken(&self) -> bool {
        self.progress().data.is_some_and(|seq| seq > self.view.records.data_seq)
    }

    fn progress(&self) -> Progress {
        let table = self.view.snapshot.table(&TableName::Findings);
        let value = |kind: &str| table.and_then(|table| table.transaction(&self.key(kind)));
        let data = table.and_then(|table| table.transaction(&judged_key(self.id)));
        Progress { data, configuration: value("dc"), window: value("dw").map(Micros) }
    }

    fn key(&self, kind: &str) -> String {
        format!("{kind}/{}", self.id)
    }

    /// Every stretch of one configuration, each with what is dirty in it.
    async fn stretches(&self, progress: Progress) -> Result<Vec<Stretch<'a>>, Why> {
        let configuration = &self.view.known.configuration;
        let readable: Vec<&Definition> = self.files.values().flatten().collect();
        let concerned: Vec<_> = readable.iter().flat_map(|definition| concerns(definition)).collect();
        let cuts = configuration.cuts(&concerned);
        let changed: Again = match progress.configuration {
            Some(seq) => configuration.changed_after(seq, &concerned).into_iter().collect(),
            None => Vec::new(),
        };
        let mut stretches = Vec::new();
        for (place, start) in cuts.iter().enumerate() {
            let end = cuts.get(place + 1).copied();
            let rules = self.rules(*start)?;
            stretches.extend(self.stretch(*start, end, rules, progress, &changed).await?);
        }
        Ok(stretches)
    }

    fn rules(&self, time: Micros) -> Result<Option<Rules<'a>>, Why> {
        let Some(content) = self.view.known.configuration.detector(self.id, time) else { return Ok(None) };
        match self.files.get(content) {
            Some(Ok(definition)) => Ok(Some(Rules { definition, version: version_of(content) })),
            Some(Err(why)) => Err(why.clone()),
            None => Err("its file is not among those that were read".to_owned()),
        }
    }

    async fn stretch(
        &self,
        start: Micros,
        end: Option<Micros>,
        rules: Option<Rules<'a>>,
        progress: Progress,
        changed: &Again,
    ) -> Result<Option<Stretch<'a>>, Why> {
        let Some(rules) = rules else {
            let dirty = everything_since(changed);
            return Ok(Some(Stretch { start, end, rules: None, until: self.ask.to, dirty: dirty.within(start, end) }));
        };
        if let Some(why) = self.view.broken_for(rules.definition) {
            return Err(why.to_owned());
        }
        let Ok(until) = judged_until(rules.definition, self.end(), self.ask.to, progress.window) else {
            return Ok(None);
        };
        let dirty = self.dirty(rules.definition, until, progress, changed).await?;
        Ok(Some(Stretch { start, end, rules: Some(rules), until, dirty: dirty.within(start, end) }))
    }

    fn end(&self) -> Option<Micros> {
        match self.ask.run {
            RunKind::Live => self.view.watermark,
            RunKind::History => self.view.last_time,
        }
    }

    async fn dirty(
        &self,
        definition: &Definition,
        until: Option<Micros>,
        progress: Progress,
        changed: &Again,
    ) -> Result<Dirty, Why> {
        let columns: Vec<String> = definition.grain().into_iter().map(str::to_owned).collect();
        let mut dirty = Dirty::new(columns);
        let seen = progress.data.unwrap_or(0);
        if seen < self.view.records.data_seq {
            // A row of a window that is not over counts when that window closes.
            let seen_by_now = Between { from: None, to: plan::last_event(definition, until) };
            let touched = grains::touched(&self.view.context, &self.view.records, definition, seen, seen_by_now).await;
            for (grain, earliest) in touched.map_err(|error| sentence(&error))? {
                dirty.mark(grain, touched_from(definition, earliest));
            }
        }
        let again = self.again(definition, until, progress, changed);
        if progress.data.is_some() && !again.is_empty() {
            let known = grains::known(&self.view.context, &self.view.snapshot, definition).await;
            for (grain, earliest) in known.map_err(|error| sentence(&error))? {
                let earliest = touched_from(definition, earliest);
                let concerned = again.iter().filter(|(org, _)| dirty.concerns(&grain, org.as_ref()));
                if let Some(since) = concerned.map(|(_, since)| *since).min() {
                    dirty.mark(grain, earliest.max(since));
                }
            }
        }
        Ok(dirty)
    }

    /// Changed configuration, an explicit start, and windows that closed since.
    fn again(&self, definition: &Definition, until: Option<Micros>, progress: Progress, changed: &Again) -> Again {
        let mut again = changed.clone();
        again.extend(self.ask.from.map(|from| (None, from)));
        let closed = progress.window.filter(|window| until.is_some_and(|until| until > *window));
        // What happened in them may change what was raised so long before.
        let before = definition.window.micros().saturating_neg();
        again.extend(closed.map(|window| (None, window.plus(before))));
        again
    }

    /// The stretch's claims that it decides about.
    async fn claims(&self, stretch: &Stretch<'_>) -> Result<Findings, Why> {
        let Some(rules) = &stretch.rules else { return Ok(Findings::new()) };
        let (definition, configuration) = (rules.definition, &self.view.known.configuration);
        let after = definition.window.micros() + definition.judged.length().map_or(0, Span::micros);
        let question = Question {
            definition,
            dirty: &stretch.dirty,
            until: stretch.until,
            events_to: stretch.end.map(|end| end.plus(after)),
            learn_until: configuration.learn_until(stretch.start),
            settings: configuration.settings(stretch.start),
            data: data_tables(configuration, definition, stretch.start)?,
        };
        let View { context, records, snapshot, known, remembered, .. } = self.view;
        let rows = plan::ask(context, records, snapshot, &known.checked, remembered, &question).await;
        let rows = rows.map_err(|error| sentence(&error))?;
        let stamp = Stamp { definition, version: &rules.version, data_seq: records.data_seq, now: self.now };
        let mut claims = claim::findings(stamp, &rows).map_err(|error| error.to_string())?;
        claims.retain(|_, finding| stretch.decides(finding));
        Ok(claims)
    }

    fn moment(&self, stretches: &[Stretch<'_>]) -> Moment {
        let window = last_rules(stretches).map_or(0, |(rules, _)| rules.definition.window.micros());
        Moment { settled: self.view.watermark, window, data_seq: self.view.records.data_seq, now: self.now }
    }

    /// Progress that a judgement makes; one with an end of its own makes none, and neither does one that had to wait.
    fn steps(&self, progress: Progress, stretches: &[Stretch<'_>]) -> (Seen, Set) {
        let expect = vec![
            (self.key("d"), progress.data),
            (self.key("dc"), progress.configuration),
            (self.key("dw"), progress.window.map(|window| window.0)),
        ];
        let Some((rules, until)) = last_rules(stretches).filter(|_| self.ask.to.is_none()) else {
            return (expect, Vec::new());
        };
        let window = until.filter(|_| rules.definition.judged.length().is_some());
        let after = Progress {
            data: Some(self.view.records.data_seq),
            configuration: Some(self.view.known.configuration.highest_seq()),
            window: window.or(progress.window),
        };
        if after == progress {
            return (expect, Vec::new());
        }
        let values = [after.data, after.configuration, after.window.map(|window| window.0)];
        let named = ["d", "dc", "dw"].into_iter().zip(values);
        (expect, named.filter_map(|(kind, value)| Some((self.key(kind), value?))).collect())
    }

    fn covered(&self, stretches: &[Stretch<'a>], current: &Findings, new: &[Finding]) -> Option<Interval<'a>> {
        let (rules, until) = last_rules(stretches).filter(|_| self.ask.to.is_none())?;
        let to = until.or(self.view.watermark.max(self.view.last_time))?;
        let earliest = stretches.iter().filter_map(|stretch| stretch.dirty.earliest()).min()?;
        let with_findings = with_findings(current, new);
        Some(Interval { rules: rules.clone(), from: earliest.min(to), to, with_findings })
    }

    /// What the judgement can say of each org and source.
    pub(crate) async fn outcomes(&self, covered: Interval<'a>) -> Result<Vec<Coverage>, Why> {
        let Interval { rules, from, to, with_findings } = covered;
        let read_from = from.plus(plan::reach(rules.definition).saturating_neg());
        let sights = sights(&self.view.context, &self.view.snapshot, rules.definition, read_from);
        let sights = sights.await.map_err(|error| sentence(&error))?;
        let judged = self.judged(&rules.version, (from, to), with_findings, Some(rules.definition));
        Ok(outcomes::ran(&judged, &sights))
    }

    fn judged<'b>(
        &'b self,
        version: &'b DetectorVersion,
        (from, to): (Micros, Micros),
        with_findings: BTreeSet<Option<OrgId>>,
        definition: Option<&Definition>,
    ) -> Judged<'b> {
        Judged {
            detector: self.id,
            version,
            from,
            to,
            data_seq: self.view.records.data_seq,
            with_findings,
            warm_up: definition.and_then(warm_up),
            learn_until: self.view.known.configuration.learn_until(to),
        }
    }

    /// The row that says that the detector could not run.
    pub(crate) fn failure(&self, why: Why) -> Coverage {
        let content = self.view.known.configuration.detector(self.id, Micros(i64::MAX)).unwrap_or_default();
        let to = self.view.watermark.max(self.view.last_time).unwrap_or_default();
        outcomes::failed(&self.judged(&version_of(content), (to, to), BTreeSet::new(), None), why)
    }
}

/// Where the detector is off, whatever changed there takes its findings back.
fn everything_since(changed: &Again) -> Dirty {
    let mut dirty = Dirty::new(Vec::new());
    for (_, since) in changed {
        dirty.mark(Vec::new(), (*since).max(BEGINNING));
    }
    dirty
}

fn last_rules<'a, 'b>(stretches: &'b [Stretch<'a>]) -> Option<(&'b Rules<'a>, Option<Micros>)> {
    stretches.iter().rev().find_map(|stretch| Some((stretch.rules.as_ref()?, stretch.until)))
}

fn warm_up(definition: &Definition) -> Option<i64> {
    match definition.parameters.get(definition.warm_up.as_ref()?)?.typed()? {
        ParameterValue::Integer(micros) => Some(micros),
        ParameterValue::Number(_) | ParameterValue::Text(_) => None,
    }
}

/// Orgs with a finding that a list of current ones would show.
fn with_findings(current: &Findings, new: &[Finding]) -> BTreeSet<Option<OrgId>> {
    let mut after: BTreeMap<_, &Finding> = current.iter().collect();
    after.extend(new.iter().map(|finding| (&finding.finding_id, finding)));
    let shown = after.into_values().filter(|finding| finding.status != Status::Withdrawn);
    shown.map(|finding| finding.org_id.clone()).collect()
}
