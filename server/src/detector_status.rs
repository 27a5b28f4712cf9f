//! How every known detector stands: how far it has judged, what it can say, and what it cannot see, per org and source.
//!
//! A detector that never ran is listed as behind. Silence is never health.

use std::collections::BTreeMap;

use credwatch_detectors::Registry;
use credwatch_detectors::definition::Definition;
use credwatch_query::TenantScope;
use credwatch_schemas::finding::Severity;
use credwatch_schemas::ids::{DetectorId, DetectorVersion, OrgId, SourceId};
use credwatch_schemas::outcome::{Coverage, Outcome};
use credwatch_schemas::time::Micros;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DetectorStatus {
    pub id: DetectorId,
    /// Absent when only the lake knows the detector and this process has no file of it.
    pub title: Option<String>,
    /// The highest that it raises.
    pub severity: Option<Severity>,
    pub version: Option<DetectorVersion>,
    pub outcome: Outcome,
    pub detail: Option<String>,
    /// Event time that it has judged.
    pub coverage: Option<Covered>,
    pub sources: Vec<SourceStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Covered {
    pub from_time: Micros,
    pub to_time: Micros,
    pub data_seq: i64,
}

/// What a detector can say of one source of one org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SourceStatus {
    pub org_id: Option<OrgId>,
    pub source: Option<SourceId>,
    pub outcome: Outcome,
    /// Columns that it needs and this source never fills.
    pub not_observable: Vec<String>,
    pub detail: Option<String>,
    #[serde(flatten)]
    pub coverage: Covered,
}

/// Every detector that this process or the lake knows, by id.
pub fn statuses(registry: &Registry, outcomes: &[Coverage], scope: &TenantScope) -> Vec<DetectorStatus> {
    let mut statuses: BTreeMap<DetectorId, DetectorStatus> = BTreeMap::new();
    for (id, content) in registry.detectors() {
        statuses.insert(id.clone(), never_run(id.clone(), Definition::parse(id.as_str(), content).ok()));
    }
    for row in outcomes {
        let status =
            statuses.entry(row.detector_id.clone()).or_insert_with(|| never_run(row.detector_id.clone(), None));
        take(status, row, scope);
    }
    statuses.into_values().collect()
}

fn never_run(id: DetectorId, definition: Option<Definition>) -> DetectorStatus {
    let (title, severity) = definition.map(|file| (file.title, file.severity)).unzip();
    let detail = Some("it has not judged yet".to_owned());
    let outcome = Outcome::Behind;
    DetectorStatus { id, title, severity, version: None, outcome, detail, coverage: None, sources: Vec::new() }
}

fn take(status: &mut DetectorStatus, row: &Coverage, scope: &TenantScope) {
    let coverage = Covered { from_time: row.from_time, to_time: row.to_time, data_seq: row.data_seq };
    if row.org_id.is_none() && row.source.is_none() {
        status.version = Some(row.detector_version.clone());
        status.coverage = Some(coverage);
        status.outcome = own_outcome(row.outcome, scope);
        status.detail = row.detail.clone().filter(|_| *scope == TenantScope::Operator);
        return;
    }
    if sees(scope, row.org_id.as_ref()) {
        status.sources.push(SourceStatus {
            org_id: row.org_id.clone(),
            source: row.source.clone(),
            outcome: row.outcome,
            not_observable: row.columns.clone(),
            // Why a detector failed is the engine's own text, and may name rows of others.
            detail: row.detail.clone().filter(|_| row.outcome != Outcome::Failed || *scope == TenantScope::Operator),
            coverage,
        });
    }
}

/// That a detector found something says something of other orgs; to one of them it says that the detector ran.
fn own_outcome(outcome: Outcome, scope: &TenantScope) -> Outcome {
    match (outcome, scope) {
        (Outcome::Findings, TenantScope::Org(_)) => Outcome::Clear,
        (outcome, _) => outcome,
    }
}

/// Whether rows of an org are in the scope.
pub fn sees(scope: &TenantScope, org: Option<&OrgId>) -> bool {
    match scope {
        TenantScope::Operator => true,
        TenantScope::Org(id) => org == Some(id),
    }
}

/// Rows in which the absence of findings means nothing, each as one line for people.
pub fn blind_spots(statuses: &[DetectorStatus]) -> Vec<String> {
    let mut lines = Vec::new();
    for status in statuses {
        if is_blind(status.outcome) {
            lines.push(line(&status.id, None, status.outcome, status.detail.as_deref()));
            continue;
        }
        for source in status.sources.iter().filter(|source| is_blind(source.outcome)) {
            let whose = format!("{} of {}", name(source.source.as_ref()), name(source.org_id.as_ref()));
            lines.push(line(&status.id, Some(&whose), source.outcome, source.detail.as_deref()));
        }
    }
    lines
}

fn is_blind(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Clear | Outcome::Findings)
}

fn line(id: &DetectorId, whose: Option<&str>, outcome: Outcome, detail: Option<&str>) -> String {
    let whose = whose.map(|whose| format!(" on {whose}")).unwrap_or_default();
    let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{id}{whose}: {}{detail}", outcome.as_str())
}

fn name<T: std::fmt::Display>(name: Option<&T>) -> String {
    name.map_or_else(|| "(none)".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(org: Option<&str>, source: Option<&str>, outcome: Outcome) -> Coverage {
        Coverage {
            detector_id: DetectorId::new("d"),
            detector_version: DetectorVersion::new("v"),
            org_id: org.map(OrgId::new),
            source: source.map(SourceId::new),
            from_time: Micros(0),
            to_time: Micros(1_000_000),
            outcome,
            columns: if outcome == Outcome::NotObservable { vec!["dest_host".into()] } else { Vec::new() },
            detail: (outcome == Outcome::NotObservable).then(|| "b never fills dest_host".to_owned()),
            data_seq: 3,
        }
    }

    fn org(id: &str) -> TenantScope {
        TenantScope::Org(OrgId::new(id))
    }

    #[test]
    fn a_detector_that_never_ran_is_behind_and_not_clear() {
        let mut statuses = statuses(&Registry::embedded().unwrap(), &[], &TenantScope::Operator);
        statuses.retain(|status| status.outcome != Outcome::Behind);
        assert_eq!(statuses, []);
    }

    #[test]
    fn an_org_reads_its_own_sources_and_nothing_of_others() {
        let rows = [
            row(None, None, Outcome::Findings),
            row(Some("a"), Some("b"), Outcome::Clear),
            row(Some("z"), Some("b"), Outcome::Findings),
            row(None, Some("b"), Outcome::Findings),
        ];
        let seen = statuses(&Registry::default(), &rows, &org("a"));
        assert_eq!(seen[0].outcome, Outcome::Clear);
        assert_eq!(seen[0].sources.iter().map(|one| one.org_id.clone()).collect::<Vec<_>>(), [Some(OrgId::new("a"))]);
        assert_eq!(statuses(&Registry::default(), &rows, &TenantScope::Operator)[0].sources.len(), 3);
    }

    #[test]
    fn a_blind_spot_names_detector_source_and_column() {
        let rows = [row(None, None, Outcome::Clear), row(Some("a"), Some("b"), Outcome::NotObservable)];
        let lines = blind_spots(&statuses(&Registry::default(), &rows, &TenantScope::Operator));
        assert_eq!(lines, ["d on b of a: not_observable: b never fills dest_host"]);
    }
}
