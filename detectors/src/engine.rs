//! The loop: one tick judges every recorded detector over one snapshot and commits the difference under a fence.
//!
//! Any number of engines may tick over one lake. What a tick has seen (findings, progress) is what its commit expects;
//! whoever loses looks again and decides again. A detector that cannot run is an outcome, never a stopped tick.

use credwatch_lake::{Change, Committed, Lake, TableName};
use credwatch_schemas::finding::{FINDINGS, Finding};
use credwatch_schemas::ids::DetectorId;
use credwatch_schemas::outcome::{COVERAGE, Coverage};
use credwatch_schemas::records::column;
use credwatch_schemas::rows;
use credwatch_schemas::time::{MINUTE, Micros};

use crate::error::{Doing, EngineError};
use crate::judge::{Judge, Judgement};
use crate::outcomes::Covered;
use crate::recording;
use crate::registry::Registry;
use crate::standing::Standing;
use crate::view::View;

/// How far the watermark stays behind the slowest clock.
pub(crate) const LATENESS: i64 = 15 * MINUTE;

/// Attempts of one tick against other writers.
const MOST_ATTEMPTS: u32 = 30;

/// One per process: remembers the findings that stand and the intervals that are covered.
#[derive(Debug)]
pub struct Engine {
    lake: Lake,
    registry: Registry,
    lateness: i64,
    standing: Standing,
    covered: Covered,
}

/// What a tick is asked to do. The default is a live tick: whatever became dirty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// Judge again from here on, dirty or not.
    pub from: Option<Micros>,
    /// Judge no further than this; such a run makes no progress that later ones build on.
    pub to: Option<Micros>,
    /// Record until when everything is only learnt.
    pub learn_until: Option<Micros>,
    pub run: RunKind,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunKind {
    /// Windows are judged up to the watermark.
    #[default]
    Live,
    /// Windows are judged up to the last event or clock.
    History,
}

/// What a tick came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tick {
    /// What was written, in order.
    pub revisions: Vec<Finding>,
    /// The highest `seq` of `records` that was seen.
    pub data_seq: i64,
    /// Detectors that could not run, and why.
    pub failed: Vec<(DetectorId, String)>,
}

impl Engine {
    pub fn new(lake: Lake, registry: Registry) -> Self {
        Self { lake, registry, lateness: LATENESS, standing: Standing::default(), covered: Covered::default() }
    }

    /// The same with another lateness, in microseconds.
    #[must_use]
    pub fn with_lateness(mut self, micros: i64) -> Self {
        self.lateness = micros;
        self
    }

    /// Judges what is dirty. `now` is the wall clock; it is written down and decides nothing.
    pub async fn tick(&mut self, ask: &Ask, now: Micros) -> Result<Tick, EngineError> {
        recording::record(&self.lake, &self.registry, ask.learn_until, self.lateness, now).await?;
        for _ in 0..MOST_ATTEMPTS {
            let Some(view) = View::take(&self.lake, self.lateness, now).await? else { continue };
            self.standing.refresh(&view.context, &view.snapshot).await?;
            self.covered.refresh(&view.context, &view.snapshot).await?;
            let Some(judged) = self.judge(&view, ask, now).await else { continue };
            if let Some(tick) = self.commit(&view, judged, now).await? {
                return Ok(tick);
            }
        }
        Err(EngineError::Contention(MOST_ATTEMPTS))
    }

    /// All detectors as one; `None` when a newer judgement is there than the snapshot allows.
    async fn judge(&self, view: &View, ask: &Ask, now: Micros) -> Option<Judged> {
        let mut all = Judged::default();
        for (id, files) in &view.detectors {
            let judge = Judge { view, ask, id, files, now };
            if judge.is_overtaken() {
                return None;
            }
            match judge.judge(self.standing.of(id)).await {
                Ok(one) => all.add(one),
                Err(why) => {
                    tracing::warn!(detector.id = %id, why, "detector {id} could not be judged: {why}");
                    all.whole.coverage.push(judge.failure(why.clone()));
                    all.failed.push((id.clone(), why));
                }
            }
        }
        Some(all)
    }

    async fn commit(&mut self, view: &View, judged: Judged, now: Micros) -> Result<Option<Tick>, EngineError> {
        let Judged { whole, failed } = judged;
        let findings = view.snapshot.table(&TableName::Findings);
        let last_seq = findings.and_then(|table| table.transaction(column::SEQ));
        let mut revisions = whole.revisions;
        if !revisions.is_empty() || !whole.set.is_empty() {
            let mut expect = whole.expect;
            expect.push((column::SEQ.to_owned(), last_seq));
            let append = vec![rows::to_batch(&FINDINGS, &revisions).doing("write findings")?];
            let change = Change { append, replace: None, expect, set: whole.set };
            credwatch_lake::fail_point::reach("detect-in-reconcile");
            if self.lake.commit(&TableName::Findings, change, now).await? == Committed::Lost {
                return Ok(None);
            }
        }
        for (seq, revision) in (last_seq.unwrap_or(0) + 1..).zip(&mut revisions) {
            revision.seq = Some(seq);
        }
        self.cover(whole.coverage, now).await?;
        Ok(Some(Tick { revisions, data_seq: view.records.data_seq, failed }))
    }

    /// Writes outcomes that say something new. Another engine's rows between do no harm: the later one holds.
    async fn cover(&mut self, coverage: Vec<Coverage>, now: Micros) -> Result<(), EngineError> {
        let news = self.covered.news(coverage);
        if news.is_empty() {
            return Ok(());
        }
        let append = vec![rows::to_batch(&COVERAGE, &news).doing("write coverage")?];
        for _ in 0..MOST_ATTEMPTS {
            let change = Change { append: append.clone(), ..Change::default() };
            if let Committed::Done { .. } = self.lake.commit(&TableName::Coverage, change, now).await? {
                self.covered.kept(news);
                return Ok(());
            }
        }
        Err(EngineError::Contention(MOST_ATTEMPTS))
    }
}

#[derive(Debug, Default)]
struct Judged {
    whole: Judgement,
    failed: Vec<(DetectorId, String)>,
}

impl Judged {
    fn add(&mut self, one: Judgement) {
        self.whole.coverage.extend(one.coverage);
        if one.revisions.is_empty() && one.set.is_empty() {
            return;
        }
        self.whole.revisions.extend(one.revisions);
        self.whole.expect.extend(one.expect);
        self.whole.set.extend(one.set);
    }
}
