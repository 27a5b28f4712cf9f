//! A client's signed assertion (RFC 7523, section 3): made by the key's holder, about itself, for us, short-lived, once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use credwatch_schemas::ids::KeyId;
use credwatch_schemas::time::{Micros, SECOND};
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::decode;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::access::bearer::Jwt;
use crate::access::oidc::{in_time, names, signature_only};
use crate::access::public_key::PublicKey;

const LEEWAY_SECONDS: i64 = 60;
/// How far ahead an assertion may end.
const LONGEST_SECONDS: i64 = 3_600;
/// Assertions of one key that are remembered until they end.
const MOST_REMEMBERED: usize = 1_000;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Unproven {
    #[error("the assertion's signature is not that of the client's key")]
    Forged,
    #[error("iss and sub of the assertion must be the client's id")]
    OtherClient,
    #[error("aud of the assertion must be one of {0}")]
    OtherAudience(String),
    #[error("exp of the assertion must lie ahead, and no more than an hour")]
    NotNow,
    #[error("the assertion was used before")]
    Used,
    #[error("too many assertions of this key wait for their end")]
    TooMany,
}

/// Whose an assertion says that it is. Nothing of it is proven.
pub(super) fn claimed(assertion: &Jwt) -> Option<KeyId> {
    let claims: Map<String, Value> = insecure_decode_claims(assertion.text()).ok()?;
    claims.get("iss").and_then(Value::as_str).map(KeyId::new)
}

/// Checks it, and says when it ends, in seconds.
pub(super) fn check(
    assertion: &Jwt,
    public: &PublicKey,
    id: &KeyId,
    audiences: &[String],
    now: Micros,
) -> Result<i64, Unproven> {
    let validation = signature_only(&public.algorithms());
    let decoded = decode::<Map<String, Value>>(assertion.text(), public.decoding(), &validation);
    let claims = decoded.map_err(|_| Unproven::Forged)?.claims;
    let is_itself = |name: &str| claims.get(name).and_then(Value::as_str) == Some(id.as_str());
    if !is_itself("iss") || !is_itself("sub") {
        return Err(Unproven::OtherClient);
    }
    if !audiences.iter().any(|ours| names(claims.get("aud"), ours)) {
        return Err(Unproven::OtherAudience(audiences.join(", ")));
    }
    in_time(&claims, now).map_err(|_| Unproven::NotNow)?;
    let latest = now.0.div_euclid(SECOND) + LONGEST_SECONDS + LEEWAY_SECONDS;
    #[expect(clippy::cast_possible_truncation, reason = "a time of our age has few digits")]
    let ends = claims.get("exp").and_then(Value::as_f64).map(|ends| ends.ceil() as i64);
    ends.filter(|ends| *ends <= latest).ok_or(Unproven::NotNow)
}

/// Assertions that were used, by their key, until they end. This process's own: each server remembers what it has seen, and
/// forgets it when it ends.
#[derive(Debug, Default)]
pub(in crate::access) struct Replays(Mutex<BTreeMap<KeyId, BTreeMap<[u8; 32], i64>>>);

impl Replays {
    /// Remembers an assertion of somebody who may come in; refuses one that was used.
    pub(super) fn first_time(&self, key: &KeyId, assertion: &Jwt, ends: i64, now: Micros) -> Result<(), Unproven> {
        // What was signed: a signature can be written in more than one way.
        let signed = assertion.text().rsplit_once('.').map_or("", |(signed, _)| signed);
        let (mark, now) = (Sha256::digest(signed).into(), now.0.div_euclid(SECOND));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = all.entry(key.clone()).or_default();
        if used.contains_key(&mark) {
            return Err(Unproven::Used);
        }
        if used.len() >= MOST_REMEMBERED {
            used.retain(|_, ends| *ends + LEEWAY_SECONDS >= now);
        }
        if used.len() >= MOST_REMEMBERED {
            return Err(Unproven::TooMany);
        }
        used.insert(mark, ends);
        Ok(())
    }
}
