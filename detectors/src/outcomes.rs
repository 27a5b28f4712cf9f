//! What each detector can say of each org and source, besides findings; kept in the table `coverage`.
//!
//! A row says how things stood in an interval. A new row is written only when something changed, or when the covered
//! interval has grown by a while: the table grows with news, not with ticks. The row without org and source speaks of the
//! detector itself: how far it has judged, and whether it could run.

use std::collections::{BTreeMap, BTreeSet};

use credwatch_lake::{LakeSnapshot, TableName};
use credwatch_schemas::ids::{DetectorId, DetectorVersion, OrgId};
use credwatch_schemas::outcome::{Coverage, Outcome};
use credwatch_schemas::rows;
use credwatch_schemas::time::{MINUTE, Micros};
use datafusion::prelude::SessionContext;

use crate::error::{Doing, EngineError};
use crate::observe::{Feed, Sight};

/// A detector's own interval is written again after this much event time.
const OFTEN_ENOUGH: i64 = MINUTE;

/// The last row of each (detector, org, source).
#[derive(Debug, Clone, Default)]
pub(crate) struct Covered {
    version: Option<i64>,
    last: BTreeMap<(DetectorId, Feed), Coverage>,
}

/// What one judgement of one detector came to.
#[derive(Debug, Clone)]
pub(crate) struct Judged<'a> {
    pub(crate) detector: &'a DetectorId,
    pub(crate) version: &'a DetectorVersion,
    pub(crate) from: Micros,
    pub(crate) to: Micros,
    pub(crate) data_seq: i64,
    /// Orgs with a current finding.
    pub(crate) with_findings: BTreeSet<Option<OrgId>>,
    /// Event time until which an org that began at a time is only learnt; `None`: there is no warm-up.
    pub(crate) warm_up: Option<i64>,
    pub(crate) learn_until: Option<Micros>,
}

impl Covered {
    pub(crate) async fn refresh(
        &mut self,
        context: &SessionContext,
        snapshot: &LakeSnapshot,
    ) -> Result<(), EngineError> {
        let Some(table) = snapshot.table(&TableName::Coverage) else { return Ok(()) };
        if self.version == Some(table.version()) {
            return Ok(());
        }
        let rows = context.read_table(table.provider()).doing("read coverage")?;
        for batch in rows.collect().await.doing("read coverage")? {
            for row in rows::from_batch::<Coverage>(&batch).doing("read coverage")? {
                self.keep(row);
            }
        }
        self.version = Some(table.version());
        Ok(())
    }

    fn keep(&mut self, row: Coverage) {
        let key = (row.detector_id.clone(), (row.org_id.clone(), row.source.clone()));
        let newer = |known: &Coverage| (known.data_seq, known.to_time) <= (row.data_seq, row.to_time);
        if self.last.get(&key).is_none_or(newer) {
            self.last.insert(key, row);
        }
    }

    /// What was committed as a version; where nobody wrote between, nothing needs to be read for it.
    pub(crate) fn kept(&mut self, rows: Vec<Coverage>, version: i64) {
        rows.into_iter().for_each(|row| self.keep(row));
        self.version = self.version.map(|known| if known + 1 == version { version } else { known });
    }

    /// The rows that say something new.
    pub(crate) fn news(&self, rows: Vec<Coverage>) -> Vec<Coverage> {
        rows.into_iter().filter(|row| self.is_news(row)).collect()
    }

    fn is_news(&self, row: &Coverage) -> bool {
        let key = (row.detector_id.clone(), (row.org_id.clone(), row.source.clone()));
        let Some(last) = self.last.get(&key) else { return true };
        let says_the_same = (last.outcome, &last.columns, &last.detail, &last.detector_version)
            == (row.outcome, &row.columns, &row.detail, &row.detector_version);
        let own = row.org_id.is_none() && row.source.is_none();
        !says_the_same || own && row.to_time.0.saturating_sub(last.to_time.0) >= OFTEN_ENOUGH
    }
}

/// The rows of a judgement that ran.
pub(crate) fn ran(judged: &Judged<'_>, sights: &BTreeMap<Feed, Sight>) -> Vec<Coverage> {
    let any = if judged.with_findings.is_empty() { Outcome::Clear } else { Outcome::Findings };
    let mut rows = vec![row(judged, &(None, None), any, Vec::new(), None)];
    for (feed, sight) in sights {
        let (outcome, columns, detail) = of_feed(judged, feed, sight);
        rows.push(row(judged, feed, outcome, columns, detail));
    }
    rows
}

