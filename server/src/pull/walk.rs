//! From a place in a stream to the next page: the one reading core below every shape of the API.
//!
//! The state of a walk is its position alone. It grows with every page and never passes a row that was not served or
//! filtered out, so any sequence of pages, limits, restarts and servers gives the same rows once, in the order of `seq`.
//! Only committed rows are read, and a commit is stamped above all earlier ones, so no lower `seq` appears later. A
//! request works for a bounded time: where nothing matches for long, it answers an empty page that has moved on.

use std::time::Duration;

use credwatch_export::{StoredEvent, Vocabulary};
use credwatch_lake::{LakeSnapshot, TableName};
use credwatch_query::TenantScope;
use credwatch_schemas::finding::Finding;
use credwatch_schemas::records::column;
use credwatch_schemas::rows;
use credwatch_schemas::time::Micros;
use tokio::time::Instant;

use super::buffer::Buffer;
use super::envelope::{Head, Wrap, bare};
use super::page::{Filling, MOST_BYTES, Page, Slice};
use super::retention::{Covered, Retention};
use super::span::{Span, View, later};
use super::start;
use super::stream::{Filter, Stream};
use crate::problem::Problem;

/// A request that found nothing for so long answers with where it stands.
const LONGEST_WORK: Duration = Duration::from_secs(4);

/// What is wanted of each page.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) view: View,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) limit: usize,
    pub(crate) most_bytes: usize,
    /// What is put around each row, for those who are sent them.
    pub(crate) wrap: Wrap,
}

/// How far a stream goes in one snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The last `seq` that the walk may serve.
    pub(crate) head: i64,
    /// Nothing will ever be added below `until`.
    pub(crate) is_final: bool,
    /// Rows that became durable before this time are all there; findings have no such time.
    pub(crate) settled_until: Option<Micros>,
}

impl Wish {
    pub(crate) fn new(
        stream: Stream,
        scope: TenantScope,
        filter: Filter,
        vocabulary: Vocabulary,
        limit: usize,
    ) -> Self {
        Self { view: View { stream, scope, filter }, vocabulary, limit, most_bytes: MOST_BYTES, wrap: bare }
    }

    /// The next page above `position`.
    pub(crate) async fn page(
        &self,
        buffer: &Buffer,
        snapshot: &LakeSnapshot,
        mut position: i64,
        head: i64,
    ) -> Result<Page, Problem> {
        let mut filling = Filling::new(self.limit, self.most_bytes);
        let begin = Instant::now();
        // What until excludes lies above the head, so that pages with and without it share what is decoded.
        let view = View { filter: Filter { until: None, ..self.view.filter.clone() }, ..self.view.clone() };
        let (missing, highest) =
            (retention(snapshot, view.stream).unwrap_or_default().missing, highest_seq(snapshot, view.stream));
        while position < head {
            let span = buffer.span(&view, snapshot, missing, (position, highest)).await;
            let span = span.map_err(|error| later(&error))?;
            let (taken, is_whole) = self.take(&mut filling, &span, position, head)?;
            position = if is_whole { span.to.min(head) } else { taken };
            if !is_whole || filling.room() == 0 || begin.elapsed() > LONGEST_WORK {
                break;
            }
        }
        Ok(Page { items: filling.items, rows: filling.rows, position, has_more: position < head })
    }

    /// The `seq` of the last row that the page took, and whether it took all that the span has for it.
    fn take(&self, filling: &mut Filling, span: &Span, position: i64, head: i64) -> Result<(i64, bool), Problem> {
        let slice = Slice::of(span, position, head);
        let wanted = filling.room().min(slice.end - slice.start);
        let items = self.encode(span, slice.start, wanted)?;
        let mut taken = 0;
        for item in items {
            if !filling.take(item) {
                break;
            }
            taken += 1;
        }
        filling.rows.push(span.rows.slice(slice.start, taken));
        let last = span.seqs[slice.start..][..taken].last().copied().unwrap_or(position);
        Ok((last, slice.start + taken == slice.end))
    }

    fn encode(&self, span: &Span, start: usize, rows: usize) -> Result<Vec<Vec<u8>>, Problem> {
        let slice = span.rows.slice(start, rows);
        match self.view.stream {
            Stream::Events => {
                let events = StoredEvent::of_rows(&slice).map_err(|error| unwritable(&error))?;
                let written = |one| Ok((self.wrap)(&Head::of_event(one), self.vocabulary.event(one)?));
                events.iter().map(|one| written(one).map_err(|error: serde_json::Error| unwritable(&error))).collect()
            }
            Stream::Findings => {
                let findings: Vec<Finding> = rows::from_batch(&slice).map_err(|error| unwritable(&error))?;
                let written = |one| Ok((self.wrap)(&Head::of_finding(one), self.vocabulary.finding(one)?));
                findings.iter().map(|one| written(one).map_err(|error: serde_json::Error| unwritable(&error))).collect()
            }
        }
    }

    /// How far the walk goes now.
    pub(crate) async fn reach(&self, snapshot: &LakeSnapshot) -> Result<Reach, Problem> {
        let head = highest_seq(snapshot, self.view.stream);
        if self.view.stream == Stream::Findings {
            return Ok(Reach { head, is_final: false, settled_until: None });
        }
        let settled_until = sealed_before(snapshot);
        match self.view.filter.until {
            // Later rows are stamped no earlier than the last commit.
            Some(until) if settled_until.is_some_and(|settled| settled >= until) => {
                let head = start::position(snapshot, Stream::Events, &self.view.scope, until).await?;
                Ok(Reach { head, is_final: true, settled_until })
            }
            _ => Ok(Reach { head, is_final: false, settled_until }),
        }
    }
}

pub(crate) fn highest_seq(snapshot: &LakeSnapshot, stream: Stream) -> i64 {
    match stream {
        Stream::Events => snapshot.highest_seq(),
        Stream::Findings => {
            snapshot.table(&TableName::Findings).and_then(|table| table.transaction(column::SEQ)).unwrap_or(0)
        }
    }
}

/// Rows that became durable before this time are all in the snapshot: a later commit is stamped with it or later.
pub(crate) fn sealed_before(snapshot: &LakeSnapshot) -> Option<Micros> {
    snapshot.records().transaction(column::INGEST_TIME).map(Micros)
}

/// What is known of removed rows; `None` where a file says nothing of itself.
pub(crate) fn retention(snapshot: &LakeSnapshot, stream: Stream) -> Option<Retention> {
    let table = match stream {
        Stream::Events => TableName::Records,
        Stream::Findings => TableName::Findings,
    };
    let files = snapshot.table(&table)?.files().iter().map(|file| {
        let (first_seq, last_seq) = file.seq_range()?;
        Some(Covered { first_seq, last_seq, rows: i64::try_from(file.rows?).ok()? })
    });
    Some(Retention::of(files.collect::<Option<_>>()?, highest_seq(snapshot, stream)))
}

fn unwritable(error: &dyn std::error::Error) -> Problem {
    Problem::internal("writing rows of a stream", error)
}
