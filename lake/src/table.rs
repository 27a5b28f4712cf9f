//! One table of the lake: opened or created, refreshed, and committed to under a fence.
//!
//! A commit is made against a state that its maker has looked at. If any other commit came in between, whatever it
//! was, the outcome is [`Landed::Lost`] and the maker looks again: nobody decides for him that the two do not conflict.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use deltalake_core::DeltaTableBuilder;
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::kernel::{Action, Add, Metadata, MetadataExt, Remove, StructType};
use deltalake_core::logstore::LogStoreRef;
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use tokio::sync::Mutex;
use url::Url;

use crate::data_file::DataFile;
use crate::error::{BoxError, Doing, LakeError};
use crate::folder_stamp::FolderStamp;
use crate::footers::Footers;
use crate::log::{Log, Written};
use crate::properties;
use crate::state::State;
use crate::synced_folder::SyncedFolder;
use crate::table_name::TableName;
use crate::turn::Turns;

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: TableName,
    pub(crate) folder: PathBuf,
    pub(crate) schema: SchemaRef,
    pub(crate) log: Log,
    pub(crate) footers: Footers,
    pub(crate) turns: Turns,
    held: Mutex<Held>,
}

/// The newest state that was read.
#[derive(Debug)]
struct Held {
    state: Arc<State>,
    /// The log's folder as it was before the state was read: while it stays so, the state is the newest.
    as_of: Option<FolderStamp>,
}

/// What one commit adds, removes and sets.
#[derive(Debug, Default)]
pub(crate) struct Edit {
    pub(crate) add: Vec<DataFile>,
    pub(crate) remove: Vec<Arc<DataFile>>,
    pub(crate) set: Vec<(String, i64)>,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) nature: Nature,
    pub(crate) now_ms: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Rows come or go.
    #[default]
    Change,
    /// The same rows in other files.
    Rearrangement,
    /// Properties of the table.
    Properties,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landed {
    Done(u64),
    /// Certainly not: its files are nobody's.
    Lost,
    /// The process slept so long that the log no longer says. Its files may be in use, so they stay; the maker looks
    /// again as if the commit had been lost, and finds its positions there if it was not.
    Overtaken,
}

impl Table {
    /// Opens the table in `folder`; `None` when there is none.
    pub(crate) async fn open(name: TableName, folder: PathBuf) -> Result<Option<Self>, LakeError> {
        let log = Log { store: log_store(&name, &folder)?, folder: folder.clone(), table: name.clone() };
        let Some(state) = log.read(None).await? else { return Ok(None) };
        properties::check_format(&name, state.property(properties::FORMAT))?;
        let schema = schema_of(&name, &state)?;
        let (footers, turns) = (Footers::of(&name), Turns::of(&folder));
        let held = Mutex::new(Held { state, as_of: None });
        Ok(Some(Self { name, folder, schema, log, footers, turns, held }))
    }

    /// Opens the table, or creates it when it is not there. Two processes may do so at once.
    pub(crate) async fn open_or_create(
        name: TableName,
        folder: PathBuf,
        schema: &SchemaRef,
    ) -> Result<Self, LakeError> {
        if let Some(table) = Self::open(name.clone(), folder.clone()).await? {
            return Ok(table);
        }
        let created = create(&name, &folder, schema).await;
        match Self::open(name.clone(), folder).await? {
            Some(table) => Ok(table),
            // Only if nobody created it is our failure the answer.
            None => Err(created.err().unwrap_or_else(|| "it is not there after it was created".into()))
                .doing("create it", &name),
        }
    }

    /// The newest state, cheap when nothing changed.
    pub(crate) async fn refresh(&self) -> Result<Arc<State>, LakeError> {
        let mut held = self.held.lock().await;
        let as_of = self.log.stamp();
        if as_of.is_some() && as_of == held.as_of {
            return Ok(Arc::clone(&held.state));
        }
        let read = self.log.read(Some(&held.state)).await?;
        let state = read.ok_or_else(|| LakeError::NoTable(self.name.clone()))?;
        if state.metadata != held.state.metadata {
            properties::check_format(&self.name, state.property(properties::FORMAT))?;
        }
        *held = Held { state: Arc::clone(&state), as_of };
        Ok(state)
    }

