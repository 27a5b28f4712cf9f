//! One page being filled: rows until there are as many as were asked for, or until they are too many bytes. Pure.
//!
//! A page that holds no row yet takes any, however large: otherwise a reader could never pass it.

use arrow::array::RecordBatch;

use super::span::Span;

/// Of the rows of one page, as they are written.
pub(crate) const MOST_BYTES: usize = 5 << 20;

#[derive(Debug)]
pub(crate) struct Filling {
    limit: usize,
    most_bytes: usize,
    bytes: usize,
    pub(crate) items: Vec<Vec<u8>>,
    pub(crate) rows: Vec<RecordBatch>,
}

/// Rows, and the place behind the last of them.
#[derive(Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) items: Vec<Vec<u8>>,
    /// The same rows as they were read.
    pub(crate) rows: Vec<RecordBatch>,
    /// Every row up to here is on this page or an earlier one.
    pub(crate) position: i64,
    pub(crate) has_more: bool,
}

/// Rows of a span that may go on a page: places from..to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Slice {
    /// The rows above `position` up to `head`.
    pub(crate) fn of(span: &Span, position: i64, head: i64) -> Self {
        let start = span.seqs.partition_point(|seq| *seq <= position);
        let end = span.seqs.partition_point(|seq| *seq <= head).max(start);
        Self { start, end }
    }
}

impl Filling {
    pub(crate) fn new(limit: usize, most_bytes: usize) -> Self {
        Self { limit, most_bytes, bytes: 0, items: Vec::new(), rows: Vec::new() }
    }

    /// Rows that still fit by number.
    pub(crate) fn room(&self) -> usize {
        self.limit - self.items.len()
    }

    /// Whether the page took it.
    pub(crate) fn take(&mut self, item: Vec<u8>) -> bool {
        // Between two rows stands a comma or a line's end.
        let bytes = self.bytes + item.len() + 1;
        if self.room() == 0 || (bytes > self.most_bytes && !self.items.is_empty()) {
            return false;
        }
        self.bytes = bytes;
        self.items.push(item);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(limit: usize, most_bytes: usize, sizes: &[usize]) -> Vec<bool> {
        let mut page = Filling::new(limit, most_bytes);
        sizes.iter().map(|size| page.take(vec![b'x'; *size])).collect()
    }

    #[test]
    fn the_number_of_rows_is_exact() {
        assert_eq!(taken(2, 100, &[1, 1, 1]), [true, true, false]);
    }

    #[test]
    fn bytes_cut_a_page_but_the_first_row_always_fits() {
        assert_eq!(taken(9, 10, &[4, 4, 4]), [true, true, false]);
        assert_eq!(taken(9, 10, &[400, 1]), [true, false]);
    }
}
