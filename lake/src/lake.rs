//! The lake: all tables in one folder, and the few things that can be done with them.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use arrow::datatypes::SchemaRef;
use credwatch_schemas::batch::ValidBatch;
use credwatch_schemas::position::Partition;
use credwatch_schemas::time::Micros;
use tokio::sync::Mutex;

use crate::append::{self, Appended};
use crate::change::{self, Change, Committed};
use crate::compaction::{self, Compacted};
use crate::error::{Doing, LakeError};
use crate::location::folder_of;
use crate::maintenance::{self, Maintained};
use crate::recognition::{MOST_IDENTITIES, Recognition};
use crate::snapshot::{LakeSnapshot, RETIRED, TableSnapshot};
use crate::synced_folder::create_folder;
use crate::table::{Edit, Landed, Nature, Table, with_property};
use crate::table_name::TableName;

/// What a process wants to do with the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The lake and its tables are created when they are not there.
    Write,
    /// Nothing is created or changed; an absent lake is an error.
    Read,
}

/// Attempts to set one property or clock against other writers.
const MOST_ATTEMPTS: u32 = 60;

/// A handle on the lake; clones share it.
#[derive(Debug, Clone)]
pub struct Lake {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    url: String,
    root: PathBuf,
    access: Access,
    records: Arc<Table>,
    others: std::sync::Mutex<BTreeMap<TableName, Arc<Table>>>,
    /// Held while a batch is appended: inside a process one append runs at a time.
    memory: Arc<Mutex<Recognition>>,
}

