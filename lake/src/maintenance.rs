//! Keeps a table's log short and its folder clean: checkpoint, then log clean-up, then removal of files that nobody
//! needs. Each part may be killed at any point and is done again by the next run; several processes may run it at once.
//!
//! An *orphan* may be the file of a writer that is about to commit, however old it is. So orphans are listed, then an
//! empty commit fences them off: whoever wrote one of them looked at the table before that version, and can no longer
//! commit. Only then are they deleted. Replaced files and temporaries need no fence: no version will name them again.

use credwatch_schemas::time::{HOUR, Micros};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};

use crate::append::pause;
use crate::checkpoint::write_checkpoint;
use crate::error::{Doing, LakeError};
use crate::fail_point;
use crate::leftovers::{Leftovers, expired, leftovers};
use crate::properties::{CHECKPOINT_EVERY, LOG_KEPT_HOURS};
use crate::snapshot::COMPACTOR;
use crate::table::{Edit, Landed, Nature, Table};

/// Losses in a row before orphans are left to the next run.
const MOST_ATTEMPTS: u32 = 20;

/// What one run did, in all tables together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use]
pub struct Maintained {
    pub checkpoints: usize,
    /// Log entries and older checkpoints that were removed.
    pub log_entries: usize,
    /// Files that a version had removed and that nobody reads any more.
    pub replaced: usize,
    /// Files that no version ever named.
    pub orphans: usize,
    /// Files that were never finished.
    pub temporaries: usize,
}

/// Maintains one table. `now` is the wall clock; readers hold a version for less than `safe_age` (microseconds).
pub(crate) async fn maintain(
    table: &Table,
    now: Micros,
    safe_age: i64,
    done: &mut Maintained,
) -> Result<(), LakeError> {
    done.checkpoints += checkpoint(table).await?;
    done.log_entries += clean_log(table, now).await?;
    let cutoff_ms = now.plus(safe_age.saturating_neg()).0.div_euclid(1_000);
    let sweep = sweep(table, cutoff_ms, now).await?;
    done.replaced += delete(table, &sweep.replaced).await?;
    done.orphans += delete(table, &sweep.orphans).await?;
    done.temporaries += delete(table, &sweep.temporaries).await?;
    Ok(())
}

async fn checkpoint(table: &Table) -> Result<usize, LakeError> {
    let state = table.refresh().await?;
    let last = table.log.newest_checkpoint().await?.unwrap_or(0);
    if state.version < last.saturating_add(CHECKPOINT_EVERY) {
        return Ok(0);
    }
    write_checkpoint(table, &state).await?;
    Ok(1)
}

async fn clean_log(table: &Table, now: Micros) -> Result<usize, LakeError> {
    let Some(checkpoint) = table.log.newest_checkpoint().await? else { return Ok(0) };
    let cutoff_ms = now.plus(-LOG_KEPT_HOURS * HOUR).0.div_euclid(1_000);
    let gone = expired(&table.log.list().await?, checkpoint, cutoff_ms);
    // Sleepers learn from the hint that there is something newer; before entries go it must name this checkpoint.
    if gone.is_empty() || table.log.last_checkpoint().await? != Some(checkpoint) {
        return Ok(0);
    }
    delete(table, &gone).await
}

/// What may be deleted now. Orphans are on the list only if the fence holds.
async fn sweep(table: &Table, cutoff_ms: i64, now: Micros) -> Result<Leftovers, LakeError> {
    for attempt in 0..MOST_ATTEMPTS {
        let state = table.refresh().await?;
        let found = leftovers(&list(table).await?, &state, cutoff_ms);
        if found.orphans.is_empty() {
            return Ok(found);
        }
        let version = i64::try_from(state.version).unwrap_or(i64::MAX).saturating_add(1);
        let set = vec![(COMPACTOR.to_owned(), version)];
        let fence = Edit { set, nature: Nature::Rearrangement, now_ms: now.0.div_euclid(1_000), ..Edit::default() };
        if let Landed::Done(_) = table.commit(&state, &fence).await? {
            fail_point::reach("vacuum-after-fence");
            return Ok(found);
        }
        tokio::time::sleep(pause(attempt)).await;
    }
    let state = table.refresh().await?;
    Ok(Leftovers { orphans: Vec::new(), ..leftovers(&list(table).await?, &state, cutoff_ms) })
}

async fn list(table: &Table) -> Result<Vec<ObjectMeta>, LakeError> {
    table.log.store.object_store(None).list(None).try_collect().await.doing("list its files", &table.name)
}

/// One after the other, in their order. Who else runs clean-up may have been quicker.
async fn delete(table: &Table, paths: &[Path]) -> Result<usize, LakeError> {
    let store = table.log.store.object_store(None);
    let mut deleted = 0;
    for path in paths {
        match store.delete(path).await {
            Ok(()) => deleted += 1,
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error).doing("delete a file", &table.name),
        }
    }
    Ok(deleted)
}
