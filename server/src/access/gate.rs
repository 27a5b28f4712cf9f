//! The gate before every route that reads or changes anything: recognises who asks, lets them in at their rate, and
//! holds each answer back until its row in `audit` is durable. Numbers that a monitor scrapes hold nobody's rows: of
//! them only refusals are recorded.

use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use credwatch_schemas::audit::AuditRow;
use credwatch_schemas::time::Micros;

use super::bearer::{Brought, brought};
use super::caller::{Caller, Note};
use super::holder::{Recognised, recognise};
use super::principal::Principal;
use super::rate::Wait;
use super::{Access, Door};
use crate::api::Api;
use crate::problem::{Code, Problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Middleware; see the module.
pub(crate) async fn gate(State(api): State<Api>, request: Request, next: Next) -> Response {
    let access = &api.access;
    let (arrived, note) = (Arrived::now(access, &request), Note::default());
    let recognised = access.recognise(&request).await;
    let mut response = match &recognised {
        Ok(principal) => match access.admit(principal) {
            Ok(()) => next.run(with_caller(request, principal, &note)).await,
            Err(problem) => problem.into_response(),
        },
        Err(problem) if access.rates.refuse().is_ok() => problem.clone().into_response(),
        Err(_) => return too_many_refused(access),
    };
    if arrived.is_metrics && response.status().is_success() {
        return response;
    }
    let row = arrived.row(recognised.ok().as_ref(), &note, &response);
    response.headers_mut().extend(HeaderValue::from_str(&row.request_id).ok().map(|id| (REQUEST_ID, id)));
    match access.audit.write(row).await {
        Ok(()) => response,
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", AWAY).into_response(),
    }
}

const AWAY: &str = "what is asked must be recorded first, and cannot be at this moment";

fn with_caller(mut request: Request, principal: &Principal, note: &Note) -> Request {
    request.extensions_mut().insert(Caller::new(principal.clone(), note.clone()));
    request
}

/// Not recorded one by one: whoever guesses must not fill the disk.
fn too_many_refused(access: &Access) -> Response {
    metrics::counter!("credwatch_api_refused_unrecorded_total").increment(1);
    let wait = access.rates.refuse().err().unwrap_or(Wait(std::time::Duration::ZERO));
    limited(wait, (access.clock)(), "too many requests were refused at this moment").into_response()
}

fn limited(wait: Wait, now: Micros, why: &'static str) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "limit.rate", why).waiting(wait, now)
}

impl Access {
    async fn recognise(&self, request: &Request) -> Result<Principal, Problem> {
        match brought(request.headers()) {
            Brought::Nothing if self.door == Door::LocalIsOperator => Ok(Principal::local()),
            Brought::Nothing => Err(unauthorized("key_needed", "a key is needed: Authorization: Bearer KEY")),
            Brought::Unreadable => Err(unauthorized(
                "key_unreadable",
                "the authorization header holds no API key: one is cwk_, 16 hex digits, _ and 64 hex digits",
            )),
            Brought::Key(key) => {
                let holders =
                    self.keyring.holders().await.map_err(|error| Problem::away("reading the keys", &error))?;
                match recognise(&holders, &key, (self.clock)()) {
                    Recognised::Good(holder) => Ok(Principal::holding(holder)),
                    Recognised::Unknown => Err(unauthorized("key_unknown", "there is no such key")),
                    Recognised::Expired => Err(unauthorized("key_expired", "this key has expired")),
                    Recognised::Revoked => Err(unauthorized("key_revoked", "this key was revoked")),
                }
            }
        }
    }

    fn admit(&self, principal: &Principal) -> Result<(), Problem> {
        if principal.is_local() {
            return Ok(());
        }
        let admitted = self.rates.admit(&principal.id());
        admitted.map_err(|wait| limited(wait, (self.clock)(), "this key asks too often"))
    }
}

fn unauthorized(code: &'static str, why: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, why)
}

/// What is known of a request when it comes.
struct Arrived {
    time: Micros,
    begun: Instant,
    action: String,
    query: Option<String>,
    address: Option<String>,
    is_metrics: bool,
}

impl Arrived {
    fn now(access: &Access, request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().map_or("(no route)", MatchedPath::as_str);
        let address = request.extensions().get::<ConnectInfo<SocketAddr>>();
        Self {
            time: (access.clock)(),
            begun: Instant::now(),
            action: format!("{} {route}", request.method()),
            query: particular(request),
            address: address.map(|ConnectInfo(address)| address.ip().to_string()),
            is_metrics: route == "/metrics",
        }
    }

    fn row(self, principal: Option<&Principal>, note: &Note, response: &Response) -> AuditRow {
        let noted = note.read();
        AuditRow {
            seq: None,
            time: self.time,
            request_id: uuid::Uuid::new_v4().simple().to_string(),
            principal: principal.map(Principal::id),
            principal_name: principal.and_then(Principal::name).map(str::to_owned),
            role: principal.map(Principal::role),
            org_id: noted.org,
            surface: "http".to_owned(),
            action: self.action,
            detail: noted.detail.or(self.query),
            status: i64::from(response.status().as_u16()),
            code: response.extensions().get::<Code>().map(|Code(code)| (*code).to_owned()),
            duration_ms: i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX),
            address: self.address,
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

/// Clients that were refused learn how to ask.
pub(crate) fn challenge() -> (HeaderName, HeaderValue) {
    (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"credwatch\""))
}
