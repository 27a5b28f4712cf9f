//! What stands in a report, made of what the lake says. The same lake gives the same content, wherever and whenever it is
//! asked.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use credwatch_detectors::InForce;
use credwatch_detectors::org_setting::Held;
use credwatch_query::{QueryError, Session, TenantScope};
use credwatch_schemas::finding::{Finding, Severity, Status};
use credwatch_schemas::ids::{DetectorId, FindingId};
use credwatch_schemas::outcome::Coverage as CoverageRow;
use credwatch_schemas::time::Micros;
use credwatch_schemas::weekly_report::{Content, Counted, Coverage, CredentialTrouble, Findings, Ranked, Suppressed};

use super::answers::{self, Bounds, DestinationRow, FindingsRow, OtherOrgRow, RejectsRow, SourceRow, each, rows};
use super::calls::Tally;
use super::coverage::{self, Heard, ToJudge};
use super::discovery::{BORNE, expected, false_discovery_rates, statistical, tested};
use super::exceptions;
use super::listed::{LISTED, count, cut};
use super::sections::sections;

/// What the lake says besides its tables.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) detectors: &'a [InForce],
    pub(super) outcomes: &'a [CoverageRow],
    pub(super) held: &'a [Held],
    /// How far events reach.
    pub(super) until: Micros,
    /// Whether all of the week is there.
    pub(super) ended: bool,
    /// Records that were gone before they could be read, of whatever org.
    pub(super) lost: i64,
}

/// `session` sees what its scope sees.
pub(super) async fn content(session: &Session, known: &Known<'_>, bounds: Bounds) -> Result<Content, QueryError> {
    let sources: Vec<SourceRow> = rows(session, answers::SOURCES, bounds).await?;
    let mut heard = Heard::new(bounds);
    each(session, answers::HOURS, bounds, |row| heard.take(row)).await?;
    let found: Vec<FindingsRow> = rows(session, answers::FINDINGS, bounds).await?;
    let (calls, against_last_week) = tally(session, bounds).await?.told(heard.hours.clone());
    let credentials: Vec<CredentialTrouble> = rows(session, answers::CREDENTIALS, bounds).await?;
    let destinations: Vec<DestinationRow> = rows(session, answers::NEW_DESTINATIONS, bounds).await?;
    let other_orgs: Vec<OtherOrgRow> = rows(session, answers::OTHER_ORGS, bounds).await?;
    let (credentials, credentials_more) = cut(worst_first(credentials), LISTED);
    let coverage = covered(session, known, (&sources, &heard, &found), bounds).await?;
    let worst: Vec<Finding> = rows(session, answers::WORST_OF_EACH, bounds).await?;
    let (ending, exceptions_ending_more) = cut(exceptions::ending(known.held, session.scope(), bounds), LISTED);
    let more = |all: Option<i64>, told: usize| all.map_or(0, |all| all - count(told));
    Ok(Content {
        ended: known.ended,
        sections: sections(known.detectors, &coverage.detectors, &worst),
        exceptions_ending: ending,
        exceptions_ending_more,
        coverage,
        findings: findings(session, known, &found, calls.agents, bounds).await?,
        against_last_week,
        calls,
        new_destinations_more: more(destinations.first().map(|row| row.destinations), destinations.len()),
        new_destinations: destinations.into_iter().map(|row| row.destination).collect(),
        credentials,
        credentials_more,
        other_orgs_more: more(other_orgs.first().map(|row| row.all_rows), other_orgs.len()),
        other_orgs: other_orgs.into_iter().map(|row| row.other_org).collect(),
    })
}

