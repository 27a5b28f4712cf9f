//! The findings as they stand: the last revision of each, kept in memory and fed with what was committed since.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use credwatch_lake::{LakeSnapshot, TableName};
use credwatch_schemas::finding::{Finding, Severity, Status};
use credwatch_schemas::ids::{DetectorId, FindingId, OrgId};
use credwatch_schemas::records::column;
use credwatch_schemas::rows;
use credwatch_schemas::time::Micros;
use datafusion::logical_expr::{col, lit};
use datafusion::prelude::SessionContext;

use crate::error::{Doing, EngineError};
use crate::reconcile::Findings;

#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    /// Revisions up to this `seq` are in.
    seq: i64,
    /// Whose are kept.
    of: Whose,
    by_detector: BTreeMap<DetectorId, Findings>,
}

/// Whose findings a reader has a use for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Whose {
    #[default]
    All,
    These(BTreeSet<DetectorId>),
}

impl Whose {
    fn takes(&self, id: &DetectorId) -> bool {
        match self {
            Self::All => true,
            Self::These(ids) => ids.contains(id),
        }
    }
}

/// Whether there were revisions that matter to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Heard {
    Nothing,
    Revisions,
}

/// Which current findings a reader wants; what is empty asks for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FindingFilter {
    pub detector: Option<DetectorId>,
    pub org: Option<OrgId>,
    pub status: Option<Status>,
    /// This severity or worse.
    pub severity: Option<Severity>,
    /// Raised at this event time or later.
    pub since: Option<Micros>,
    /// Digests, suppressed and withdrawn ones too.
    pub with_quiet: bool,
}

impl Standing {
    /// Keeps the findings of these detectors from now on.
    pub(crate) fn keep_only(&mut self, ids: BTreeSet<DetectorId>) {
        let of = Whose::These(ids);
        if self.of != of {
            *self = Self { of, ..Self::default() };
        }
    }

    /// Reads revisions that were committed since the last time; their number is what it costs. Says whether there were
    /// any of those that are kept.
    pub(crate) async fn refresh(
        &mut self,
        context: &SessionContext,
        snapshot: &LakeSnapshot,
    ) -> Result<Heard, EngineError> {
        let Some(table) = snapshot.table(&TableName::Findings) else { return Ok(Heard::Nothing) };
        let highest = table.transaction(column::SEQ).unwrap_or(0);
        if highest <= self.seq {
            return Ok(Heard::Nothing);
        }
        let rows = context.read_table(table.provider()).doing("read findings")?;
        let rows = rows.filter(col(column::SEQ).gt(lit(self.seq))).doing("read findings")?;
        let rows = rows.sort(vec![col(column::SEQ).sort(true, false)]).doing("read findings")?;
        let mut heard = Heard::Nothing;
        for batch in rows.collect().await.doing("read findings")? {
            heard = heard.max(self.add(&batch)?);
        }
        self.seq = highest;
        Ok(heard)
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<Heard, EngineError> {
        let mut heard = Heard::Nothing;
        for finding in rows::from_batch::<Finding>(batch).doing("read findings")? {
            if !self.of.takes(&finding.detector_id) {
                continue;
            }
            heard = Heard::Revisions;
            let findings = self.by_detector.entry(finding.detector_id.clone()).or_default();
            findings.insert(finding.finding_id.clone(), finding);
        }
        Ok(heard)
    }

    pub(crate) fn of(&self, detector: &DetectorId) -> &Findings {
        static NONE: Findings = Findings::new();
        self.by_detector.get(detector).unwrap_or(&NONE)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Finding> {
        self.by_detector.values().flat_map(BTreeMap::values)
    }
}

impl FindingFilter {
    pub fn takes(&self, finding: &Finding) -> bool {
        let quiet_ok = self.with_quiet || self.status.is_some() || !finding.status.is_quiet();
        quiet_ok
            && self.detector.as_ref().is_none_or(|id| *id == finding.detector_id)
            && self.org.as_ref().is_none_or(|org| Some(org) == finding.org_id.as_ref())
            && self.status.is_none_or(|status| status == finding.status)
            && self.severity.is_none_or(|severity| severity <= finding.severity)
            && self.since.is_none_or(|since| since <= finding.raised_time)
    }
}

/// The last revision of every finding that the filter takes, newest first.
pub async fn current_findings(snapshot: &LakeSnapshot, filter: &FindingFilter) -> Result<Vec<Finding>, EngineError> {
    let mut standing = Standing::default();
    standing.refresh(&SessionContext::new(), snapshot).await?;
    let mut findings: Vec<Finding> = standing.all().filter(|finding| filter.takes(finding)).cloned().collect();
    findings.sort_by(|a, b| (b.raised_time, &b.finding_id).cmp(&(a.raised_time, &a.finding_id)));
    Ok(findings)
}

/// Every revision of one finding, oldest first.
pub async fn revisions(snapshot: &LakeSnapshot, id: &FindingId) -> Result<Vec<Finding>, EngineError> {
    let Some(table) = snapshot.table(&TableName::Findings) else { return Ok(Vec::new()) };
    let rows = SessionContext::new().read_table(table.provider()).doing("read a finding")?;
    let rows = rows.filter(col("finding_id").eq(lit(id.as_str()))).doing("read a finding")?;
    let mut found: Vec<Finding> = Vec::new();
    for batch in rows.collect().await.doing("read a finding")? {
        found.extend(rows::from_batch::<Finding>(&batch).doing("read a finding")?);
    }
    found.sort_by_key(|finding| finding.revision);
    Ok(found)
}
