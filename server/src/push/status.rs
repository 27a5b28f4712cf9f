//! How each sink is doing, for whoever asks: `GET /v1/sinks`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use credwatch_schemas::access::{Reach, Right};
use credwatch_schemas::time::Micros;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Caller;
use crate::api::Api;
use crate::problem::Problem;

/// The sinks of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Sinks(Arc<Mutex<BTreeMap<String, SinkStatus>>>);

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct SinkStatus {
    pub name: String,
    /// Every row up to this `seq` was taken.
    pub position: i64,
    /// Numbers of `seq` that it is behind; some are other orgs' rows where it is one org's.
    pub behind_at_most: i64,
    /// Rows that this process has delivered.
    pub delivered: u64,
    pub last_delivered_time: Option<Micros>,
    /// Why it does not go on at this moment; null: it does.
    pub failing: Option<String>,
}

impl Sinks {
    pub(super) fn write(&self, name: &str, change: impl FnOnce(&mut SinkStatus)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let status =
            all.entry(name.to_owned()).or_insert_with(|| SinkStatus { name: name.to_owned(), ..Default::default() });
        change(status);
        metrics::gauge!("credwatch_sink_healthy", "sink" => name.to_owned())
            .set(f64::from(u8::from(status.failing.is_none())));
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("credwatch_sink_behind_rows", "sink" => name.to_owned()).set(status.behind_at_most as f64);
    }

    pub(super) fn read(&self) -> Vec<SinkStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Sinks)]
pub(crate) struct Listed {
    sinks: Vec<SinkStatus>,
}

/// How far each configured sink of this server is, and why one does not go on.
#[utoipa::path(get, path = "/v1/sinks", tag = "operation", responses((status = OK, body = Listed)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<Listed>, Problem> {
    let permit = caller.beyond_orgs(Right::ReadMetrics)?;
    if *permit.reach() != Reach::Operator {
        let why = "sinks are the operator's, and this key reaches some orgs only";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", why));
    }
    Ok(Json(Listed { sinks: api.sinks.read() }))
}
