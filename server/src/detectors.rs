//! `GET /v1/detectors`: what watches, how far it has judged, and what it cannot see.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use credwatch_detectors::outcomes;
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::detector_status::{DetectorStatus, statuses};
use crate::problem::Problem;
use crate::tenant::scope;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    org: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    detectors: Vec<DetectorStatus>,
}

pub(crate) async fn list(
    State(api): State<Api>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Answer>, Problem> {
    let Query(asked) = asked.map_err(|rejection| Problem::bad_request("bad_query", rejection.body_text()))?;
    let snapshot = api.snapshot().await?;
    let rows = outcomes(&snapshot).await.map_err(|error| Problem::internal("reading coverage", &error))?;
    Ok(Json(Answer { detectors: statuses(&api.registry, &rows, &scope(asked.org.as_deref())) }))
}
