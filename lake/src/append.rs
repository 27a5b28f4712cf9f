//! Appending a batch to `records`, exactly once.
//!
//! 1. Take the table's state S. Its positions say whether the batch may be committed, is there already, or is stale.
//! 2. Against S, repeats become duplicates, rows are sorted, `seq` and `ingest_time` are stamped, files are written and
//!    synced.
//! 3. Commit files, positions, clocks, `seq` and `ingest_time` as the version after S, or lose.
//! 4. Whoever lost starts again at 1: what the winner brought may turn rows into duplicates, and `seq` has moved. After
//!    some losses it asks the others for a turn; see [`crate::turn`].
//!
//! A kill between any two steps leaves at most files that no version names; clean-up removes them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use credwatch_schemas::batch::ValidBatch;
use credwatch_schemas::position::Partition;
use credwatch_schemas::records::Disposition;
use credwatch_schemas::time::Micros;
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, PutMode, PutOptions};
use tokio::sync::OwnedMutexGuard;

use crate::arrangement::{Part, arrange};
use crate::data_file::{Bounds, DataFile};
use crate::error::{BoxError, Doing, LakeError};
use crate::fail_point;
use crate::parquet_file::{Order, encode};
use crate::recognition::{Recognised, Recognition};
use crate::standing::{Standing, ingest_time, last_seq, standing, transactions_to_set};
use crate::state::State;
use crate::table::{Edit, Landed, Table};
use crate::turn::Turn;

/// How often a commit may lose before it gives up; every loss is somebody else's success.
const MOST_ATTEMPTS: u32 = 60;

/// From then on the others are asked to hold back: whoever loses so often is slower than they are.
const PATIENT_ATTEMPTS: u32 = 4;

/// Files of one commit that are written at the same time.
const PARALLEL_PUTS: usize = 4;

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Appended {
    Committed {
        version: i64,
        first_seq: i64,
        accepted: usize,
        rejected: usize,
        duplicates: usize,
    },
    /// The table's positions equal every end of the batch: its rows are there.
    AlreadyThere,
    /// The table's positions of the batch's partitions, which are not the batch's bases: seek there.
    Stale(Vec<(Partition, Option<i64>)>),
}

/// Files of one attempt, encoded and not yet written.
#[derive(Debug)]
struct Prepared {
    files: Vec<(DataFile, Bytes)>,
    recognised: Recognised,
    first_seq: i64,
    counts: [usize; 3],
}

pub(crate) async fn append(
    table: &Table,
    mut memory: OwnedMutexGuard<Recognition>,
    batch: Arc<ValidBatch>,
    now: Micros,
) -> Result<Appended, LakeError> {
    let rows = batch.rows().num_rows();
    for attempt in 0..MOST_ATTEMPTS {
        let alone = match attempt {
            ..PATIENT_ATTEMPTS => None,
            _ => Some(table.turns.alone().await),
        };
        let state = table.refresh().await?;
        match standing(&state.transactions, batch.progress(), rows) {
            Standing::Ready => {}
            Standing::AlreadyThere => return Ok(Appended::AlreadyThere),
            Standing::Stale(positions) => return Ok(Appended::Stale(positions)),
        }
        let prepared;
        (memory, prepared) = prepare(table, memory, Arc::clone(&batch), Arc::clone(&state), now).await?;
        let edit = write(table, &prepared, &state, &batch, now).await?;
        match commit(table, &state, &edit, alone.as_ref()).await? {
            Landed::Done(version) => {
                memory.learn(&prepared.recognised, edit.add.iter().map(|file| Arc::clone(&file.path)));
                return Ok(committed(version, &prepared));
            }
            Landed::Lost => discard(table, &edit).await,
            Landed::Overtaken => {}
        }
        drop(alone);
        tokio::time::sleep(pause(attempt)).await;
    }
    Err(LakeError::Contention { table: table.name.clone(), attempts: MOST_ATTEMPTS })
}

/// Everything that needs a processor rather than a disk, away from the threads that serve others.
async fn prepare(
    table: &Table,
    mut memory: OwnedMutexGuard<Recognition>,
    batch: Arc<ValidBatch>,
    state: Arc<State>,
    now: Micros,
) -> Result<(OwnedMutexGuard<Recognition>, Prepared), LakeError> {
    let work = tokio::task::spawn_blocking(move || {
        let prepared = prepare_now(&mut memory, &batch, &state, now);
        (memory, prepared)
    });
    let (memory, prepared) = work.await.doing("prepare a batch", &table.name)?;
    Ok((memory, prepared.doing("prepare a batch", &table.name)?))
}

