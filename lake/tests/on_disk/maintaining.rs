//! Checkpoints, log clean-up, and files that nobody needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use arrow::array::RecordBatch;
use credwatch_lake::{Compacted, Lake, LakeSnapshot, Maintained, TableName};
use credwatch_schemas::batch::ValidBatch;
use credwatch_schemas::position::Progress;
use credwatch_schemas::records::UNDATED;
use credwatch_schemas::time::{HOUR, Micros};

use crate::small_lake::{NOW, append, assert_exactly_once, batch, batch_with_clock, event, open, partition, rows};

/// Log entries are kept for six hours.
const LATER: i64 = 7 * HOUR;

/// The clock of the file system, which decides how old files are.
fn file_time(folder: &tempfile::TempDir) -> Micros {
    let probe = folder.path().join("probe");
    fs::write(&probe, "").unwrap();
    let written = fs::metadata(probe).unwrap().modified().unwrap();
    let since = written.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Micros(i64::try_from(since.as_micros()).unwrap())
}

/// Many versions with a few rows in them.
async fn make_versions(lake: &Lake, number: i32, versions: i64) {
    append(lake, batch(number, None, &[event(&format!("first-{number}"), 1)])).await;
    for step in 1..versions {
        if step % 50 == 0 {
            append(lake, batch(number, Some(step), &[event(&format!("{number}-{step}"), step)])).await;
        } else {
            append(lake, progress(number, step)).await;
        }
    }
}

/// A position that goes on by one without a row, as over a control record.
fn progress(number: i32, base: i64) -> ValidBatch {
    let step = Progress { partition: partition(number), base: Some(base), end: base + 1, clock: None };
    ValidBatch::new(RecordBatch::new_empty(UNDATED.clone()), vec![step]).unwrap()
}

fn log_files(folder: &tempfile::TempDir, ending: &str) -> usize {
    let log = folder.path().join("records/_delta_log");
    fs::read_dir(log)
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_str().unwrap().ends_with(ending))
        .count()
}

