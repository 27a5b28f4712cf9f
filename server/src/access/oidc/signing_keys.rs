//! The keys that an issuer signs with, as it publishes them (RFC 7517). Pure.

use std::collections::BTreeMap;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// More than any issuer has at once.
const MOST_KEYS: usize = 100;

/// Keys by their id, each with what may be signed with it.
#[derive(Debug, Default)]
pub(crate) struct SigningKeys(BTreeMap<String, SigningKey>);

pub(crate) struct SigningKey {
    pub(super) key: DecodingKey,
    pub(super) algorithms: Vec<Algorithm>,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SigningKey").field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}

impl SigningKeys {
    /// What of a published set can be used; a key that cannot be read is left out and takes no other one along.
    pub(crate) fn read(set: &Value) -> Option<Self> {
        let keys = set.get("keys")?.as_array()?.iter().take(MOST_KEYS);
        let mut read = BTreeMap::new();
        for jwk in keys.filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok()) {
            if let (Some(kid), Some(key)) = (jwk.common.key_id.clone(), signing_key(&jwk)) {
                // Of two with one id neither is more true; the first stays, as with most readers.
                read.entry(kid).or_insert(key);
            }
        }
        Some(Self(read))
    }

    pub(crate) fn get(&self, kid: &str) -> Option<&SigningKey> {
        self.0.get(kid)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn signing_key(jwk: &Jwk) -> Option<SigningKey> {
    if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    let mut algorithms = algorithms(&jwk.algorithm);
    if let Some(only) = jwk.common.key_algorithm {
        let only = Algorithm::try_from(only).ok();
        algorithms.retain(|algorithm| Some(*algorithm) == only);
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    (!algorithms.is_empty()).then_some(SigningKey { key, algorithms })
}

/// What may be signed with a key of this kind. A shared secret is none: whoever publishes one has published it.
fn algorithms(parameters: &AlgorithmParameters) -> Vec<Algorithm> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match parameters {
        AlgorithmParameters::RSA(_) => vec![RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => vec![ES256],
            EllipticCurve::P384 => vec![ES384],
            _ => Vec::new(),
        },
        AlgorithmParameters::OctetKeyPair(_) => vec![EdDSA],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn ids(keys: &Value) -> Vec<String> {
        SigningKeys::read(&json!({"keys": keys})).unwrap().0.into_keys().collect()
    }

    #[test]
    fn a_key_that_cannot_be_used_takes_no_other_one_along() {
        let keys = json!([
            {"kty": "OKP", "crv": "Ed25519", "x": X, "kid": "good", "use": "sig", "alg": "EdDSA"},
            {"kty": "OKP", "crv": "Ed25519", "x": X},
            {"kty": "OKP", "crv": "Ed25519", "x": X, "kid": "for-encryption", "use": "enc"},
            {"kty": "OKP", "crv": "Ed25519", "x": X, "kid": "other-algorithm", "alg": "RS256"},
            {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
            {"kty": "EC", "crv": "P-256", "kid": "half"},
            {"kty": "new-kind", "kid": "unknown"},
            "no key",
        ]);
        assert_eq!(ids(&keys), ["good"]);
    }

    #[test]
    fn what_is_no_set_of_keys_is_not_taken_for_an_empty_one() {
        for none in [json!({}), json!({"keys": {}}), json!([]), json!("keys")] {
            assert!(SigningKeys::read(&none).is_none(), "{none}");
        }
        assert!(ids(&json!([])).is_empty());
    }
}
