//! Noticing that rows are gone, without anybody saying so. Pure.
//!
//! `seq` has no holes, so whatever is missing between 1 and the highest `seq` was removed: by a purge, or by another
//! program. How many are missing does not change when files are merged, so a cursor that remembers the number tells
//! whether anything was removed since it was given out. *Where* rows are missing is known only between places that no
//! file spans; when a removed row may lie above a cursor, its holder is told once, and goes on from the same place with
//! a cursor that knows. Nothing that is still there is skipped, and nothing that is gone is passed over in silence.

/// What one file covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Covered {
    pub(crate) first_seq: i64,
    pub(crate) last_seq: i64,
    pub(crate) rows: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Retention {
    /// Rows between 1 and the highest `seq` that are not there.
    pub(crate) missing: i64,
    /// Above this `seq` nothing is missing.
    pub(crate) whole_above: i64,
}

impl Retention {
    pub(crate) fn of(mut files: Vec<Covered>, highest_seq: i64) -> Self {
        files.sort_by_key(|file| file.first_seq);
        let mut retention = Self::default();
        let (mut end, mut segment) = (0, Segment::default());
        for file in &files {
            if file.first_seq > end {
                retention.close(segment, end);
                segment = Segment { begin: end, rows: 0 };
                end = file.first_seq - 1;
                // What lies between two segments is in no file.
                retention.close(segment, end);
                segment = Segment { begin: end, rows: 0 };
            }
            end = end.max(file.last_seq);
            segment.rows += file.rows;
        }
        retention.close(segment, end);
        retention.close(Segment { begin: end, rows: 0 }, highest_seq);
        retention
    }

    /// Whether a cursor may have lost rows that it had still to serve.
    pub(crate) fn has_lost(&self, position: i64, missing_then: i64) -> bool {
        self.missing > missing_then && position < self.whole_above
    }

    fn close(&mut self, segment: Segment, end: i64) {
        let lost = end.saturating_sub(segment.begin).saturating_sub(segment.rows);
        if lost > 0 {
            self.missing += lost;
            self.whole_above = end;
        }
    }
}

/// A stretch of `seq` from above `begin` on.
#[derive(Debug, Clone, Copy, Default)]
struct Segment {
    begin: i64,
    rows: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(first_seq: i64, last_seq: i64, rows: i64) -> Covered {
        Covered { first_seq, last_seq, rows }
    }

    fn of(files: &[Covered], highest_seq: i64) -> (i64, i64) {
        let retention = Retention::of(files.to_vec(), highest_seq);
        (retention.missing, retention.whole_above)
    }

    #[test]
    fn a_table_that_lost_nothing_is_whole_from_the_beginning() {
        assert_eq!(of(&[], 0), (0, 0));
        assert_eq!(of(&[file(1, 10, 10), file(11, 12, 2)], 12), (0, 0));
        assert_eq!(of(&[file(1, 20, 12), file(5, 18, 8)], 20), (0, 0), "two partitions that lie in each other");
    }

    #[test]
    fn what_is_missing_is_counted_and_bounded_from_above() {
        assert_eq!(of(&[file(11, 12, 2)], 12), (10, 10), "the beginning");
        assert_eq!(of(&[file(1, 4, 4), file(8, 12, 5)], 12), (3, 7), "the middle");
        assert_eq!(of(&[file(1, 10, 10)], 12), (2, 12), "the end");
        assert_eq!(of(&[file(1, 20, 12), file(21, 30, 10)], 30), (8, 20), "one of two that lay in each other");
        assert_eq!(of(&[], 5), (5, 5));
    }

    #[test]
    fn only_a_purge_above_a_cursor_and_after_it_concerns_it() {
        let purged = Retention::of(vec![file(11, 12, 2)], 12);
        assert!(purged.has_lost(3, 0));
        assert!(!purged.has_lost(10, 0), "it had served them all");
        assert!(!purged.has_lost(3, 10), "it was told");
    }

    proptest! {
        /// Rows lie in partitions, a part of them is purged, neighbours are merged in any way.
        #[test]
        fn the_count_is_true_whatever_was_merged(
            lies_in in prop::collection::vec((0_usize..3, 0_usize..3, any::<bool>()), 1..60),
            cuts in prop::collection::vec(any::<bool>(), 60),
        ) {
            let kept = |file: usize, purged: usize| file != purged;
            let purged = lies_in[0].1;
            let mut files: Vec<Covered> = Vec::new();
            for partition in 0..3 {
                let mut open: Option<Covered> = None;
                for (place, (of, day, _)) in lies_in.iter().enumerate() {
                    if *of != partition || !kept(*day, purged) { continue }
                    let seq = place as i64 + 1;
                    match open.as_mut().filter(|_| !cuts[place]) {
                        Some(file) => { file.last_seq = seq; file.rows += 1; }
                        None => { files.extend(open.replace(Covered { first_seq: seq, last_seq: seq, rows: 1 })); }
                    }
                }
                files.extend(open);
            }
            let gone: Vec<i64> =
                lies_in.iter().enumerate().filter(|(_, row)| row.1 == purged).map(|(place, _)| place as i64 + 1).collect();
            let retention = Retention::of(files, lies_in.len() as i64);
            prop_assert_eq!(retention.missing, gone.len() as i64);
            prop_assert!(gone.iter().all(|seq| *seq <= retention.whole_above));
        }
    }
}
