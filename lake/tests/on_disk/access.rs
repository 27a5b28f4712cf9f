//! Opening: who may, and what is refused before anything is touched.

use credwatch_lake::{Access, Change, Lake, LakeError, TableName};

use crate::small_lake::{NOW, append, batch, event, open, partition, rows};

fn path(folder: &tempfile::TempDir) -> &str {
    folder.path().to_str().unwrap()
}

#[tokio::test]
async fn all_tables_exist_and_are_empty_from_the_first_opening() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = open(&folder).await.snapshot().await.unwrap();
    for name in TableName::STATIC {
        assert_eq!(snapshot.table(&name).unwrap().rows(), Some(0), "{name}");
    }
    assert_eq!((snapshot.highest_seq(), snapshot.watermark(0)), (0, None));
}

#[tokio::test]
async fn a_reader_sees_rows_and_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    append(&open(&folder).await, batch(0, None, &[event("a", 1)])).await;
    let reader = Lake::open(path(&folder), Access::Read).await.unwrap();
    assert_eq!(rows(&reader).await.len(), 1);
    let refused = |error: LakeError| assert!(matches!(error, LakeError::Refused { .. }), "{error}");
    refused(reader.append(batch(0, Some(1), &[event("b", 2)]), NOW).await.unwrap_err());
    refused(reader.commit(&TableName::Findings, Change::default(), NOW).await.unwrap_err());
    refused(reader.set_property("credwatch.x", "1").await.unwrap_err());
    refused(reader.retire_clock(&partition(0)).await.unwrap_err());
    refused(reader.compact(NOW).await.unwrap_err());
    refused(reader.maintain(NOW, 0).await.unwrap_err());
    assert_eq!(rows(&reader).await.len(), 1);
}

#[tokio::test]
async fn a_reader_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let absent = Lake::open(path(&folder), Access::Read).await.unwrap_err();
    assert!(matches!(absent, LakeError::Absent(_)), "{absent}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn another_scheme_is_refused() {
    let error = Lake::open("s3://bucket/lake", Access::Write).await.unwrap_err();
    assert!(matches!(error, LakeError::Scheme { .. }), "{error}");
}

#[tokio::test]
async fn a_file_url_is_the_same_lake() {
    let folder = tempfile::tempdir().unwrap();
    append(&open(&folder).await, batch(0, None, &[event("a", 1)])).await;
    let by_url = Lake::open(&format!("file://{}", path(&folder)), Access::Read).await.unwrap();
    assert_eq!(rows(&by_url).await.len(), 1);
}

#[tokio::test]
async fn a_newer_format_is_refused_by_new_and_by_open_handles() {
    let folder = tempfile::tempdir().unwrap();
    let (old, newer) = (open(&folder).await, open(&folder).await);
    append(&old, batch(0, None, &[event("a", 1)])).await;
    newer.set_property("credwatch.format", "2").await.unwrap();
    for access in [Access::Read, Access::Write] {
        let error = Lake::open(path(&folder), access).await.unwrap_err();
        assert!(matches!(error, LakeError::NewerFormat { .. }), "{error}");
    }
    let error = old.append(batch(0, Some(1), &[event("b", 2)]), NOW).await.unwrap_err();
    assert!(matches!(error, LakeError::NewerFormat { .. }), "{error}");
}

#[tokio::test]
async fn a_property_is_settled_by_whoever_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (open(&folder).await, open(&folder).await);
    assert_eq!(one.settle_property("credwatch.key", "k1").await.unwrap(), "k1");
    assert_eq!(other.settle_property("credwatch.key", "k2").await.unwrap(), "k1");
    assert_eq!(other.property("credwatch.key").await.unwrap().as_deref(), Some("k1"));
    append(&one, batch(0, None, &[event("a", 1)])).await;
    assert_eq!(one.property("credwatch.key").await.unwrap().as_deref(), Some("k1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_a_server_does_in_the_background_can_be_spawned() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    let background = lake.clone();
    let done = tokio::spawn(async move {
        let _compacted = background.compact(NOW).await?;
        let _maintained = background.maintain(NOW, 0).await?;
        background.set_property("credwatch.x", "1").await?;
        background.retire_clock(&partition(0)).await?;
        let _lost_or_done = background.commit(&TableName::Findings, Change::default(), NOW).await?;
        background.snapshot().await
    });
    assert_eq!(done.await.unwrap().unwrap().records().property("credwatch.x"), Some("1"));
    assert_eq!(lake.property("credwatch.x").await.unwrap().as_deref(), Some("1"));
}
