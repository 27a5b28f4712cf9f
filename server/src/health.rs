//! Is it alive, can it work, and the numbers behind that.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use credwatch_schemas::access::{Reach, Right};
use serde_json::{Value, json};

use crate::access::{Caller, Door};
use crate::api::Api;
use crate::background::LastRun;
use crate::problem::Problem;

/// `GET /healthz`: the process answers.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = OK, body = Object)))]
pub(crate) async fn live() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

/// `GET /readyz`: the lake can be read and every background task succeeded last time; else 503, and what is wrong.
#[utoipa::path(get, path = "/readyz", tag = "operation", responses((status = OK, body = Object), (status = SERVICE_UNAVAILABLE, description = "What is wrong.", body = Object)))]
pub(crate) async fn ready(State(api): State<Api>) -> Response {
    let mut wrong: Vec<Value> = Vec::new();
    // Anybody may ask, so a stranger learns what is wrong and not why: causes name paths and topics.
    let cause = |what: &str, why: String| match api.access.door() {
        Door::LocalIsOperator => json!({"what": what, "why": why}),
        Door::KeysOnly => json!({"what": what}),
    };
    if let Err(error) = api.lake.snapshot().await {
        wrong.push(cause("lake", error.to_string()));
    }
    for (task, run) in api.board.read() {
        if let LastRun::Failed(why) = run {
            wrong.push(cause(task, why));
        }
    }
    if wrong.is_empty() {
        Json(json!({"status": "ready"})).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "not_ready", "because": wrong}))).into_response()
    }
}

/// `GET /metrics`: Prometheus text, about everybody at once.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses((status = OK, content_type = "text/plain", body = String)))]
pub(crate) async fn metrics(State(api): State<Api>, caller: Caller) -> Result<String, Problem> {
    let permit = caller.beyond_orgs(Right::ReadMetrics)?;
    if *permit.reach() != Reach::Operator {
        let why = "the metrics are about every org, and this key reaches some only";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", why));
    }
    Ok(api.metrics.render())
}

pub(crate) async fn no_such_route(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {:?}", uri.path()))
}
