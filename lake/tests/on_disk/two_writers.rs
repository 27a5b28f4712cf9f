//! Two handles on one folder, as two processes have them: neither knows what the other remembers.

use credwatch_lake::{Appended, Compacted, Lake};
use credwatch_schemas::batch::ValidBatch;

use crate::small_lake::{
    NOW, Record, accepted, append, assert_exactly_once, batch, count, event, open, partition, rows,
};

const BATCHES: i64 = 15;
const ROWS: i64 = 8;

/// Every event stands on both partitions; the partitions meet them in different order.
fn feed(number: i32) -> Vec<ValidBatch> {
    let batches = (0..BATCHES).map(|step| {
        let place = if number == 0 { step } else { BATCHES - 1 - step };
        let events: Vec<Record> = (0..ROWS).map(|row| event(&format!("e{place}-{row}"), place * 60 + row)).collect();
        batch(number, (step > 0).then_some(step * ROWS), &events)
    });
    batches.collect()
}

async fn append_all(lake: Lake, batches: Vec<ValidBatch>) {
    for batch in batches {
        append(&lake, batch).await;
    }
}

/// As ingest does it: after an error nothing is known, so the same batch is appended again.
async fn append_all_in_spite_of_errors(lake: Lake, batches: Vec<ValidBatch>) {
    for batch in batches {
        let mut errors = 0;
        loop {
            match lake.append(batch.clone(), NOW).await {
                Ok(Appended::Committed { .. } | Appended::AlreadyThere) => break,
                Ok(Appended::Stale(positions)) => panic!("nobody else reads this partition: {positions:?}"),
                Err(error) => {
                    errors += 1;
                    assert!(errors < 1_000, "{error:?}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_writers_at_once_lose_nothing_and_accept_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (open(&folder).await, open(&folder).await);
    let first = tokio::spawn(append_all(one.clone(), feed(0)));
    let second = tokio::spawn(append_all(other, feed(1)));
    first.await.unwrap();
    second.await.unwrap();
    let rows = rows(&one).await;
    assert_exactly_once(&rows);
    let expected = usize::try_from(BATCHES * ROWS).unwrap();
    assert_eq!(rows.len(), 2 * expected);
    assert_eq!(accepted(&rows).len(), expected);
    assert_eq!(count(&rows, "duplicate"), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_a_compactor_and_clean_up_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other, third) = (open(&folder).await, open(&folder).await, open(&folder).await);
    let writers = [
        tokio::spawn(append_all_in_spite_of_errors(one.clone(), feed(0))),
        tokio::spawn(append_all_in_spite_of_errors(other, feed(1))),
    ];
    let mut merged = 0;
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        if let Compacted::Done { files_before, .. } = third.compact(NOW).await.unwrap() {
            merged += files_before;
        }
        // A safe age that has passed for everything: writers find their unfinished files gone, and only the fence
        // protects those that are about to be committed.
        let _maintained = third.maintain(NOW.plus(i64::from(i32::MAX) * 1_000_000), 0).await.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(merged > 0, "nothing was merged beside the writers");
    let rows = rows(&one).await;
    assert_exactly_once(&rows);
    assert_eq!(rows.len(), usize::try_from(2 * BATCHES * ROWS).unwrap());
}

#[tokio::test]
async fn the_same_batch_of_two_writers_is_committed_once() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (open(&folder).await, open(&folder).await);
    let whole = batch(0, None, &[event("a", 1), event("b", 2)]);
    let (first, second) = tokio::join!(one.append(whole.clone(), NOW), other.append(whole, NOW));
    let outcomes = [first.unwrap(), second.unwrap()];
    assert!(outcomes.contains(&Appended::AlreadyThere), "{outcomes:?}");
    assert_eq!(rows(&other).await.len(), 2);
}

#[tokio::test]
async fn what_one_handle_committed_the_other_sees_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (open(&folder).await, open(&folder).await);
    append(&one, batch(0, None, &[event("a", 1)])).await;
    let snapshot = other.snapshot().await.unwrap();
    assert_eq!(snapshot.highest_seq(), 1);
    assert_eq!(snapshot.positions()[&partition(0)], 1);
    assert_eq!(rows(&other).await, rows(&one).await);
}

#[tokio::test]
async fn memory_learns_what_another_writer_committed() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (open(&folder).await, open(&folder).await);
    append(&one, batch(0, None, &[event("a", 1)])).await;
    append(&other, batch(1, None, &[event("b", 2)])).await;
    assert_eq!(append(&one, batch(0, Some(1), &[event("b", 2), event("c", 3)])).await.1, [1, 0, 1]);
    assert_eq!(append(&other, batch(1, Some(1), &[event("a", 1), event("c", 3)])).await.1, [0, 0, 2]);
}

#[tokio::test]
async fn two_processes_may_create_the_lake_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = tokio::join!(open(&folder), open(&folder));
    append(&one, batch(0, None, &[event("a", 1)])).await;
    assert_eq!(append(&other, batch(1, None, &[event("a", 1)])).await.1, [0, 0, 1]);
}
