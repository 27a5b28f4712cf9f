//! Batches of one writer: `seq`, positions, repeats, clocks.

use credwatch_lake::Appended;
use credwatch_schemas::time::{DAY, MINUTE, Micros, SECOND};

use crate::small_lake::{
    BEGIN, NOW, Record, accepted, append, assert_exactly_once, batch, batch_with_clock, count, event, open, partition,
    rows,
};

#[tokio::test]
async fn batches_continue_seq_without_a_hole() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    assert_eq!(append(&lake, batch(0, None, &[event("a", 1), Record::Bad, event("b", 2)])).await, (1, [2, 1, 0]));
    assert_eq!(append(&lake, batch(0, Some(3), &[event("c", 3), event("d", 86_400)])).await, (4, [2, 0, 0]));
    assert_eq!(append(&lake, batch(1, None, &[event("e", 4)])).await, (6, [1, 0, 0]));
    let rows = rows(&lake).await;
    assert_exactly_once(&rows);
    assert_eq!(rows.len(), 6);
    let snapshot = lake.snapshot().await.unwrap();
    assert_eq!(snapshot.highest_seq(), 6);
    assert_eq!(snapshot.positions().into_iter().collect::<Vec<_>>(), [(partition(0), 5), (partition(1), 1)]);
}

#[tokio::test]
async fn every_file_covers_its_own_range_of_seq() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    append(&lake, batch(0, None, &[event("a", 1), Record::Bad, event("b", 86_400), event("c", 2)])).await;
    append(&lake, batch(0, Some(4), &[event("a", 1), event("d", 3)])).await;
    let mut ranges: Vec<_> =
        lake.snapshot().await.unwrap().records().files().iter().map(|file| file.seq_range().unwrap()).collect();
    ranges.sort_unstable();
    assert_eq!(ranges, [(1, 2), (3, 3), (4, 4), (5, 5), (6, 6)]);
}

#[tokio::test]
async fn the_log_says_from_when_on_the_last_accepted_event_is_to_be_sought() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    assert_eq!(lake.snapshot().await.unwrap().last_event_from(), None, "there is none");
    append(&lake, batch(0, None, &[event("late", 86_400), Record::Bad])).await;
    append(&lake, batch(0, Some(2), &[event("early", 5)])).await;
    let (last, from) = (BEGIN.plus(DAY), lake.snapshot().await.unwrap().last_event_from().unwrap());
    assert!(from <= last && from >= last.plus(-SECOND), "{from}");
}

#[tokio::test]
async fn a_batch_that_is_appended_again_is_already_there() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    let whole = batch(0, None, &[event("a", 1), event("b", 2)]);
    append(&lake, whole.clone()).await;
    assert_eq!(lake.append(whole, NOW).await.unwrap(), Appended::AlreadyThere);
    assert_eq!(rows(&lake).await.len(), 2);
}

#[tokio::test]
async fn a_stale_base_is_told_where_the_table_stands() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    append(&lake, batch(0, None, &[event("a", 1), event("b", 2)])).await;
    let stale = Appended::Stale(vec![(partition(0), Some(2))]);
    assert_eq!(lake.append(batch(0, Some(1), &[event("b", 2), event("c", 3)]), NOW).await.unwrap(), stale);
    let unknown = Appended::Stale(vec![(partition(7), None)]);
    assert_eq!(lake.append(batch(7, Some(1), &[event("b", 2)]), NOW).await.unwrap(), unknown);
    assert_eq!(rows(&lake).await.len(), 2);
}

#[tokio::test]
async fn a_repeat_within_a_batch_across_batches_and_across_partitions_is_a_duplicate() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    assert_eq!(append(&lake, batch(0, None, &[event("a", 1), event("a", 1), event("b", 2)])).await.1, [2, 0, 1]);
    assert_eq!(append(&lake, batch(0, Some(3), &[event("b", 2), event("c", 3)])).await.1, [1, 0, 1]);
    assert_eq!(append(&lake, batch(1, None, &[event("a", 1), event("c", 3), event("d", 4)])).await.1, [1, 0, 2]);
    let rows = rows(&lake).await;
    assert_exactly_once(&rows);
    assert_eq!(accepted(&rows).len(), 4);
    assert_eq!(count(&rows, "duplicate"), 4);
}

