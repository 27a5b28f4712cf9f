//! The loop: a tick judges the detectors of one pace after those of the other, each over one snapshot, and commits the
//! difference under a fence.
//!
//! Any number of engines may tick over one lake. What a judgement has seen of its detectors (findings, progress) is what
//! its commit expects; whoever loses looks again and decides again. Detectors know nothing of each other, so what others
//! wrote about other detectors takes nothing from a judgement. A detector that cannot run is an outcome, never a stopped
//! tick.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use credwatch_lake::{Change, Committed, Lake, LakeSnapshot, TableName, TableSnapshot};
use credwatch_schemas::finding::{FINDINGS, Finding};
use credwatch_schemas::ids::DetectorId;
use credwatch_schemas::outcome::{COVERAGE, Coverage};
use credwatch_schemas::records::column;
use credwatch_schemas::rows;
use credwatch_schemas::time::{MINUTE, Micros};

use crate::error::{Doing, EngineError};
use crate::fold::fold;
use crate::judge::{Interval, Judge, Judgement, Why};
use crate::known::{Known, Pace};
use crate::metrics::{self, Phase};
use crate::outcomes::Covered;
use crate::recording;
use crate::registry::Registry;
use crate::remembered::Remembered;
use crate::standing::{Heard, Standing};
use crate::view::View;

/// How far the watermark stays behind the slowest clock.
pub(crate) const LATENESS: i64 = 15 * MINUTE;

/// Attempts of one tick against other writers.
const MOST_ATTEMPTS: u32 = 30;

/// Remembers what is recorded, the findings that stand, the intervals that are covered, and events that are looked at again.
#[derive(Debug)]
pub struct Engine {
    lake: Lake,
    registry: Registry,
    lateness: i64,
    /// Which detectors it judges, in this order.
    paces: Vec<Pace>,
    known: Option<Arc<Known>>,
    remembered: Arc<Remembered>,
    /// The version of `configuration` that holds every file of the registry.
    recorded: Option<i64>,
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
        Self {
            lake,
            registry,
            lateness: LATENESS,
            paces: vec![Pace::Eager, Pace::Windowed],
            known: None,
            remembered: Arc::default(),
            recorded: None,
            standing: Standing::default(),
            covered: Covered::default(),
        }
    }

    /// The same with another lateness, in microseconds.
    #[must_use]
    pub fn with_lateness(mut self, micros: i64) -> Self {
        self.lateness = micros;
        self
    }

    /// The same for the detectors of one pace: so that one engine never waits for what the other judges.
    #[must_use]
    pub fn only(mut self, pace: Pace) -> Self {
        self.paces = vec![pace];
        self
    }

    /// Judges what is dirty, and first what somebody waits for. `now` is the wall clock; it is written down and decides
    /// nothing.
    pub async fn tick(&mut self, ask: &Ask, now: Micros) -> Result<Tick, EngineError> {
        let mut whole: Option<Tick> = None;
        for pace in self.paces.clone() {
            let part = self.tick_at(pace, ask, now).await?;
            whole = Some(match whole {
                Some(before) => before.and(part),
                None => part,
            });
        }
        Ok(whole.unwrap_or_default())
    }

    async fn tick_at(&mut self, pace: Pace, ask: &Ask, now: Micros) -> Result<Tick, EngineError> {
        for _ in 0..MOST_ATTEMPTS {
            let (snapshot, known) = self.look(ask, now).await?;
            if known.detectors(pace).next().is_none() {
                return Ok(Tick { data_seq: snapshot.highest_seq(), ..Tick::default() });
            }
            let remembered = Arc::clone(&self.remembered);
            let taken = View::take(&self.lake, &snapshot, known, remembered, pace, self.lateness, now).await?;
            let Some(view) = taken else { continue };
            self.standing.refresh(&view.context, &view.snapshot).await?;
            let begin = Instant::now();
            let Some(judged) = self.judge(&view, ask, now).await else { continue };
            metrics::took(pace, Phase::Judge, begin.elapsed());
            let begin = Instant::now();
            let Some(revisions) = self.commit(&view, judged.revisions, &judged.fence, now).await? else { continue };
            metrics::took(pace, Phase::Commit, begin.elapsed());
            let begin = Instant::now();
            let failed = self.follow_up(&view, judged.outcomes, now).await?;
            metrics::took(pace, Phase::After, begin.elapsed());
            return Ok(Tick { revisions, data_seq: view.records.data_seq, failed });
        }
        Err(EngineError::Contention(MOST_ATTEMPTS))
    }

    /// The newest snapshot, with every file of the registry recorded in it.
    async fn look(&mut self, ask: &Ask, now: Micros) -> Result<(LakeSnapshot, Arc<Known>), EngineError> {
        let mut snapshot = self.lake.snapshot().await?;
        let version = |snapshot: &LakeSnapshot| snapshot.table(&TableName::Configuration).map(TableSnapshot::version);
        if ask.learn_until.is_some() || self.recorded.is_none() || self.recorded != version(&snapshot) {
            recording::record(&self.lake, &self.registry, ask.learn_until, self.lateness, now).await?;
            snapshot = self.lake.snapshot().await?;
            self.recorded = version(&snapshot);
        }
        let known = Known::refreshed(self.known.take(), &snapshot).await?;
        self.known = Some(Arc::clone(&known));
        let judged = self.paces.iter().flat_map(|pace| known.detectors(*pace)).map(|(id, _)| id.clone());
        self.standing.keep_only(judged.collect::<BTreeSet<_>>());
        Ok((snapshot, known))
    }

    /// All detectors as one; `None` when a newer judgement is there than the snapshot allows.
    async fn judge<'a>(&self, view: &'a View, ask: &'a Ask, now: Micros) -> Option<Judged<'a>> {
        let mut all = Judged::default();
        for (id, files) in view.detectors() {
            let judge = Judge { view, ask, id, files, now };
            if judge.is_overtaken() {
                return None;
            }
            let begin = Instant::now();
            let judgement = judge.judge(self.standing.of(id)).await;
            tracing::debug!(detector.id = %id, seconds = begin.elapsed().as_secs_f64(), "a detector was judged");
            all.add(judge, judgement);
        }
        Some(all)
    }

    /// Makes findings and progress visible; `None` when they rest on what is no longer so. What others wrote about other
    /// detectors meanwhile changes nothing here: then the same is written behind it.
    async fn commit(
        &mut self,
        view: &View,
        mut revisions: Vec<Finding>,
        fence: &Fence,
        now: Micros,
    ) -> Result<Option<Vec<Finding>>, EngineError> {
        if revisions.is_empty() && fence.set.is_empty() {
            return Ok(Some(revisions));
        }
        let append = vec![rows::to_batch(&FINDINGS, &revisions).doing("write findings")?];
        let mut last_seq = self::last_seq(&view.snapshot);
        for _ in 0..MOST_ATTEMPTS {
            let mut expect = fence.expect.clone();
            expect.push((column::SEQ.to_owned(), last_seq));
            let change = Change { append: append.clone(), replace: None, expect, set: fence.set.clone() };
            credwatch_lake::fail_point::reach("detect-in-reconcile");
            if let Committed::Done { .. } = self.lake.commit(&TableName::Findings, change, now).await? {
                for (seq, revision) in (last_seq.unwrap_or(0) + 1..).zip(&mut revisions) {
                    revision.seq = Some(seq);
                }
                return Ok(Some(revisions));
            }
            let newest = self.lake.snapshot().await?;
            let heard = self.standing.refresh(&view.context, &newest).await?;
            if heard == Heard::Revisions || !fence.holds(&newest) {
                return Ok(None);
            }
            last_seq = self::last_seq(&newest);
        }
        Err(EngineError::Contention(MOST_ATTEMPTS))
    }

    /// What nobody waits for; the detectors that failed, and why.
    async fn follow_up<'a>(
        &mut self,
        view: &View,
        outcomes: Vec<(Judge<'a>, Came<'a>)>,
        now: Micros,
    ) -> Result<Vec<(DetectorId, Why)>, EngineError> {
        let (mut coverage, mut failed) = (Vec::new(), Vec::new());
        for (judge, came) in outcomes {
            let said = match came {
                Came::ToNothing(why) => Err(why),
                Came::This(None) => Ok(Vec::new()),
                Came::This(Some(covered)) => judge.outcomes(covered).await,
            };
            match said {
                Ok(rows) => coverage.extend(rows),
                Err(why) => {
                    tracing::warn!(detector.id = %judge.id, why, "detector {} could not be judged: {why}", judge.id);
                    coverage.push(judge.failure(why.clone()));
                    failed.push((judge.id.clone(), why));
                }
            }
        }
        self.covered.refresh(&view.context, &view.snapshot).await?;
        self.cover(coverage, now).await?;
        for store in view.stores.values() {
            fold(&self.lake, &view.snapshot, &view.context, store, now).await?;
        }
        Ok(failed)
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
            if let Committed::Done { version } = self.lake.commit(&TableName::Coverage, change, now).await? {
                self.covered.kept(news, version);
                return Ok(());
            }
        }
        Err(EngineError::Contention(MOST_ATTEMPTS))
    }
}