impl Lake {
    /// Opens the lake at a path or `file://` URL.
    pub async fn open(url: &str, access: Access) -> Result<Self, LakeError> {
        let root = folder_of(url)?;
        let mut tables = match access {
            Access::Write => open_or_create(&root).await?,
            Access::Read => open_existing(&root).await?,
        };
        let records = tables.remove(&TableName::Records).ok_or_else(|| LakeError::Absent(url.to_owned()))?;
        let memory = Recognition::new(records.folder.clone(), MOST_IDENTITIES);
        let inner = Inner {
            url: url.to_owned(),
            root,
            access,
            records,
            others: std::sync::Mutex::new(tables),
            memory: Arc::new(Mutex::new(memory)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The path or URL that it was opened with.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// Appends a batch to `records`, exactly once: see [`Appended`]. `now` is the wall clock.
    pub async fn append(&self, batch: ValidBatch, now: Micros) -> Result<Appended, LakeError> {
        self.check_writable(&TableName::Records)?;
        let memory = Arc::clone(&self.inner.memory).lock_owned().await;
        append::append(&self.inner.records, memory, Arc::new(batch), now).await
    }

    /// The newest version of every table; sees what other processes committed. Cheap when nothing changed.
    pub async fn snapshot(&self) -> Result<LakeSnapshot, LakeError> {
        let records = TableSnapshot::new(&self.inner.records, self.inner.records.refresh().await?);
        let mut others = BTreeMap::new();
        for name in self.table_names()? {
            if let Some(table) = self.table(&name).await? {
                others.insert(name, TableSnapshot::new(&table, table.refresh().await?));
            }
        }
        Ok(LakeSnapshot::new(records, others))
    }

    /// The newest version of one table; `None` when there is no such table.
    pub async fn table_snapshot(&self, name: &TableName) -> Result<Option<TableSnapshot>, LakeError> {
        let Some(table) = self.table(name).await? else { return Ok(None) };
        Ok(Some(TableSnapshot::new(&table, table.refresh().await?)))
    }

    /// Changes a small table, all or nothing, if it still is as the change expects. `now` is the wall clock.
    pub async fn commit(&self, name: &TableName, change: Change, now: Micros) -> Result<Committed, LakeError> {
        self.check_writable(name)?;
        if *name == TableName::Records {
            return Err(LakeError::Refused { table: name.clone(), what: "rows of this table come by append alone" });
        }
        let table = self.table(name).await?.ok_or_else(|| LakeError::NoTable(name.clone()))?;
        change::commit(&table, change, now.0.div_euclid(1_000)).await
    }

    /// Creates a rollup or ledger when it is not there; one with other columns is an error.
    pub async fn ensure_table(&self, name: &TableName, schema: SchemaRef) -> Result<(), LakeError> {
        self.check_writable(name)?;
        if !name.is_sound() {
            return Err(LakeError::Refused { table: name.clone(), what: "its name cannot be a folder's" });
        }
        let table = match self.table(name).await? {
            Some(table) => table,
            None => {
                let folder = self.inner.root.join(name.to_string());
                self.keep(Table::open_or_create(name.clone(), folder, &schema).await?)
            }
        };
        let columns = |schema: &SchemaRef| -> Vec<_> {
            schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
        };
        if columns(&table.schema) != columns(&schema) {
            return Err(LakeError::OtherSchema(name.clone()));
        }
        Ok(())
    }

    /// Merges small files of `records`; see [`Compacted`]. One run is bounded: call it again while it is `Done`.
    pub async fn compact(&self, now: Micros) -> Result<Compacted, LakeError> {
        self.check_writable(&TableName::Records)?;
        let (compacted, made) = compaction::compact(&self.inner.records, now).await?;
        let mut memory = self.inner.memory.lock().await;
        made.into_iter().for_each(|(file, of)| memory.know(file, &of));
        Ok(compacted)
    }

    /// The same for a table whose rows have a `seq` and only grow: findings, configuration, keys, grants, saved queries, reports, notices, audit.
    pub async fn compact_log(&self, name: &TableName, now: Micros) -> Result<Compacted, LakeError> {
        self.check_writable(name)?;
        match name {
            TableName::Findings
            | TableName::Configuration
            | TableName::Keys
            | TableName::Grants
            | TableName::SavedQueries
            | TableName::Reports
            | TableName::Notices
            | TableName::Audit => {}
            _ => return Err(LakeError::Refused { table: name.clone(), what: "its files are merged by their owner" }),
        }
        let Some(table) = self.table(name).await? else { return Ok(Compacted::Nothing) };
        compaction::compact(&table, now).await.map(|(compacted, _)| compacted)
    }

    /// Checkpoints, cleans the logs and removes files that nobody needs, in every table; see [`Maintained`]. Readers
    /// hold a snapshot for less than `safe_age` (microseconds). Any number of processes may do it; one is enough.
    pub async fn maintain(&self, now: Micros, safe_age: i64) -> Result<Maintained, LakeError> {
        self.check_writable(&TableName::Records)?;
        let mut done = Maintained::default();
        maintenance::maintain(&self.inner.records, now, safe_age, &mut done).await?;
        for name in self.table_names()? {
            if let Some(table) = self.table(&name).await? {
                maintenance::maintain(&table, now, safe_age, &mut done).await?;
            }
        }
        Ok(done)
    }

    /// A property of `records`, which stands for the lake.
    pub async fn property(&self, key: &str) -> Result<Option<String>, LakeError> {
        Ok(self.inner.records.refresh().await?.property(key).map(str::to_owned))
    }

    /// Sets a property of `records`, whatever it was before.
    pub async fn set_property(&self, key: &str, value: &str) -> Result<(), LakeError> {
        self.write_property(key, value, |_| true).await.map(|_| ())
    }

    /// Sets a property of `records` unless it is set; returns the value that holds then.
    pub async fn settle_property(&self, key: &str, value: &str) -> Result<String, LakeError> {
        self.write_property(key, value, |present| present.is_none()).await
    }

    async fn write_property(
        &self,
        key: &str,
        value: &str,
        may_write: impl Fn(Option<&str>) -> bool,
    ) -> Result<String, LakeError> {
        self.check_writable(&TableName::Records)?;
        let table = &self.inner.records;
        for attempt in 0..MOST_ATTEMPTS {
            let state = table.refresh().await?;
            let present = state.property(key);
            if let Some(present) = present.filter(|present| *present == value || !may_write(Some(present))) {
                return Ok(present.to_owned());
            }
            let metadata = state.metadata.clone().ok_or("its log has no metadata").doing("read it", &table.name)?;
            let metadata = with_property(metadata, key, value).doing("set a property", &table.name)?;
            let edit = Edit { metadata: Some(metadata), nature: Nature::Properties, ..Edit::default() };
            if let Landed::Done(_) = table.commit(&state, &edit).await? {
                return Ok(value.to_owned());
            }
            tokio::time::sleep(append::pause(attempt)).await;
        }
        Err(LakeError::Contention { table: TableName::Records, attempts: MOST_ATTEMPTS })
    }

    /// Takes a partition's clock out of the watermark, because its topic, topic id or door is gone. A partition that
    /// commits a clock again has one again.
    pub async fn retire_clock(&self, partition: &Partition) -> Result<(), LakeError> {
        self.check_writable(&TableName::Records)?;
        let (table, key) = (&self.inner.records, partition.clock_key());
        for attempt in 0..MOST_ATTEMPTS {
            let state = table.refresh().await?;
            if state.transactions.get(&key).is_none_or(|clock| *clock == RETIRED) {
                return Ok(());
            }
            let edit = Edit { set: vec![(key.clone(), RETIRED)], ..Edit::default() };
            if let Landed::Done(_) = table.commit(&state, &edit).await? {
                return Ok(());
            }
            tokio::time::sleep(append::pause(attempt)).await;
        }
        Err(LakeError::Contention { table: TableName::Records, attempts: MOST_ATTEMPTS })
    }

    fn check_writable(&self, table: &TableName) -> Result<(), LakeError> {
        match self.inner.access {
            Access::Write => Ok(()),
            Access::Read => Err(LakeError::Refused { table: table.clone(), what: "the lake was opened for reading" }),
        }
    }

    /// Tables besides `records` that have a folder now: other processes may have created some.
    fn table_names(&self) -> Result<Vec<TableName>, LakeError> {
        folder_names(&self.inner.root).map_err(|source| LakeError::Folder { doing: "list the tables", source })
    }

    async fn table(&self, name: &TableName) -> Result<Option<Arc<Table>>, LakeError> {
        if *name == TableName::Records {
            return Ok(Some(Arc::clone(&self.inner.records)));
        }
        let known = self.inner.others.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let folder = self.inner.root.join(name.to_string());
        if !folder.is_dir() {
            return Ok(None);
        }
        Ok(Table::open(name.clone(), folder).await?.map(|table| self.keep(table)))
    }

    /// Remembers an open table; if two callers opened it at once, both get the same one.
    fn keep(&self, table: Table) -> Arc<Table> {
        let mut others = self.inner.others.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(others.entry(table.name.clone()).or_insert_with(|| Arc::new(table)))
    }
}

async fn open_or_create(root: &std::path::Path) -> Result<BTreeMap<TableName, Arc<Table>>, LakeError> {
    create_folder(root).map_err(|source| LakeError::Folder { doing: "create the lake", source })?;
    let mut tables = BTreeMap::new();
    for name in TableName::STATIC {
        let Some(schema) = name.static_schema() else { continue };
        let table = Table::open_or_create(name.clone(), root.join(name.to_string()), &schema).await?;
        tables.insert(name, Arc::new(table));
    }
    Ok(tables)
}

async fn open_existing(root: &std::path::Path) -> Result<BTreeMap<TableName, Arc<Table>>, LakeError> {
    let mut tables = BTreeMap::new();
    for name in TableName::STATIC {
        let folder = root.join(name.to_string());
        if let Some(table) = if folder.is_dir() { Table::open(name.clone(), folder).await? } else { None } {
            tables.insert(name, Arc::new(table));
        }
    }
    Ok(tables)
}

fn folder_names(root: &std::path::Path) -> io::Result<Vec<TableName>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let name = entry?.file_name();
        names.extend(name.to_str().and_then(TableName::parse).filter(|name| *name != TableName::Records));
    }
    names.sort();
    Ok(names)
}
