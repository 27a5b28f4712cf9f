//! Names that must not be swapped: each kind of id is a type of its own.
//!
//! Two ids are computed rather than given. A *record id* names one accepted event wherever it is stored, and a
//! *finding id* names one episode of one subject. Both are plain hashes of what they name, so that a stranger can
//! compute them again; no clock, no randomness and no version goes in.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    )*};
}

text_id! {
    /// A tenant: on whose behalf calls are made, and whose rows nobody else may read.
    OrgId;
    /// A broker or feed, as the binding or the payload names it.
    SourceId;
    /// The kebab-case name of a detector's file.
    DetectorId;
    /// Hash of a detector's file and of the parameters in force.
    DetectorVersion;
    /// A finding: see [`FindingId::of`].
    FindingId;
    /// An accepted event: see [`RecordId::of`].
    RecordId;
    /// The public part of an API key.
    KeyId;
    /// A grant to people whom an OpenID issuer vouches for.
    GrantId;
}

impl RecordId {
    /// `r_` and 80 bits of SHA-256 over source, org, event id and content hash; an absent part differs from an empty one.
    pub fn of(source: Option<&str>, org: Option<&str>, event_id: &str, content_hash: i64) -> Self {
        let mut hash = Sha256::new();
        feed(&mut hash, source);
        feed(&mut hash, org);
        feed(&mut hash, Some(event_id));
        hash.update(content_hash.to_be_bytes());
        Self(format!("r_{}", base32(&hash.finalize()[..10])))
    }
}

impl FindingId {
    /// `f_` and 80 bits of SHA-256 over detector, org, subject (in key order) and episode.
    pub fn of(detector: &DetectorId, org: Option<&OrgId>, subject: &BTreeMap<String, String>, episode: &str) -> Self {
        let mut hash = Sha256::new();
        feed(&mut hash, Some(detector.as_str()));
        feed(&mut hash, org.map(OrgId::as_str));
        for (column, value) in subject {
            feed(&mut hash, Some(column));
            feed(&mut hash, Some(value));
        }
        feed(&mut hash, Some(episode));
        Self(format!("f_{}", base32(&hash.finalize()[..10])))
    }
}

/// Length first, so that no two lists of parts hash alike; a marker byte, so that absent is not empty.
fn feed(hash: &mut Sha256, part: Option<&str>) {
    match part {
        None => hash.update([0]),
        Some(text) => {
            hash.update([1]);
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
    }
}

/// Lower-case base 32 without the letters that people misread; 10 bytes give 16 characters.
fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut window, mut bits) = (0_u32, 0);
    for byte in bytes {
        window = (window << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(LETTERS[((window >> bits) & 31) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_org_is_not_an_empty_org() {
        let absent = RecordId::of(Some("broker"), None, "e1", 7);
        let empty = RecordId::of(Some("broker"), Some(""), "e1", 7);
        assert_ne!(absent, empty);
    }

    #[test]
    fn parts_cannot_slide_into_each_other() {
        assert_ne!(RecordId::of(Some("ab"), Some("c"), "e", 1), RecordId::of(Some("a"), Some("bc"), "e", 1));
    }

    #[test]
    fn ids_are_frozen() {
        // Stored findings and exported record ids outlive every build: these literals may never change.
        let record = RecordId::of(Some("broker-eu"), Some("org_7"), "01JZ6W3V9Q", 42);
        let subject = BTreeMap::from([("agent_id".to_owned(), "summarizer".to_owned())]);
        let finding = FindingId::of(&DetectorId::new("new-destination"), Some(&OrgId::new("org_7")), &subject, "e");
        assert_eq!(record.as_str(), "r_xnchpng4sr930r06");
        assert_eq!(finding.as_str(), "f_hc1bf32c57qk0es6");
    }
}
