//! An API key: `cwk_`, its public id in 16 hex digits, `_`, and 256 random bits in 64.
//!
//! The fixed shape lets secret scanners find a leaked key and tells a cut one from an unknown one. The secret is random
//! and long, so a plain SHA-256 of it is as good as a slow hash: there is nothing to guess.

use std::fmt;

use credwatch_schemas::ids::KeyId;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

const PREFIX: &str = "cwk_";
const ID_DIGITS: usize = 16;
const SECRET_DIGITS: usize = 64;

/// A key as its holder has it. It prints its id only; [`Self::reveal`] gives it away.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an API key: one is cwk_, 16 hex digits, an underscore and 64 hex digits")]
pub struct Unreadable;

impl Key {
    /// A key that nobody has had.
    pub fn draw() -> Result<Self, getrandom::Error> {
        let (mut id, mut secret) = ([0; ID_DIGITS / 2], [0; SECRET_DIGITS / 2]);
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut secret)?;
        Ok(Self(format!("{PREFIX}{}_{}", hex::encode(id), hex::encode(secret))))
    }

    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let (id, secret) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(Unreadable)?;
        let fits = is_hex(id, ID_DIGITS) && is_hex(secret, SECRET_DIGITS);
        if fits { Ok(Self(text.to_owned())) } else { Err(Unreadable) }
    }

    /// The id that a text means: its own, or that of a whole key, which nobody should have to take apart.
    pub fn id_in(text: &str) -> KeyId {
        Self::parse(text.trim()).map_or_else(|_| KeyId::new(text.trim()), |key| key.id())
    }

    /// The part that may be shown.
    pub fn id(&self) -> KeyId {
        KeyId::new(&self.0[PREFIX.len()..PREFIX.len() + ID_DIGITS])
    }

    /// What is kept in its place.
    pub(crate) fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes()))
    }

    /// Whether it is the key that this hash was kept for; takes as long for a near miss as for a far one.
    pub(crate) fn has_hash(&self, kept: &str) -> bool {
        self.hash().as_bytes().ct_eq(kept.as_bytes()).into()
    }

    /// What is kept so that Postgres' clients can prove the key without sending it, in Postgres' own form.
    pub(crate) fn verifier(&self) -> String {
        postgres_protocol::password::scram_sha_256(self.0.as_bytes())
    }

    /// The whole key, for the one time that it is shown.
    pub fn reveal(self) -> String {
        self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({PREFIX}{}_...)", self.id())
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_key_reads_back_and_is_recognised_by_its_hash_alone() {
        let key = Key::draw().unwrap();
        assert_eq!(Key::parse(&key.clone().reveal()), Ok(key.clone()));
        assert!(key.has_hash(&key.hash()));
        assert!(!Key::draw().unwrap().has_hash(&key.hash()));
    }

    #[test]
    fn half_a_key_is_none() {
        let whole = Key::draw().unwrap().reveal();
        for cut in 0..whole.len() {
            assert_eq!(Key::parse(&whole[..cut]), Err(Unreadable), "{cut}");
        }
        assert_eq!(Key::parse(&format!("{whole}0")), Err(Unreadable));
        assert_eq!(Key::parse(&whole.to_uppercase()), Err(Unreadable));
        assert_eq!(Key::parse("cwk_ä"), Err(Unreadable));
    }

    #[test]
    fn a_key_that_is_printed_by_accident_keeps_its_secret() {
        let key = Key::draw().unwrap();
        let secret = key.clone().reveal()[PREFIX.len() + ID_DIGITS + 1..].to_owned();
        assert!(!format!("{key:?}").contains(&secret));
    }
}
