//! What keeps the lake quick while it is written: small files are merged, logs are cut, leftovers go.
//!
//! A process that writes records does it; several may at once. Neither ever stops the process: a run that fails is a
//! status, and the next one looks again.

use std::time::Duration;

use credwatch_lake::{Compacted, Lake, LakeError};
use credwatch_schemas::time::HOUR;
use credwatch_server::background::{self, Board, Nudge};

use crate::running::Running;
use crate::wall_clock::now;

/// Between two looks at the files; a look without work costs a listing of the log.
const COMPACTION: Duration = Duration::from_secs(30);
const MAINTENANCE: Duration = Duration::from_secs(15 * 60);
/// No reader holds a version of the lake for longer (microseconds).
const SAFE_AGE: i64 = HOUR;

pub(crate) fn start(running: &mut Running, lake: &Lake, board: &Board) {
    let (work, place) = (lake.clone(), board.clone());
    running.add("compaction", |stop| async move {
        let run = move || compact(work.clone());
        Ok(background::start("compaction", COMPACTION, Nudge::default(), place, stop, run).await?)
    });
    let (work, place) = (lake.clone(), board.clone());
    running.add("maintenance", |stop| async move {
        let run = move || maintain(work.clone());
        Ok(background::start("maintenance", MAINTENANCE, Nudge::default(), place, stop, run).await?)
    });
}

/// One run is bounded, so there may be several.
async fn compact(lake: Lake) -> Result<(), LakeError> {
    while let Compacted::Done { files_before, files_after, rows, .. } = lake.compact(now()).await? {
        tracing::info!(files_before, files_after, rows, "files were merged");
    }
    Ok(())
}

async fn maintain(lake: Lake) -> Result<(), LakeError> {
    let done = lake.maintain(now(), SAFE_AGE).await?;
    tracing::info!(?done, "the tables were maintained");
    Ok(())
}