async fn covered(
    session: &Session,
    known: &Known<'_>,
    (sources, heard, found): (&[SourceRow], &Heard, &[FindingsRow]),
    bounds: Bounds,
) -> Result<Coverage, QueryError> {
    // Rejects that name no org are nobody's: an org would take the others for all.
    let rejects = match session.scope() {
        TenantScope::Operator => rows::<RejectsRow>(session, answers::REJECTS, bounds).await?.pop(),
        TenantScope::Org(_) => None,
    };
    let week = ToJudge { bounds, last: heard.last, data_seq: heard.data_seq };
    let mut standing: BTreeMap<DetectorId, i64> = BTreeMap::new();
    for row in found.iter().filter(|row| row.of_week && !row.status.is_quiet()) {
        *standing.entry(row.detector_id.clone()).or_default() += row.findings;
    }
    let scope = (week, session.scope());
    Ok(Coverage {
        events: heard.events,
        rejects: rejects.as_ref().map(|row| row.dated),
        rejects_undated: rejects.as_ref().map(|row| row.undated),
        lost: known.lost,
        sources: coverage::sources(sources, heard, bounds, known.until),
        detectors: coverage::detectors(known.detectors, known.outcomes, sources, &standing, scope),
    })
}

async fn findings(
    session: &Session,
    known: &Known<'_>,
    found: &[FindingsRow],
    agents: i64,
    bounds: Bounds,
) -> Result<Findings, QueryError> {
    let top: Vec<Finding> = rows(session, answers::TOP, bounds).await?;
    let suppressed: Vec<Finding> = rows(session, answers::SUPPRESSED, bounds).await?;
    let expected_by_chance = expected(known.detectors, agents, bounds, known.until);
    let rates = rates(session, known.detectors, expected_by_chance, bounds).await?;
    let sum =
        |takes: &dyn Fn(&&FindingsRow) -> bool| -> i64 { found.iter().filter(takes).map(|row| row.findings).sum() };
    let of = |status: Status| sum(&|row| row.of_week && row.status == status);
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];
    let with = |of_week: bool, severity: Severity| {
        sum(&|row| row.of_week == of_week && row.severity == severity && !row.status.is_quiet())
    };
    let counted = severities.map(|severity| Counted {
        severity,
        findings: with(true, severity),
        last_week: with(false, severity),
    });
    Ok(Findings {
        by_severity: counted.into_iter().filter(|one| one.findings + one.last_week > 0).collect(),
        top: top.into_iter().map(|finding| in_short(finding, &rates)).collect(),
        statistical: expected_by_chance.map(|_| statistical(known.detectors, found)),
        beyond_chance: expected_by_chance.map(|_| count(rates.values().filter(|rate| **rate <= BORNE).count())),
        expected_by_chance,
        digest: of(Status::Digest),
        suppressed: of(Status::Suppressed),
        withdrawn: of(Status::Withdrawn),
        suppressed_because: suppressed.into_iter().map(because).collect(),
    })
}

fn in_short(finding: Finding, rates: &BTreeMap<FindingId, f64>) -> Ranked {
    Ranked {
        false_discovery_rate: rates.get(&finding.finding_id).copied(),
        finding_id: finding.finding_id,
        detector_id: finding.detector_id,
        org_id: finding.org_id,
        severity: finding.severity,
        status: finding.status,
        title: finding.title,
        summary: finding.summary,
        subject: finding.subject,
        first_time: finding.first_time,
        last_time: finding.last_time,
        event_count: finding.event_count,
        compared: finding.compared,
    }
}

fn because(finding: Finding) -> Suppressed {
    Suppressed { finding_id: finding.finding_id, title: finding.title, because: finding.status_reason }
}

/// False discovery rates of the statistical findings that stand.
async fn rates(
    session: &Session,
    detectors: &[InForce],
    expected: Option<f64>,
    bounds: Bounds,
) -> Result<BTreeMap<FindingId, f64>, QueryError> {
    let Some(expected) = expected else { return Ok(BTreeMap::new()) };
    let compared = rows(session, answers::TESTED, bounds).await?;
    Ok(false_discovery_rates(tested(detectors, compared), expected))
}

async fn tally(session: &Session, bounds: Bounds) -> Result<Tally, QueryError> {
    let mut tally = Tally::default();
    each(session, answers::SERIES, bounds, |row| tally.take(row)).await?;
    Ok(tally)
}

fn worst_first(mut all: Vec<CredentialTrouble>) -> Vec<CredentialTrouble> {
    all.sort_by_key(|one| Reverse(one.refreshes_failed + one.revocations + one.unauthorized + one.forbidden));
    all
}
