//! Stretches that were decoded, kept for the next pages of the same view: bounded in bytes and in number, the longest
//! unused goes first.
//!
//! A row never changes once it has a `seq`, so a stretch stays true whatever is appended or merged behind it. How wide
//! the next stretch of a view is read is learnt from the last one: an org or a kind with few rows is read in wide ones.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use credwatch_lake::LakeSnapshot;
use credwatch_query::QueryError;
use tokio::sync::Semaphore;

use super::span::{MOST_ROWS, Span, View};

/// Of what all stretches hold in memory.
const MOST_BYTES: usize = 64 << 20;
const MOST_SPANS: usize = 256;
/// Numbers that one stretch covers at most, however few rows are among them.
const WIDEST: i64 = 4 << 20;
/// A stretch is meant to hold about so much: well below what reading it may take, so that it need not be read again.
const GOOD_BYTES: i64 = 20 << 20;
/// So many times as wide as the last one is the next stretch at most. What a rare org's few rows say of the next ones is
/// not much, but every stretch opens all files that reach into it.
const MOST_GROWTH: i64 = 64;
/// Stretches that are decoded at the same time.
const READS_AT_ONCE: usize = 2;

#[derive(Debug)]
pub(crate) struct Buffer {
    kept: Mutex<Kept>,
    reads: Semaphore,
}

#[derive(Debug, Default)]
struct Kept {
    /// The last used is last. With each, how many rows the stream had lost when it was read.
    spans: VecDeque<(View, i64, Arc<Span>)>,
    widths: VecDeque<(View, i64)>,
}

impl Default for Buffer {
    fn default() -> Self {
        Self { kept: Mutex::default(), reads: Semaphore::new(READS_AT_ONCE) }
    }
}

impl Buffer {
    /// A stretch that begins at `position` or before it and reaches above it, at most up to `head`. `missing` is how many
    /// rows the stream has lost: what was removed from the lake is not served from here either.
    pub(crate) async fn span(
        &self,
        view: &View,
        snapshot: &LakeSnapshot,
        missing: i64,
        (position, head): (i64, i64),
    ) -> Result<Arc<Span>, QueryError> {
        if let Some(span) = self.find(view, missing, position) {
            return Ok(span);
        }
        let _turn = self.reads.acquire().await.map_err(|_| QueryError::Storage)?;
        // Whoever waited may find that somebody else wanted the same.
        if let Some(span) = self.find(view, missing, position) {
            return Ok(span);
        }
        let to = head.min(position.saturating_add(self.width(view)));
        let read = view.read(snapshot, position, to).await;
        let span = Arc::new(read.inspect_err(|_| self.forget_width(view))?);
        self.keep(view, missing, &span);
        Ok(span)
    }

    fn find(&self, view: &View, missing: i64, position: i64) -> Option<Arc<Span>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.spans.retain(|(of, missing_then, _)| of.stream != view.stream || *missing_then == missing);
        let holds = |span: &Span| span.from <= position && position < span.to;
        let place = kept.spans.iter().position(|(of, _, span)| of == view && holds(span))?;
        let used = kept.spans.remove(place)?;
        let span = Arc::clone(&used.2);
        kept.spans.push_back(used);
        Some(span)
    }

    fn width(&self, view: &View) -> i64 {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.widths.iter().find(|(of, _)| of == view).map_or(MOST_ROWS, |(_, width)| *width)
    }

    /// What could not be read is read in a narrow stretch the next time.
    fn forget_width(&self, view: &View) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.widths.retain(|(of, _)| of != view);
    }

    fn keep(&self, view: &View, missing: i64, span: &Arc<Span>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.spans.push_back((view.clone(), missing, Arc::clone(span)));
        let mut bytes: usize = kept.spans.iter().map(|(_, _, span)| span.rows.get_array_memory_size()).sum();
        while bytes > MOST_BYTES || kept.spans.len() > MOST_SPANS {
            let Some((.., gone)) = kept.spans.pop_front() else { break };
            bytes -= gone.rows.get_array_memory_size();
        }
        kept.widths.retain(|(of, _)| of != view);
        kept.widths.push_back((view.clone(), next_width(span)));
        if kept.widths.len() > MOST_SPANS {
            kept.widths.pop_front();
        }
    }
}

