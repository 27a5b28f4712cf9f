//! Compaction: fewer files, the same rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use credwatch_lake::{Compacted, Lake};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;

use crate::small_lake::{NOW, Record, append, assert_exactly_once, batch, event, open, rows};

/// Nine batches over two days, with a reject and a repeat in each.
async fn fill(lake: &Lake) {
    for step in 0..9 {
        let fresh = event(&format!("e{step}"), (step % 2) * 86_400 + 100 - step);
        let records = [fresh.clone(), Record::Bad, fresh];
        append(lake, batch(0, (step > 0).then_some(step * 3), &records)).await;
    }
}

/// Compacts until nothing is left to do; returns how many files were merged.
async fn compact_all(lake: &Lake) -> usize {
    let mut merged = 0;
    loop {
        match lake.compact(NOW).await.unwrap() {
            Compacted::Done { files_before, .. } => merged += files_before,
            Compacted::Nothing => return merged,
            Compacted::Lost => panic!("nobody else is here"),
        }
    }
}

/// The ranges of each (disposition, date) in the order of `seq`.
async fn ranges(lake: &Lake) -> BTreeMap<String, Vec<(i64, i64)>> {
    let mut ranges: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for file in lake.snapshot().await.unwrap().records().files() {
        let partition = ["disposition", "date"].map(|column| file.partition_value(column).unwrap()).join("/");
        ranges.entry(partition).or_default().push(file.seq_range().unwrap());
    }
    ranges.values_mut().for_each(|ranges| ranges.sort_unstable());
    ranges
}

#[tokio::test]
async fn compaction_changes_no_row_and_no_seq() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    fill(&lake).await;
    let (before, files) = (rows(&lake).await, lake.snapshot().await.unwrap().records().files().len());
    assert!(compact_all(&lake).await > 0);
    let snapshot = lake.snapshot().await.unwrap();
    assert!(snapshot.records().files().len() < files, "{files} files stayed {}", snapshot.records().files().len());
    assert_eq!(rows(&lake).await, before);
    assert_exactly_once(&before);
    assert_eq!(rows(&open(&folder).await).await, before);
    assert_eq!(lake.compact(NOW).await.unwrap(), Compacted::Nothing);
}

/// Bytes of data files that a query of one column reads.
async fn bytes_read(lake: &Lake, column: &str) -> usize {
    let session = SessionContext::new();
    session.register_table("records", lake.snapshot().await.unwrap().records().provider()).unwrap();
    let plan = session.table("records").await.unwrap().select_columns(&[column]).unwrap();
    let plan = plan.create_physical_plan().await.unwrap();
    collect(Arc::clone(&plan), session.task_ctx()).await.unwrap();
    bytes_scanned(&plan)
}

fn bytes_scanned(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let own = plan.metrics().and_then(|metrics| metrics.sum_by_name("bytes_scanned"));
    own.map_or(0, |bytes| bytes.as_usize()) + plan.children().into_iter().map(bytes_scanned).sum::<usize>()
}

#[tokio::test]
async fn a_column_that_nobody_filled_is_read_by_nobody_also_after_a_merge() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    fill(&lake).await;
    for is_merged in [false, true] {
        // Of a partition column nothing stands in the files.
        let nothing = bytes_read(&lake, "date").await;
        for empty in ["user_id", "scopes_granted", "attributes"] {
            assert_eq!(bytes_read(&lake, empty).await, nothing, "{empty}, merged: {is_merged}");
        }
        assert!(bytes_read(&lake, "event_id").await > nothing);
        compact_all(&lake).await;
    }
}

#[tokio::test]
async fn files_of_a_partition_never_interleave_in_seq() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    fill(&lake).await;
    compact_all(&lake).await;
    for (partition, ranges) in ranges(&lake).await {
        assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0), "{partition}: {ranges:?}");
    }
}

#[tokio::test]
async fn a_merged_file_is_in_the_one_order() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    fill(&lake).await;
    compact_all(&lake).await;
    let session = SessionContext::new();
    let path =
        lake.snapshot().await.unwrap().records().files().iter().max_by_key(|file| file.rows).unwrap().path.clone();
    let file = folder.path().join("records").join(path.as_ref());
    let read = session.read_parquet(file.to_str().unwrap(), Default::default()).await.unwrap();
    session.register_table("file", read.into_view()).unwrap();
    let unsorted = "SELECT count(*) AS n FROM (SELECT time, lag(time) OVER () AS before FROM file) WHERE before > time";
    let found = session.sql(unsorted).await.unwrap().collect().await.unwrap();
    let shown = arrow::util::pretty::pretty_format_batches(&found).unwrap().to_string();
    assert!(shown.contains("| 0 |"), "{shown}");
}

#[tokio::test]
async fn repeats_are_recognised_in_merged_files_by_old_and_new_handles() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    fill(&lake).await;
    compact_all(&lake).await;
    assert_eq!(append(&lake, batch(1, None, &[event("e4", 96), event("x", 96)])).await.1, [1, 0, 1]);
    assert_eq!(append(&open(&folder).await, batch(2, None, &[event("e4", 96), event("x", 96)])).await.1, [0, 0, 2]);
}

#[tokio::test]
async fn a_snapshot_from_before_still_reads_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    fill(&lake).await;
    let held = lake.snapshot().await.unwrap();
    compact_all(&lake).await;
    let _maintained = lake.maintain(NOW, 3_600_000_000).await.unwrap();
    let session = SessionContext::new();
    session.register_table("records", held.records().provider()).unwrap();
    let read = session.sql("SELECT seq FROM records").await.unwrap().collect().await.unwrap();
    assert_eq!(read.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 27);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_compactors_no_row_comes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (open(&folder).await, open(&folder).await);
    fill(&one).await;
    let before = rows(&one).await;
    let (first, second) = tokio::join!(one.compact(NOW), other.compact(NOW));
    let outcomes = [first.unwrap(), second.unwrap()];
    assert!(outcomes.iter().any(|outcome| matches!(outcome, Compacted::Done { .. })), "{outcomes:?}");
    assert_eq!(rows(&one).await, before);
}

#[tokio::test]
async fn what_another_writer_committed_is_recognised_after_it_was_merged_unread() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (open(&folder).await, open(&folder).await);
    for step in 0..3 {
        append(&one, batch(0, (step > 0).then_some(step), &[event(&format!("e{step}"), step)])).await;
    }
    append(&other, batch(1, None, &[event("x", 5)])).await;
    assert!(matches!(one.compact(NOW).await.unwrap(), Compacted::Done { files_before: 4, .. }));
    assert_eq!(append(&one, batch(0, Some(3), &[event("x", 5), event("e1", 1)])).await.1, [0, 0, 2]);
}
