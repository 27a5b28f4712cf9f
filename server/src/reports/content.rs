//! What stands in a report, made of what the lake says. The same lake gives the same content, wherever and whenever it is
//! asked.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use credwatch_detectors::InForce;
use credwatch_query::{QueryError, Session, TenantScope};
use credwatch_schemas::finding::{Finding, Severity, Status};
use credwatch_schemas::ids::DetectorId;
use credwatch_schemas::outcome::Coverage as CoverageRow;
use credwatch_schemas::time::{DAY, Micros};
use credwatch_schemas::weekly_report::{
    AgainstLastWeek, Agent, Calls, Content, Counted, Coverage, CredentialTrouble, Ended, Findings, Hour, Ranked,
    Series, Suppressed,
};

use super::answers::{
    self, AgentRow, Bounds, CallsRow, DestinationRow, FindingsRow, HourRow, KindsRow, OtherOrgRow, RejectsRow,
    SeriesRow, SourceRow, rows,
};
use super::coverage::{self, ToJudge};
use super::share::{ended, growth, rounded};

/// Of what is listed; how many more there are is said.
const LISTED: usize = 50;
const FEW: usize = 10;

/// What the lake says besides its tables.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) detectors: &'a [InForce],
    pub(super) outcomes: &'a [CoverageRow],
    /// How far events reach.
    pub(super) until: Micros,
    /// Whether all of the week is there.
    pub(super) ended: bool,
}