/// Wide enough for a full stretch if the next rows lie as thick as these and are as large.
fn next_width(span: &Span) -> i64 {
    let (covered, rows) = (span.to - span.from, i64::try_from(span.seqs.len()).unwrap_or(MOST_ROWS));
    let by_rows = covered.saturating_mul(MOST_ROWS) / rows.max(1);
    let wanted = by_rows.min(covered.saturating_mul(MOST_GROWTH)).clamp(MOST_ROWS, WIDEST);
    match i64::try_from(span.rows.get_array_memory_size()) {
        Ok(bytes) if bytes >= GOOD_BYTES / 16 => wanted.min(covered.saturating_mul(GOOD_BYTES) / bytes).max(1),
        // Of so few rows most is room that they do not use.
        _ => wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, RecordBatch, StringArray};
    use arrow::datatypes::Schema;
    use credwatch_query::TenantScope;
    use credwatch_schemas::ids::OrgId;

    use crate::pull::stream::{Filter, Stream};

    fn span(from: i64, to: i64, rows: i64) -> Arc<Span> {
        let empty = RecordBatch::new_empty(Arc::new(Schema::empty()));
        Arc::new(Span { from, to, rows: empty, seqs: (from + 1..=from + rows).collect() })
    }

    fn view(org: &str) -> View {
        let scope = TenantScope::Org(OrgId::new(org));
        View { stream: Stream::Events, scope, filter: Filter::default() }
    }

    #[test]
    fn a_stretch_is_found_by_any_place_in_it_and_by_its_own_view_alone() {
        let buffer = Buffer::default();
        buffer.keep(&view("a"), 0, &span(10, 20, 3));
        for (position, found) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(buffer.find(&view("a"), 0, position).is_some(), found, "{position}");
        }
        assert!(buffer.find(&view("b"), 0, 15).is_none());
    }

    #[test]
    fn what_was_read_before_a_purge_is_gone_after_it() {
        let buffer = Buffer::default();
        buffer.keep(&view("a"), 0, &span(10, 20, 3));
        assert!(buffer.find(&view("b"), 5, 0).is_none());
        assert!(buffer.find(&view("a"), 5, 15).is_none());
        assert!(buffer.find(&view("a"), 0, 15).is_none(), "it is not kept for whoever saw less");
    }

    #[test]
    fn the_longest_unused_goes_when_there_are_too_many() {
        let buffer = Buffer::default();
        for place in 0..=MOST_SPANS as i64 {
            buffer.keep(&view("a"), 0, &span(place * 10, place * 10 + 10, 1));
            assert!(buffer.find(&view("a"), 0, 0).is_some(), "the first is in use");
        }
        assert!(buffer.find(&view("a"), 0, 10).is_none());
    }

    #[test]
    fn where_rows_are_rare_the_next_stretch_is_wider() {
        assert_eq!(next_width(&span(0, MOST_ROWS, MOST_ROWS)), MOST_ROWS);
        assert_eq!(next_width(&span(0, MOST_ROWS, MOST_ROWS / 10)), MOST_ROWS * MOST_ROWS / (MOST_ROWS / 10));
        assert_eq!(next_width(&span(0, MOST_ROWS, 10)), MOST_GROWTH * MOST_ROWS);
        assert_eq!(next_width(&span(0, WIDEST, 0)), WIDEST);
        assert_eq!(next_width(&span(0, 5, 5)), MOST_ROWS, "a short one at the end says nothing");
    }

    #[test]
    fn where_rows_are_large_the_next_stretch_is_narrower() {
        let text = StringArray::from(vec!["x".repeat(10 << 10); 4_096]);
        let rows = RecordBatch::try_from_iter([("path", Arc::new(text) as ArrayRef)]).unwrap();
        let width = next_width(&Span { from: 0, to: MOST_ROWS, rows, seqs: (1..=4_096).collect() });
        assert!((MOST_ROWS / 3..MOST_ROWS / 2).contains(&width), "{width}");
    }
}
