//! `GET /v1/reports/...`: the report of a week in any of its shapes, checklists, and inventories.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use credwatch_export::report::{csv, html, markdown};
use credwatch_query::format::{OutputFormat, write};
use credwatch_query::{Params, QueryError, Session};
use credwatch_schemas::access::Right;
use credwatch_schemas::checklist::{Checklist, Framework};
use credwatch_schemas::time::Micros;
use credwatch_schemas::weekly_report::WeeklyReport;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::checks::{CREDENTIALS, OFFBOARDING, checklist};
use super::{EditionError, ReportError, Week, Weekly, document, limits};
use crate::access::Caller;
use crate::api::Api;
use crate::findings::Whose;
use crate::problem::Problem;
use crate::sql::not_now;

/// The shapes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
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
    #[param(inline)]
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
    let session = Session::open(&snapshot, permit.scope().clone(), limits(api.limits))?.on(turn.ground()?);
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

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedChecks {
    org: Option<String>,
    /// Event time, inclusive; without it, thirty days before the end.
    from: Option<Micros>,
    /// Event time, exclusive; without it, the last event.
    to: Option<Micros>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedCompliance {
    /// soc2, gdpr, hipaa or iso27001.
    framework: Framework,
    org: Option<String>,
    /// Event time, inclusive; without it, thirty days before the end.
    from: Option<Micros>,
    /// Event time, exclusive; without it, the last event.
    to: Option<Micros>,
}

/// Is this ready for a second customer? Twelve checks: yes, no, or not observable, each with the statement that shows why.
#[utoipa::path(get, path = "/v1/reports/readiness", tag = "reports", params(AskedChecks), responses((status = OK, body = Checklist)))]
pub(crate) async fn readiness(
    State(api): State<Api>,
    caller: Caller,
    asked: Result<Query<AskedChecks>, QueryRejection>,
) -> Result<Json<Checklist>, Problem> {
    let Query(asked) = asked.map_err(|rejection| Problem::bad_request("bad_query", rejection.body_text()))?;
    checked(&api, caller, Framework::Readiness, asked).await
}

/// What can be shown to an auditor: the questions of a framework that the log can answer.
#[utoipa::path(get, path = "/v1/reports/compliance", tag = "reports", params(AskedCompliance), responses((status = OK, body = Checklist)))]
pub(crate) async fn compliance(
    State(api): State<Api>,
    caller: Caller,
    asked: Result<Query<AskedCompliance>, QueryRejection>,
) -> Result<Json<Checklist>, Problem> {
    let Query(asked) = asked.map_err(|rejection| Problem::bad_request("bad_query", rejection.body_text()))?;
    let AskedCompliance { framework, org, from, to } = asked;
    checked(&api, caller, framework, AskedChecks { org, from, to }).await
}

async fn checked(
    api: &Api,
    caller: Caller,
    framework: Framework,
    asked: AskedChecks,
) -> Result<Json<Checklist>, Problem> {
    let permit = caller.within(asked.org.as_deref())?.may(Right::RunSql)?;
    let turn = api.statements.begin(uuid::Uuid::new_v4().simple().to_string(), permit.principal()).map_err(not_now)?;
    let session = Session::open(&api.snapshot(&permit).await?, permit.scope().clone(), api.limits)?.on(turn.ground()?);
    let made = tokio::time::timeout(api.limits.time, checklist(&session, framework, asked.from, asked.to)).await;
    Ok(Json(made.map_err(|_| QueryError::Time(api.limits.time))??))
}

/// Every credential: its owner, its scope, when it was used last, and which agents stop when it is revoked.
#[utoipa::path(get, path = "/v1/reports/credentials", tag = "reports", params(Whose), responses((status = OK, body = Vec<Object>)))]
pub(crate) async fn credentials(
    State(api): State<Api>,
    caller: Caller,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Response, Problem> {
    inventory(&api, caller, whose, CREDENTIALS, Params::None).await
}

/// What stops when somebody leaves: their connections, the agents that use them, and what goes on.
#[utoipa::path(get, path = "/v1/reports/offboarding/{user}", tag = "reports", params(("user" = String, Path, description = "As events name the person."), Whose), responses((status = OK, body = Vec<Object>)))]
pub(crate) async fn offboarding(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Response, Problem> {
    inventory(&api, caller, whose, OFFBOARDING, Params::texts([user.as_str()])).await
}

async fn inventory(
    api: &Api,
    caller: Caller,
    whose: Result<Query<Whose>, QueryRejection>,
    statement: &str,
    params: Params,
) -> Result<Response, Problem> {
    let Query(whose) = whose.map_err(|rejection| Problem::bad_request("bad_query", rejection.body_text()))?;
    let permit = caller.within(whose.org.as_deref())?.may(Right::RunSql)?;
    let turn = api.statements.begin(uuid::Uuid::new_v4().simple().to_string(), permit.principal()).map_err(not_now)?;
    let session = Session::open(&api.snapshot(&permit).await?, permit.scope().clone(), api.limits)?.on(turn.ground()?);
    let rows = session.run(statement, params).await?.collect().await?;
    let written = match rows.first() {
        Some(first) => write(OutputFormat::Json, &first.schema(), &rows),
        None => Ok(b"[]\n".to_vec()),
    };
    let body = written.map_err(|error| Problem::internal("writing the answer", &error))?;
    Ok(([(header::CONTENT_TYPE, OutputFormat::Json.content_type())], body).into_response())
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Query(error) | ReportError::Edition(EditionError::Query(error)) => error.into(),
            ReportError::Edition(error) => Self::away("keeping the report", &error),
            ReportError::Lake(error) => Self::internal("reading the lake", &error),
            ReportError::Engine(error) => Self::internal("reading how detectors stand", &error),
            error @ ReportError::Backwards { .. } => Self::bad_request("bad_query", error.to_string()),
            no_week => Self::new(StatusCode::NOT_FOUND, "no_report", no_week.to_string()),
        }
    }
}
