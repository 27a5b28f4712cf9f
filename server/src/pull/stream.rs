//! What can be pulled, and with which filter: together they say which rows a cursor walks over.

use std::collections::BTreeSet;

use credwatch_schemas::time::Micros;
use sha2::{Digest, Sha256};

/// A log of rows in the order of their own `seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Events,
    Findings,
}

impl Stream {
    pub(crate) const ALL: [Self; 2] = [Self::Events, Self::Findings];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Findings => "findings",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// Which rows of a stream are wanted. `since` is none of it: it only chooses where a walk begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Filter {
    /// Of events; none means all.
    pub(crate) kinds: BTreeSet<String>,
    /// Of findings: without what the watermark has not passed yet.
    pub(crate) without_provisional: bool,
    /// Of events: only those that became durable before.
    pub(crate) until: Option<Micros>,
}

impl Filter {
    /// Tells filters apart in a cursor; a cursor says nothing about what stands in them.
    pub(crate) fn digest(&self) -> [u8; 8] {
        let mut hash = Sha256::new();
        for kind in &self.kinds {
            hash.update((kind.len() as u64).to_be_bytes());
            hash.update(kind);
        }
        hash.update([u8::from(self.without_provisional), u8::from(self.until.is_some())]);
        hash.update(self.until.map_or(0, |until| until.0).to_be_bytes());
        first_bytes(&hash.finalize())
    }
}

pub(crate) fn first_bytes(hash: &[u8]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_difference_of_two_filters_shows_in_their_digests() {
        let kinds = |kinds: &[&str]| Filter {
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            ..Filter::default()
        };
        let all = [
            Filter::default(),
            kinds(&["auth"]),
            kinds(&["auth", "b"]),
            kinds(&["authb"]),
            Filter { without_provisional: true, ..Filter::default() },
            Filter { until: Some(Micros(0)), ..Filter::default() },
            Filter { until: Some(Micros(1)), ..Filter::default() },
        ];
        let digests: BTreeSet<_> = all.iter().map(Filter::digest).collect();
        assert_eq!(digests.len(), all.len());
    }
}