#[tokio::test]
async fn an_equal_hash_alone_makes_no_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    append(&lake, batch(0, None, &[event("ab", 1)])).await;
    // The hash of these tests is the sum of the id's bytes.
    assert_eq!(append(&lake, batch(0, Some(1), &[event("ba", 1)])).await.1, [1, 0, 0]);
}

#[tokio::test]
async fn a_repeat_is_recognised_after_the_lake_was_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let many: Vec<_> = (0..500).map(|number| event(&format!("event-{number}"), number)).collect();
    append(&open(&folder).await, batch(0, None, &many)).await;
    let lake = open(&folder).await;
    let mut again = many[100..200].to_vec();
    again.extend((0..50).map(|number| event(&format!("new-{number}"), number)));
    assert_eq!(append(&lake, batch(1, None, &again)).await.1, [50, 0, 100]);
    assert_exactly_once(&rows(&lake).await);
}

#[tokio::test]
async fn a_late_repeat_of_an_old_day_is_recognised_while_new_days_are_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    append(&lake, batch(0, None, &[event("old", 5)])).await;
    for day in 1..4 {
        let id = format!("day-{day}");
        append(&lake, batch(0, Some(day), &[event(&id, day * DAY / SECOND)])).await;
    }
    assert_eq!(append(&lake, batch(0, Some(4), &[event("old", 5), event("older", 6)])).await.1, [1, 0, 1]);
}

#[tokio::test]
async fn a_clock_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    append(&lake, batch(0, None, &[event("a", 500)])).await;
    append(&lake, batch(0, Some(1), &[event("b", 100)])).await;
    let clocks = lake.snapshot().await.unwrap().clocks();
    assert_eq!(clocks.into_iter().collect::<Vec<_>>(), [(partition(0), BEGIN.plus(500 * SECOND))]);
}

#[tokio::test]
async fn a_clock_moves_without_rows() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    append(&lake, batch(0, None, &[event("a", 1)])).await;
    let later = BEGIN.plus(MINUTE);
    append(&lake, batch_with_clock(0, Some(1), &[], Some(later))).await;
    let snapshot = lake.snapshot().await.unwrap();
    assert_eq!(snapshot.watermark(0), Some(later));
    assert_eq!(snapshot.highest_seq(), 1);
    let again = batch_with_clock(0, Some(1), &[], Some(later));
    assert_eq!(lake.append(again, NOW).await.unwrap(), Appended::AlreadyThere);
}

#[tokio::test]
async fn ingest_time_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    for (base, now) in [(None, NOW), (Some(1), NOW.plus(-MINUTE)), (Some(2), NOW.plus(MINUTE))] {
        let id = format!("{now}");
        let appended = lake.append(batch(0, base, &[event(&id, 1)]), now).await.unwrap();
        assert!(matches!(appended, Appended::Committed { .. }));
    }
    let times: Vec<_> = rows(&lake).await.iter().map(|row| Micros(row.ingest_time)).collect();
    assert_eq!(times, [NOW, NOW, NOW.plus(MINUTE)]);
}

#[tokio::test]
async fn a_retired_clock_no_longer_holds_the_watermark_back() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    append(&lake, batch(0, None, &[event("a", 100)])).await;
    append(&lake, batch(1, None, &[event("b", 900)])).await;
    assert_eq!(lake.snapshot().await.unwrap().watermark(0), Some(BEGIN.plus(100 * SECOND)));
    lake.retire_clock(&partition(0)).await.unwrap();
    lake.retire_clock(&partition(0)).await.unwrap();
    let snapshot = lake.snapshot().await.unwrap();
    assert_eq!(snapshot.watermark(0), Some(BEGIN.plus(900 * SECOND)));
    assert_eq!(snapshot.positions()[&partition(0)], 1);
    append(&lake, batch(0, Some(1), &[event("c", 200)])).await;
    assert_eq!(lake.snapshot().await.unwrap().watermark(0), Some(BEGIN.plus(200 * SECOND)));
}

#[tokio::test]
async fn a_snapshot_does_not_see_what_came_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder).await;
    append(&lake, batch(0, None, &[event("a", 1)])).await;
    let held = lake.snapshot().await.unwrap();
    append(&lake, batch(0, Some(1), &[event("b", 2)])).await;
    assert_eq!((held.highest_seq(), held.records().rows()), (1, Some(1)));
    assert_eq!(lake.snapshot().await.unwrap().highest_seq(), 2);
}
