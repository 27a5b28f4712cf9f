//! Which small files are worth merging. Pure.
//!
//! Only neighbours are merged: files of one partition between whose ranges of `seq` no other file of it lies, so that
//! every file goes on covering one contiguous range. A merge must at least double its largest file: then a row is
//! written again only as often as its file can double, however small the commits are.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::data_file::DataFile;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// A file of this size is left alone.
    pub(crate) large_enough: u64,
    /// Bytes that one run reads. In memory they are about ten times as much.
    pub(crate) most_bytes: u64,
    /// Rows that one run reads; also keeps a column of one merge below what an array can address.
    pub(crate) most_rows: u64,
    /// Files that one merge makes one at least, and at most: all of them are open at once, each with what unpacks its columns.
    pub(crate) fewest_files: usize,
    pub(crate) most_files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { large_enough: 32 << 20, most_bytes: 64 << 20, most_rows: 2_000_000, fewest_files: 4, most_files: 16 }
    }
}

/// Files that become one.
pub(crate) type Group = Vec<Arc<DataFile>>;

/// What one run merges: at most one group a partition, the most files for the fewest bytes first.
pub(crate) fn plan(files: &[Arc<DataFile>], limits: &Limits) -> Vec<Group> {
    let mut groups: Vec<Group> = partitions(files)
        .into_iter()
        .filter_map(|files| best_run(&files, limits).map(|range| files[range].to_vec()))
        .collect();
    groups.sort_by_key(|group| (Reverse(group.len()), bytes(group)));
    let (mut read, mut rows_read) = (0, 0);
    groups.retain(|group| {
        let fits = read + bytes(group) <= limits.most_bytes && rows_read + rows(group) <= limits.most_rows;
        if fits {
            read += bytes(group);
            rows_read += rows(group);
        }
        fits
    });
    groups
}

pub(crate) fn bytes(files: &[Arc<DataFile>]) -> u64 {
    files.iter().map(|file| file.bytes).sum()
}

pub(crate) fn rows(files: &[Arc<DataFile>]) -> u64 {
    files.iter().filter_map(|file| file.rows).sum()
}

/// The files of each partition in the order of `seq`. Where a file has none, nobody can say who its neighbours are.
fn partitions(files: &[Arc<DataFile>]) -> Vec<Group> {
    let mut partitions: BTreeMap<_, Vec<(Option<i64>, Arc<DataFile>)>> = BTreeMap::new();
    for file in files {
        let first_seq = file.seq_range().map(|(first, _)| first).filter(|_| file.rows.is_some());
        partitions.entry(file.partition.clone()).or_default().push((first_seq, Arc::clone(file)));
    }
    let mut groups = Vec::new();
    for mut partition in partitions.into_values() {
        if partition.iter().all(|(first_seq, _)| first_seq.is_some()) {
            partition.sort_by_key(|(first_seq, _)| *first_seq);
            groups.push(partition.into_iter().map(|(_, file)| file).collect());
        }
    }
    groups
}

/// The run of neighbours that removes the most files; of equals the one with the fewest bytes.
fn best_run(files: &[Arc<DataFile>], limits: &Limits) -> Option<Range<usize>> {
    let runs = (0..files.len()).filter_map(|start| longest_run(files, start, limits));
    runs.max_by_key(|run| (run.len(), Reverse(bytes(&files[run.clone()]))))
}

