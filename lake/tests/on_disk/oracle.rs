//! Independent readers (deltalake and DuckDB, in Python) see the same table: after appends, after compaction, after a
//! checkpoint and the clean-up of the log before it.

use std::path::Path;
use std::process::Command;

use credwatch_lake::{Compacted, Lake};
use credwatch_schemas::time::{HOUR, Micros};
use serde_json::Value;

use crate::small_lake::{NOW, Record, append, batch, count, event, open, rows};

/// What the independent readers say of `records`. Without them the test fails: a check that is left out proves nothing.
fn judge(folder: &tempfile::TempDir) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    assert!(
        root.join("target/venv/.complete").exists(),
        "the independent readers are not in target/venv; run `scripts/needs build test` once to fetch them"
    );
    let mut python = Command::new(root.join("target/venv/bin/python"));
    let judged = python.arg(root.join("tests/oracle/judge.py")).arg(folder.path().join("records")).output().unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    serde_json::from_slice(&judged.stdout).unwrap()
}

async fn assert_same(folder: &tempfile::TempDir, lake: &Lake, when: &str) {
    let (seen, ours) = (judge(folder), rows(lake).await);
    assert_eq!(seen["rows"], ours.len(), "{when}: {seen}");
    for (name, disposition) in [("accepted", "accepted"), ("rejected", "rejected"), ("duplicates", "duplicate")] {
        assert_eq!(seen[name], count(&ours, disposition), "{when}: {seen}");
    }
    // As many different values as rows, from 1 to their number: exactly the set that it must be. The script checks
    // that they are different.
    assert_eq!((&seen["lowest_seq"], &seen["highest_seq"]), (&Value::from(1), &Value::from(ours.len())), "{when}");
    assert_eq!(seen["logged_seq"], ours.len(), "{when}: {seen}");
    assert_eq!(seen["positions"], ours.len(), "{when}: {seen}");
    assert_eq!(seen["identities"], count(&ours, "accepted"), "{when}: {seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn independent_readers_see_the_same_table() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    for step in 0..104 {
        let fresh = event(&format!("e{step}"), step * 7_200);
        append(&lake, batch(0, (step > 0).then_some(step * 3), &[fresh.clone(), Record::Bad, fresh])).await;
    }
    assert_same(&folder, &lake, "after appends").await;
    let files_before = lake.snapshot().await.unwrap().records().files().len();
    while let Compacted::Done { .. } = lake.compact(NOW).await.unwrap() {}
    assert!(lake.snapshot().await.unwrap().records().files().len() < files_before);
    assert_same(&folder, &lake, "after compaction").await;
    let entry = folder.path().join("records/_delta_log/00000000000000000104.json");
    let written = std::fs::metadata(entry).unwrap().modified().unwrap();
    let since = written.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let later = Micros(i64::try_from(since.as_micros()).unwrap()).plus(7 * HOUR);
    let maintained = lake.maintain(later, HOUR).await.unwrap();
    assert!(maintained.checkpoints == 1 && maintained.log_entries > 100 && maintained.replaced > 0, "{maintained:?}");
    assert_same(&folder, &lake, "after a checkpoint and clean-up").await;
    append(&lake, batch(1, None, &[event("after", 5), event("e1", 7_200)])).await;
    assert_same(&folder, &lake, "after one more append").await;
}
