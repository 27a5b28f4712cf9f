//! The gate before every route that reads or changes anything: recognises who asks, lets them in at their rate, and
//! holds each answer back until its row in `audit` is durable. Numbers that a monitor scrapes hold nobody's rows: of
//! them only refusals are recorded.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use credwatch_schemas::ids::KeyId;
use credwatch_schemas::time::Micros;
use futures::StreamExt;

use super::arrived::Arrived;
use super::bearer::{Brought, Jwt, brought};
use super::caller::Caller;
use super::holder::{Recognised, recognise, recognise_again};
use super::key::Key;
use super::note::Note;
use super::oauth::Whose;
use super::principal::Principal;
use super::rate;
use super::resident::refusal;
use super::{Access, Door};
use crate::api::Api;
use crate::book::{BookError, FRESH};
use crate::problem::{Code, Problem};

/// A body must have come within this long, and be no larger.
const BODY_WITHIN: Duration = Duration::from_secs(10);
const LARGEST_BODY: usize = 256 * 1024;
/// A larger one is heard out so far, and thrown away: most clients listen only once they have sent everything.
const HEARD_OUT: usize = 16 << 20;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Middleware; see the module. It runs in a task of its own: whoever hangs up must not take the audit's row along.
pub(crate) async fn gate(State(api): State<Api>, request: Request, next: Next) -> Response {
    let passed = tokio::spawn(pass(api, request, next)).await;
    passed.unwrap_or_else(|error| Problem::internal("answering the request", &error).into_response())
}

async fn pass(api: Api, request: Request, next: Next) -> Response {
    let access = &api.access;
    let (arrived, note) = (Arrived::now(access, &request), Note::default());
    let mut recognised = Recognition::of(access, request.headers()).await;
    let answered = match admitted(access, &mut recognised) {
        Ok(stands) => answer(access, &arrived, request, stands, &note, next).await,
        Err(problem) => match access.rates.refuse() {
            Ok(_) => Err(problem),
            Err(standing) => return access.not_recorded(standing).into_response(),
        },
    };
    let response = answered.unwrap_or_else(IntoResponse::into_response);
    if arrived.only_refusals && response.status().is_success() {
        return named(&arrived, response);
    }
    let principal = recognised.as_ref().ok().map(|stands| &stands.principal);
    let response = access.recorded(&arrived, principal, &note, response).await;
    match recognised {
        // The row may have waited for the disk.
        Ok(mut stands) if response.status().is_success() => {
            stands.still(access).await.map_or_else(IntoResponse::into_response, |()| response)
        }
        _ => response,
    }
}

/// Somebody recognised who does not ask too often.
fn admitted<'a>(
    access: &Access,
    recognised: &'a mut Result<Recognition, Problem>,
) -> Result<&'a mut Recognition, Problem> {
    let stands = recognised.as_mut().map_err(|problem| problem.clone())?;
    access.admit(&stands.principal)?;
    Ok(stands)
}

/// With the id that its row in the audit has.
fn named(arrived: &Arrived, mut response: Response) -> Response {
    response.headers_mut().extend(HeaderValue::from_str(&arrived.request_id).ok().map(|id| (REQUEST_ID, id)));
    response
}

/// Somebody recognised, and when that was looked at last.
#[derive(Clone)]
struct Recognition {
    principal: Principal,
    headers: HeaderMap,
    as_of: Instant,
}

impl Recognition {
    async fn of(access: &Access, headers: &HeaderMap) -> Result<Self, Problem> {
        let as_of = Instant::now();
        let principal = access.recognise(&brought(headers), access.door).await?;
        Ok(Self { principal, headers: headers.clone(), as_of })
    }

    /// Whether they are still who they were, with what they may: a key may have been revoked and a grant taken away while
    /// the request waited for something.
    async fn still(&mut self, access: &Access) -> Result<(), Problem> {
        if self.as_of.elapsed() < FRESH {
            return Ok(());
        }
        let now = Self::of(access, &self.headers).await?;
        if now.principal != self.principal {
            return Err(changed());
        }
        *self = now;
        Ok(())
    }
}

/// The handler's answer to somebody whose key holds when it begins, and still holds when it is ready. What changes
/// something is recorded before it does.
async fn answer(
    access: &Access,
    arrived: &Arrived,
    request: Request,
    stands: &mut Recognition,
    note: &Note,
    next: Next,
) -> Result<Response, Problem> {
    let request = whole(request).await?;
    if arrived.changes {
        stands.still(access).await?;
        let row = arrived.row(Some(&stands.principal), note, None, None);
        access.audit.write(row).await.map_err(|_| away())?;
    }
    stands.still(access).await?;
    let response = next.run(with_caller(request, stands.principal.clone(), note)).await;
    stands.still(access).await?;
    Ok(response)
}

/// The request with its body read: who sends it byte by byte must not outlive the recognition.
pub(crate) async fn whole(request: Request) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let slow = || Problem::new(StatusCode::REQUEST_TIMEOUT, "slow_body", "the body did not come in time");
    let large =
        || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_body", "the body is larger than 256 KiB, or broke off");
    let read = tokio::time::timeout(BODY_WITHIN, heard_out(body)).await.map_err(|_| slow())?;
    Ok(Request::from_parts(parts, Body::from(read.ok_or_else(large)?)))
}

