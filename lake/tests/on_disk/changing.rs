//! Small tables: a change lands only on the table that its maker has seen.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use credwatch_lake::{Change, Committed, Lake, LakeError, TableName};

use crate::small_lake::{NOW, open};

fn name() -> TableName {
    TableName::Ledger("seen".into())
}

fn columns() -> SchemaRef {
    let field = |name: &str, kind: DataType| Field::new(name, kind, true);
    Arc::new(Schema::new(vec![field("seq", DataType::Int64), field("value", DataType::Utf8)]))
}

fn row(value: &str) -> RecordBatch {
    let seq = Int64Array::from(vec![None]);
    RecordBatch::try_new(columns(), vec![Arc::new(seq), Arc::new(StringArray::from(vec![value]))]).unwrap()
}

async fn lake_with_ledger(folder: &tempfile::TempDir) -> Lake {
    let lake = open(folder).await;
    lake.ensure_table(&name(), columns()).await.unwrap();
    lake
}

fn step(value: &str, expect: Option<i64>, set: i64) -> Change {
    Change {
        append: vec![row(value)],
        expect: vec![("reached".into(), expect)],
        set: vec![("reached".into(), set)],
        ..Change::default()
    }
}

#[tokio::test]
async fn a_change_that_expects_what_is_no_longer_so_is_lost_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (lake_with_ledger(&folder).await, lake_with_ledger(&folder).await);
    assert!(matches!(one.commit(&name(), step("a", None, 5), NOW).await.unwrap(), Committed::Done { .. }));
    assert_eq!(other.commit(&name(), step("b", None, 6), NOW).await.unwrap(), Committed::Lost);
    assert!(matches!(other.commit(&name(), step("b", Some(5), 6), NOW).await.unwrap(), Committed::Done { .. }));
    let snapshot = one.snapshot().await.unwrap();
    let table = snapshot.table(&name()).unwrap();
    assert_eq!((table.rows(), table.transaction("reached"), table.transaction("seq")), (Some(2), Some(6), Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_changes_at_once_that_expect_the_same_one_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (lake_with_ledger(&folder).await, lake_with_ledger(&folder).await);
    for round in 0..10 {
        let expect = (round > 0).then_some(round);
        let (table, set) = (name(), round + 1);
        let (first, second) = tokio::join!(
            one.commit(&table, step("a", expect, set), NOW),
            other.commit(&table, step("b", expect, set), NOW)
        );
        let outcomes = [first.unwrap(), second.unwrap()];
        let lost = outcomes.iter().filter(|outcome| **outcome == Committed::Lost).count();
        assert_eq!(lost, 1, "{outcomes:?}");
    }
    assert_eq!(one.snapshot().await.unwrap().table(&name()).unwrap().rows(), Some(10));
}

#[tokio::test]
async fn files_are_replaced_only_while_they_are_active() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_with_ledger(&folder).await;
    for value in ["a", "b", "c"] {
        let append = Change { append: vec![row(value)], ..Change::default() };
        assert!(matches!(lake.commit(&name(), append, NOW).await.unwrap(), Committed::Done { .. }));
    }
    let files = lake.snapshot().await.unwrap().table(&name()).unwrap().files().to_vec();
    let fold = Change { append: vec![row("abc")], replace: Some(files), ..Change::default() };
    assert!(matches!(lake.commit(&name(), fold.clone(), NOW).await.unwrap(), Committed::Done { .. }));
    assert_eq!(lake.commit(&name(), fold, NOW).await.unwrap(), Committed::Lost);
    let snapshot = lake.snapshot().await.unwrap();
    assert_eq!(snapshot.table(&name()).unwrap().files().len(), 1);
    assert_eq!(snapshot.table(&name()).unwrap().transaction("seq"), Some(4));
}

#[tokio::test]
async fn records_come_by_append_alone_and_tables_keep_their_columns() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_with_ledger(&folder).await;
    let refused = lake.commit(&TableName::Records, Change::default(), NOW).await.unwrap_err();
    assert!(matches!(refused, LakeError::Refused { .. }), "{refused}");
    let other = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
    let refused = lake.ensure_table(&name(), other).await.unwrap_err();
    assert!(matches!(refused, LakeError::OtherSchema(_)), "{refused}");
    let absent = lake.commit(&TableName::Rollup("none".into()), Change::default(), NOW).await.unwrap_err();
    assert!(matches!(absent, LakeError::NoTable(_)), "{absent}");
}