fn longest_run(files: &[Arc<DataFile>], start: usize, limits: &Limits) -> Option<Range<usize>> {
    let (mut bytes, mut rows, mut largest, mut best) = (0, 0, 0, None);
    for (end, file) in (start + 1..).zip(&files[start..]).take(limits.most_files) {
        bytes += file.bytes;
        rows += file.rows.unwrap_or(0);
        largest = largest.max(file.bytes);
        if file.bytes >= limits.large_enough || bytes > limits.most_bytes || rows > limits.most_rows {
            break;
        }
        if end - start >= limits.fewest_files && largest * 2 <= bytes {
            best = Some(start..end);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_file::Bounds;
    use proptest::prelude::*;
    use serde_json::json;

    const LIMITS: Limits =
        Limits { large_enough: 1_000, most_bytes: 2_000, most_rows: 1_000, fewest_files: 4, most_files: 50 };

    fn file(date: &str, first_seq: i64, bytes: u64) -> Arc<DataFile> {
        let mut bounds = Bounds { num_records: Some(1), ..Bounds::default() };
        bounds.min_values.insert("seq".into(), json!(first_seq));
        bounds.max_values.insert("seq".into(), json!(first_seq));
        Arc::new(DataFile {
            path: format!("date={date}/{first_seq}").into(),
            bytes,
            rows: Some(1),
            partition: BTreeMap::from([("date".to_owned(), Some(date.to_owned()))]),
            bounds,
            modified_ms: 0,
        })
    }

    fn seqs(groups: &[Group]) -> Vec<Vec<i64>> {
        let first = |file: &Arc<DataFile>| file.seq_range().unwrap().0;
        groups.iter().map(|group| group.iter().map(first).collect()).collect()
    }

    fn partition_of(sizes: &[u64]) -> Vec<Arc<DataFile>> {
        (1..).zip(sizes).map(|(seq, bytes)| file("2026-06-01", seq, *bytes)).collect()
    }

    #[test]
    fn few_files_are_left_alone() {
        assert!(plan(&partition_of(&[10, 10, 10]), &LIMITS).is_empty());
    }

    #[test]
    fn neighbours_are_merged_in_the_order_of_seq() {
        let mut files = partition_of(&[10, 10, 10, 10]);
        files.reverse();
        assert_eq!(seqs(&plan(&files, &LIMITS)), [[1, 2, 3, 4]]);
    }

    #[test]
    fn a_large_file_parts_its_neighbours() {
        assert!(plan(&partition_of(&[10, 10, 1_000, 10, 10]), &LIMITS).is_empty());
        assert_eq!(seqs(&plan(&partition_of(&[10, 1_000, 10, 10, 10, 10]), &LIMITS)), [[3, 4, 5, 6]]);
    }

    #[test]
    fn partitions_never_mix() {
        let files: Vec<_> = (1..=6).map(|seq| file(if seq % 2 == 0 { "a" } else { "b" }, seq, 10)).collect();
        assert!(plan(&files, &LIMITS).is_empty());
    }

    #[test]
    fn a_merge_that_would_not_double_its_largest_file_waits() {
        assert_eq!(seqs(&plan(&partition_of(&[40, 10, 10, 10, 10]), &LIMITS)), [[1, 2, 3, 4, 5]]);
        assert_eq!(seqs(&plan(&partition_of(&[900, 10, 10, 10, 10]), &LIMITS)), [[2, 3, 4, 5]]);
        assert!(plan(&partition_of(&[900, 10, 10, 10]), &LIMITS).is_empty());
    }

    #[test]
    fn a_file_without_seq_stops_its_partition() {
        let mut files = partition_of(&[10, 10, 10, 10]);
        files.push(Arc::new(DataFile { bounds: Bounds::default(), ..files[0].as_ref().clone() }));
        assert!(plan(&files, &LIMITS).is_empty());
    }

    #[test]
    fn one_run_reads_no_more_than_its_limit() {
        let files: Vec<_> = ["a", "b", "c"].iter().flat_map(|date| (1..=4).map(|seq| file(date, seq, 200))).collect();
        assert_eq!(plan(&files, &LIMITS).len(), 2);
    }

    proptest! {
        #[test]
        fn merging_ends_and_writes_no_row_more_often_than_files_can_double(sizes in prop::collection::vec(1_u64..50, 0..200)) {
            let mut files = partition_of(&sizes);
            let (all, mut written) = (bytes(&files), 0);
            loop {
                let groups = plan(&files, &LIMITS);
                let Some(group) = groups.first() else { break };
                written += bytes(group);
                let merged = file("2026-06-01", group[0].seq_range().unwrap().0, bytes(group));
                files.retain(|file| !group.iter().any(|gone| gone.path == file.path));
                files.push(merged);
            }
            prop_assert_eq!(bytes(&files), all);
            prop_assert!(written <= all * 11, "{} of {}", written, all);
        }
    }
}
