//! The public half of a machine's key pair: what its signatures are checked against.

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use thiserror::Error;

/// Longer than any PEM of a public key.
const LONGEST: usize = 4 * 1024;

/// The library descends into what is nested without a limit; this is deep enough for the longest text.
const STACK: usize = 32 << 20;

fn decoded(pem: &[u8]) -> Option<DecodingKey> {
    let rsa = DecodingKey::from_rsa_pem(pem).or_else(|_| DecodingKey::from_ed_pem(pem));
    let key = rsa.or_else(|_| DecodingKey::from_ec_pem(pem)).ok()?;
    // Points of P-256 and P-384; there is nothing to check signatures of other curves with.
    let is_known = key.family() != AlgorithmFamily::Ec
        || matches!(key.try_get_as_bytes(), Ok(point) if matches!(point.len(), 65 | 97));
    is_known.then_some(key)
}

/// A public key in PEM, known to be one.
#[derive(Clone)]
pub struct PublicKey {
    pem: String,
    key: DecodingKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a public key in PEM: one begins with -----BEGIN PUBLIC KEY----- and is of RSA, P-256, P-384 or Ed25519")]
pub struct NotPublic;

impl PublicKey {
    pub fn parse(pem: &str) -> Result<Self, NotPublic> {
        let pem = pem.trim();
        if pem.len() > LONGEST || pem.contains("PRIVATE") {
            return Err(NotPublic);
        }
        let key = std::thread::scope(|scope| {
            let read = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || decoded(pem.as_bytes()));
            read.ok()?.join().ok()?
        });
        Ok(Self { pem: pem.to_owned(), key: key.ok_or(NotPublic)? })
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.key
    }

    /// What may be signed with it. Never a shared secret: a public key is no secret.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        match self.key.family() {
            AlgorithmFamily::Hmac => Vec::new(),
            family => family.algorithms().to_vec(),
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.pem == other.pem
    }
}

impl Eq for PublicKey {}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("PublicKey").field("family", &self.key.family()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_half_of_a_pair_is_one() {
        assert!(PublicKey::parse(include_str!("keys_for_tests/one.public.pem")).is_ok());
        assert!(PublicKey::parse(include_str!("keys_for_tests/one.pem")).is_err());
        for none in ["", "key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
            assert!(PublicKey::parse(none).is_err(), "{none}");
        }
    }

    #[test]
    fn what_is_nested_without_end_is_no_key_and_ends_nobody() {
        use base64::Engine;
        // Each level holds the rest of the text as one value.
        let mut nested = Vec::new();
        while nested.len() < 2_800 {
            let length = u16::try_from(nested.len()).unwrap().to_be_bytes();
            nested = [&[0x30, 0x82][..], &length, &nested].concat();
        }
        let text = base64::engine::general_purpose::STANDARD.encode(nested);
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
        assert!(PublicKey::parse(&pem).is_err());
    }
}