impl Tick {
    /// Both as one: only what both have seen was seen.
    fn and(mut self, later: Self) -> Self {
        self.revisions.extend(later.revisions);
        self.failed.extend(later.failed);
        Self { data_seq: self.data_seq.min(later.data_seq), ..self }
    }
}

/// What all detectors came to.
#[derive(Default)]
struct Judged<'a> {
    revisions: Vec<Finding>,
    fence: Fence,
    outcomes: Vec<(Judge<'a>, Came<'a>)>,
}

/// What one detector came to.
enum Came<'a> {
    This(Option<Interval<'a>>),
    ToNothing(Why),
}

/// Progress that the judgements saw, and what they make of it.
#[derive(Debug, Default)]
struct Fence {
    expect: Vec<(String, Option<i64>)>,
    set: Vec<(String, i64)>,
}

impl Fence {
    fn holds(&self, snapshot: &LakeSnapshot) -> bool {
        let findings = snapshot.table(&TableName::Findings);
        let is = |name: &str| findings.and_then(|table| table.transaction(name));
        self.expect.iter().all(|(name, value)| is(name) == *value)
    }
}

impl<'a> Judged<'a> {
    fn add(&mut self, judge: Judge<'a>, judgement: Result<Judgement<'a>, Why>) {
        let came = match judgement {
            Err(why) => Came::ToNothing(why),
            Ok(one) => {
                if !one.revisions.is_empty() || !one.set.is_empty() {
                    self.revisions.extend(one.revisions);
                    self.fence.expect.extend(one.expect);
                    self.fence.set.extend(one.set);
                }
                Came::This(one.covered)
            }
        };
        self.outcomes.push((judge, came));
    }
}

fn last_seq(snapshot: &LakeSnapshot) -> Option<i64> {
    snapshot.table(&TableName::Findings).and_then(|table| table.transaction(column::SEQ))
}
