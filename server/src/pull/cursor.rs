//! The resume point that a client keeps: signed, opaque, and made of letters that stand in any URL, header or file.
//!
//! It holds the position and everything that the position depends on: stream, org and filter as digests, and how many
//! rows were missing from the table when it was given out, so that a purge between two pages is noticed. It names
//! nobody and holds no time, so it is valid for as long as its rows are there, on every server of the same lake.
//!
//! **Why it is signed, and why its key may lie in the lake.** The signature is not what keeps orgs apart: whose rows a
//! request reads is decided from the request's own credentials, each time, and a cursor of another org is refused even
//! with a good signature. It makes sure that a cursor was given out and not made up: a damaged or home-made one is an
//! error instead of rows that are skipped in silence, and what is inside may change without asking anybody. Whoever
//! reads the lake's files could forge one, and could read every row directly. So the key is a property of the table,
//! settled once by whichever server comes first: restarts and replicas need no other agreement. What a cursor must
//! never protect (rows, keys, secrets) does not follow from it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credwatch_lake::{Lake, LakeError};
use credwatch_query::TenantScope;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::stream::{Filter, Stream, first_bytes};
use crate::problem::Problem;

/// Where the key stands in the lake.
const PROPERTY: &str = "credwatch.pull_cursor_key";

const VERSION: u8 = 1;
const BODY: usize = 36;
const SEAL: usize = 16;

/// A place in one org's stream under one filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) walk: Walk,
    /// Every row up to this `seq` was served or filtered out.
    pub(crate) position: i64,
    /// Rows that the table had lost when this was given out: see [`super::retention`].
    pub(crate) missing: i64,
    /// Rows of a page where the request cannot say it; 0 is the default.
    pub(crate) limit: u16,
}

/// What a cursor walks over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Walk {
    stream: Stream,
    org: [u8; 8],
    filter: [u8; 8],
}

#[derive(Clone)]
pub(crate) struct CursorKey([u8; 32]);

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("CursorKey")
    }
}

impl Walk {
    pub(crate) fn of(stream: Stream, scope: &TenantScope, filter: &Filter) -> Self {
        let org = match scope {
            TenantScope::Operator => [0; 8],
            TenantScope::Org(org) => first_bytes(&Sha256::digest(org.as_str())),
        };
        Self { stream, org, filter: filter.digest() }
    }

    pub(crate) fn stream(&self) -> Stream {
        self.stream
    }

    /// Whether the other walks over the same org's stream, whatever its filter.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        (self.stream, self.org) == (other.stream, other.org)
    }
}

impl CursorKey {
    /// The lake's key; the first server of a lake draws it.
    pub(crate) async fn of(lake: &Lake) -> Result<Self, Problem> {
        let failed = |error: LakeError| Problem::internal("reading the key of cursors", &error);
        let text = match lake.property(PROPERTY).await.map_err(failed)? {
            Some(text) => text,
            None => lake.settle_property(PROPERTY, &draw()?).await.map_err(failed)?,
        };
        let bytes = URL_SAFE_NO_PAD.decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| Problem::internal("reading the key of cursors", &NotAKey))
    }

    pub(crate) fn seal(&self, cursor: &Cursor) -> String {
        let mut bytes = cursor.bytes().to_vec();
        bytes.extend_from_slice(&self.signature(&bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `None` when it was not given out by this lake.
    pub(crate) fn open(&self, text: &str) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == BODY + SEAL)?;
        let (body, seal) = bytes.split_at(BODY);
        // A forger who measures how long this takes gains a cursor and no row: see above.
        (self.signature(body) == seal).then_some(())?;
        Cursor::read(body)
    }

    fn signature(&self, body: &[u8]) -> [u8; SEAL] {
        let mut seal = [0; SEAL];
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) {
            mac.update(body);
            seal.copy_from_slice(&mac.finalize().into_bytes()[..SEAL]);
        }
        seal
    }
}

impl Cursor {
    fn bytes(&self) -> [u8; BODY] {
        let mut bytes = [0; BODY];
        bytes[0] = VERSION;
        bytes[1] = match self.walk.stream {
            Stream::Events => 1,
            Stream::Findings => 2,
        };
        bytes[2..4].copy_from_slice(&self.limit.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.walk.org);
        bytes[12..20].copy_from_slice(&self.walk.filter);
        bytes[20..28].copy_from_slice(&self.position.to_be_bytes());
        bytes[28..36].copy_from_slice(&self.missing.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let eight = |at: usize| bytes.get(at..at + 8)?.try_into().ok();
        let stream = match bytes.get(..2)? {
            [VERSION, 1] => Stream::Events,
            [VERSION, 2] => Stream::Findings,
            _ => return None,
        };
        Some(Self {
            walk: Walk { stream, org: eight(4)?, filter: eight(12)? },
            position: i64::from_be_bytes(eight(20)?),
            missing: i64::from_be_bytes(eight(28)?),
            limit: u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?),
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the property \"{}\" of the lake is no key", PROPERTY)]
struct NotAKey;

#[derive(Debug, thiserror::Error)]
#[error("the machine gives no random bytes")]
struct NoRandomness;

fn draw() -> Result<String, Problem> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| Problem::internal("drawing the key of cursors", &NoRandomness))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use credwatch_schemas::ids::OrgId;

    fn cursor(org: &str, position: i64) -> Cursor {
        let walk = Walk::of(Stream::Events, &TenantScope::Org(OrgId::new(org)), &Filter::default());
        Cursor { walk, position, missing: 3, limit: 500 }
    }

    #[test]
    fn a_cursor_reads_back_and_is_made_of_plain_letters() {
        let key = CursorKey([7; 32]);
        for position in [0, 1, i64::MAX] {
            let text = key.seal(&cursor("org_a", position));
            assert_eq!(key.open(&text), Some(cursor("org_a", position)));
            assert!(text.bytes().all(|one| one.is_ascii_alphanumeric() || b"-_".contains(&one)), "{text}");
        }
    }

    #[test]
    fn a_cursor_with_any_letter_changed_cut_or_added_was_not_given_out() {
        let key = CursorKey([7; 32]);
        let text = key.seal(&cursor("org_a", 12));
        for place in 0..text.len() {
            for other in ["A", "b", "-"] {
                let mut forged = text.clone();
                forged.replace_range(place..=place, other);
                assert!(forged == text || key.open(&forged).is_none(), "{place}");
            }
            assert_eq!(key.open(&text[..place]), None);
        }
        assert_eq!(key.open(&format!("{text}A")), None);
        assert_eq!(CursorKey([8; 32]).open(&text), None, "another lake's");
    }

    #[test]
    fn orgs_streams_and_filters_are_different_walks_and_the_operator_is_no_org() {
        let filtered = Filter { without_provisional: true, ..Filter::default() };
        let org = |name: &str| TenantScope::Org(OrgId::new(name));
        let walks = [
            Walk::of(Stream::Events, &TenantScope::Operator, &Filter::default()),
            Walk::of(Stream::Events, &org("org_a"), &Filter::default()),
            Walk::of(Stream::Events, &org("org_b"), &Filter::default()),
            Walk::of(Stream::Findings, &org("org_b"), &Filter::default()),
            Walk::of(Stream::Findings, &org("org_b"), &filtered),
            Walk::of(Stream::Events, &org(""), &Filter::default()),
        ];
        for (place, one) in walks.iter().enumerate() {
            assert!(walks[..place].iter().all(|other| other != one), "{place}");
        }
        assert!(walks[3].is_beside(&walks[4]) && !walks[2].is_beside(&walks[3]));
    }
}
