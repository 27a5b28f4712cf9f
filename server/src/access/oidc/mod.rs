//! People whom an OpenID Connect issuer vouches for: they bring its token where others bring a key.
//!
//! A token counts only if its signature is of a key that the issuer publishes now, it was made by that issuer for this
//! audience, and it has not expired. What its bearer may then do stands in the book of grants, never in the token.

mod issuer;
mod signing_keys;
mod token;

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::Access;
use super::bearer::Jwt;
use super::fitting::grants_of;
use super::principal::Principal;
use crate::problem::Problem;
pub use issuer::{Issuer, IssuerError, Trust};
use token::{Claims, Untrusted, kid, verified};
pub(super) use token::{in_time, names, signature_only};

impl Access {
    /// Whom a token of the issuer is about, and what they are granted.
    pub(super) async fn bearer_of(&self, issuer: &Arc<Issuer>, token: &Jwt) -> Result<Principal, Problem> {
        let kid = kid(token).map_err(|why| untrusted(&why))?;
        let keys = issuer.keys_with(&kid).await.map_err(|error| unreachable(&error))?;
        let claims = verified(token, &keys, &issuer.trust, (self.clock)()).map_err(|why| untrusted(&why))?;
        self.granted(claims).await
    }

    async fn granted(&self, claims: Claims) -> Result<Principal, Problem> {
        let away = |error| Problem::away("reading the grants", &error);
        let mut grants = self.grants.get().await.map_err(away)?;
        if grants_of(&grants, &claims.all).is_empty() && self.rates.look_again() {
            grants = self.grants.get_now().await.map_err(away)?;
        }
        let person = Principal::granted(claims.subject, name(&claims.all), &grants_of(&grants, &claims.all));
        person.ok_or_else(|| {
            let why = "the token is good, and nothing is granted to whom it is about: `credwatch grants add` does that";
            Problem::new(StatusCode::FORBIDDEN, "nothing_granted", why)
        })
    }
}

/// The cause is logged once a try, not once a request: anybody may send a token.
fn unreachable(error: &IssuerError) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string())
}

fn untrusted(why: &Untrusted) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, why.code(), why.to_string())
}

/// What people call them; only shown.
fn name(claims: &Map<String, Value>) -> Option<String> {
    let text = |name: &&str| claims.get(*name).and_then(Value::as_str);
    let name = ["preferred_username", "email", "name"].iter().find_map(text)?;
    let plain: String = name.chars().filter(|one| !one.is_control()).take(200).collect();
    (!plain.is_empty()).then_some(plain)
}
