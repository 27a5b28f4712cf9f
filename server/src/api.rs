//! The routes, and what their handlers share.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};
use credwatch_detectors::Registry;
use credwatch_lake::{Lake, LakeSnapshot};
use credwatch_query::Limits;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::access::{Access, AuditLog, Clock, Door, Permit, gate};
use crate::background::Board;
use crate::guard::guard;
use crate::listener::ListenError;
use crate::problem::Problem;
use crate::pull::{self, Pull};
use crate::statements::Statements;
use crate::{detectors, findings, health, keys, sql, triage, who_used};

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    pub(crate) lake: Lake,
    pub(crate) registry: Arc<Registry>,
    pub(crate) limits: Limits,
    pub(crate) statements: Statements,
    pub(crate) board: Board,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) access: Access,
    pub(crate) pull: Arc<Pull>,
}

impl Api {
    /// `limits` hold for each statement. The lake must be one that may be written: every request is recorded in it.
    pub fn new(
        lake: Lake,
        registry: Registry,
        limits: Limits,
        board: Board,
        metrics: PrometheusHandle,
        door: Door,
        clock: Clock,
    ) -> Self {
        let access = Access::new(lake.clone(), door, AuditLog::start(lake.clone(), clock), clock);
        let (registry, statements, pull) = (Arc::new(registry), Statements::default(), Arc::default());
        Self { lake, registry, limits, statements, board, metrics, access, pull }
    }

    /// The address that clients reach it by, when it is not the listener's own: links to next pages begin with it.
    pub fn reached_at(self, base: &str) -> Result<Self, ListenError> {
        if !pull::is_base(base) {
            return Err(ListenError::PublicUrl(base.to_owned()));
        }
        self.pull.is_reached_at(base);
        Ok(self)
    }

    /// What there is to read, for somebody who may read it.
    pub(crate) async fn snapshot(&self, _permit: &Permit) -> Result<LakeSnapshot, Problem> {
        self.lake.snapshot().await.map_err(|error| Problem::internal("reading the lake", &error))
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Api").field("limits", &self.limits).finish_non_exhaustive()
    }
}

pub(crate) fn routes(api: Api) -> Router {
    let door = api.access.door();
    Router::new()
        .route("/metrics", get(health::metrics))
        .route("/v1/findings", get(findings::list))
        .route("/v1/findings/{id}", get(findings::show))
        .route("/v1/findings/{id}/triage", post(triage::say))
        .route("/v1/detectors", get(detectors::list))
        .route("/v1/sql", post(sql::run))
        .route("/v1/sql/{query_id}", get(sql::report).delete(sql::cancel))
        .route("/v1/who-used/{id}", get(who_used::show))
        .route("/v1/keys", get(keys::list).post(keys::create))
        .route("/v1/keys/{id}", delete(keys::revoke))
        .route("/v1/whoami", get(keys::whoami))
        .merge(pull::routes(&api))
        .layer(from_fn_with_state(api.clone(), gate))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .fallback(health::no_such_route)
        .layer(DefaultBodyLimit::max(256 * 1024))
        .layer(from_fn(move |request, next| guard(door, request, next)))
        .with_state(api)
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
