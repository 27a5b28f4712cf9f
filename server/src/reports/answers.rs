//! The statements that a report is made of, each in a file of its own, and their rows. What comes back is bounded by each
//! of them, or folded as it comes: a report lists few things, and counts the rest.

use std::collections::BTreeMap;

use credwatch_query::{Params, QueryError, Session};
use credwatch_schemas::finding::{Severity, Status};
use credwatch_schemas::ids::{DetectorId, FindingId, OrgId, SourceId};
use credwatch_schemas::rows::from_batch;
use credwatch_schemas::time::Micros;
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(super) const SPAN: &str = include_str!("sql/span.sql");
pub(super) const SOURCES: &str = include_str!("sql/sources.sql");
pub(super) const HOURS: &str = include_str!("sql/hours.sql");
pub(super) const REJECTS: &str = include_str!("sql/rejects.sql");
pub(super) const LOST: &str = include_str!("sql/lost.sql");
pub(super) const SERIES: &str = include_str!("sql/series_of_both_weeks.sql");
pub(super) const NEW_DESTINATIONS: &str = include_str!("sql/new_destinations.sql");
pub(super) const CREDENTIALS: &str = include_str!("sql/credentials.sql");
pub(super) const OTHER_ORGS: &str = include_str!("sql/other_orgs.sql");
pub(super) const FINDINGS: &str = include_str!("sql/findings.sql");
pub(super) const TOP: &str = include_str!("sql/top.sql");
pub(super) const WORST_OF_EACH: &str = include_str!("sql/worst_of_each.sql");
pub(super) const TESTED: &str = include_str!("sql/tested.sql");
pub(super) const SUPPRESSED: &str = include_str!("sql/suppressed.sql");

/// The week, and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) before: Micros,
    pub(super) from: Micros,
    pub(super) to: Micros,
}

/// Of all events that the scope sees.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct SpanRow {
    pub(super) first_time: Option<Micros>,
    pub(super) last_time: Option<Micros>,
    pub(super) data_seq: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct SourceRow {
    pub(super) org_id: Option<OrgId>,
    pub(super) source: Option<SourceId>,
    /// Its first event ever.
    pub(super) since: Micros,
}

#[derive(Debug, Deserialize)]
pub(super) struct HourRow {
    pub(super) org_id: Option<OrgId>,
    pub(super) source: Option<SourceId>,
    pub(super) hour: i64,
    pub(super) events: i64,
    pub(super) late: i64,
    pub(super) last_time: Micros,
    pub(super) data_seq: i64,
    pub(super) calls: i64,
    pub(super) failures: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct RejectsRow {
    pub(super) dated: i64,
    pub(super) undated: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct LostRow {
    pub(super) lost: i64,
}

/// Calls of this week and of the one before.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct CallsRow {
    pub(super) calls: i64,
    pub(super) failures: i64,
    pub(super) denied: i64,
    pub(super) unknown: i64,
    pub(super) calls_before: i64,
    pub(super) failures_before: i64,
    pub(super) denied_before: i64,
    pub(super) unknown_before: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct SeriesRow {
    pub(super) org_id: Option<OrgId>,
    pub(super) agent_id: Option<String>,
    pub(super) dest_host: Option<String>,
    #[serde(flatten)]
    pub(super) calls: CallsRow,
}

#[derive(Debug, Deserialize)]
pub(super) struct DestinationRow {
    #[serde(flatten)]
    pub(super) destination: credwatch_schemas::weekly_report::NewDestination,
    /// How many there are.
    pub(super) destinations: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct OtherOrgRow {
    #[serde(flatten)]
    pub(super) other_org: credwatch_schemas::weekly_report::OtherOrg,
    /// How many there are.
    pub(super) all_rows: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct FindingsRow {
    pub(super) of_week: bool,
    pub(super) detector_id: DetectorId,
    pub(super) severity: Severity,
    pub(super) status: Status,
    pub(super) findings: i64,
}

/// What a finding is held against.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct TestedRow {
    pub(super) finding_id: FindingId,
    pub(super) detector_id: DetectorId,
    pub(super) compared: String,
    pub(super) observed: f64,
    pub(super) threshold: f64,
}

/// All rows of a statement that bounds them itself.
pub(super) async fn rows<T: DeserializeOwned>(
    session: &Session,
    sql: &str,
    bounds: Bounds,
) -> Result<Vec<T>, QueryError> {
    let mut rows = Vec::new();
    each(session, sql, bounds, |row| rows.push(row)).await?;
    Ok(rows)
}

/// Runs a statement with those of the bounds that it names, and takes its rows as they come.
pub(super) async fn each<T: DeserializeOwned>(
    session: &Session,
    sql: &str,
    bounds: Bounds,
    mut take: impl FnMut(T),
) -> Result<(), QueryError> {
    let mut answer = session.run(sql, params(sql, bounds)).await?;
    while let Some(batch) = answer.try_next().await? {
        let rows = from_batch::<T>(&batch).map_err(|error| {
            tracing::error!(%error, "an answer for a report cannot be read");
            QueryError::Storage
        })?;
        rows.into_iter().for_each(&mut take);
    }
    Ok(())
}

fn params(sql: &str, bounds: Bounds) -> Params {
    let time = |time: Micros| ScalarValue::TimestampMicrosecond(Some(time.0), Some("UTC".into()));
    let all = [
        ("before", time(bounds.before)),
        ("from", time(bounds.from)),
        ("to", time(bounds.to)),
        ("start", ScalarValue::Int64(Some(bounds.from.0))),
    ];
    let named = all.into_iter().filter(|(name, _)| sql.contains(&["$", name].concat()));
    let named: BTreeMap<String, ScalarValue> = named.map(|(name, value)| (name.to_owned(), value)).collect();
    if named.is_empty() { Params::None } else { Params::Named(named) }
}
