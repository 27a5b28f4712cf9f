//! The identity of an accepted event, as a number small enough to be kept in memory by the million.
//!
//! Identity is (source, org_id, event_id, content_hash). Its 128-bit hash is keyed at random in each process, so that
//! nobody can craft two events that look alike; it is never stored. (The *record id*, which is stored and exported, is
//! another hash of the same parts.)

use std::hash::{BuildHasher, RandomState};

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use credwatch_schemas::records::column;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Identity(u128);

/// Columns that an identity is computed from.
pub(crate) const IDENTITY_COLUMNS: [&str; 4] = [column::SOURCE, column::ORG_ID, column::EVENT_ID, column::CONTENT_HASH];

#[derive(Debug, Clone, Default)]
pub(crate) struct IdentityHash {
    high: RandomState,
    low: RandomState,
}

impl IdentityHash {
    /// The identity of each row.
    pub(crate) fn of_rows(&self, rows: &RecordBatch) -> Vec<Identity> {
        let (sources, orgs) = (text(rows, column::SOURCE), text(rows, column::ORG_ID));
        let (events, hashes) = (text(rows, column::EVENT_ID), numbers(rows, column::CONTENT_HASH));
        (0..rows.num_rows())
            .map(|row| {
                let parts = (value(sources, row), value(orgs, row), value(events, row));
                self.of(parts, hashes.filter(|hashes| hashes.is_valid(row)).map(|hashes| hashes.value(row)))
            })
            .collect()
    }

    fn of(&self, parts: (Option<&str>, Option<&str>, Option<&str>), content_hash: Option<i64>) -> Identity {
        let whole = (parts, content_hash);
        Identity(u128::from(self.high.hash_one(whole)) << 64 | u128::from(self.low.hash_one(whole)))
    }
}

fn text<'a>(rows: &'a RecordBatch, name: &str) -> Option<&'a StringArray> {
    rows.column_by_name(name)?.as_string_opt::<i32>()
}

fn numbers<'a>(rows: &'a RecordBatch, name: &str) -> Option<&'a Int64Array> {
    rows.column_by_name(name)?.as_primitive_opt::<Int64Type>()
}

fn value(texts: Option<&StringArray>, row: usize) -> Option<&str> {
    texts.filter(|texts| texts.is_valid(row)).map(|texts| texts.value(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_org_is_not_an_empty_org() {
        let hash = IdentityHash::default();
        assert_ne!(hash.of((Some("s"), None, Some("e")), Some(1)), hash.of((Some("s"), Some(""), Some("e")), Some(1)));
    }

    #[test]
    fn parts_cannot_slide_into_each_other() {
        let hash = IdentityHash::default();
        let one = hash.of((Some("ab"), Some("c"), Some("e")), Some(1));
        assert_ne!(one, hash.of((Some("a"), Some("bc"), Some("e")), Some(1)));
        assert_eq!(one, hash.of((Some("ab"), Some("c"), Some("e")), Some(1)));
    }
}
