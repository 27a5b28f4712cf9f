//! The table as far as the protocol sees it: rows in files, application transactions, a version.

use crate::world::PARTITIONS;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Disposition {
    Accepted,
    Rejected,
    Duplicate,
}

/// Rows compare by `seq` first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row {
    pub(crate) seq: u8,
    pub(crate) ingest_time: u8,
    pub(crate) disposition: Disposition,
    pub(crate) event: Option<char>,
    pub(crate) partition: usize,
    pub(crate) offset: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct File {
    pub(crate) disposition: Disposition,
    /// In the order of `seq`.
    pub(crate) rows: Vec<Row>,
    pub(crate) synced: bool,
    /// Clean-up has it on its list of files that no version names.
    pub(crate) listed: bool,
    /// False when its content is gone.
    pub(crate) whole: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Table {
    pub(crate) version: u8,
    pub(crate) positions: [Option<u8>; PARTITIONS],
    pub(crate) clocks: [Option<u8>; PARTITIONS],
    pub(crate) seq: u8,
    pub(crate) ingest_time: u8,
    /// Ordered by disposition and first `seq`.
    pub(crate) files: Vec<File>,
}

/// What a commit does, decided against `base`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Edit {
    pub(crate) base: u8,
    pub(crate) positions: [Option<u8>; PARTITIONS],
    pub(crate) clocks: [Option<u8>; PARTITIONS],
    pub(crate) seq: Option<u8>,
    pub(crate) ingest_time: Option<u8>,
    pub(crate) add: Vec<File>,
    pub(crate) remove: Vec<File>,
}

impl File {
    pub(crate) fn new(disposition: Disposition, mut rows: Vec<Row>) -> Self {
        rows.sort_unstable();
        Self { disposition, rows, synced: true, listed: false, whole: true }
    }

    pub(crate) fn seq_range(&self) -> Option<(u8, u8)> {
        Some((self.rows.first()?.seq, self.rows.last()?.seq))
    }
}

impl Table {
    /// The table after one more version.
    pub(crate) fn after(&self, edit: &Edit) -> Self {
        let mut after = self.clone();
        after.version += 1;
        for partition in 0..PARTITIONS {
            after.positions[partition] = edit.positions[partition].or(self.positions[partition]);
            after.clocks[partition] = edit.clocks[partition].or(self.clocks[partition]);
        }
        after.seq = edit.seq.unwrap_or(self.seq);
        after.ingest_time = edit.ingest_time.unwrap_or(self.ingest_time);
        for removed in &edit.remove {
            // A log takes the removal of a file that is not there without a word.
            if let Some(place) = after.files.iter().position(|file| file.rows == removed.rows) {
                after.files.remove(place);
            }
        }
        after.files.extend(edit.add.iter().cloned());
        after.files.sort_by_key(|file| (file.disposition, file.seq_range()));
        after
    }

    /// All rows, by `seq`.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.files.iter().flat_map(|file| file.rows.iter().copied()).collect();
        rows.sort_unstable();
        rows
    }

    pub(crate) fn accepts(&self, event: char) -> bool {
        let mut rows = self.files.iter().flat_map(|file| &file.rows);
        rows.any(|row| row.disposition == Disposition::Accepted && row.event == Some(event))
    }
}
