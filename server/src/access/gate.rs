//! The gate before every route that reads or changes anything: recognises who asks, lets them in at their rate, and
//! holds each answer back until its row in `audit` is durable. Numbers that a monitor scrapes hold nobody's rows: of
//! them only refusals are recorded.

use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use credwatch_schemas::time::Micros;

use super::arrived::Arrived;
use super::bearer::{Brought, brought};
use super::caller::Caller;
use super::holder::{Recognised, recognise};
use super::key::Key;
use super::keys::KeyError;
use super::note::Note;
use super::principal::Principal;
use super::rate::Standing;
use super::resident::refusal;
use super::{Access, Door, keyring};
use crate::api::Api;
use crate::problem::{Code, Problem};

/// A body must have come within this long, and be no larger.
const BODY_WITHIN: Duration = Duration::from_secs(10);
const LARGEST_BODY: usize = 256 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Middleware; see the module. It runs in a task of its own: whoever hangs up must not take the audit's row along.
pub(crate) async fn gate(State(api): State<Api>, request: Request, next: Next) -> Response {
    let passed = tokio::spawn(pass(api, request, next)).await;
    passed.unwrap_or_else(|error| Problem::internal("answering the request", &error).into_response())
}

async fn pass(api: Api, request: Request, next: Next) -> Response {
    let access = &api.access;
    let (arrived, note) = (Arrived::now(access, &request), Note::default());
    let recognised = access.recognise(request.headers()).await;
    let admitted = recognised.clone().and_then(|principal| access.admit(&principal).map(|()| principal));
    let answered = match admitted {
        Ok(principal) => answer(access, &arrived, request, principal, &note, next).await,
        Err(problem) => match access.rates.refuse() {
            Ok(_) => Err(problem),
            Err(standing) => return too_many_refused(access, standing),
        },
    };
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    response.headers_mut().extend(HeaderValue::from_str(&arrived.request_id).ok().map(|id| (REQUEST_ID, id)));
    if arrived.only_refusals && response.status().is_success() {
        return response;
    }
    let code = response.extensions().get::<Code>().map(|Code(code)| (*code).to_owned());
    let row = arrived.row(recognised.ok().as_ref(), &note, Some(response.status()), code);
    match access.audit.write(row).await {
        Ok(()) => response,
        Err(_) => away().into_response(),
    }
}

/// The handler's answer to somebody whose key holds when it begins, and still holds when it is ready. What changes
/// something is recorded before it does.
async fn answer(
    access: &Access,
    arrived: &Arrived,
    request: Request,
    principal: Principal,
    note: &Note,
    next: Next,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let request = whole(request).await?;
    access.holds_still(arrived.begun, &headers).await?;
    if arrived.changes {
        let row = arrived.row(Some(&principal), note, None, None);
        access.audit.write(row).await.map_err(|_| away())?;
    }
    let begun = Instant::now();
    let response = next.run(with_caller(request, principal, note)).await;
    access.holds_still(begun, &headers).await?;
    Ok(response)
}

/// The request with its body read: who sends it byte by byte must not outlive the recognition.
async fn whole(request: Request) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let slow = || Problem::new(StatusCode::REQUEST_TIMEOUT, "slow_body", "the body did not come in time");
    let large =
        || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_body", "the body is larger than 256 KiB, or broke off");
    let read = tokio::time::timeout(BODY_WITHIN, to_bytes(body, LARGEST_BODY)).await.map_err(|_| slow())?;
    Ok(Request::from_parts(parts, Body::from(read.map_err(|_| large())?)))
}

pub(super) fn away() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", AWAY)
}

const AWAY: &str = "what is asked must be recorded, and cannot be at this moment";

fn with_caller(mut request: Request, principal: Principal, note: &Note) -> Request {
    request.extensions_mut().insert(Caller::new(principal, note.clone()));
    request
}

/// Not recorded one by one: whoever guesses, or asks far too often, must not fill the disk.
fn too_many_refused(access: &Access, standing: Standing) -> Response {
    metrics::counter!("credwatch_api_refused_unrecorded_total").increment(1);
    limited(standing, (access.clock)(), "too many requests were refused at this moment").into_response()
}

pub(crate) fn limited(standing: Standing, now: Micros, why: &'static str) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "limit.rate", why).waiting(standing, now)
}

impl Access {
    /// A key that was good when the request came may have been revoked while it waited.
    async fn holds_still(&self, since: Instant, headers: &HeaderMap) -> Result<(), Problem> {
        if since.elapsed() < keyring::FRESH {
            return Ok(());
        }
        self.recognise(headers).await.map(drop)
    }

    async fn recognise(&self, headers: &HeaderMap) -> Result<Principal, Problem> {
        match brought(headers) {
            Brought::Nothing if self.door == Door::LocalIsOperator => Ok(Principal::local()),
            Brought::Nothing => Err(unauthorized("key_needed", "a key is needed: Authorization: Bearer KEY")),
            Brought::Unreadable => Err(unauthorized(
                "key_unreadable",
                "the authorization header holds no API key: one is cwk_, 16 hex digits, _ and 64 hex digits",
            )),
            Brought::Key(key) => self.holder_of(&key).await,
        }
    }

    async fn holder_of(&self, key: &Key) -> Result<Principal, Problem> {
        let away = |error: KeyError| Problem::away("reading the keys", &error);
        let (mut holders, now) = (self.keyring.holders().await.map_err(away)?, (self.clock)());
        // Whoever guesses does not make the table be read at every guess.
        if recognise(&holders, key, now) == Recognised::Unknown && self.rates.look_again() {
            holders = self.keyring.holders_now().await.map_err(away)?;
        }
        match recognise(&holders, key, now) {
            Recognised::Good(holder) => Ok(Principal::holding(holder)),
            other => Err(refusal(&other)),
        }
    }

    pub(super) fn admit(&self, principal: &Principal) -> Result<(), Problem> {
        if principal.is_local() {
            return Ok(());
        }
        let admitted = self.rates.key(&principal.id());
        admitted.map(drop).map_err(|standing| limited(standing, (self.clock)(), "this key asks too often"))
    }
}

pub(super) fn unauthorized(code: &'static str, why: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, why)
}

/// Clients that were refused learn how to ask.
pub(crate) fn challenge() -> (HeaderName, HeaderValue) {
    (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"credwatch\""))
}