    /// Commits `edit` as the version after `base`, or loses. Waits while somebody else has the turn alone.
    pub(crate) async fn commit(&self, base: &State, edit: &Edit) -> Result<Landed, LakeError> {
        let _turn = self.turns.beside_others().await;
        self.commit_at_once(base, edit).await
    }

    /// The same for who has the turn.
    pub(crate) async fn commit_at_once(&self, base: &State, edit: &Edit) -> Result<Landed, LakeError> {
        let version = base.version + 1;
        let written = self.log.write(version, edit.actions(), &edit.set, edit.operation(self)).await?;
        if written == Written::Taken {
            return Ok(Landed::Lost);
        }
        if self.log.still_holds(base.version).await? {
            return Ok(Landed::Done(version));
        }
        self.look_closer(version, edit).await
    }

    /// A process that slept longer than the log keeps its entries may "create" a version that is long past. Such a
    /// commit is in nobody's state, and must not stay in ours either.
    async fn look_closer(&self, version: u64, edit: &Edit) -> Result<Landed, LakeError> {
        let state = self.log.read(None).await?.ok_or_else(|| LakeError::NoTable(self.name.clone()))?;
        let landed = edit.is_in(&state);
        *self.held.lock().await = Held { state, as_of: None };
        Ok(if landed { Landed::Done(version) } else { Landed::Overtaken })
    }
}

impl Edit {
    /// Names of files are never used twice, so one that the state knows tells that the commit is part of it. A commit
    /// without files is part of it when it would change nothing.
    fn is_in(&self, state: &State) -> bool {
        let known = |file: &DataFile| state.is_active(&file.path) || state.tombstones.contains_key(&file.path);
        if !self.add.is_empty() {
            return self.add.iter().any(known);
        }
        let set = self.set.iter().all(|(name, value)| state.transactions.get(name) == Some(value));
        let removed = self.remove.iter().all(|file| !state.is_active(&file.path));
        set && removed && (self.metadata.is_none() || self.metadata == state.metadata)
    }

    fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::with_capacity(self.add.len() + self.remove.len() + 1);
        actions.extend(self.metadata.clone().map(Action::Metadata));
        actions.extend(self.remove.iter().map(|file| Action::Remove(self.remove_action(file))));
        actions.extend(self.add.iter().map(|file| Action::Add(self.add_action(file))));
        actions
    }

    fn add_action(&self, file: &DataFile) -> Add {
        Add {
            path: file.path.to_string(),
            partition_values: file.partition.clone().into_iter().collect(),
            size: i64::try_from(file.bytes).unwrap_or(i64::MAX),
            modification_time: file.modified_ms,
            data_change: self.nature == Nature::Change,
            // Without statistics a reader must open the file; that is all that a failure here could mean.
            stats: serde_json::to_string(&file.bounds).ok(),
            ..Add::default()
        }
    }

    fn remove_action(&self, file: &DataFile) -> Remove {
        Remove {
            path: file.path.to_string(),
            data_change: self.nature == Nature::Change,
            deletion_timestamp: Some(self.now_ms),
            extended_file_metadata: Some(true),
            partition_values: Some(file.partition.clone().into_iter().collect()),
            size: i64::try_from(file.bytes).ok(),
            ..Remove::default()
        }
    }

    fn operation(&self, table: &Table) -> DeltaOperation {
        let partition_by = table.name.partition_columns().iter().map(|name| (*name).to_owned()).collect();
        match self.nature {
            Nature::Change => {
                DeltaOperation::Write { mode: SaveMode::Append, partition_by: Some(partition_by), predicate: None }
            }
            Nature::Rearrangement => DeltaOperation::Optimize { predicate: None, target_size: 0 },
            Nature::Properties => DeltaOperation::SetTableProperties { properties: Default::default() },
        }
    }
}

/// The same metadata with one property more.
pub(crate) fn with_property(metadata: Metadata, key: &str, value: &str) -> Result<Metadata, BoxError> {
    Ok(metadata.add_config_key(key.to_owned(), value.to_owned())?)
}

