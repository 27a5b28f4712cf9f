//! A fixed view of the lake: for each table the files and transactions of one version. Whoever holds it sees no later
//! commit, and its files stay on disk until clean-up's safe age has passed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use credwatch_schemas::position::Partition;
use credwatch_schemas::records::{Disposition, column};
use credwatch_schemas::time::Micros;
use datafusion::catalog::TableProvider;

use crate::data_file::DataFile;
use crate::footers::Footers;
use crate::provider::FilesProvider;
use crate::state::State;
use crate::table::Table;
use crate::table_name::TableName;

/// Application transactions of `records` that are not a partition's.
pub(crate) const SEQ: &str = "seq";
pub(crate) const INGEST_TIME: &str = "ingest_time";
/// The version in which files were last rearranged or fenced off.
pub(crate) const COMPACTOR: &str = "compactor";

/// The value of a clock that was retired: the partition counts as one that never had a clock.
pub(crate) const RETIRED: i64 = i64::MIN;

#[derive(Debug, Clone)]
pub struct LakeSnapshot {
    records: TableSnapshot,
    others: BTreeMap<TableName, TableSnapshot>,
}

#[derive(Debug, Clone)]
pub struct TableSnapshot {
    name: TableName,
    folder: PathBuf,
    schema: SchemaRef,
    footers: Footers,
    pub(crate) state: Arc<State>,
}

impl LakeSnapshot {
    pub(crate) fn new(records: TableSnapshot, others: BTreeMap<TableName, TableSnapshot>) -> Self {
        Self { records, others }
    }

    pub fn records(&self) -> &TableSnapshot {
        &self.records
    }

    pub fn table(&self, name: &TableName) -> Option<&TableSnapshot> {
        match name {
            TableName::Records => Some(&self.records),
            other => self.others.get(other),
        }
    }

    /// Every table, `records` first.
    pub fn tables(&self) -> impl Iterator<Item = &TableSnapshot> {
        std::iter::once(&self.records).chain(self.others.values())
    }

    /// The next offset of every partition that the table knows.
    pub fn positions(&self) -> BTreeMap<Partition, i64> {
        partitions(&self.records.state, "p/").collect()
    }

    /// The clock of every partition that has one.
    pub fn clocks(&self) -> BTreeMap<Partition, Micros> {
        partitions(&self.records.state, "c/")
            .filter(|(_, value)| *value != RETIRED)
            .map(|(partition, value)| (partition, Micros(value)))
            .collect()
    }

    /// The highest `seq` of a committed row; 0 when there is none.
    pub fn highest_seq(&self) -> i64 {
        self.records.transaction(SEQ).unwrap_or(0)
    }

    /// A time that the last accepted event does not lie before, from what the log knows of files; the last event itself
    /// stands in few of them. `None` when there is no accepted event, or the log cannot tell.
    pub fn last_event_from(&self) -> Option<Micros> {
        let accepted =
            |file: &&Arc<DataFile>| file.partition_value(column::DISPOSITION) == Some(Disposition::Accepted.as_str());
        let ranges = self.records.files().iter().filter(accepted).map(|file| file.time_range());
        let latest = ranges.collect::<Option<Vec<_>>>()?.into_iter().map(|(_, latest)| latest).max()?;
        // The log rounds the end of a file up to a millisecond.
        Some(latest.plus(-1_000))
    }

    /// Event time up to which everything is taken to have arrived: the smallest clock minus the lateness. `None` in a
    /// lake without clocks.
    pub fn watermark(&self, lateness_micros: i64) -> Option<Micros> {
        self.clocks().values().min().map(|clock| clock.plus(lateness_micros.saturating_neg()))
    }
}

impl TableSnapshot {
    pub(crate) fn new(table: &Table, state: Arc<State>) -> Self {
        Self {
            name: table.name.clone(),
            folder: table.folder.clone(),
            schema: Arc::clone(&table.schema),
            footers: table.footers.clone(),
            state,
        }
    }

    pub fn name(&self) -> &TableName {
        &self.name
    }

    pub fn version(&self) -> i64 {
        i64::try_from(self.state.version).unwrap_or(i64::MAX)
    }

    /// Active files, ordered by path.
    pub fn files(&self) -> &[Arc<DataFile>] {
        self.state.files()
    }

    /// Rows of all active files, where the log knows them.
    pub fn rows(&self) -> Option<u64> {
        self.files().iter().map(|file| file.rows).sum()
    }

    /// An application transaction, for example `seq`.
    pub fn transaction(&self, name: &str) -> Option<i64> {
        self.state.transactions.get(name).copied()
    }

    /// All application transactions by name.
    pub fn transactions(&self) -> &BTreeMap<String, i64> {
        &self.state.transactions
    }

    pub fn property(&self, key: &str) -> Option<&str> {
        self.state.property(key)
    }

    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    pub fn provider(&self) -> Arc<dyn TableProvider> {
        self.provider_of(self.files())
    }

    /// The same with some of its files only.
    pub fn provider_of(&self, files: &[Arc<DataFile>]) -> Arc<dyn TableProvider> {
        Arc::new(FilesProvider::new(
            self.folder.clone(),
            Arc::clone(&self.schema),
            self.name.partition_columns().len(),
            self.name == TableName::Records,
            files.to_vec(),
            self.footers.clone(),
        ))
    }
}

fn partitions<'a>(state: &'a State, prefix: &'a str) -> impl Iterator<Item = (Partition, i64)> + 'a {
    let entries = state.transactions.iter();
    entries.filter_map(move |(key, value)| Some((Partition::parse(key.strip_prefix(prefix)?)?, *value)))
}
