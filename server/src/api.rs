//! The routes, and what their handlers share.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use axum::{Json, Router};
use credwatch_detectors::Registry;
use credwatch_lake::{Lake, LakeSnapshot};
use credwatch_query::Limits;
use metrics_exporter_prometheus::PrometheusHandle;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Access, AuditLog, Clock, Door, Issuer, Minting, Permit, gate, oauth};
use crate::background::Board;
use crate::guard::guard;
use crate::listener::ListenError;
use crate::measured::measured;
use crate::notices::Notifications;
use crate::openapi;
use crate::problem::Problem;
use crate::pull::{self, Pull};
use crate::push::{self, Sinks};
use crate::saved_queries::routes as saved_queries;
use crate::statements::Statements;
use crate::{detectors, findings, grants, health, keys, notices, reports, sql, triage, who_used};

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
    pub(crate) sinks: Sinks,
    pub(crate) notifications: Notifications,
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
        Self {
            lake,
            registry,
            limits,
            statements,
            board,
            metrics,
            access,
            pull,
            sinks: Sinks::default(),
            notifications: Notifications::default(),
        }
    }

    /// The address that clients reach it by, when it is not the listener's own: links to next pages begin with it.
    pub fn reached_at(self, base: &str) -> Result<Self, ListenError> {
        if !pull::is_base(base) {
            return Err(ListenError::PublicUrl(base.to_owned()));
        }
        self.pull.is_reached_at(base);
        Ok(self)
    }

    /// Besides keys, tokens of this issuer count.
    #[must_use]
    pub fn trusting(mut self, issuer: Issuer) -> Self {
        self.access.trust(issuer);
        self
    }

    /// Tells of these sinks.
    #[must_use]
    pub fn with_sinks(self, sinks: Sinks) -> Self {
        Self { sinks, ..self }
    }

    /// Tells of these routes, heartbeats and schedules.
    #[must_use]
    pub fn with_notifications(self, notifications: Notifications) -> Self {
        Self { notifications, ..self }
    }

    /// Gives access tokens to machines.
    #[must_use]
    pub fn minting(mut self, minting: Minting) -> Self {
        self.access.mint_with(minting);
        self
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
    let (routes, document) = described(&api).split_for_parts();
    let document = openapi::finished(document);
    routes
        .route(openapi::PATH, get(move || async move { Json(document) }))
        .fallback(health::no_such_route)
        .layer(DefaultBodyLimit::max(256 * 1024))
        .layer(from_fn(move |request, next| guard(door, request, next)))
        .layer(from_fn(measured))
        .with_state(api)
}

/// Every route together with its description, so that there is none without one. Below the gate: health, and the way to a
/// token.
fn described(api: &Api) -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(health::metrics))
        .routes(routes!(push::list))
        .routes(routes!(notices::list))
        .routes(routes!(findings::list))
        .routes(routes!(findings::show))
        .routes(routes!(triage::say))
        .routes(routes!(detectors::list))
        .routes(routes!(sql::run))
        .routes(routes!(sql::report, sql::cancel))
        .routes(routes!(who_used::show))
        .routes(routes!(reports::weekly))
        .routes(routes!(reports::readiness))
        .routes(routes!(reports::compliance))
        .routes(routes!(reports::credentials))
        .routes(routes!(reports::offboarding))
        .routes(routes!(saved_queries::list))
        .routes(routes!(saved_queries::show, saved_queries::save, saved_queries::remove))
        .routes(routes!(saved_queries::run))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::whoami))
        .routes(routes!(grants::list, grants::create))
        .routes(routes!(grants::withdraw))
        .merge(pull::routes(api))
        .layer(from_fn_with_state(api.clone(), gate))
        .routes(routes!(oauth::token))
        .routes(routes!(oauth::metadata))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
