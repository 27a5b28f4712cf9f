//! Is it alive, can it work, and the numbers behind that.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::api::Api;
use crate::background::LastRun;
use crate::problem::Problem;

/// `GET /healthz`: the process answers.
pub(crate) async fn live() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

/// `GET /readyz`: the lake can be read and every background task succeeded last time; else 503, and what is wrong.
pub(crate) async fn ready(State(api): State<Api>) -> Response {
    let mut wrong: Vec<Value> = Vec::new();
    if let Err(error) = api.lake.snapshot().await {
        wrong.push(json!({"what": "lake", "why": error.to_string()}));
    }
    for (task, run) in api.board.read() {
        if let LastRun::Failed(why) = run {
            wrong.push(json!({"what": task, "why": why}));
        }
    }
    if wrong.is_empty() {
        Json(json!({"status": "ready"})).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "not_ready", "because": wrong}))).into_response()
    }
}

/// `GET /metrics`: Prometheus text.
pub(crate) async fn metrics(State(api): State<Api>) -> String {
    api.metrics.render()
}

pub(crate) async fn no_such_route(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {:?}", uri.path()))
}
