//! Makes few files of many, beside any number of writers: the same rows with the same `seq`, in one commit that removes
//! the old files and adds the new ones, or not at all.
//!
//! Inside a merged file of `records` the rows stand in the one order again, so `seq` no longer goes up from row to row;
//! the file still covers one contiguous range of it. The small tables that only grow are kept in the order of `seq`.
//!
//! A commit of anybody else makes this one lose. The merged rows stay true as long as all the old files are active, so
//! whoever lost writes them again under new names, against the new state, and tries again: reading and sorting are done
//! once. New names, because clean-up counts on files that were there before its own commit never being committed later.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use credwatch_schemas::records::STORED;
use credwatch_schemas::time::Micros;

use crate::append::{discard, pause, put_files};
use crate::data_file::{Bounds, DataFile};
use crate::error::{BoxError, Doing, LakeError};
use crate::fail_point;
use crate::merge_plan::{Group, Limits, bytes, plan, rows};
use crate::merging::merged;
use crate::snapshot::COMPACTOR;
use crate::state::State;
use crate::table::{Edit, Landed, Nature, Table};
use crate::table_name::TableName;

/// Losses in a row before it is left to the next run.
const MOST_ATTEMPTS: u32 = 20;

/// What became of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Compacted {
    /// No files are worth merging.
    Nothing,
    Done {
        version: i64,
        files_before: usize,
        files_after: usize,
        rows: u64,
        bytes_read: u64,
    },
    /// Other commits came first every time, or took the files: the next run looks again.
    Lost,
}

/// The files that a run made, each with those whose rows it holds now.
pub(crate) type Made = Vec<(Arc<str>, Group)>;

/// One run: bounded in bytes, so call it again while it is [`Compacted::Done`].
pub(crate) async fn compact(table: &Table, now: Micros) -> Result<(Compacted, Made), LakeError> {
    let state = table.refresh().await?;
    let groups = plan(state.files(), &Limits::default());
    if groups.is_empty() {
        return Ok((Compacted::Nothing, Made::new()));
    }
    let merged = merge_all(table, &groups, now).await?;
    for attempt in 0..MOST_ATTEMPTS {
        let state = table.refresh().await?;
        if !groups.iter().flatten().all(|file| state.is_active(&file.path)) {
            break;
        }
        let edit = write(table, &merged, &groups, &state, now).await?;
        match commit(table, &state, &edit).await? {
            Landed::Done(version) => {
                let done = done(version, &groups);
                return Ok((done, edit.add.iter().map(|file| Arc::clone(&file.path)).zip(groups).collect()));
            }
            Landed::Lost => discard(table, &edit).await,
            Landed::Overtaken => {}
        }
        tokio::time::sleep(pause(attempt)).await;
    }
    Ok((Compacted::Lost, Made::new()))
}

fn done(version: u64, groups: &[Group]) -> Compacted {
    Compacted::Done {
        version: i64::try_from(version).unwrap_or(i64::MAX),
        files_before: groups.iter().map(Vec::len).sum(),
        files_after: groups.len(),
        rows: groups.iter().map(|group| rows(group)).sum(),
        bytes_read: groups.iter().map(|group| bytes(group)).sum(),
    }
}

/// One group after the other, away from the threads that serve others.
async fn merge_all(table: &Table, groups: &[Group], now: Micros) -> Result<Vec<(DataFile, Bytes)>, LakeError> {
    let mut merged = Vec::with_capacity(groups.len());
    for group in groups {
        let (folder, schema, group) = (table.folder.clone(), rows_of(table), group.clone());
        let work = tokio::task::spawn_blocking(move || merge(&folder, &schema, &group, now));
        merged.push(work.await.map_err(BoxError::from).and_then(|done| done).doing("merge files", &table.name)?);
    }
    Ok(merged)
}

/// What stands in a table's files: the partition columns of `records` stand in their paths.
fn rows_of(table: &Table) -> SchemaRef {
    if table.name == TableName::Records { Arc::clone(&STORED) } else { Arc::clone(&table.schema) }
}

fn merge(
    folder: &std::path::Path,
    schema: &SchemaRef,
    group: &[Arc<DataFile>],
    now: Micros,
) -> Result<(DataFile, Bytes), BoxError> {
    let first = group.first().ok_or("a group without files")?;
    let (bytes, written) = merged(folder, schema, group)?;
    if u64::try_from(written)? != rows(group) {
        return Err(format!("{written} rows in the files, {} in the log", rows(group)).into());
    }
    let bounds = Bounds::together(group.iter().map(|file| &file.bounds));
    let file = DataFile {
        path: Arc::clone(&first.path),
        bytes: u64::try_from(bytes.len())?,
        rows: bounds.num_records,
        partition: first.partition.clone(),
        bounds,
        modified_ms: now.0.div_euclid(1_000),
    };
    Ok((file, bytes))
}

async fn write(
    table: &Table,
    merged: &[(DataFile, Bytes)],
    groups: &[Group],
    state: &State,
    now: Micros,
) -> Result<Edit, LakeError> {
    let files: Vec<_> = merged.iter().map(|(file, bytes)| (under_new_name(file), bytes.clone())).collect();
    put_files(table, &files).await?;
    fail_point::reach("compact-after-parquet");
    let version = i64::try_from(state.version).unwrap_or(i64::MAX).saturating_add(1);
    Ok(Edit {
        add: files.into_iter().map(|(file, _)| file).collect(),
        remove: groups.iter().flatten().cloned().collect(),
        set: vec![(COMPACTOR.to_owned(), version)],
        nature: Nature::Rearrangement,
        now_ms: now.0.div_euclid(1_000),
        ..Edit::default()
    })
}

fn under_new_name(file: &DataFile) -> DataFile {
    let first_seq = file.seq_range().map_or(0, |(first, _)| first);
    let name = format!("{first_seq:020}-{}.parquet", uuid::Uuid::new_v4());
    let path = PathBuf::from(file.path.as_ref()).with_file_name(name);
    DataFile { path: path.to_string_lossy().into(), ..file.clone() }
}

async fn commit(table: &Table, state: &State, edit: &Edit) -> Result<Landed, LakeError> {
    fail_point::reach("compact-before-log");
    let landed = table.commit(state, edit).await?;
    fail_point::reach("compact-after-log");
    Ok(landed)
}