fn of_feed(judged: &Judged<'_>, feed: &Feed, sight: &Sight) -> (Outcome, Vec<String>, Option<String>) {
    if !sight.missing.is_empty() {
        let columns: Vec<String> = sight.missing.iter().cloned().collect();
        let detail = format!(
            "{} never fills {}",
            feed.1.as_ref().map_or("the source", |source| source.as_str()),
            columns.join(", ")
        );
        return (Outcome::NotObservable, columns, Some(detail));
    }
    if let Some(ready) = learns_until(judged, sight).filter(|ready| *ready > judged.to) {
        return (Outcome::NotReady, Vec::new(), Some(format!("learns until {ready}")));
    }
    let outcome = if judged.with_findings.contains(&feed.0) { Outcome::Findings } else { Outcome::Clear };
    (outcome, Vec::new(), None)
}

fn learns_until(judged: &Judged<'_>, sight: &Sight) -> Option<Micros> {
    judged.learn_until.or_else(|| judged.warm_up.map(|length| sight.since.plus(length)))
}

fn row(judged: &Judged<'_>, feed: &Feed, outcome: Outcome, columns: Vec<String>, detail: Option<String>) -> Coverage {
    Coverage {
        detector_id: judged.detector.clone(),
        detector_version: judged.version.clone(),
        org_id: feed.0.clone(),
        source: feed.1.clone(),
        from_time: judged.from,
        to_time: judged.to,
        outcome,
        columns,
        detail,
        data_seq: judged.data_seq,
    }
}

/// The row of a judgement that could not run.
pub(crate) fn failed(judged: &Judged<'_>, why: String) -> Coverage {
    row(judged, &(None, None), Outcome::Failed, Vec::new(), Some(why))
}

/// How every detector stands, by detector, org and source; the row without org and source is the detector's own.
pub async fn outcomes(snapshot: &LakeSnapshot) -> Result<Vec<Coverage>, EngineError> {
    let mut covered = Covered::default();
    covered.refresh(&SessionContext::new(), snapshot).await?;
    let judged_to: BTreeMap<DetectorId, Coverage> = covered
        .last
        .values()
        .filter(|row| row.org_id.is_none() && row.source.is_none())
        .map(|row| (row.detector_id.clone(), row.clone()))
        .collect();
    Ok(covered.last.into_values().map(|row| reach_with(row, &judged_to)).collect())
}

/// A row that nothing contradicted since holds as far as its detector has judged; if the detector fails, so does it.
fn reach_with(mut row: Coverage, judged_to: &BTreeMap<DetectorId, Coverage>) -> Coverage {
    let Some(own) = judged_to.get(&row.detector_id) else { return row };
    row.to_time = row.to_time.max(own.to_time);
    if own.outcome == Outcome::Failed {
        row.outcome = Outcome::Failed;
        row.detail.clone_from(&own.detail);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use credwatch_schemas::ids::SourceId;

    fn judged<'a>(detector: &'a DetectorId, version: &'a DetectorVersion, to: i64) -> Judged<'a> {
        Judged {
            detector,
            version,
            from: Micros(0),
            to: Micros(to),
            data_seq: to,
            with_findings: BTreeSet::new(),
            warm_up: Some(10),
            learn_until: None,
        }
    }

    fn feed() -> Feed {
        (Some(OrgId::new("org_a")), Some(SourceId::new("broker")))
    }

    fn outcome_of(judged: &Judged<'_>, missing: &[&str]) -> Outcome {
        let sight = Sight { missing: missing.iter().map(|name| (*name).to_owned()).collect(), since: Micros(0) };
        ran(judged, &BTreeMap::from([(feed(), sight)]))[1].outcome
    }

    #[test]
    fn blindness_comes_before_warm_up_and_warm_up_before_findings() {
        let (detector, version) = (DetectorId::new("d"), DetectorVersion::new("v"));
        let mut early = judged(&detector, &version, 5);
        early.with_findings.insert(Some(OrgId::new("org_a")));
        assert_eq!(outcome_of(&early, &["dest_host"]), Outcome::NotObservable);
        assert_eq!(outcome_of(&early, &[]), Outcome::NotReady);
        early.learn_until = Some(Micros(5));
        assert_eq!(outcome_of(&early, &[]), Outcome::Findings);
        assert_eq!(outcome_of(&judged(&detector, &version, 10), &[]), Outcome::Clear);
    }

    #[test]
    fn only_news_is_written() {
        let (detector, version) = (DetectorId::new("d"), DetectorVersion::new("v"));
        let sights = BTreeMap::from([(feed(), Sight { missing: BTreeSet::new(), since: Micros(-100) })]);
        let mut covered = Covered::default();
        let first = covered.news(ran(&judged(&detector, &version, 100), &sights));
        assert_eq!(first.len(), 2);
        covered.kept(first, 1);
        assert_eq!(covered.news(ran(&judged(&detector, &version, 200), &sights)), []);
        let later = covered.news(ran(&judged(&detector, &version, 100 + OFTEN_ENOUGH), &sights));
        assert_eq!(later.len(), 1, "the detector's own interval has grown");
    }
}
