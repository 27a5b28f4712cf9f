//! Writes a checkpoint of a table: its state at one version in one file, so that older log entries may go.
//!
//! Everything older will depend on this file alone, so it is read back and compared before anything counts on it.

use std::sync::Arc;

use deltalake_core::DeltaTable;
use deltalake_core::protocol::checkpoints::create_checkpoint;

use crate::error::{BoxError, Doing, LakeError};
use crate::fail_point;
use crate::state::State;
use crate::table::Table;

/// Checkpoints exactly the version of `state`.
pub(crate) async fn write_checkpoint(table: &Table, state: &State) -> Result<(), LakeError> {
    create(table, state.version).await.doing("write a checkpoint", &table.name)?;
    fail_point::reach("checkpoint-after-write");
    let mut read_back = State::default();
    read_back.apply(state.version, table.log.read_checkpoint(state.version).await?);
    if !same(state, &read_back) {
        table.log.remove_checkpoint(state.version).await?;
        return Err("it does not say what the log says").doing("check a new checkpoint", &table.name);
    }
    Ok(())
}

async fn create(table: &Table, version: u64) -> Result<(), BoxError> {
    let mut reader = DeltaTable::new(Arc::clone(&table.log.store));
    reader.load_version(version).await?;
    Ok(create_checkpoint(&reader, None).await?)
}

/// Tombstones may differ: old ones are left out of a checkpoint.
fn same(log: &State, checkpoint: &State) -> bool {
    log.transactions == checkpoint.transactions
        && log.metadata == checkpoint.metadata
        && log.files() == checkpoint.files()
        && checkpoint.tombstones.iter().all(|tombstone| log.tombstones.get(tombstone.0) == Some(tombstone.1))
}