fn log_store(name: &TableName, folder: &std::path::Path) -> Result<LogStoreRef, LakeError> {
    let url = Url::from_directory_path(folder).map_err(|()| "its folder is no absolute path").doing("open it", name)?;
    let built = DeltaTableBuilder::from_url(url.clone())
        .and_then(|builder| builder.with_storage_backend(Arc::new(SyncedFolder::new()), url).build_storage());
    built.doing("open it", name)
}

async fn create(name: &TableName, folder: &std::path::Path, schema: &SchemaRef) -> Result<(), BoxError> {
    let columns: StructType = schema.as_ref().try_into_kernel()?;
    CreateBuilder::new()
        .with_log_store(log_store(name, folder)?)
        .with_columns(columns.fields().cloned())
        .with_partition_columns(name.partition_columns().iter().copied())
        .with_configuration(properties::at_creation(schema))
        // The format version is a property of ours, which delta-rs does not know.
        .with_raise_if_key_not_exists(false)
        .with_save_mode(SaveMode::ErrorIfExists)
        .with_commit_properties(CommitProperties::default().with_max_retries(0).with_cleanup_expired_logs(Some(false)))
        .await?;
    Ok(())
}

fn schema_of(name: &TableName, state: &State) -> Result<SchemaRef, LakeError> {
    if let Some(schema) = name.static_schema() {
        return Ok(schema);
    }
    let read = || -> Result<SchemaRef, BoxError> {
        let metadata = state.metadata.as_ref().ok_or("its log has no metadata")?;
        let columns = metadata.parse_schema()?;
        let schema: arrow::datatypes::Schema = (&columns).try_into_arrow()?;
        Ok(Arc::new(schema))
    };
    read().doing("read the columns", name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::checkpoint::write_checkpoint;

    async fn table(folder: &tempfile::TempDir) -> Table {
        let schema = TableName::Findings.static_schema().unwrap();
        Table::open_or_create(TableName::Findings, folder.path().join("findings"), &schema).await.unwrap()
    }

    fn step(number: i64) -> Edit {
        Edit { set: vec![("reached".to_owned(), number)], ..Edit::default() }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_commit_into_a_part_of_the_log_that_was_cleaned_away_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (sleeper, awake) = (table(&folder).await, table(&folder).await);
        let base = sleeper.refresh().await.unwrap();
        for number in 1..=5 {
            let state = awake.refresh().await.unwrap();
            assert_eq!(awake.commit(&state, &step(number)).await.unwrap(), Landed::Done(state.version + 1));
        }
        let newest = awake.refresh().await.unwrap();
        write_checkpoint(&awake, &newest).await.unwrap();
        for version in 0..newest.version {
            std::fs::remove_file(folder.path().join(format!("findings/_delta_log/{version:020}.json"))).unwrap();
        }
        assert_eq!(sleeper.commit(&base, &step(99)).await.unwrap(), Landed::Overtaken);
        for handle in [&sleeper, &awake] {
            let state = handle.refresh().await.unwrap();
            assert_eq!((state.version, state.transactions["reached"]), (newest.version, 5));
        }
    }

    #[tokio::test]
    async fn a_commit_waits_for_who_has_the_turn_alone() {
        let folder = tempfile::tempdir().unwrap();
        let table = table(&folder).await;
        let (state, edit) = (table.refresh().await.unwrap(), step(1));
        let alone = Turns::of(&folder.path().join("findings")).alone().await;
        let waiting = table.commit(&state, &edit);
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_millis(200), &mut waiting).await.is_err());
        drop(alone);
        assert_eq!(waiting.await.unwrap(), Landed::Done(state.version + 1));
    }

    #[test]
    fn a_commit_is_known_by_its_files_even_when_they_were_replaced() {
        let add = |path: &str| Action::Add(Add { path: path.into(), ..Add::default() });
        let mut before = State::default();
        before.apply(1, vec![add("mine.parquet")]);
        let edit = Edit { add: vec![before.files()[0].as_ref().clone()], set: step(1).set, ..Edit::default() };
        assert!(edit.is_in(&before));
        let mut later = before.clone();
        let gone = Remove { path: "mine.parquet".into(), ..Remove::default() };
        later.apply(2, vec![Action::Remove(gone), add("merged.parquet")]);
        assert!(edit.is_in(&later));
        assert!(!edit.is_in(&State::default()));
    }
}
