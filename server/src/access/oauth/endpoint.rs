//! `POST /oauth/token`, and `GET /.well-known/oauth-authorization-server` that tells clients where it is (RFC 8414).
//!
//! It stands outside the gate, because who asks is said in the body, and does what the gate does: paces, and records
//! before it answers.

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::client::{Client, Proof, client};
use super::minting::Minted;
use super::refused::Refused;
use crate::access::arrived::Arrived;
use crate::access::gate::whole;
use crate::access::note::Note;
use crate::access::principal::Principal;
use crate::api::Api;
use crate::problem::Problem;

pub(crate) const TOKEN: &str = "/oauth/token";

/// What an answer is made of, at most.
const LARGEST_FORM: usize = 64 * 1024;

/// Gives a machine an access token for its key (OAuth 2.0, client credentials).
///
/// It runs in a task of its own: whoever hangs up must not take the audit's row along.
#[utoipa::path(post, path = "/oauth/token", tag = "access", request_body(content_type = "application/x-www-form-urlencoded", content = Object), responses((status = OK, body = Object), (status = "4XX", description = "As RFC 6749, section 5.2, says it.", body = Object), (status = UNSUPPORTED_MEDIA_TYPE, description = "The body is no form.", body = Object, content_type = "application/problem+json")))]
pub(crate) async fn token(State(api): State<Api>, request: Request) -> Response {
    let answered = tokio::spawn(answer(api, request)).await;
    answered.unwrap_or_else(|error| Problem::internal("giving a token", &error).into_response())
}

async fn answer(api: Api, request: Request) -> Response {
    let (access, note) = (&api.access, Note::default());
    let arrived = Arrived::now(access, &request);
    let (principal, response) = match granted(&api, request, &note).await {
        Ok((principal, minted)) => (Some(principal), given(&minted)),
        Err(refused) => match access.rates.refuse() {
            Ok(_) => (None, refused.into_response()),
            Err(standing) => return Refused::Problem(access.not_recorded(standing)).into_response(),
        },
    };
    access.recorded(&arrived, principal.as_ref(), &note, response).await
}

async fn granted(api: &Api, request: Request, note: &Note) -> Result<(Principal, Minted), Refused> {
    let (parts, body) = whole(request).await.map_err(Refused::Problem)?.into_parts();
    let body = to_bytes(body, LARGEST_FORM).await;
    let body = body.map_err(|_| Refused::Request("the form is larger than 64 KiB".to_owned()))?;
    let client = client(&parts.headers, &body)?;
    note.detail(&told(&client));
    let base = api.pull.known_base();
    let audiences = base.map(|base| vec![format!("{base}{TOKEN}"), base.to_owned(), format!("{base}/")]);
    api.access.exchange(&client, &audiences.unwrap_or_default()).await
}

/// As the audit tells it.
fn told(client: &Client) -> String {
    let id = client.id.as_ref().map_or_else(String::new, |id| format!("client_id {:?}, ", id.as_str()));
    match client.proof {
        Proof::Secret(_) => format!("{id}client_secret"),
        Proof::Assertion(_) => format!("{id}client_assertion"),
    }
}

fn given(minted: &Minted) -> Response {
    let body = json!({"access_token": minted.token, "token_type": "Bearer", "expires_in": minted.expires_in});
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    (StatusCode::OK, headers, Json(body)).into_response()
}

/// Where tokens are had, for clients that look (RFC 8414).
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "access", responses((status = OK, body = Object)))]
pub(crate) async fn metadata(State(api): State<Api>) -> Result<Json<Value>, Problem> {
    // Clients post secrets where this says: better nothing than a guess.
    let unknown = || Problem::not_found("this server does not know its own address: public_url must be configured");
    let base = api.pull.known_base().ok_or_else(unknown)?;
    Ok(Json(json!({
        "issuer": base,
        "token_endpoint": format!("{base}{TOKEN}"),
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported":
            ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"],
    })))
}
