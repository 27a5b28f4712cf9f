//! Asks data files whether they hold certain events: first the bloom filter on `event_id`, then, where it cannot say
//! no, the identity columns of that row group.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use credwatch_schemas::records::column;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::error::BoxError;
use crate::identity::{IDENTITY_COLUMNS, Identity, IdentityHash};

/// An event that may be there already.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Suspect {
    pub(crate) identity: Identity,
    pub(crate) event_id: Option<String>,
}

/// Those of the suspects that are rows of the file.
pub(crate) fn probe(file: &Path, hash: &IdentityHash, suspects: &[Suspect]) -> Result<HashSet<Identity>, BoxError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?;
    let mut groups = Vec::new();
    for group in 0..builder.metadata().num_row_groups() {
        if may_hold(&builder, group, suspects)? {
            groups.push(group);
        }
    }
    if groups.is_empty() {
        return Ok(HashSet::new());
    }
    let wanted: HashSet<Identity> = suspects.iter().map(|suspect| suspect.identity).collect();
    let mut found = HashSet::new();
    for batch in columns(builder.with_row_groups(groups), &IDENTITY_COLUMNS)? {
        found.extend(hash.of_rows(&batch?).into_iter().filter(|identity| wanted.contains(identity)));
    }
    Ok(found)
}

/// Reads only the named columns of a file.
pub(crate) fn columns(
    builder: ParquetRecordBatchReaderBuilder<File>,
    names: &[&str],
) -> Result<ParquetRecordBatchReader, BoxError> {
    let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
    Ok(builder.with_projection(mask).with_batch_size(8_192).build()?)
}

fn may_hold(
    builder: &ParquetRecordBatchReaderBuilder<File>,
    group: usize,
    suspects: &[Suspect],
) -> Result<bool, BoxError> {
    let leaves = builder.parquet_schema().columns();
    let Some(leaf) = leaves.iter().position(|leaf| leaf.path().parts() == [column::EVENT_ID]) else { return Ok(true) };
    let Some(bloom) = builder.get_row_group_column_bloom_filter(group, leaf)? else { return Ok(true) };
    Ok(suspects.iter().any(|suspect| suspect.event_id.as_deref().is_none_or(|event_id| bloom.check(event_id))))
}
