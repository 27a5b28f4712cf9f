//! Where a batch stands against the table: may it be committed, is it there already, or does the table stand
//! elsewhere? And what its commit sets. Pure.

use std::collections::BTreeMap;

use credwatch_schemas::position::{Partition, Progress};
use credwatch_schemas::time::Micros;

use crate::snapshot::{INGEST_TIME, SEQ};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Every base equals the table's position and there is something to commit.
    Ready,
    /// The table's positions equal every end: a repeat of a lost answer, or nothing to do.
    AlreadyThere,
    /// The table's positions of the batch's partitions.
    Stale(Vec<(Partition, Option<i64>)>),
}

pub(crate) fn standing(transactions: &BTreeMap<String, i64>, progress: &[Progress], rows: usize) -> Standing {
    let position = |step: &Progress| transactions.get(&step.partition.position_key()).copied();
    if progress.iter().all(|step| position(step) == step.base) {
        let moves = rows > 0 || !moves(transactions, progress).is_empty();
        return if moves { Standing::Ready } else { Standing::AlreadyThere };
    }
    if progress.iter().all(|step| position(step) == Some(step.end)) {
        return Standing::AlreadyThere;
    }
    Standing::Stale(progress.iter().map(|step| (step.partition.clone(), position(step))).collect())
}

/// The ingest time of a commit: never before that of an earlier one.
pub(crate) fn ingest_time(transactions: &BTreeMap<String, i64>, now: Micros) -> Micros {
    transactions.get(INGEST_TIME).map_or(now, |last| now.max(Micros(*last)))
}

pub(crate) fn last_seq(transactions: &BTreeMap<String, i64>) -> i64 {
    transactions.get(SEQ).copied().unwrap_or(0)
}

/// The transactions of the batch's commit.
pub(crate) fn transactions_to_set(
    transactions: &BTreeMap<String, i64>,
    progress: &[Progress],
    rows: usize,
    now: Micros,
) -> Vec<(String, i64)> {
    let mut set = moves(transactions, progress);
    if rows > 0 {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        set.push((SEQ.to_owned(), last_seq(transactions).saturating_add(rows)));
    }
    set.push((INGEST_TIME.to_owned(), ingest_time(transactions, now).0));
    set
}

/// Positions that go on, and clocks that go forward; a clock never goes back.
fn moves(transactions: &BTreeMap<String, i64>, progress: &[Progress]) -> Vec<(String, i64)> {
    let mut set = Vec::new();
    for step in progress {
        if step.base != Some(step.end) {
            set.push((step.partition.position_key(), step.end));
        }
        let key = step.partition.clock_key();
        if let Some(clock) = step.clock.filter(|clock| transactions.get(&key).is_none_or(|stored| clock.0 > *stored)) {
            set.push((key, clock.0));
        }
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(base: Option<i64>, end: i64, clock: Option<i64>) -> Progress {
        let partition = Partition { topic: "audit".into(), topic_id: "t".into(), partition: 0 };
        Progress { partition, base, end, clock: clock.map(Micros) }
    }

    fn table(position: i64) -> BTreeMap<String, i64> {
        BTreeMap::from([("p/audit/t/0".to_owned(), position), ("c/audit/t/0".to_owned(), 50)])
    }

    #[test]
    fn a_batch_that_starts_where_the_table_stands_is_ready() {
        assert_eq!(standing(&table(5), &[step(Some(5), 9, None)], 4), Standing::Ready);
        assert_eq!(standing(&BTreeMap::new(), &[step(None, 9, None)], 0), Standing::Ready);
    }

    #[test]
    fn a_batch_whose_end_the_table_has_is_there_already() {
        assert_eq!(standing(&table(9), &[step(Some(5), 9, None)], 4), Standing::AlreadyThere);
    }

    #[test]
    fn any_other_position_is_stale_and_says_where_the_table_stands() {
        let batch = [step(Some(5), 9, None)];
        assert_eq!(standing(&table(7), &batch, 4), Standing::Stale(vec![(batch[0].partition.clone(), Some(7))]));
        assert_eq!(standing(&BTreeMap::new(), &batch, 4), Standing::Stale(vec![(batch[0].partition.clone(), None)]));
    }

    #[test]
    fn a_clock_alone_is_a_commit_only_when_it_goes_forward() {
        assert_eq!(standing(&table(9), &[step(Some(9), 9, Some(51))], 0), Standing::Ready);
        assert_eq!(standing(&table(9), &[step(Some(9), 9, Some(50))], 0), Standing::AlreadyThere);
    }

    #[test]
    fn neither_clock_nor_ingest_time_goes_back() {
        let mut stored = table(5);
        stored.insert(INGEST_TIME.into(), 1_000);
        let set = transactions_to_set(&stored, &[step(Some(5), 9, Some(10))], 4, Micros(900));
        assert_eq!(set, [("p/audit/t/0".into(), 9), (SEQ.into(), 4), (INGEST_TIME.into(), 1_000)]);
    }
}