fn same_state(one: &LakeSnapshot, other: &LakeSnapshot) {
    assert_eq!(one.records().version(), other.records().version());
    assert_eq!(one.records().transactions(), other.records().transactions());
    assert_eq!(one.records().files(), other.records().files());
    assert_eq!(one.records().property("credwatch.format"), other.records().property("credwatch.format"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_checkpointed_and_cleaned_and_the_table_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    make_versions(&lake, 0, 210).await;
    let (before, rows_before) = (lake.snapshot().await.unwrap(), rows(&lake).await);
    let now = file_time(&folder);
    let young = lake.maintain(now, HOUR).await.unwrap();
    assert_eq!((young.checkpoints, young.log_entries), (1, 0));
    assert_eq!(log_files(&folder, ".json"), 211);
    let old = lake.maintain(now.plus(LATER), HOUR).await.unwrap();
    assert_eq!((old.checkpoints, old.log_entries), (0, 210));
    assert_eq!((log_files(&folder, ".json"), log_files(&folder, ".checkpoint.parquet")), (1, 1));
    same_state(&before, &lake.snapshot().await.unwrap());
    let reopened = open(&folder).await;
    same_state(&before, &reopened.snapshot().await.unwrap());
    assert_eq!(rows(&reopened).await, rows_before);
    append(&reopened, progress(0, 210)).await;
    assert_eq!(reopened.maintain(now.plus(LATER), HOUR).await.unwrap(), Maintained::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_slept_through_the_clean_up_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let (sleeper, awake) = (open(&folder).await, open(&folder).await);
    append(&sleeper, batch(7, None, &[event("s", 1)])).await;
    make_versions(&awake, 0, 120).await;
    let _maintained = awake.maintain(file_time(&folder).plus(LATER), HOUR).await.unwrap();
    append(&awake, progress(0, 120)).await;
    append(&sleeper, batch(7, Some(1), &[event("t", 2), event("first-0", 1)])).await;
    same_state(&sleeper.snapshot().await.unwrap(), &awake.snapshot().await.unwrap());
    let rows = rows(&sleeper).await;
    assert_exactly_once(&rows);
    assert_eq!(rows.len(), 6);
    assert_eq!(rows.last().unwrap().disposition, "duplicate");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_hint_is_no_missing_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    make_versions(&lake, 0, 105).await;
    let _maintained = lake.maintain(file_time(&folder).plus(LATER), HOUR).await.unwrap();
    fs::remove_file(folder.path().join("records/_delta_log/_last_checkpoint")).unwrap();
    same_state(&open(&folder).await.snapshot().await.unwrap(), &lake.snapshot().await.unwrap());
}

#[tokio::test]
async fn replaced_files_go_after_the_safe_age() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    for step in 0..4 {
        append(&lake, batch(0, (step > 0).then_some(step), &[event(&format!("e{step}"), step)])).await;
    }
    let merged_at = file_time(&folder);
    assert!(matches!(lake.compact(merged_at).await.unwrap(), Compacted::Done { files_before: 4, .. }));
    assert_eq!(lake.maintain(merged_at.plus(HOUR - 1_000), HOUR).await.unwrap(), Maintained::default());
    let swept = lake.maintain(merged_at.plus(HOUR), HOUR).await.unwrap();
    assert_eq!(swept, Maintained { replaced: 4, ..Maintained::default() });
    assert_eq!(rows(&lake).await.len(), 4);
    assert_eq!(lake.maintain(merged_at.plus(HOUR), HOUR).await.unwrap(), Maintained::default());
}

/// Leaves a file behind as if it had been written so long ago.
fn leave(folder: &tempfile::TempDir, name: &str, age: Duration) -> PathBuf {
    let path = folder.path().join("records").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = fs::File::create(&path).unwrap();
    file.set_modified(file.metadata().unwrap().modified().unwrap() - age).unwrap();
    path
}

#[tokio::test]
async fn orphans_and_temporaries_go_only_after_the_safe_age() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    append(&lake, batch(0, None, &[event("a", 1)])).await;
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    let old = leave(&folder, "disposition=accepted/date=2026-06-01/x.parquet", hours(2));
    let young = leave(&folder, "disposition=accepted/date=2026-06-01/y.parquet", Duration::ZERO);
    let unfinished = leave(&folder, "disposition=accepted/date=2026-06-01/z.parquet.unsynced-1", hours(2));
    let unfinished_entry = leave(&folder, "_delta_log/1.json.unsynced-2", hours(2));
    let swept = lake.maintain(file_time(&folder), HOUR).await.unwrap();
    assert_eq!(swept, Maintained { orphans: 1, temporaries: 2, ..Maintained::default() });
    let there = |path: &Path| path.exists();
    assert!(!there(&old) && there(&young) && !there(&unfinished) && !there(&unfinished_entry));
    let swept = lake.maintain(file_time(&folder).plus(2 * HOUR), HOUR).await.unwrap();
    assert_eq!(swept, Maintained { orphans: 1, ..Maintained::default() });
    assert!(!there(&young));
    assert_eq!(rows(&lake).await.len(), 1);
}

#[tokio::test]
async fn orphans_are_fenced_off_before_they_go() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    append(&lake, batch(0, None, &[event("a", 1)])).await;
    let version = lake.snapshot().await.unwrap().records().version();
    let _nothing = lake.maintain(file_time(&folder), HOUR).await.unwrap();
    assert_eq!(lake.snapshot().await.unwrap().records().version(), version, "without orphans nothing is committed");
    leave(&folder, "x.parquet", Duration::from_secs(7_200));
    let _swept = lake.maintain(file_time(&folder), HOUR).await.unwrap();
    let snapshot = lake.snapshot().await.unwrap();
    assert_eq!(snapshot.records().version(), version + 1);
    assert_eq!(snapshot.records().transaction("compactor"), Some(version + 1));
}

#[tokio::test]
async fn small_tables_are_maintained_too() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    let path = folder.path().join(TableName::Findings.to_string()).join("x.parquet");
    fs::write(&path, "").unwrap();
    let swept = lake.maintain(file_time(&folder).plus(2 * HOUR), HOUR).await.unwrap();
    assert_eq!(swept, Maintained { orphans: 1, ..Maintained::default() });
    assert!(!path.exists());
}

#[tokio::test]
async fn a_clock_commit_survives_clean_up_of_everything_else() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    append(&lake, batch_with_clock(0, None, &[event("a", 1)], Some(NOW))).await;
    let _maintained = lake.maintain(file_time(&folder).plus(LATER), 0).await.unwrap();
    assert_eq!(open(&folder).await.snapshot().await.unwrap().watermark(0), Some(NOW));
}
