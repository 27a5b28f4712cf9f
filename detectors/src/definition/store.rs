//! Declarations of what is kept incrementally: ledgers (the first time of something, never forgotten) and rollups
//! (counts per interval). Both are GROUP BYs whose aggregates merge, so that order of arrival never matters.
//!
//! Equal declarations share one table of the lake: its name is a hash of the declaration's normal form.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Span;

/// The first event of each combination of keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    pub keys: Vec<String>,
    pub when: String,
}

/// Integer aggregates per combination of keys and epoch-aligned interval.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollup {
    pub every: Span,
    pub keys: Vec<String>,
    pub when: String,
    pub aggregates: BTreeMap<String, Aggregate>,
    /// How far before what is judged an interval may begin and still be looked at; without it, any time. It decides what
    /// is read, not what is kept: declarations that differ in it alone share a table.
    #[serde(default)]
    pub reach: Option<Span>,
}

/// An aggregate over integers that merges with itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Aggregate {
    pub merge: Merge,
    /// As written, white space made one.
    pub sql: String,
}

/// How two partial aggregates become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    Sum,
    Min,
    Max,
}

impl Ledger {
    /// Short, stable, safe as a folder's name.
    pub fn table(&self) -> String {
        let mut keys = self.keys.clone();
        keys.sort();
        short_hash(&["ledger", &keys.join(","), &one_space(&self.when)])
    }
}

impl Rollup {
    pub fn table(&self) -> String {
        let mut keys = self.keys.clone();
        keys.sort();
        let aggregates: Vec<String> =
            self.aggregates.iter().map(|(name, aggregate)| format!("{name}={}", aggregate.sql)).collect();
        short_hash(&["rollup", &self.every.to_string(), &keys.join(","), &one_space(&self.when), &aggregates.join(";")])
    }
}

impl TryFrom<String> for Aggregate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let sql = one_space(&text);
        let lower = sql.to_ascii_lowercase();
        let merge = match lower.split_once('(').map(|(name, _)| name.trim()) {
            Some("count" | "sum") => Merge::Sum,
            Some("min") => Merge::Min,
            Some("max") => Merge::Max,
            _ => return Err(format!("{text:?} is not count(..), sum(..), min(..) or max(..)")),
        };
        if lower.contains("distinct") {
            return Err(format!("{text:?} does not merge: DISTINCT needs all rows at once"));
        }
        Ok(Self { merge, sql })
    }
}

fn one_space(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn short_hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(keys: &[&str], when: &str) -> Ledger {
        Ledger { keys: keys.iter().map(|key| (*key).to_owned()).collect(), when: when.to_owned() }
    }

    #[test]
    fn equal_declarations_share_a_table() {
        let one = ledger(&["org_id", "dest_host"], "kind = 'tool_call'  AND dest_host IS NOT NULL");
        let two = ledger(&["dest_host", "org_id"], "kind = 'tool_call' AND\n dest_host IS NOT NULL");
        assert_eq!(one.table(), two.table());
        assert_ne!(one.table(), ledger(&["dest_host", "org_id"], "kind = 'auth'").table());
    }

    #[test]
    fn only_aggregates_that_merge_are_taken() {
        for text in ["avg(bytes_in)", "count(DISTINCT user_id)", "approx_distinct(user_id)", "sum"] {
            assert!(Aggregate::try_from(text.to_owned()).is_err(), "{text}");
        }
        let failures = Aggregate::try_from("count(*) FILTER (WHERE outcome = 'failure')".to_owned()).unwrap();
        assert_eq!(failures.merge, Merge::Sum);
    }
}
