//! `GET /v1/reports/weekly`: the report of a week, in any of its shapes.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use credwatch_export::report::{csv, html, markdown};
use credwatch_query::{QueryError, Session};
use credwatch_schemas::access::Right;
use credwatch_schemas::weekly_report::WeeklyReport;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{EditionError, ReportError, Week, Weekly, document};
use crate::access::Caller;
use crate::api::Api;
use crate::problem::Problem;
use crate::sql::not_now;

/// The shapes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ReportFormat)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The document itself; the others are made of it.
    #[default]
    Json,
    Md,
    Html,
    Csv,
}

impl Format {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Md => "text/markdown; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }
}

impl Format {
    /// Of a file's name.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Md => "md",
            Self::Html => "html",
            Self::Csv => "csv",
        }
    }
}

/// A report in a shape; JSON is one line.
pub fn rendered(report: &WeeklyReport, format: Format) -> String {
    match format {
        Format::Json => [&document(report), "\n"].concat(),
        Format::Md => markdown(report),
        Format::Html => html(report),
        Format::Csv => csv(report),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    org: Option<String>,
    /// ISO 8601, such as `2026-W46`; without it, the last week that has ended before the watermark.
    week: Option<String>,
    #[serde(default)]
    format: Format,
}

/// The weekly report. Made again it is the same bytes, until something that it tells of has changed; then it is the next edition.
#[utoipa::path(get, path = "/v1/reports/weekly", tag = "reports", params(Asked), responses((status = OK, content((WeeklyReport = "application/json"), (String = "text/markdown"), (String = "text/html"), (String = "text/csv")))))]
pub(crate) async fn weekly(
    State(api): State<Api>,
    caller: Caller,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|rejection| Problem::bad_request("bad_query", rejection.body_text()))?;
    let week = asked.week.map(|week| week.parse::<Week>()).transpose();
    let week = week.map_err(|error| Problem::bad_request("bad_week", error.to_string()))?;
    let permit = caller.within(asked.org.as_deref())?.may(Right::ReadFindings)?;
    let turn = api.statements.begin(uuid::Uuid::new_v4().simple().to_string(), permit.principal()).map_err(not_now)?;
    let snapshot = api.snapshot(&permit).await?;
    let session = Session::open(&snapshot, permit.scope().clone(), api.limits)?.on(turn.ground()?);
    let weekly = Weekly { lake: &api.lake, snapshot: &snapshot, session: &session };
    // All of its statements together have the time of one.
    let made = tokio::time::timeout(api.limits.time, weekly.make(week, (api.access.clock)())).await;
    let report = made.map_err(|_| QueryError::Time(api.limits.time))??;
    let body = rendered(&report, asked.format);
    // A page that is made of what others wrote runs nothing and asks nobody for anything.
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    let headers = [
        (header::CONTENT_TYPE, asked.format.content_type()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, body).into_response())
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Query(error) | ReportError::Edition(EditionError::Query(error)) => error.into(),
            ReportError::Edition(error) => Self::away("keeping the report", &error),
            ReportError::Lake(error) => Self::internal("reading the lake", &error),
            ReportError::Engine(error) => Self::internal("reading how detectors stand", &error),
            no_week => Self::new(StatusCode::NOT_FOUND, "no_report", no_week.to_string()),
        }
    }
}
