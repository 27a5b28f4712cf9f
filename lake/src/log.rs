//! Reading and writing a table's log.
//!
//! A commit is a compare-and-set on the version: the file of version S+1 is created, or it exists. delta-rs's retries
//! and its conflict checker are never asked. After any error the file of that version is read back: a lost answer may
//! have been a success, and its bytes (each commit carries an id of its own) say whose success it was.
//!
//! Reading is incremental: a refresh opens the next version's file, which is mostly absent; where nothing has come or gone
//! in the log's folder, nothing is opened. The whole log is read, from
//! its last checkpoint on, at opening and whenever there is a checkpoint newer than what was known: clean-up may have
//! removed entries in between, and a process that slept may have "created" one of them again.
//!
//! Whoever reads an entry acts on it, so it is made durable first: its writer may die between creating and syncing it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::json::LineDelimitedWriter;
use bytes::Bytes;
use deltalake_core::kernel::transaction::{CommitData, TransactionError};
use deltalake_core::kernel::{Action, Transaction};
use deltalake_core::logstore::{CommitOrBytes, LogStoreRef, get_actions};
use deltalake_core::protocol::DeltaOperation;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;

use crate::error::{BoxError, Doing, LakeError};
use crate::folder_stamp::FolderStamp;
use crate::state::State;
use crate::synced_folder::sync_folder;
use crate::table_name::TableName;

/// What became of an attempt to write one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Done,
    /// Another commit has this version.
    Taken,
}

#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) table: TableName,
    pub(crate) folder: PathBuf,
    pub(crate) store: LogStoreRef,
}

/// The log's folder in a table's.
pub(crate) const LOG_FOLDER: &str = "_delta_log";

impl Log {
    /// The newest state; `known` is where reading starts. `None` when there is no table.
    pub(crate) async fn read(&self, known: Option<&Arc<State>>) -> Result<Option<Arc<State>>, LakeError> {
        let Some(known) = known else { return self.read_whole().await };
        let state = self.follow(Arc::clone(known)).await?;
        // Entries are removed below a checkpoint only, so without a newer one every entry that was followed was true.
        match self.last_checkpoint().await? {
            Some(checkpoint) if checkpoint > known.version => self.read_whole().await,
            Some(_) | None => Ok(Some(state)),
        }
    }

    /// The log's folder, where it has been still for long enough to tell whether it stays so.
    pub(crate) fn stamp(&self) -> Option<FolderStamp> {
        FolderStamp::of(&self.folder.join(LOG_FOLDER)).ok().flatten()
    }

    async fn read_whole(&self) -> Result<Option<Arc<State>>, LakeError> {
        let mut state = State::default();
        if let Some(version) = self.newest_checkpoint().await? {
            state.apply(version, self.read_checkpoint(version).await?);
        } else if let Some(bytes) = self.entry(0).await? {
            state.apply(0, parse(0, &bytes).doing("read the first log entry", &self.table)?);
        } else {
            return Ok(None);
        }
        self.follow(Arc::new(state)).await.map(Some)
    }

    async fn follow(&self, mut state: Arc<State>) -> Result<Arc<State>, LakeError> {
        let known = state.version;
        while let Some(bytes) = self.entry(state.version + 1).await? {
            let version = state.version + 1;
            let actions = parse(version, &bytes).doing("read a log entry", &self.table)?;
            Arc::make_mut(&mut state).apply(version, actions);
        }
        if state.version > known {
            self.make_durable().await?;
        }
        Ok(state)
    }

    async fn make_durable(&self) -> Result<(), LakeError> {
        let folder = self.folder.join(LOG_FOLDER);
        let synced = tokio::task::spawn_blocking(move || match sync_folder(&folder) {
            // Nobody can have written there since it was mounted, so nothing waits to be synced.
            Err(error) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => Ok(()),
            other => other,
        });
        synced.await.map_err(BoxError::from).and_then(|done| Ok(done?)).doing("sync the log", &self.table)
    }

    /// Writes `actions` as exactly `version`, or not at all.
    pub(crate) async fn write(
        &self,
        version: u64,
        actions: Vec<Action>,
        set: &[(String, i64)],
        operation: DeltaOperation,
    ) -> Result<Written, LakeError> {
        let bytes = commit_bytes(actions, set, operation).doing("encode a log entry", &self.table)?;
        let entry = CommitOrBytes::LogBytes(bytes.clone());
        match self.store.write_commit_entry(version, entry, uuid::Uuid::new_v4()).await {
            Ok(()) => Ok(Written::Done),
            Err(error) => self.whose(version, &bytes, error).await,
        }
    }

    async fn whose(&self, version: u64, ours: &Bytes, error: TransactionError) -> Result<Written, LakeError> {
        match self.entry(version).await? {
            Some(there) if there == *ours => self.make_durable().await.map(|()| Written::Done),
            Some(_) => Ok(Written::Taken),
            None => Err(error).doing("write a log entry", &self.table),
        }
    }

