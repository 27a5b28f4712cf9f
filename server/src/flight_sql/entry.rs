//! The way in: who brings nothing that counts is refused before the body of their call is read, whatever the call.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::Office;
use super::refusal::refusal;
use super::socket::Entrant;
use crate::access::{Arrived, Bringing, Door, Proof, Surface, brought, whole};
use crate::guard::is_local;
use crate::problem::Problem;

/// Middleware; see the module.
pub(super) async fn enter(State(office): State<Office>, request: Request, next: Next) -> Response {
    match entered(&office, request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => refusal(&problem).into_http::<Body>(),
    }
}

async fn entered(office: &Office, request: Request) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let entrant = parts.extensions.get::<Entrant>();
    recognised(office, &parts, entrant).await?;
    entrant.into_iter().for_each(Entrant::enter);
    // Clients wait for the answer to a handshake before they end it, and nothing is in it.
    match parts.uri.path().ends_with(HANDSHAKE) {
        true => Ok(Request::from_parts(parts, Body::empty())),
        false => whole(Request::from_parts(parts, body)).await,
    }
}

const HANDSHAKE: &str = "/Handshake";

async fn recognised(office: &Office, request: &Parts, entrant: Option<&Entrant>) -> Result<(), Problem> {
    let (access, path) = (&office.api.access, request.uri.path());
    let bringing = Bringing { brought: brought(&request.headers), door: office.door };
    let known = match at_the_door(office.door, request) {
        Ok(()) => bringing.principal(access).await.map(drop),
        Err(problem) => Err(problem),
    };
    let Err(problem) = known else { return Ok(()) };
    let action = path.rsplit('/').next().unwrap_or(path);
    let arrived = Arrived::on(Surface::FlightSql, access, known_call(action), entrant.map(|from| from.address));
    Err(access.turn_away(&arrived, None, problem).await)
}

/// Calls of the protocol by name; what else somebody makes up does not fill the audit.
fn known_call(name: &str) -> &str {
    const CALLS: [&str; 8] =
        ["Handshake", "GetFlightInfo", "GetSchema", "DoGet", "DoPut", "DoAction", "DoExchange", "ListActions"];
    if CALLS.contains(&name) { name } else { "(no call)" }
}

/// A web page cannot send this kind of content without being asked for leave first.
fn at_the_door(door: Door, request: &Parts) -> Result<(), Problem> {
    if !is_grpc(&request.headers) {
        let why = "calls are sent as content-type: application/grpc";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "grpc_only", why));
    }
    match door {
        Door::LocalIsOperator => is_local(&request.uri, &request.headers),
        Door::KeysOnly => Ok(()),
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/grpc"))
}
