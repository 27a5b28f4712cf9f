//! The statements that a report is made of, each in a file of its own, and their rows.

use std::collections::BTreeMap;

use credwatch_query::{Params, QueryError, Session};
use credwatch_schemas::ids::{OrgId, SourceId};
use credwatch_schemas::rows::from_batch;
use credwatch_schemas::time::Micros;
use datafusion::scalar::ScalarValue;
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(super) const SOURCES: &str = include_str!("sql/sources.sql");
pub(super) const HOURS: &str = include_str!("sql/hours.sql");
pub(super) const REJECTS: &str = include_str!("sql/rejects.sql");
pub(super) const SERIES: &str = include_str!("sql/series.sql");
pub(super) const NEW_DESTINATIONS: &str = include_str!("sql/new_destinations.sql");
pub(super) const CREDENTIALS: &str = include_str!("sql/credentials.sql");
pub(super) const OTHER_ORGS: &str = include_str!("sql/other_orgs.sql");
pub(super) const FINDINGS: &str = include_str!("sql/findings.sql");
pub(super) const CARRIED_OVER: &str = include_str!("sql/carried_over.sql");
pub(super) const FIRSTS: &str = include_str!("sql/firsts.sql");

/// The week, and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) before: Micros,
    pub(super) from: Micros,
    pub(super) to: Micros,
}

#[derive(Debug, Deserialize)]
pub(super) struct SourceRow {
    pub(super) source: Option<SourceId>,
    pub(super) events: i64,
    pub(super) first_time: Micros,
    pub(super) last_time: Micros,
    pub(super) data_seq: i64,
    pub(super) late: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct HourRow {
    pub(super) source: Option<SourceId>,
    pub(super) hour: i64,
    pub(super) calls: i64,
    pub(super) failures: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct RejectsRow {
    pub(super) rejects: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct CarriedOverRow {
    pub(super) findings: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct FirstRow {
    pub(super) org_id: Option<OrgId>,
    pub(super) source: Option<SourceId>,
    pub(super) since: Micros,
}

#[derive(Debug, Deserialize)]
pub(super) struct SeriesRow {
    pub(super) org_id: Option<OrgId>,
    pub(super) agent_id: Option<String>,
    pub(super) dest_host: Option<String>,
    pub(super) calls: i64,
    pub(super) failures: i64,
    pub(super) denied: i64,
    pub(super) unknown: i64,
    pub(super) calls_before: i64,
    pub(super) failures_before: i64,
    pub(super) denied_before: i64,
    pub(super) unknown_before: i64,
}

/// Runs a statement with those of the bounds that it names.
pub(super) async fn rows<T: DeserializeOwned>(
    session: &Session,
    sql: &str,
    bounds: Bounds,
) -> Result<Vec<T>, QueryError> {
    let time = |time: Micros| ScalarValue::TimestampMicrosecond(Some(time.0), Some("UTC".into()));
    let all = [
        ("before", time(bounds.before)),
        ("from", time(bounds.from)),
        ("to", time(bounds.to)),
        ("start", ScalarValue::Int64(Some(bounds.from.0))),
    ];
    let named = all.into_iter().filter(|(name, _)| sql.contains(&["$", name].concat()));
    let named: BTreeMap<String, ScalarValue> = named.map(|(name, value)| (name.to_owned(), value)).collect();
    let params = if named.is_empty() { Params::None } else { Params::Named(named) };
    let mut rows = Vec::new();
    for batch in session.run(sql, params).await?.collect().await? {
        rows.extend(from_batch::<T>(&batch).map_err(|error| {
            tracing::error!(%error, "an answer for a report cannot be read");
            QueryError::Storage
        })?);
    }
    Ok(rows)
}
