//! Whether a token of the issuer counts. Pure: the keys and the time are given.

use credwatch_schemas::time::{Micros, SECOND};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};
use thiserror::Error;

use super::issuer::Trust;
use super::signing_keys::SigningKeys;
use crate::access::bearer::Jwt;

/// Clocks of issuers differ from ours by this much.
const LEEWAY_SECONDS: f64 = 60.0;
/// As OpenID Connect bounds it.
const LONGEST_SUBJECT: usize = 255;

/// Why a token does not count. Before its signature holds, no more is said of it than that.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(in crate::access) enum Untrusted {
    #[error("the token is none that this server can read: a JWT with kid, signed with RS, PS, ES or EdDSA")]
    Unreadable,
    #[error("the issuer has no key of the id that the token names")]
    UnknownKey,
    #[error("the token's signature is not the issuer's")]
    Forged,
    #[error("the token is of another issuer, or says none")]
    OtherIssuer,
    #[error("the token is for another audience, or for none")]
    OtherAudience,
    #[error("the token has expired, or does not say when it does")]
    Expired,
    #[error("the token does not hold yet")]
    NotYet,
    #[error("the token says nothing of whom it is about")]
    Nobody,
}

impl Untrusted {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Unreadable => "token_unreadable",
            Self::UnknownKey | Self::Forged => "token_unknown",
            Self::OtherIssuer | Self::OtherAudience | Self::Nobody => "token_not_for_us",
            Self::Expired | Self::NotYet => "token_expired",
        }
    }
}

/// What a token that counts says.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) subject: String,
    pub(super) all: Map<String, Value>,
}

/// The id of the key that signed it, as it says.
pub(super) fn kid(token: &Jwt) -> Result<String, Untrusted> {
    let header = decode_header(token.text()).map_err(|_| Untrusted::Unreadable)?;
    // Extensions that must be understood: none is.
    if header.crit.is_some() || matches!(header.alg, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512) {
        return Err(Untrusted::Unreadable);
    }
    header.kid.ok_or(Untrusted::Unreadable)
}

pub(super) fn verified(token: &Jwt, keys: &SigningKeys, trust: &Trust, now: Micros) -> Result<Claims, Untrusted> {
    let key = keys.get(&kid(token)?).ok_or(Untrusted::UnknownKey)?;
    let decoded = decode::<Map<String, Value>>(token.text(), &key.key, &signature_only(&key.algorithms));
    let all = decoded.map_err(|error| match error.kind() {
        ErrorKind::Json(_) | ErrorKind::Base64(_) | ErrorKind::Utf8(_) => Untrusted::Unreadable,
        _ => Untrusted::Forged,
    })?;
    check(all.claims, trust, now)
}

/// The library checks the signature; claims are checked here, by our clock and with reasons.
pub(in crate::access) fn signature_only(algorithms: &[Algorithm]) -> Validation {
    let mut only = Validation::new(Algorithm::ES256);
    only.algorithms = algorithms.to_vec();
    only.required_spec_claims.clear();
    only.validate_exp = false;
    only.validate_aud = false;
    only
}

fn check(all: Map<String, Value>, trust: &Trust, now: Micros) -> Result<Claims, Untrusted> {
    if all.get("iss").and_then(Value::as_str) != Some(trust.issuer.as_str()) {
        return Err(Untrusted::OtherIssuer);
    }
    if !names(all.get("aud"), &trust.audience) {
        return Err(Untrusted::OtherAudience);
    }
    in_time(&all, now)?;
    let subject = all.get("sub").and_then(Value::as_str).unwrap_or_default();
    let is_plain = !subject.is_empty() && subject.len() <= LONGEST_SUBJECT && !subject.contains(char::is_control);
    if !is_plain {
        return Err(Untrusted::Nobody);
    }
    Ok(Claims { subject: subject.to_owned(), all })
}

/// Whether an audience, one or several, is this one too.
pub(in crate::access) fn names(audience: Option<&Value>, ours: &str) -> bool {
    match audience {
        Some(Value::String(one)) => one == ours,
        Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(ours)),
        _ => false,
    }
}

/// Whether it holds now; one that never ends does not.
pub(in crate::access) fn in_time(all: &Map<String, Value>, now: Micros) -> Result<(), Untrusted> {
    #[expect(clippy::cast_precision_loss, reason = "seconds of our age are exact in a float")]
    let now = now.0.div_euclid(SECOND) as f64;
    let ends = all.get("exp").and_then(Value::as_f64).ok_or(Untrusted::Expired)?;
    if ends + LEEWAY_SECONDS <= now {
        return Err(Untrusted::Expired);
    }
    match all.get("nbf") {
        None => Ok(()),
        Some(begins) if begins.as_f64().is_some_and(|begins| begins - LEEWAY_SECONDS <= now) => Ok(()),
        Some(_) => Err(Untrusted::NotYet),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trust() -> Trust {
        Trust { issuer: "https://login.example".into(), audience: "credwatch".into(), ca: None }
    }

    fn outcome(change: impl Fn(&mut Map<String, Value>)) -> Result<String, Untrusted> {
        let claims = json!({"iss": "https://login.example", "aud": "credwatch", "sub": "ana", "exp": 1_000});
        let mut claims = claims.as_object().unwrap().clone();
        change(&mut claims);
        check(claims, &trust(), Micros(900 * SECOND)).map(|claims| claims.subject)
    }

    #[test]
    fn a_token_for_us_counts() {
        assert_eq!(outcome(|_| {}), Ok("ana".into()));
        assert_eq!(outcome(|claims| claims["aud"] = json!(["other", "credwatch"])), Ok("ana".into()));
        assert_eq!(outcome(|claims| claims["exp"] = json!(841)), Ok("ana".into()), "clocks differ");
    }

    #[test]
    fn what_is_not_for_us_or_not_now_does_not() {
        let cases = [
            ("iss", json!("https://login.example/"), Untrusted::OtherIssuer),
            ("iss", json!(["https://login.example"]), Untrusted::OtherIssuer),
            ("aud", json!("credwatch2"), Untrusted::OtherAudience),
            ("aud", json!([]), Untrusted::OtherAudience),
            ("aud", Value::Null, Untrusted::OtherAudience),
            ("exp", json!(840), Untrusted::Expired),
            ("exp", json!("1000"), Untrusted::Expired),
            ("exp", Value::Null, Untrusted::Expired),
            ("nbf", json!(961), Untrusted::NotYet),
            ("nbf", json!("then"), Untrusted::NotYet),
            ("sub", json!(""), Untrusted::Nobody),
            ("sub", json!("a\nb"), Untrusted::Nobody),
            ("sub", json!("x".repeat(256)), Untrusted::Nobody),
        ];
        for (name, value, why) in cases {
            let change = |claims: &mut Map<String, Value>| drop(claims.insert(name.to_owned(), value.clone()));
            assert_eq!(outcome(change), Err(why), "{name} {value}");
        }
        assert_eq!(outcome(|claims| drop(claims.remove("exp"))), Err(Untrusted::Expired));
    }
}