fn prepare_now(memory: &mut Recognition, batch: &ValidBatch, state: &State, now: Micros) -> Result<Prepared, BoxError> {
    let recognised = memory.recognise(batch.rows(), state)?;
    let stamp = ingest_time(&state.transactions, now);
    let last_seq = last_seq(&state.transactions);
    let parts = arrange(batch.rows(), &recognised.repeats, last_seq, stamp)?;
    let count = |disposition: Disposition| {
        parts.iter().filter(|part| part.disposition == disposition.as_str()).map(|part| part.rows.num_rows()).sum()
    };
    let counts = Disposition::ALL.map(count);
    let files = parts.iter().map(|part| encode_part(part, now)).collect::<Result<_, _>>()?;
    Ok(Prepared { files, recognised, first_seq: last_seq + 1, counts })
}

fn encode_part(part: &Part, now: Micros) -> Result<(DataFile, Bytes), BoxError> {
    let bytes = encode(&part.rows, Order::Sorted)?;
    let name = format!("{}/{:020}-{}.parquet", part.folder(), part.first_seq, uuid::Uuid::new_v4());
    let bounds = Bounds::of(&part.rows);
    let file = DataFile {
        path: name.into(),
        bytes: bytes.len() as u64,
        rows: bounds.num_records,
        partition: part.partition().into_iter().collect(),
        bounds,
        modified_ms: now.0.div_euclid(1_000),
    };
    Ok((file, bytes))
}

async fn write(
    table: &Table,
    prepared: &Prepared,
    state: &State,
    batch: &ValidBatch,
    now: Micros,
) -> Result<Edit, LakeError> {
    fail_point::reach("lake-after-parquet");
    put_files(table, &prepared.files).await?;
    fail_point::reach("lake-after-sync");
    let rows = batch.rows().num_rows();
    Ok(Edit {
        add: prepared.files.iter().map(|(file, _)| file.clone()).collect(),
        set: transactions_to_set(&state.transactions, batch.progress(), rows, now),
        now_ms: now.0.div_euclid(1_000),
        ..Edit::default()
    })
}

async fn commit(table: &Table, state: &State, edit: &Edit, alone: Option<&Turn>) -> Result<Landed, LakeError> {
    fail_point::reach("lake-before-log");
    let landed = match alone {
        None => table.commit(state, edit).await?,
        Some(_) => table.commit_at_once(state, edit).await?,
    };
    fail_point::reach("lake-after-log");
    Ok(landed)
}

fn committed(version: u64, prepared: &Prepared) -> Appended {
    let [accepted, rejected, duplicates] = prepared.counts;
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    Appended::Committed { version, first_seq: prepared.first_seq, accepted, rejected, duplicates }
}

/// Writes new files, synced, before anything names them. An existing file is never overwritten.
pub(crate) async fn put_files(table: &Table, files: &[(DataFile, Bytes)]) -> Result<(), LakeError> {
    let store = table.log.store.object_store(None);
    let mut puts = Vec::with_capacity(files.len());
    for (file, bytes) in files {
        let (store, place, bytes) = (Arc::clone(&store), Path::from(file.path.as_ref()), bytes.clone());
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        puts.push(async move { store.put_opts(&place, bytes.into(), create).await });
    }
    let written: Result<Vec<_>, _> = stream::iter(puts).buffer_unordered(PARALLEL_PUTS).try_collect().await;
    written.map(|_| ()).doing("write data files", &table.name)
}

/// Files of an attempt that certainly lost. If one cannot be removed, clean-up will.
pub(crate) async fn discard(table: &Table, edit: &Edit) {
    use object_store::ObjectStoreExt;
    let store = table.log.store.object_store(None);
    for file in &edit.add {
        if let Err(error) = store.delete(&Path::from(file.path.as_ref())).await {
            tracing::debug!(file = %file.path, %error, "a file of a lost attempt stays until clean-up");
        }
    }
}

/// Grows from 2 ms to half a second. Writers of different length of work fall apart by themselves.
pub(crate) fn pause(attempt: u32) -> Duration {
    Duration::from_millis((2_u64 << attempt.min(8)).min(500))
}