    /// Whether clean-up has certainly left `version` and what follows it alone.
    pub(crate) async fn still_holds(&self, version: u64) -> Result<bool, LakeError> {
        let there = self.entry(version).await?.is_some();
        Ok(there && self.last_checkpoint().await?.is_none_or(|checkpoint| checkpoint <= version))
    }

    async fn entry(&self, version: u64) -> Result<Option<Bytes>, LakeError> {
        self.get(&Path::from(format!("{LOG_FOLDER}/{version:020}.json"))).await
    }

    async fn get(&self, path: &Path) -> Result<Option<Bytes>, LakeError> {
        match self.store.object_store(None).get(path).await {
            Ok(found) => found.bytes().await.map(Some).doing("read the log", &self.table),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error).doing("read the log", &self.table),
        }
    }

    /// Version of the last checkpoint, as the log's own hint names it: cheap, and only a reason to look closer.
    pub(crate) async fn last_checkpoint(&self) -> Result<Option<u64>, LakeError> {
        #[derive(Deserialize)]
        struct Hint {
            version: u64,
        }
        let hint = self.get(&Path::from("_delta_log/_last_checkpoint")).await?;
        Ok(hint.and_then(|bytes| serde_json::from_slice::<Hint>(&bytes).ok()).map(|hint| hint.version))
    }

    /// The hint may be missing or, after a race of two maintainers, go back; the files themselves do not lie.
    pub(crate) async fn newest_checkpoint(&self) -> Result<Option<u64>, LakeError> {
        let files = self.list().await?;
        Ok(files.iter().filter_map(|file| checkpoint_version(file.location.filename()?)).max())
    }

    /// Everything in the log's folder.
    pub(crate) async fn list(&self) -> Result<Vec<ObjectMeta>, LakeError> {
        let listed = self.store.object_store(None).list(Some(&Path::from(LOG_FOLDER)));
        match listed.try_collect().await {
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            other => other.doing("list the log", &self.table),
        }
    }

    /// Takes back a checkpoint, hint first: the entries that it covers are all there still.
    pub(crate) async fn remove_checkpoint(&self, version: u64) -> Result<(), LakeError> {
        let checkpoint = format!("{LOG_FOLDER}/{version:020}.checkpoint.parquet");
        for path in [format!("{LOG_FOLDER}/_last_checkpoint"), checkpoint] {
            let removed = self.store.object_store(None).delete(&Path::from(path)).await;
            removed.doing("remove a checkpoint", &self.table)?;
        }
        Ok(())
    }

    pub(crate) async fn read_checkpoint(&self, version: u64) -> Result<Vec<Action>, LakeError> {
        let path = Path::from(format!("{LOG_FOLDER}/{version:020}.checkpoint.parquet"));
        let bytes = self.get(&path).await?.ok_or("the checkpoint that the log names is missing");
        let bytes = bytes.doing("read a checkpoint", &self.table)?;
        let parsed = tokio::task::spawn_blocking(move || checkpoint_actions(version, bytes)).await;
        parsed.map_err(BoxError::from).and_then(|actions| actions).doing("read a checkpoint", &self.table)
    }
}

/// The version of a checkpoint, from its file name.
pub(crate) fn checkpoint_version(name: &str) -> Option<u64> {
    name.strip_suffix(".checkpoint.parquet")?.parse().ok()
}

/// The version of a log entry, from its file name.
pub(crate) fn entry_version(name: &str) -> Option<u64> {
    name.strip_suffix(".json")?.parse().ok()
}

fn parse(version: u64, bytes: &Bytes) -> Result<Vec<Action>, BoxError> {
    Ok(get_actions(version, bytes)?)
}

/// A checkpoint is a log entry in columns: its rows, written as JSON, are actions.
fn checkpoint_actions(version: u64, bytes: Bytes) -> Result<Vec<Action>, BoxError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let wanted = ["add", "remove", "txn", "metaData", "protocol"];
    let roots = builder.parquet_schema().root_schema().get_fields().iter().enumerate();
    let roots: Vec<usize> = roots.filter(|(_, field)| wanted.contains(&field.name())).map(|(index, _)| index).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let mut lines = LineDelimitedWriter::new(Vec::new());
    for batch in builder.with_projection(mask).build()? {
        lines.write(&batch?)?;
    }
    lines.finish()?;
    let json = Bytes::from(lines.into_inner());
    parse(version, &json)
}

fn commit_bytes(
    actions: Vec<Action>,
    set: &[(String, i64)],
    operation: DeltaOperation,
) -> Result<Bytes, TransactionError> {
    let transactions = set.iter().map(|(name, value)| Transaction::new(name, *value)).collect();
    let id = serde_json::Value::String(uuid::Uuid::new_v4().to_string());
    let described = HashMap::from([("commitId".to_owned(), id)]);
    CommitData::new(actions, operation, described, transactions).get_bytes()
}
