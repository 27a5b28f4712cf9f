//! A request as it comes, and the row of the audit that it becomes. Nothing here decides anything.

use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::StatusCode;
use credwatch_schemas::audit::AuditRow;
use credwatch_schemas::time::Micros;

use super::Access;
use super::note::Note;
use super::principal::Principal;

/// Which protocol a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surface {
    Http,
    Postgres,
    FlightSql,
}

impl Surface {
    /// As the audit names it.
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Postgres => "postgres",
            Self::FlightSql => "flight-sql",
        }
    }
}

/// What is known of a request when it comes.
pub(crate) struct Arrived {
    time: Micros,
    pub(super) begun: Instant,
    pub(super) request_id: String,
    surface: Surface,
    action: String,
    query: Option<String>,
    address: Option<String>,
    /// Only refusals are recorded: what is answered gives nobody's rows.
    pub(super) only_refusals: bool,
    /// Whether it may leave something behind.
    pub(super) changes: bool,
}

/// Requests with a body that only ask.
const ASKING: [&str; 2] = ["/v1/sql", "/api/v2/auditevents"];

impl Arrived {
    pub(super) fn now(access: &Access, request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().map_or("(no route)", MatchedPath::as_str);
        let address = request.extensions().get::<ConnectInfo<SocketAddr>>();
        Self {
            time: (access.clock)(),
            begun: Instant::now(),
            request_id: uuid::Uuid::new_v4().simple().to_string(),
            surface: Surface::Http,
            action: format!("{} {route}", request.method()),
            query: particular(request),
            address: address.map(|ConnectInfo(address)| address.ip().to_string()),
            only_refusals: route == "/metrics",
            changes: !request.method().is_safe() && !ASKING.contains(&route),
        }
    }

    /// A request of another protocol than HTTP: `connect`, `query`, `prepare` or `catalogue`.
    pub(crate) fn on(surface: Surface, access: &Access, action: &str, address: Option<SocketAddr>) -> Self {
        Self {
            time: (access.clock)(),
            begun: Instant::now(),
            request_id: uuid::Uuid::new_v4().simple().to_string(),
            surface,
            action: action.to_owned(),
            query: None,
            address: address.map(|address| address.ip().to_string()),
            only_refusals: false,
            changes: false,
        }
    }

    /// A request whose answer gives nobody's rows.
    pub(crate) fn recorded_if_refused(self) -> Self {
        Self { only_refusals: true, ..self }
    }

    /// Without a status: it is about to be done.
    pub(super) fn row(
        &self,
        principal: Option<&Principal>,
        note: &Note,
        status: Option<StatusCode>,
        code: Option<String>,
    ) -> AuditRow {
        let noted = note.read();
        AuditRow {
            seq: None,
            time: self.time,
            request_id: self.request_id.clone(),
            principal: principal.map(Principal::id),
            principal_name: principal.and_then(Principal::name).map(str::to_owned),
            role: principal.map(Principal::role),
            org_id: noted.org,
            surface: self.surface.name().to_owned(),
            action: self.action.clone(),
            detail: noted.detail.or_else(|| self.query.clone()),
            status: status.map(|status| i64::from(status.as_u16())),
            code,
            duration_ms: i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX),
            address: self.address.clone(),
        }
    }
}

/// The path where the route has places in it, and the query.
fn particular(request: &Request) -> Option<String> {
    let matched = request.extensions().get::<MatchedPath>().is_some_and(|route| route.as_str() == request.uri().path());
    let note = Note::default();
    match (matched, request.uri().path_and_query()) {
        (true, _) => request.uri().query().map(|query| note.detail(query))?,
        (false, whole) => note.detail(whole?.as_str()),
    }
    note.read().detail
}
