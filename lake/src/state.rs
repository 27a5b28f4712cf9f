//! What a table is at one version: its active files, its application transactions and its properties, replayed from
//! the log.
//!
//! Replay is pure: actions in, state out. A state is never changed once somebody holds it; the next version is a new
//! one that shares the files.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use deltalake_core::kernel::{Action, Add, Metadata};

use crate::data_file::{Bounds, DataFile};

#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) version: u64,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) transactions: BTreeMap<String, i64>,
    /// Removed files and when (milliseconds): they stay on disk for readers of older versions.
    pub(crate) tombstones: BTreeMap<Arc<str>, i64>,
    files: BTreeMap<Arc<str>, Arc<DataFile>>,
    listed: OnceLock<Vec<Arc<DataFile>>>,
}

impl State {
    /// The state after one more commit.
    pub(crate) fn apply(&mut self, version: u64, actions: Vec<Action>) {
        self.version = version;
        self.listed = OnceLock::new();
        // A commit that replaces files may name them in any order: what it removes goes first.
        for action in &actions {
            if let Action::Remove(remove) = action {
                self.files.remove(remove.path.as_str());
                self.tombstones.insert(remove.path.as_str().into(), remove.deletion_timestamp.unwrap_or(0));
            }
        }
        for action in actions {
            match action {
                Action::Add(add) => self.add(add),
                Action::Txn(txn) => {
                    self.transactions.insert(txn.app_id, txn.version);
                }
                Action::Metadata(metadata) => self.metadata = Some(metadata),
                Action::Remove(_)
                | Action::Protocol(_)
                | Action::Cdc(_)
                | Action::CommitInfo(_)
                | Action::DomainMetadata(_) => {}
            }
        }
    }

    fn add(&mut self, add: Add) {
        let path: Arc<str> = add.path.as_str().into();
        self.tombstones.remove(&path);
        self.files.insert(Arc::clone(&path), Arc::new(data_file(path, add)));
    }

    /// Active files, ordered by path.
    pub(crate) fn files(&self) -> &[Arc<DataFile>] {
        self.listed.get_or_init(|| self.files.values().cloned().collect())
    }

    pub(crate) fn is_active(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    pub(crate) fn property(&self, key: &str) -> Option<&str> {
        self.metadata.as_ref()?.configuration().get(key).map(String::as_str)
    }
}

fn data_file(path: Arc<str>, add: Add) -> DataFile {
    // Statistics are a hint: a file whose statistics cannot be read is a file without statistics.
    let bounds: Bounds = add.stats.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    DataFile {
        path,
        bytes: u64::try_from(add.size).unwrap_or(0),
        rows: bounds.num_records,
        partition: add.partition_values.into_iter().collect(),
        bounds,
        modified_ms: add.modification_time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deltalake_core::kernel::{Remove, Transaction};

    fn add(path: &str) -> Action {
        Action::Add(Add { path: path.into(), stats: Some(r#"{"numRecords":3}"#.into()), ..Add::default() })
    }

    fn remove(path: &str) -> Action {
        Action::Remove(Remove { path: path.into(), deletion_timestamp: Some(5), ..Remove::default() })
    }

    #[test]
    fn a_removed_file_is_a_tombstone_and_no_longer_active() {
        let mut state = State::default();
        state.apply(1, vec![add("a"), add("b")]);
        state.apply(2, vec![add("c"), remove("a"), remove("b")]);
        let paths: Vec<_> = state.files().iter().map(|file| file.path.to_string()).collect();
        assert_eq!(paths, ["c"]);
        assert_eq!(state.tombstones.len(), 2);
        assert_eq!(state.version, 2);
    }

    #[test]
    fn the_last_value_of_a_transaction_holds() {
        let mut state = State::default();
        state.apply(1, vec![Action::Txn(Transaction::new("seq", 4))]);
        state.apply(2, vec![Action::Txn(Transaction::new("seq", 9))]);
        assert_eq!(state.transactions["seq"], 9);
    }

    #[test]
    fn a_held_state_does_not_change() {
        let mut state = Arc::new(State::default());
        Arc::make_mut(&mut state).apply(1, vec![add("a")]);
        let held = Arc::clone(&state);
        Arc::make_mut(&mut state).apply(2, vec![remove("a")]);
        assert_eq!(held.files().len(), 1);
        assert_eq!(state.files().len(), 0);
    }
}
