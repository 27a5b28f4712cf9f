//! `GET /v1/detectors`: what watches, how far it has judged, and what it cannot see.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use credwatch_detectors::outcomes;
use credwatch_schemas::access::Right;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::Caller;
use crate::api::Api;
use crate::detector_status::{DetectorStatus, statuses};
use crate::problem::Problem;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    org: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Detectors)]
pub(crate) struct Answer {
    detectors: Vec<DetectorStatus>,
}

/// What watches, how far it has judged, and what it cannot see.
#[utoipa::path(get, path = "/v1/detectors", tag = "findings", params(Asked), responses((status = OK, body = Answer)))]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Answer>, Problem> {
    let Query(asked) = asked.map_err(|rejection| Problem::bad_request("bad_query", rejection.body_text()))?;
    let permit = caller.within(asked.org.as_deref())?.may(Right::ReadFindings)?;
    let snapshot = api.snapshot(&permit).await?;
    let rows = outcomes(&snapshot).await.map_err(|error| Problem::internal("reading coverage", &error))?;
    Ok(Json(Answer { detectors: statuses(&api.registry, &rows, permit.scope()) }))
}
