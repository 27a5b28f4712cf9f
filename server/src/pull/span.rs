//! A stretch of a stream, decoded once: every row that the scope and the filter take, in the order of `seq`.
//!
//! Read through a session of `query`, which knows nothing but the scope's rows. Files are left out by the log's bounds
//! of `seq`, row groups and pages by those of `org_id`, `seq` and `kind`. A stretch is bounded in rows: `seq` has no
//! holes, so so many numbers hold at most so many rows.

use std::fmt::Write;
use std::sync::LazyLock;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use axum::http::StatusCode;
use credwatch_lake::LakeSnapshot;
use credwatch_query::{Limits, Params, QueryError, Session, TenantScope};
use credwatch_schemas::cell;
use credwatch_schemas::event::FIELDS;
use credwatch_schemas::records::column;
use datafusion::scalar::ScalarValue;

use super::stream::{Filter, Stream};
use crate::problem::Problem;

/// Rows of one stretch. A file holds the rows of a day sorted by org, so that each stretch of it reads all of it: few wide
/// ones read it few times.
pub(crate) const MOST_ROWS: i64 = 16_384;

const LIMITS: Limits = Limits { time: Duration::from_secs(30), memory_bytes: 256 << 20, rows: 20_000, bytes: 32 << 20 };

/// Everything that decides which rows of a stream somebody sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) stream: Stream,
    pub(crate) scope: TenantScope,
    pub(crate) filter: Filter,
}

#[derive(Debug)]
pub(crate) struct Span {
    /// Exclusive.
    pub(crate) from: i64,
    /// Inclusive; no row of the view between the two is left out.
    pub(crate) to: i64,
    pub(crate) rows: RecordBatch,
    pub(crate) seqs: Vec<i64>,
}

impl View {
    /// The rows above `from` and up to `to`, or as many of them as one stretch holds.
    pub(crate) async fn read(&self, snapshot: &LakeSnapshot, from: i64, to: i64) -> Result<Span, QueryError> {
        let mut to = to;
        loop {
            match self.read_at_once(snapshot, from, to).await {
                // Rows can be large: fewer of them fit, and one always does.
                Err(QueryError::Memory(_) | QueryError::Bytes(_)) if to > from + 1 => {
                    to = from + ((to - from) / 8).max(1);
                }
                other => return other,
            }
        }
    }

    async fn read_at_once(&self, snapshot: &LakeSnapshot, from: i64, to: i64) -> Result<Span, QueryError> {
        let session = Session::open(snapshot, self.scope.clone(), LIMITS)?;
        let (sql, params) = self.statement(from, to);
        let stream = session.run(&sql, Params::Positional(params)).await?;
        let schema = stream.schema();
        let rows = concat_batches(&schema, &stream.collect().await?).map_err(|error| unreadable(&error))?;
        let seqs =
            rows.column_by_name(column::SEQ).map(cell::int64s).transpose().map_err(|error| unreadable(&error))?;
        let seqs: Vec<i64> = seqs.unwrap_or_default().into_iter().flatten().collect();
        // A full stretch may have more rows behind its last one.
        let is_full = i64::try_from(seqs.len()).is_ok_and(|rows| rows >= MOST_ROWS);
        let to = seqs.last().copied().filter(|_| is_full).unwrap_or(to);
        Ok(Span { from, to, rows, seqs })
    }

    /// The text holds names of columns and places of values, nothing that came with a request.
    fn statement(&self, from: i64, to: i64) -> (String, Vec<ScalarValue>) {
        let mut params = vec![ScalarValue::from(from), ScalarValue::from(to)];
        let mut sql = match self.stream {
            Stream::Events => EVENTS.clone(),
            Stream::Findings => FINDINGS.to_owned(),
        };
        if self.stream == Stream::Findings && self.filter.without_provisional {
            sql.push_str(" AND provisional IS NOT TRUE");
        }
        if self.stream == Stream::Events && !self.filter.kinds.is_empty() {
            for (place, kind) in (3..).zip(&self.filter.kinds) {
                let begin = if place == 3 { " AND kind IN (" } else { ", " };
                // Writing to a String cannot fail.
                write!(sql, "{begin}${place}").unwrap_or_default();
                params.push(ScalarValue::from(kind.as_str()));
            }
            sql.push(')');
        }
        sql.push_str(" ORDER BY seq");
        // Between two numbers lie at most so many rows as numbers, and a sort without a limit is the cheaper one.
        if to - from > MOST_ROWS {
            write!(sql, " LIMIT {MOST_ROWS}").unwrap_or_default();
        }
        (sql, params)
    }
}

static EVENTS: LazyLock<String> = LazyLock::new(|| {
    let lake = [column::SEQ, column::INGEST_TIME, column::CONTENT_HASH];
    let columns: Vec<&str> = lake.into_iter().chain(FIELDS.iter().map(|field| field.name)).collect();
    ["SELECT", &columns.join(", "), "FROM events WHERE seq > $1 AND seq <= $2"].join(" ")
});

const FINDINGS: &str = "SELECT * FROM findings WHERE seq > $1 AND seq <= $2";

/// Reading took too long or too much at this moment. The same request may be answered later, so the client is not told
/// that it was wrong.
pub(crate) fn later(error: &QueryError) -> Problem {
    tracing::warn!(%error, "a stretch of a stream could not be read");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "the rows could not be read at this moment")
}

fn unreadable(error: &arrow::error::ArrowError) -> QueryError {
    tracing::error!(%error, "rows of a stream could not be put together");
    QueryError::Storage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_says_is_a_value_and_never_text_of_the_statement() {
        let attack = "x') OR ('1'='1";
        let kinds = [attack.to_owned(), "auth".to_owned()].into();
        let filter = Filter { kinds, ..Filter::default() };
        let view = View { stream: Stream::Events, scope: TenantScope::Operator, filter };
        let (sql, params) = view.statement(5, 9);
        assert!(sql.ends_with("WHERE seq > $1 AND seq <= $2 AND kind IN ($3, $4) ORDER BY seq"), "{sql}");
        assert!(!sql.contains("OR ("));
        assert_eq!(params.len(), 4);
        assert!(params.contains(&ScalarValue::from(attack)));
    }

    #[test]
    fn only_a_stretch_that_may_hold_more_rows_than_fit_is_cut() {
        let view = View { stream: Stream::Events, scope: TenantScope::Operator, filter: Filter::default() };
        assert!(view.statement(5, 5 + MOST_ROWS).0.ends_with("ORDER BY seq"));
        assert!(view.statement(5, 6 + MOST_ROWS).0.ends_with("ORDER BY seq LIMIT 16384"));
    }
}
