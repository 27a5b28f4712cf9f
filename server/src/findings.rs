//! `GET /v1/findings`: what stands now, page by page; `GET /v1/findings/{id}`: one finding with all its revisions.
//!
//! Beside the findings a list says what it left out and what could not be seen: an empty list alone means nothing.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use credwatch_detectors::FindingFilter;
use credwatch_detectors::outcomes;
use credwatch_schemas::access::Right;
use credwatch_schemas::finding::{Finding, Severity, Status};
use credwatch_schemas::ids::{DetectorId, FindingId};
use credwatch_schemas::time::Micros;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::Caller;
use crate::api::Api;
use crate::cursor::{Cursor, page};
use crate::detector_status::{blind_spots, statuses};
use crate::problem::Problem;
use crate::reading::{self, LeftOut};

const LIMIT: usize = 100;
const HIGHEST_LIMIT: usize = 1_000;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Asked {
    org: Option<String>,
    detector: Option<DetectorId>,
    status: Option<Status>,
    /// This severity or worse.
    severity: Option<Severity>,
    /// Raised at this event time or later.
    since: Option<Micros>,
    /// Digests, suppressed and withdrawn ones too.
    all: bool,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// One page of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Findings)]
pub struct List {
    pub findings: Vec<Finding>,
    /// Give it back as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
    pub left_out: LeftOut,
    /// Where the absence of findings means nothing.
    pub not_seen: Vec<String>,
}

/// What stands now, the newest first, page by page.
#[utoipa::path(get, path = "/v1/findings", tag = "findings", params(Asked), responses((status = OK, body = List)))]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<List>, Problem> {
    let Query(asked) = asked.map_err(|rejection| Problem::bad_request("bad_query", rejection.body_text()))?;
    let (limit, after) = (asked.limit()?, asked.cursor()?);
    let permit = caller.within(asked.org.as_deref())?.may(Right::ReadFindings)?;
    let snapshot = api.snapshot(&permit).await?;
    let listed = reading::current(&snapshot, permit.scope().clone(), api.limits, &asked.filter()).await?;
    let rows = outcomes(&snapshot).await.map_err(|error| Problem::internal("reading coverage", &error))?;
    let page = page(listed.findings, after.as_ref(), limit);
    Ok(Json(List {
        findings: page.findings,
        next_cursor: page.next.map(|cursor| cursor.to_string()),
        left_out: listed.left_out,
        not_seen: blind_spots(&statuses(&api.registry, &rows, permit.scope())),
    }))
}

impl Asked {
    fn filter(&self) -> FindingFilter {
        FindingFilter {
            detector: self.detector.clone(),
            org: None,
            status: self.status,
            severity: self.severity,
            since: self.since,
            with_quiet: self.all,
        }
    }

    fn limit(&self) -> Result<usize, Problem> {
        match self.limit {
            None => Ok(LIMIT),
            Some(limit @ 1..=HIGHEST_LIMIT) => Ok(limit),
            Some(_) => Err(Problem::bad_request("bad_limit", format!("limit is 1 to {HIGHEST_LIMIT}"))),
        }
    }

    fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        let Some(text) = &self.cursor else { return Ok(None) };
        let unknown = || Problem::bad_request("bad_cursor", "cursor is not one that this API gave out");
        Cursor::parse(text).ok_or_else(unknown).map(Some)
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    pub(crate) org: Option<String>,
}

/// One finding, whole.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = FindingWithRevisions)]
pub struct Shown {
    /// The last revision.
    pub finding: Finding,
    /// All of them, the oldest first.
    pub revisions: Vec<Finding>,
}

/// One finding with all its revisions.
#[utoipa::path(get, path = "/v1/findings/{id}", tag = "findings", params(("id" = String, Path), Whose), responses((status = OK, body = Shown)))]
pub(crate) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Json<Shown>, Problem> {
    let Query(whose) = whose.map_err(|rejection| Problem::bad_request("bad_query", rejection.body_text()))?;
    let permit = caller.within(whose.org.as_deref())?.may(Right::ReadFindings)?;
    let snapshot = api.snapshot(&permit).await?;
    let id = FindingId::new(id);
    let revisions = reading::revisions(&snapshot, permit.scope().clone(), api.limits, &id).await?;
    match revisions.last().cloned() {
        Some(finding) => Ok(Json(Shown { finding, revisions })),
        None => Err(Problem::not_found(format!("there is no finding {:?}", id.as_str()))),
    }
}
