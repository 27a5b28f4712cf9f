//! The routes, and the listener that serves them until it is told to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use credwatch_detectors::Registry;
use credwatch_lake::{Lake, LakeSnapshot};
use credwatch_query::Limits;
use metrics_exporter_prometheus::PrometheusHandle;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::background::Board;
use crate::guard::guard;
use crate::problem::Problem;
use crate::pull::{self, Pull};
use crate::{detectors, findings, health, sql};

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    pub(crate) lake: Lake,
    pub(crate) registry: Arc<Registry>,
    pub(crate) limits: Limits,
    /// Statements that may run at once; one more is refused rather than queued.
    pub(crate) statements: Arc<Semaphore>,
    pub(crate) board: Board,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) pull: Arc<Pull>,
}

/// Each may use the whole memory limit.
const STATEMENTS_AT_ONCE: usize = 4;

impl Api {
    /// `limits` hold for each statement.
    pub fn new(lake: Lake, registry: Registry, limits: Limits, board: Board, metrics: PrometheusHandle) -> Self {
        let statements = Arc::new(Semaphore::new(STATEMENTS_AT_ONCE));
        Self { lake, registry: Arc::new(registry), limits, statements, board, metrics, pull: Arc::default() }
    }

    /// The address that clients reach it by, when it is not the listener's own: links to next pages begin with it.
    pub fn reached_at(self, base: &str) -> Result<Self, ServeError> {
        if !pull::is_base(base) {
            return Err(ServeError::PublicUrl(base.to_owned()));
        }
        self.pull.is_reached_at(base);
        Ok(self)
    }

    pub(crate) async fn snapshot(&self) -> Result<LakeSnapshot, Problem> {
        self.lake.snapshot().await.map_err(|error| Problem::internal("reading the lake", &error))
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Api").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[derive(Debug, Error)]
pub enum ServeError {
    #[error("the API may listen on loopback only until keys exist, not on \"{0}\"")]
    NotLoopback(SocketAddr),
    #[error("listening on \"{address}\"")]
    Bind { address: SocketAddr, source: std::io::Error },
    #[error(
        "\"{0}\" is no address that clients could reach: http:// or https://, a host, and at most a path of plain letters"
    )]
    PublicUrl(String),
    #[error("serving the API")]
    Serve(#[source] std::io::Error),
}

/// A bound listener; [`Listening::serve`] answers on it.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listening {
    /// Port 0 takes a free one; [`Self::address`] says which.
    pub async fn bind(address: SocketAddr) -> Result<Self, ServeError> {
        if !address.ip().is_loopback() {
            return Err(ServeError::NotLoopback(address));
        }
        let bind = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        Ok(Self { listener, address })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is ready, then finishes the requests under way.
    pub async fn serve(self, api: Api, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        api.pull.listens_at(self.address);
        let stopping = api.pull.stopping.clone();
        let stop = async move {
            stop.await;
            stopping.cancel();
        };
        axum::serve(self.listener, routes(api)).with_graceful_shutdown(stop).await.map_err(ServeError::Serve)
    }
}

pub(crate) fn routes(api: Api) -> Router {
    Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/v1/findings", get(findings::list))
        .route("/v1/findings/{id}", get(findings::show))
        .route("/v1/detectors", get(detectors::list))
        .route("/v1/sql", post(sql::run))
        .merge(pull::routes(&api))
        .fallback(health::no_such_route)
        .layer(DefaultBodyLimit::max(256 * 1024))
        .layer(from_fn(guard))
        .with_state(api)
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
