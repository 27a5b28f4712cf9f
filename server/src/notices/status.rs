//! How each route, heartbeat and schedule of this process is doing, for whoever asks: `GET /v1/notifications`.

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

/// Those of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Notifications(Arc<Mutex<BTreeMap<String, NotificationStatus>>>);

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct NotificationStatus {
    pub name: String,
    /// Findings that wait to be told: for more of their group, for the end of quiet hours, for the next hour.
    pub waiting: usize,
    /// Messages that are made and that nobody has taken yet, and their ids, at most a hundred.
    pub unsent: usize,
    pub unsent_ids: Vec<String>,
    /// Messages that were taken from this process.
    pub sent: u64,
    pub last_sent_time: Option<Micros>,
    /// Why it does not get on at this moment; null: it does.
    pub failing: Option<String>,
}

impl Notifications {
    pub(crate) fn write(&self, name: &str, change: impl FnOnce(&mut NotificationStatus)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || NotificationStatus { name: name.to_owned(), ..Default::default() };
        let status = all.entry(name.to_owned()).or_insert_with(new);
        change(status);
        metrics::gauge!("credwatch_route_healthy", "route" => name.to_owned())
            .set(f64::from(u8::from(status.failing.is_none())));
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("credwatch_route_unsent_messages", "route" => name.to_owned()).set(status.unsent as f64);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("credwatch_route_waiting_findings", "route" => name.to_owned()).set(status.waiting as f64);
    }

    pub(crate) fn sent(&self, name: &str, messages: u64, now: Micros) {
        self.write(name, |status| {
            status.sent += messages;
            status.last_sent_time = Some(now);
            status.failing = None;
        });
        metrics::counter!("credwatch_route_messages_total", "route" => name.to_owned()).increment(messages);
    }

    /// Why it does not get on, said once in the log; `None`: it does.
    pub(crate) fn failing(&self, name: &str, why: Option<String>) {
        let is_failing = why.is_some();
        self.write(name, |status| {
            if let Some(why) = why.as_ref().filter(|_| status.failing != why) {
                tracing::warn!(route = name, why, "a route does not get on");
            }
            status.failing = why;
        });
        if is_failing {
            metrics::counter!("credwatch_route_failures_total", "route" => name.to_owned()).increment(1);
        }
    }

    pub fn read(&self) -> Vec<NotificationStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Notifications)]
pub(crate) struct Listed {
    routes: Vec<NotificationStatus>,
}

/// How each route, heartbeat and schedule of this server is doing, and why one does not get on.
#[utoipa::path(get, path = "/v1/notifications", tag = "operation", responses((status = OK, body = Listed)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<Listed>, Problem> {
    let permit = caller.beyond_orgs(Right::ReadMetrics)?;
    if *permit.reach() != Reach::Operator {
        let why = "routes are the operator's, and this key reaches some orgs only";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", why));
    }
    Ok(Json(Listed { routes: api.notifications.read() }))
}
