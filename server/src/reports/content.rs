//! What stands in a report, made of what the lake says. The same lake gives the same content, wherever and whenever it is
//! asked.

use std::collections::{BTreeMap, BTreeSet};

use credwatch_detectors::Registry;
use credwatch_query::{QueryError, Session};
use credwatch_schemas::finding::{Finding, Severity, Status};
use credwatch_schemas::ids::DetectorId;
use credwatch_schemas::outcome::Coverage as CoverageRow;
use credwatch_schemas::time::DAY;
use credwatch_schemas::weekly_report::{
    AgainstLastWeek, Calls, Content, Counted, Coverage, CredentialTrouble, Findings, Hour, NewDestination, OtherOrg,
    Ranked, Series, Suppressed,
};

use super::answers::{self, Bounds, CarriedOverRow, FirstRow, HourRow, RejectsRow, SeriesRow, SourceRow, rows};
use super::coverage::{self, Facts};
use super::share::{ended, growth, rounded, together};
use crate::detector_status::statuses;

/// Findings that are told in full.
const TOP: usize = 10;
/// Of what is listed beside them; how many more there are is said.
const LISTED: usize = 50;
const NAMES: usize = 10;

/// `outcomes` is how detectors stand; `session` sees what its scope sees.
pub(super) async fn content(
    session: &Session,
    registry: &Registry,
    outcomes: &[CoverageRow],
    bounds: Bounds,
) -> Result<Content, QueryError> {
    let source_rows: Vec<SourceRow> = rows(session, answers::SOURCES, bounds).await?;
    let hours: Vec<HourRow> = rows(session, answers::HOURS, bounds).await?;
    let rejects: Vec<RejectsRow> = rows(session, answers::REJECTS, bounds).await?;
    let firsts: Vec<FirstRow> = rows(session, answers::FIRSTS, bounds).await?;
    let series: Vec<SeriesRow> = rows(session, answers::SERIES, bounds).await?;
    let found: Vec<Finding> = rows(session, answers::FINDINGS, bounds).await?;
    let carried: Vec<CarriedOverRow> = rows(session, answers::CARRIED_OVER, bounds).await?;
    let destinations: Vec<NewDestination> = rows(session, answers::NEW_DESTINATIONS, bounds).await?;
    let credentials: Vec<CredentialTrouble> = rows(session, answers::CREDENTIALS, bounds).await?;
    let other_orgs: Vec<OtherOrg> = rows(session, answers::OTHER_ORGS, bounds).await?;

    let (this_week, last_week): (Vec<&Finding>, Vec<&Finding>) =
        found.iter().partition(|finding| finding.raised_time >= bounds.from);
    let standing: Vec<&Finding> = this_week.iter().copied().filter(|finding| !finding.status.is_quiet()).collect();
    let facts = coverage::facts(registry);
    let last = source_rows.iter().map(|row| row.last_time).max();
    let detectors =
        coverage::detectors(statuses(registry, outcomes, session.scope()), &facts, &firsts, &standing, (bounds, last));
    let calls = calls(&series, &hours, bounds);
    let findings = Findings {
        carried_over: carried.first().map_or(0, |row| row.findings),
        expected_by_chance: by_chance(&facts, calls.agents, bounds),
        ..findings(&this_week, &standing, &last_week)
    };
    let (new_destinations, new_destinations_more) = cut(destinations, LISTED);
    let (other_orgs, other_orgs_more) = cut(other_orgs, LISTED);
    Ok(Content {
        coverage: Coverage {
            events: source_rows.iter().map(|row| row.events).sum(),
            data_seq: source_rows.iter().map(|row| row.data_seq).max().unwrap_or(0),
            rejects: rejects.first().map(|row| row.rejects),
            sources: coverage::sources(source_rows, &hours, bounds),
            detectors,
        },
        findings,
        against_last_week: against(&series),
        calls,
        new_destinations,
        new_destinations_more,
        credentials: worst_first(credentials),
        other_orgs,
        other_orgs_more,
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

fn findings(this_week: &[&Finding], standing: &[&Finding], last_week: &[&Finding]) -> Findings {
    let of = |status: Status| count(this_week.iter().filter(|finding| finding.status == status).count());
    let with = |all: &[&Finding], severity: Severity| {
        count(all.iter().filter(|finding| finding.severity == severity && !finding.status.is_quiet()).count())
    };
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];
    let counted = severities.map(|severity| Counted {
        severity,
        findings: with(standing, severity),
        last_week: with(last_week, severity),
    });
    let mut suppressed: Vec<&&Finding> =
        this_week.iter().filter(|finding| finding.status == Status::Suppressed).collect();
    suppressed.sort_by_key(|finding| rank(finding));
    Findings {
        by_severity: counted.into_iter().filter(|one| one.findings + one.last_week > 0).collect(),
        top: top(standing),
        carried_over: 0,
        expected_by_chance: None,
        digest: of(Status::Digest),
        suppressed: of(Status::Suppressed),
        withdrawn: of(Status::Withdrawn),
        suppressed_because: suppressed.into_iter().take(TOP).map(|finding| because(finding)).collect(),
    }
}

fn top(standing: &[&Finding]) -> Vec<Ranked> {
    let mut ranked = standing.to_vec();
    ranked.sort_by_key(|finding| rank(finding));
    ranked.into_iter().take(TOP).map(in_short).collect()
}

/// The worst first, of those what goes on before what is over, then the one with most evidence.
fn rank(finding: &Finding) -> impl Ord + use<> {
    use std::cmp::Reverse;
    let is_over = finding.status == Status::Resolved;
    (
        Reverse(finding.severity),
        is_over,
        Reverse(finding.event_count),
        finding.raised_time,
        finding.finding_id.as_str().to_owned(),
    )
}

fn in_short(finding: &Finding) -> Ranked {
    Ranked {
        finding_id: finding.finding_id.clone(),
        detector_id: finding.detector_id.clone(),
        org_id: finding.org_id.clone(),
        severity: finding.severity,
        status: finding.status,
        title: finding.title.clone(),
        summary: finding.summary.clone(),
        subject: finding.subject.clone(),
        first_time: finding.first_time,
        last_time: finding.last_time,
        event_count: finding.event_count,
        compared: finding.compared.clone(),
        sql: finding.sql.clone(),
    }
}

fn because(finding: &Finding) -> Suppressed {
    let because = finding.status_reason.clone();
    Suppressed { finding_id: finding.finding_id.clone(), title: finding.title.clone(), because }
}

/// The budgets of all statistical detectors together: so many findings for an agent in a day.
fn by_chance(facts: &BTreeMap<DetectorId, Facts>, agents: i64, bounds: Bounds) -> Option<f64> {
    let budgets: Vec<f64> = facts.values().filter_map(|facts| facts.false_findings).collect();
    let days = (bounds.to.0 - bounds.from.0) as f64 / DAY as f64;
    (!budgets.is_empty()).then(|| rounded(budgets.iter().sum::<f64>() * agents as f64 * days))
}

fn calls(rows: &[SeriesRow], hours: &[HourRow], bounds: Bounds) -> Calls {
    let all: Vec<Series> = rows.iter().filter(|row| row.calls > 0).map(series).collect();
    let agents: BTreeSet<_> = all.iter().map(|one| (&one.org_id, &one.agent_id)).collect();
    let hosts: BTreeSet<_> = all.iter().filter_map(|one| one.dest_host.as_ref()).collect();
    let (agents, hosts) = (count(agents.len()), count(hosts.len()));
    let total = together(all.iter().map(|one| &one.ended));
    let worse = worse(&all);
    let (series, series_more) = cut(all, LISTED);
    Calls { total, agents, hosts, hours: by_hour(hours, bounds), series, series_more, worse }
}

fn series(row: &SeriesRow) -> Series {
    let before = ended(row.calls_before, row.failures_before, row.denied_before, row.unknown_before);
    Series {
        org_id: row.org_id.clone(),
        agent_id: row.agent_id.clone(),
        dest_host: row.dest_host.clone(),
        ended: ended(row.calls, row.failures, row.denied, row.unknown),
        last_week: (row.calls_before > 0).then_some(before),
    }
}

fn worse(all: &[Series]) -> Vec<Series> {
    let grown = all.iter().filter_map(|one| Some((growth(&one.ended, one.last_week.as_ref()?)?, one)));
    let mut grown: Vec<(f64, &Series)> = grown.collect();
    grown.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    grown.into_iter().take(TOP).map(|(_, series)| series.clone()).collect()
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
    use std::cmp::Reverse;
    all.sort_by_key(|one| Reverse(one.refreshes_failed + one.revocations + one.unauthorized + one.forbidden));
    all.truncate(LISTED);
    all
}

fn against(rows: &[SeriesRow]) -> AgainstLastWeek {
    let named = |has: fn(&SeriesRow) -> i64| -> BTreeSet<&str> {
        rows.iter().filter(|row| has(row) > 0).filter_map(|row| row.agent_id.as_deref()).collect()
    };
    let (now, before) = (named(|row| row.calls), named(|row| row.calls_before));
    let names = |all: &BTreeSet<&str>, others: &BTreeSet<&str>| {
        cut(all.difference(others).map(|name| (*name).to_owned()).collect::<Vec<_>>(), NAMES)
    };
    let (agents_new, agents_new_more) = names(&now, &before);
    let (agents_gone, agents_gone_more) = names(&before, &now);
    let each = |row: &SeriesRow| ended(row.calls_before, row.failures_before, row.denied_before, row.unknown_before);
    let total = together(rows.iter().map(each).collect::<Vec<_>>().iter());
    AgainstLastWeek { total, agents_new, agents_new_more, agents_gone, agents_gone_more }
}
