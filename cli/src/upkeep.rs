//! What keeps the lake quick while it is written: small files are merged, logs are cut, leftovers go.
//!
//! A process that writes does it; several may at once. Neither ever stops the process: a run that fails is a status, and
//! the next one looks again. Only who writes records merges them: that takes memory, and others have no part in it.

use std::time::Duration;

use credwatch_lake::{Compacted, Lake, LakeError, TableName};
use credwatch_schemas::time::HOUR;
use credwatch_server::background::{self, Board, Nudge};
use serde::Deserialize;

use crate::running::Running;
use crate::wall_clock::now;

/// No reader holds a version of the lake for longer (microseconds).
const SAFE_AGE: i64 = HOUR;

/// How often; the first round comes at once.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Between two looks for small files to merge; a look without work costs a listing of the log.
    pub(crate) merge_seconds: Seconds,
    /// Between two rounds of cutting logs and removing leftovers.
    pub(crate) maintain_seconds: Seconds,
}

impl Default for Config {
    fn default() -> Self {
        let seconds = |seconds| Seconds(Duration::from_secs(seconds));
        Self { merge_seconds: seconds(30), maintain_seconds: seconds(15 * 60) }
    }
}

/// A pause: never so short that the work would be endless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Seconds(Duration);

impl TryFrom<f64> for Seconds {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Self, String> {
        let pause = Duration::try_from_secs_f64(seconds).ok().filter(|pause| *pause >= Duration::from_millis(100));
        pause.map(Self).ok_or_else(|| format!("{seconds} seconds are no pause between two rounds; 0.1 is the least"))
    }
}

/// What of the lake a process writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    Records,
    /// Findings, the audit, what people set.
    Logs,
}

pub(crate) fn start(running: &mut Running, lake: &Lake, board: &Board, config: Config, writes: Writes) {
    let (work, place) = (lake.clone(), board.clone());
    running.add("compaction", move |stop| async move {
        let run = move || compact(work.clone(), writes);
        Ok(background::start("compaction", config.merge_seconds.0, Nudge::default(), place, stop, run).await?)
    });
    let (work, place) = (lake.clone(), board.clone());
    running.add("maintenance", |stop| async move {
        let run = move || maintain(work.clone());
        Ok(background::start("maintenance", config.maintain_seconds.0, Nudge::default(), place, stop, run).await?)
    });
}

/// Tables whose rows have a `seq` and only grow.
const LOGS: [TableName; 8] = [
    TableName::Findings,
    TableName::Configuration,
    TableName::Keys,
    TableName::Grants,
    TableName::SavedQueries,
    TableName::Reports,
    TableName::Notices,
    TableName::Audit,
];

/// One run is bounded, so there may be several.
async fn compact(lake: Lake, writes: Writes) -> Result<(), LakeError> {
    if writes == Writes::Records {
        while let Compacted::Done { files_before, files_after, rows, .. } = lake.compact(now()).await? {
            tracing::info!(files_before, files_after, rows, "files were merged");
        }
    }
    for log in LOGS {
        while let Compacted::Done { .. } = lake.compact_log(&log, now()).await? {}
    }
    Ok(())
}

async fn maintain(lake: Lake) -> Result<(), LakeError> {
    let done = lake.maintain(now(), SAFE_AGE).await?;
    tracing::info!(?done, "the tables were maintained");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_of_nothing_is_refused() {
        let read = |text: &str| toml::from_str::<Config>(text);
        assert_eq!(read("merge_seconds = 0.5").unwrap().merge_seconds.0, Duration::from_millis(500));
        for wrong in ["0.0", "-1.0", "inf"] {
            let error = read(&format!("maintain_seconds = {wrong}")).unwrap_err().to_string();
            assert!(error.contains("maintain_seconds"), "{error}");
        }
    }
}