/// All of a body; none where it is too large or broke off.
async fn heard_out(body: Body) -> Option<Vec<u8>> {
    let (mut pieces, mut kept, mut bytes) = (body.into_data_stream(), Vec::new(), 0);
    while bytes <= HEARD_OUT
        && let Some(piece) = pieces.next().await
    {
        let piece = piece.ok()?;
        bytes += piece.len();
        match bytes <= LARGEST_BODY {
            true => kept.extend_from_slice(&piece),
            false => kept = Vec::new(),
        }
    }
    (bytes <= LARGEST_BODY).then_some(kept)
}

pub(super) fn changed() -> Problem {
    let why = "what this caller may has changed while the request was answered";
    Problem::new(StatusCode::FORBIDDEN, "forbidden", why)
}

pub(super) fn away() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", AWAY)
}

const AWAY: &str = "what is asked must be recorded, and cannot be at this moment";

fn with_caller(mut request: Request, principal: Principal, note: &Note) -> Request {
    request.extensions_mut().insert(Caller::new(principal, note.clone()));
    request
}

pub(crate) fn limited(standing: rate::Standing, now: Micros, why: &'static str) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "limit.rate", why).waiting(standing, now)
}

impl Access {
    /// The response, once its row is durable; without that, what cannot be recorded is not answered.
    pub(super) async fn recorded(
        &self,
        arrived: &Arrived,
        principal: Option<&Principal>,
        note: &Note,
        response: Response,
    ) -> Response {
        let code = response.extensions().get::<Code>().map(|Code(code)| (*code).to_owned());
        let row = arrived.row(principal, note, Some(response.status()), code);
        match self.audit.write(row).await {
            Ok(()) => named(arrived, response),
            Err(_) => away().into_response(),
        }
    }

    /// Refusals beyond a rate are counted and not recorded one by one: whoever guesses must not fill the disk.
    pub(super) fn not_recorded(&self, standing: rate::Standing) -> Problem {
        metrics::counter!("credwatch_api_refused_unrecorded_total").increment(1);
        limited(standing, (self.clock)(), "too many requests were refused at this moment")
    }

    pub(super) async fn recognise(&self, brought: &Brought, door: Door) -> Result<Principal, Problem> {
        match brought {
            Brought::Nothing if door == Door::LocalIsOperator => Ok(Principal::local()),
            Brought::Nothing => Err(unauthorized("key_needed", "a key is needed: Authorization: Bearer KEY")),
            Brought::Unreadable => Err(unauthorized(
                "key_unreadable",
                "the authorization header holds no API key: one is cwk_, 16 hex digits, _ and 64 hex digits",
            )),
            Brought::Key(key) => self.holder_of(key).await,
            Brought::Token(token) => self.holder_of_token(token).await,
        }
    }

    /// Our own tokens stand for the key that they were given to; others are an issuer's.
    async fn holder_of_token(&self, token: &Jwt) -> Result<Principal, Problem> {
        let now = (self.clock)();
        let ours = self.minting.as_ref().map_or(Whose::NotOurs, |minting| minting.read(token, now));
        match (ours, &self.issuer) {
            (Whose::Key(id), _) => self.holder_again(&id).await,
            (Whose::Expired, _) => Err(unauthorized("token_expired", "the token has expired")),
            (Whose::NotOurs, Some(issuer)) => self.bearer_of(issuer, token).await,
            (Whose::NotOurs, None) => Err(unauthorized("token_unknown", "the token is none of ours")),
        }
    }

    /// Whose key this is now, for somebody who has proven to have it.
    pub(super) async fn holder_again(&self, id: &KeyId) -> Result<Principal, Problem> {
        let holders = self.keyring.get().await.map_err(|error| Problem::away("reading the keys", &error))?;
        match recognise_again(&holders, id, (self.clock)()) {
            Recognised::Good(holder) => Ok(Principal::holding(holder)),
            other => Err(refusal(&other)),
        }
    }

    pub(super) async fn holder_of(&self, key: &Key) -> Result<Principal, Problem> {
        let away = |error: BookError| Problem::away("reading the keys", &error);
        let (mut holders, now) = (self.keyring.get().await.map_err(away)?, (self.clock)());
        // Whoever guesses does not make the table be read at every guess.
        if recognise(&holders, key, now) == Recognised::Unknown && self.rates.look_again() {
            holders = self.keyring.get_now().await.map_err(away)?;
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
        admitted.map(drop).map_err(|standing| limited(standing, (self.clock)(), "this caller asks too often"))
    }
}

pub(super) fn unauthorized(code: &'static str, why: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, why)
}

/// Clients that were refused learn how to ask, and those with a token that it is to be had anew (RFC 6750, section 3.1).
pub(crate) fn challenge(code: &str) -> (HeaderName, HeaderValue) {
    let how = match code.starts_with("token_") {
        true => "Bearer realm=\"credwatch\", error=\"invalid_token\"",
        false => "Bearer realm=\"credwatch\"",
    };
    (header::WWW_AUTHENTICATE, HeaderValue::from_static(how))
}