/// `session` sees what its scope sees.
pub(super) async fn content(session: &Session, known: &Known<'_>, bounds: Bounds) -> Result<Content, QueryError> {
    let sources: Vec<SourceRow> = rows(session, answers::SOURCES, bounds).await?;
    let hours: Vec<HourRow> = rows(session, answers::HOURS, bounds).await?;
    let found: Vec<FindingsRow> = rows(session, answers::FINDINGS, bounds).await?;
    let calls = calls(session, &hours, bounds).await?;
    let credentials: Vec<CredentialTrouble> = rows(session, answers::CREDENTIALS, bounds).await?;
    let destinations: Vec<DestinationRow> = rows(session, answers::NEW_DESTINATIONS, bounds).await?;
    let other_orgs: Vec<OtherOrgRow> = rows(session, answers::OTHER_ORGS, bounds).await?;
    let (credentials, credentials_more) = cut(worst_first(credentials), LISTED);
    let more = |all: Option<i64>, told: usize| all.map_or(0, |all| all - count(told));
    Ok(Content {
        ended: known.ended,
        coverage: covered(session, known, (&sources, &hours, &found), bounds).await?,
        findings: findings(session, known.detectors, &found, calls.agents, bounds).await?,
        against_last_week: against(session, bounds).await?,
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
    (sources, hours, found): (&[SourceRow], &[HourRow], &[FindingsRow]),
    bounds: Bounds,
) -> Result<Coverage, QueryError> {
    // Rejects that name no org are nobody's: an org would take the others for all.
    let rejects = match session.scope() {
        TenantScope::Operator => rows::<RejectsRow>(session, answers::REJECTS, bounds).await?.pop(),
        TenantScope::Org(_) => None,
    };
    let week = ToJudge {
        bounds,
        last: sources.iter().filter_map(|row| row.last_time).max(),
        data_seq: sources.iter().filter_map(|row| row.data_seq).max().unwrap_or(0),
    };
    let mut standing: BTreeMap<DetectorId, i64> = BTreeMap::new();
    for row in found.iter().filter(|row| row.of_week && !row.status.is_quiet()) {
        *standing.entry(row.detector_id.clone()).or_default() += row.findings;
    }
    let scope = (week, session.scope());
    Ok(Coverage {
        events: sources.iter().map(|row| row.events).sum(),
        rejects: rejects.as_ref().map(|row| row.dated),
        rejects_undated: rejects.as_ref().map(|row| row.undated),
        sources: coverage::sources(sources, hours, bounds, known.until),
        detectors: coverage::detectors(known.detectors, known.outcomes, sources, &standing, scope),
    })
}

fn cut<T>(mut all: Vec<T>, at_most: usize) -> (Vec<T>, i64) {
    let more = count(all.len().saturating_sub(at_most));
    all.truncate(at_most);
    (all, more)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

async fn findings(
    session: &Session,
    detectors: &[InForce],
    found: &[FindingsRow],
    agents: i64,
    bounds: Bounds,
) -> Result<Findings, QueryError> {
    let top: Vec<Finding> = rows(session, answers::TOP, bounds).await?;
    let suppressed: Vec<Finding> = rows(session, answers::SUPPRESSED, bounds).await?;
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
        top: top.into_iter().map(in_short).collect(),
        expected_by_chance: by_chance(detectors, agents, bounds),
        digest: of(Status::Digest),
        suppressed: of(Status::Suppressed),
        withdrawn: of(Status::Withdrawn),
        suppressed_because: suppressed.into_iter().map(because).collect(),
    })
}

fn in_short(finding: Finding) -> Ranked {
    Ranked {
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

/// The budgets of all statistical detectors together: so many findings for an agent in a day.
fn by_chance(detectors: &[InForce], agents: i64, bounds: Bounds) -> Option<f64> {
    let budgets: Vec<f64> = detectors.iter().filter_map(|detector| detector.false_findings).collect();
    let days = (bounds.to.0 - bounds.from.0) as f64 / DAY as f64;
    (!budgets.is_empty()).then(|| rounded(budgets.iter().sum::<f64>() * agents as f64 * days))
}

async fn calls(session: &Session, hours: &[HourRow], bounds: Bounds) -> Result<Calls, QueryError> {
    let totals: Vec<CallsRow> = rows(session, answers::TOTALS, bounds).await?;
    let kinds: Vec<KindsRow> = rows(session, answers::KINDS, bounds).await?;
    let listed: Vec<SeriesRow> = rows(session, answers::SERIES, bounds).await?;
    let candidates: Vec<SeriesRow> = rows(session, answers::WORSE, bounds).await?;
    let kinds = kinds.first().copied().unwrap_or(KindsRow { series: 0, agents: 0, hosts: 0 });
    Ok(Calls {
        total: totals.first().map_or_else(Ended::default, this_week),
        agents: kinds.agents,
        hosts: kinds.hosts,
        hours: by_hour(hours, bounds),
        series_more: kinds.series - count(listed.len()),
        series: listed.into_iter().map(series).collect(),
        worse: worse(candidates.into_iter().map(series).collect()),
    })
}

fn this_week(row: &CallsRow) -> Ended {
    ended(row.calls, row.failures, row.denied, row.unknown)
}

fn week_before(row: &CallsRow) -> Ended {
    ended(row.calls_before, row.failures_before, row.denied_before, row.unknown_before)
}

fn series(row: SeriesRow) -> Series {
    Series {
        org_id: row.org_id,
        agent_id: row.agent_id,
        dest_host: row.dest_host,
        ended: this_week(&row.calls),
        last_week: (row.calls.calls_before > 0).then(|| week_before(&row.calls)),
    }
}

fn worse(candidates: Vec<Series>) -> Vec<Series> {
    let grown = candidates.into_iter().filter_map(|one| Some((growth(&one.ended, one.last_week.as_ref()?)?, one)));
    let mut grown: Vec<(f64, Series)> = grown.collect();
    grown.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    grown.into_iter().take(FEW).map(|(_, series)| series).collect()
}

fn by_hour(rows: &[HourRow], bounds: Bounds) -> Vec<Hour> {
    let mut hours = vec![Hour::default(); usize::try_from(coverage::hours_of(bounds)).unwrap_or(0)];
    for row in rows {
        if let Some(hour) = usize::try_from(row.hour).ok().and_then(|place| hours.get_mut(place)) {
            hour.calls += row.calls;
            hour.failures += row.failures;
        }
    }
    hours
}

fn worst_first(mut all: Vec<CredentialTrouble>) -> Vec<CredentialTrouble> {
    all.sort_by_key(|one| Reverse(one.refreshes_failed + one.revocations + one.unauthorized + one.forbidden));
    all
}

async fn against(session: &Session, bounds: Bounds) -> Result<AgainstLastWeek, QueryError> {
    let totals: Vec<CallsRow> = rows(session, answers::TOTALS, bounds).await?;
    let agents: Vec<AgentRow> = rows(session, answers::AGENTS, bounds).await?;
    let (new, gone): (Vec<AgentRow>, Vec<AgentRow>) = agents.into_iter().partition(|row| row.is_new);
    let named = |rows: Vec<AgentRow>| {
        let agent = |row: AgentRow| Agent { org_id: row.org_id, agent_id: row.agent_id };
        cut(rows.into_iter().map(agent).collect(), FEW)
    };
    let (agents_new, agents_new_more) = named(new);
    let (agents_gone, agents_gone_more) = named(gone);
    let total = totals.first().map_or_else(Ended::default, week_before);
    Ok(AgainstLastWeek { total, agents_new, agents_new_more, agents_gone, agents_gone_more })
}
